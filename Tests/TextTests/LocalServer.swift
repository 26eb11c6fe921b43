import Foundation

/// An HTTP server on 127.0.0.1 that gives every request the same bytes and hangs up, or never answers at all.
final class LocalServer: @unchecked Sendable {
    // Safe to share: the descriptor and the port are set once, the count is behind a lock.
    let port: UInt16
    private let listener: Int32
    private let lock = NSLock()
    private var count = 0

    /// How many requests came.
    var requests: Int { lock.withLock { count } }
    var url: String { "http://127.0.0.1:\(port)/input.txt" }

    struct SocketError: Error {}

    /// `response` nil accepts connections and stays silent.
    init(response: [UInt8]?) throws {
        // A client that hangs up early must not end the process.
        signal(SIGPIPE, SIG_IGN)
        #if os(Linux)
            listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        #else
            listener = socket(AF_INET, SOCK_STREAM, 0)
        #endif
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let socket = listener
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, length) == 0 && listen(socket, 8) == 0 && getsockname(socket, $0, &length) == 0
            }
        }
        guard listener >= 0, bound else { throw SocketError() }
        port = UInt16(bigEndian: address.sin_port)
        let thread = Thread { [weak self] in
            while true {
                let client = accept(socket, nil, nil)
                guard client >= 0 else { return }
                self?.lock.withLock { self?.count += 1 }
                guard let response else { continue }
                var request = [UInt8](repeating: 0, count: 4096)
                _ = recv(client, &request, request.count, 0)
                var sent = 0
                while sent < response.count {
                    let wrote = response.withUnsafeBytes { send(client, $0.baseAddress! + sent, response.count - sent, 0) }
                    guard wrote > 0 else { break }
                    sent += wrote
                }
                close(client)
            }
        }
        thread.start()
    }

    /// A server that answers with `status` and `body`, claiming a length of `claimed`.
    convenience init(status: String = "200 OK", body: [UInt8], claimed: Int? = nil) throws {
        let head = "HTTP/1.1 \(status)\r\nContent-Type: text/plain\r\nContent-Length: \(claimed ?? body.count)\r\nConnection: close\r\n\r\n"
        try self.init(response: Array(head.utf8) + body)
    }

    /// Stops listening; the port then refuses connections.
    func stop() {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }
}
