import Foundation

/// The bytes of a file from its beginning to its end; of one compressed with gzip, the bytes that were compressed.
final class ByteStream {
    let path: String
    /// Whether the file is compressed: told by how it begins, not by its name.
    let isCompressed: Bool
    /// Whether everything was read.
    private(set) var isAtEnd = false
    /// Bytes on disk.
    private let size: Int
    private let descriptor: Int32
    private let compressed: (zlib: Gzip, file: Gzip.File)?
    private var position = 0

    /// The file at `path`.
    /// - Throws: `TextError`.
    init(path: String) throws {
        self.path = path
        descriptor = try Files.open(path)
        size = Files.state(of: path).size
        var head: [UInt8] = [0, 0]
        let isCompressed = pread(descriptor, &head, 2, 0) == 2 && head == [0x1F, 0x8B]
        self.isCompressed = isCompressed
        guard isCompressed else {
            compressed = nil
            return
        }
        guard let zlib = Gzip.system else {
            Foundation.close(descriptor)
            throw TextError.unreadable(
                path: path, reason: "it is compressed, and this system has no zlib to read it with; install zlib, or unpack it with gunzip")
        }
        guard let file = zlib.open(descriptor, "rb") else {
            Foundation.close(descriptor)
            throw TextError.unreadable(path: path, reason: "zlib cannot open it")
        }
        _ = zlib.setBuffer(file, 1 << 18)
        compressed = (zlib, file)
    }

    deinit {
        // zlib closes the descriptor that it was given.
        if let compressed { _ = compressed.zlib.close(compressed.file) } else { Foundation.close(descriptor) }
    }

    /// How far into the file on disk reading has come.
    var bytesOfFileRead: Int { compressed.map { max(0, $0.zlib.compressedOffset($0.file)) } ?? position }

    /// Goes on at byte `offset` of the text.
    func seek(to offset: Int) throws {
        let reached = compressed.map { $0.zlib.seek($0.file, offset, SEEK_SET) } ?? Int(lseek(descriptor, off_t(offset), SEEK_SET))
        guard reached == offset else { throw TextError.unreadable(path: path, reason: "byte \(offset) cannot be reached") }
        (position, isAtEnd) = (offset, false)
    }

    /// Appends up to `count` bytes; fewer only at the end, or where little is left.
    func read(_ count: Int, into bytes: inout [UInt8]) throws {
        // Room for what is there: a folder may have any number of small files.
        let count = isCompressed ? min(count, 1 << 20) : min(count, max(0, size - position) + 1)
        let before = bytes.count
        bytes.append(contentsOf: repeatElement(0, count: count))
        let got = try bytes.withUnsafeMutableBytes { try read(into: UnsafeMutableRawBufferPointer(rebasing: $0[before...])) }
        bytes.removeLast(count - got)
    }

    private func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        var done = 0
        while done < buffer.count, !isAtEnd, let base = buffer.baseAddress {
            let wanted = min(buffer.count - done, 1 << 24)
            let got: Int
            if let (zlib, file) = compressed {
                got = Int(zlib.read(file, base + done, UInt32(wanted)))
                if got < wanted { try checkCompressed(zlib, file) }
            } else {
                got = Foundation.read(descriptor, base + done, wanted)
                if got < 0, errno == EINTR { continue }
                if got < 0 { throw TextError.unreadable(path: path, reason: Files.lastError) }
            }
            if got <= 0 { isAtEnd = true }
            done += max(got, 0)
            position += max(got, 0)
        }
        return done
    }

    /// Tells a file that was damaged or cut short from one that is through.
    private func checkCompressed(_ zlib: Gzip, _ file: Gzip.File) throws {
        var code: Int32 = 0
        let message = zlib.lastError(file, &code).map { String(cString: $0) } ?? ""
        guard code < 0 else { return }
        // -5 is zlib's Z_BUF_ERROR: more was to come.
        let reason =
            code == -5
            ? "it is cut short: the compressed data stops before its end"
            : "its compressed data is damaged: \(message.split(separator: ": ").last ?? "")"
        throw TextError.unreadable(path: path, reason: reason)
    }
}
