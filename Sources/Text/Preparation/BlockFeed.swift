import Foundation

/// The blocks of a text, each read while the one before it is worked on.
final class BlockFeed: @unchecked Sendable {
    // Safe to share: reader and result are touched by one side at a time, handed over through the semaphore.
    private var reader: TextReader
    private var result: Result<TextBlock?, any Error> = .success(nil)
    private let isRead = DispatchSemaphore(value: 0)
    private var position = 0

    /// Bytes on disk that the blocks handed out were read from, about.
    private(set) var bytesRead = 0

    init(_ reader: TextReader) {
        self.reader = reader
        readAhead()
    }

    /// The next block, or nil at the end.
    /// - Throws: `TextError`.
    func next() throws -> TextBlock? {
        isRead.wait()
        let result = result
        bytesRead = position
        if case .success(_?) = result { readAhead() } else { isRead.signal() }
        return try result.get()
    }

    private func readAhead() {
        DispatchQueue.global().async { [self] in
            result = Result { try reader.next() }
            position = reader.bytesRead
            isRead.signal()
        }
    }
}
