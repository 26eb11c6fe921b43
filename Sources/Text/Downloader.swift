import Foundation
#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

/// Fetches one text over HTTP and takes it only if it is the right one.
package struct Downloader: Sendable {
    /// Seconds without any data after which the server counts as gone.
    package var idleTimeout: Double = 30
    /// Seconds after which the download is given up whatever happens.
    package var totalTimeout: Double = 300
    /// Nothing that is downloaded is anywhere near as large.
    package var largestSize = 1 << 28
    /// Whether to say on standard error what is going on.
    package var reportsProgress = true

    package init() {}

    /// The bytes at `url`, whose SHA-256 must be `sha256`.
    func fetch(_ url: String, named name: String, sha256: String, remedy: String) throws -> [UInt8] {
        func failed(_ reason: String) -> TextError { .downloadFailed(url: url, reason: reason, remedy: remedy) }
        guard let address = URL(string: url), address.scheme == "https" || address.scheme == "http" else {
            throw failed("not an HTTP address")
        }
        let configuration = URLSessionConfiguration.ephemeral
        configuration.timeoutIntervalForRequest = idleTimeout
        configuration.timeoutIntervalForResource = totalTimeout
        let transfer = Transfer(name: name, largestSize: largestSize, reportsProgress: reportsProgress)
        let session = URLSession(configuration: configuration, delegate: transfer, delegateQueue: nil)
        defer { session.invalidateAndCancel() }
        session.dataTask(with: URLRequest(url: address, timeoutInterval: idleTimeout)).resume()
        let inTime = transfer.done.wait(timeout: .now() + totalTimeout) == .success
        let outcome = transfer.outcome()
        guard inTime else { throw failed("no end after \(Int(totalTimeout)) seconds") }
        if let reason = outcome.failure { throw failed(reason) }
        if let expected = outcome.expected, expected != outcome.bytes.count {
            throw failed("got \(outcome.bytes.count) of \(expected) bytes")
        }
        guard SHA256.hexadecimal(of: outcome.bytes) == sha256 else {
            throw failed("the \(outcome.bytes.count) bytes that came are not the expected text: their SHA-256 is another")
        }
        return outcome.bytes
    }
}

/// Gathers what comes in; the session calls it on a thread of its own, hence the lock.
private final class Transfer: NSObject, URLSessionDataDelegate, @unchecked Sendable {
    let done = DispatchSemaphore(value: 0)
    private let name: String
    private let largestSize: Int
    private let reportsProgress: Bool
    private let overwritesLine = isatty(STDERR_FILENO) != 0
    private let lock = NSLock()
    private var bytes: [UInt8] = []
    private var expected: Int?
    private var failure: String?

    init(name: String, largestSize: Int, reportsProgress: Bool) {
        (self.name, self.largestSize, self.reportsProgress) = (name, largestSize, reportsProgress)
        super.init()
        report("downloading \(name)", isLast: !overwritesLine)
    }

    func outcome() -> (bytes: [UInt8], expected: Int?, failure: String?) {
        lock.withLock { (bytes, expected, failure) }
    }

    func urlSession(
        _ session: URLSession, dataTask: URLSessionDataTask, didReceive response: URLResponse,
        completionHandler: @escaping @Sendable (URLSession.ResponseDisposition) -> Void
    ) {
        let status = (response as? HTTPURLResponse)?.statusCode ?? 0
        let refused = lock.withLock { () -> Bool in
            if status != 200 { failure = failure ?? "the server answered \(status)" }
            // A compressed transfer has another length on the way than in the end.
            let encoding = (response as? HTTPURLResponse)?.value(forHTTPHeaderField: "Content-Encoding")
            if encoding == nil, response.expectedContentLength >= 0 { expected = Int(response.expectedContentLength) }
            return failure != nil
        }
        completionHandler(refused ? .cancel : .allow)
    }

    func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
        let (count, total, tooLarge) = lock.withLock { () -> (Int, Int?, Bool) in
            bytes.append(contentsOf: data)
            let tooLarge = bytes.count > largestSize
            if tooLarge { failure = failure ?? "more than \(largestSize) bytes came" }
            return (bytes.count, expected, tooLarge)
        }
        if tooLarge { dataTask.cancel() }
        if overwritesLine {
            let share = total.map { $0 > 0 ? ", \(min(100, count * 100 / $0)) %" : "" } ?? ""
            report("\rdownloading \(name): \(count / 1024) KiB\(share)", isLast: false)
        }
    }

    func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?) {
        lock.withLock {
            if let error { failure = failure ?? Transfer.words(for: error, received: bytes.count, expected: expected) }
        }
        if overwritesLine { report("", isLast: true) }
        done.signal()
    }

    private static func words(for error: any Error, received: Int, expected: Int?) -> String {
        if let expected, received > 0, received < expected { return "the connection broke after \(received) of \(expected) bytes" }
        switch (error as? URLError)?.code {
        case .timedOut?: return "the server did not answer in time"
        case .cannotConnectToHost?: return "nothing answers at that address"
        case .cannotFindHost?, .dnsLookupFailed?: return "the host name cannot be resolved; is this machine online?"
        case .notConnectedToInternet?: return "this machine is offline"
        default: return error.localizedDescription
        }
    }

    private func report(_ text: String, isLast: Bool) {
        guard reportsProgress else { return }
        Files.tell(text + (isLast ? "\n" : ""))
    }
}
