import Foundation

/// Files by the system's own calls, whose errors say exactly what went wrong.
package enum Files {
    /// What the last failed call left in `errno`, in words.
    package static var lastError: String { String(cString: strerror(errno)) }

    enum Kind { case file, folder, other }

    /// What there is at `path` (links followed), or nil.
    static func kind(of path: String) -> Kind? {
        var info = stat()
        guard stat(path, &info) == 0 else { return nil }
        switch info.st_mode & S_IFMT {
        case S_IFREG: return .file
        case S_IFDIR: return .folder
        default: return .other
        }
    }

    /// Opens a regular file to be read.
    static func open(_ path: String) throws -> Int32 {
        switch kind(of: path) {
        case .file?: break
        case .folder?: throw TextError.unreadable(path: path, reason: "it is a folder")
        case .other?: throw TextError.unreadable(path: path, reason: "it is not a regular file")
        case nil where errno == ENOENT: throw TextError.missing(path: path)
        case nil: throw TextError.unreadable(path: path, reason: lastError)
        }
        let descriptor = Foundation.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw TextError.unreadable(path: path, reason: lastError) }
        return descriptor
    }

    /// All bytes of a regular file.
    static func contents(of path: String) throws -> [UInt8] {
        let descriptor = try open(path)
        defer { close(descriptor) }
        var info = stat()
        guard fstat(descriptor, &info) == 0 else { throw TextError.unreadable(path: path, reason: lastError) }
        var failure: TextError?
        let bytes = [UInt8](unsafeUninitializedCapacity: Int(info.st_size)) { buffer, count in
            while count < buffer.count, let base = buffer.baseAddress {
                let got = Foundation.read(descriptor, base + count, buffer.count - count)
                if got < 0, errno == EINTR { continue }
                if got < 0 { failure = .unreadable(path: path, reason: lastError) }
                if got <= 0 { return }
                count += got
            }
        }
        if let failure { throw failure }
        return bytes
    }

    /// Bytes of the file at `path` and when they were last changed; 0 and nil where there is none.
    static func state(of path: String) -> (size: Int, changed: timespec?) {
        var info = stat()
        guard stat(path, &info) == 0 else { return (0, nil) }
        #if os(macOS)
            return (Int(info.st_size), info.st_mtimespec)
        #else
            return (Int(info.st_size), info.st_mtim)
        #endif
    }

    /// Hands a regular file's bytes to `body`, a piece at a time.
    /// - Throws: `TextError`, or what `body` throws.
    static func read(_ path: String, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        let descriptor = try open(path)
        defer { close(descriptor) }
        try read(descriptor: descriptor, called: path, body)
    }

    /// Hands all that an open file, a terminal or a pipe has to `body`, a piece at a time.
    static func read(descriptor: Int32, called path: String, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
        defer { piece.deallocate() }
        while true {
            let got = Foundation.read(descriptor, piece.baseAddress, piece.count)
            if got < 0, errno == EINTR { continue }
            if got < 0 { throw TextError.unreadable(path: path, reason: lastError) }
            if got == 0 { return }
            try body(UnsafeRawBufferPointer(rebasing: piece[..<got]))
        }
    }

    /// Writes a file so that a reader sees the old one or all of the new one, never a part, even after a power failure:
    /// under a name of its own first, forced to disk, then renamed.
    static func writeAtomically(_ parts: [UnsafeRawBufferPointer], to path: String) throws {
        let temporary = "\(path).\(getpid())-\(UInt32.random(in: .min ... .max)).tmp"
        let descriptor = Foundation.open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw TextError.unwritable(path: path, reason: lastError) }
        do {
            defer { close(descriptor) }
            guard parts.allSatisfy({ write($0, to: descriptor) }), fsync(descriptor) == 0 else {
                let reason = lastError
                unlink(temporary)
                throw TextError.unwritable(path: path, reason: reason)
            }
        }
        guard rename(temporary, path) == 0 else {
            let reason = lastError
            unlink(temporary)
            throw TextError.unwritable(path: path, reason: reason)
        }
        // The new name lasts once the folder is on disk as well; where folders cannot be synced nothing is lost but that.
        let folder = Foundation.open(folderPath(of: path), O_RDONLY | O_CLOEXEC)
        if folder >= 0 {
            fsync(folder)
            close(folder)
        }
    }

    /// Removes what writers that are no more have left half written in a folder.
    static func sweep(_ folder: String) {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] where name.hasSuffix(".tmp") {
            // The process' number stands between the last point before the end and a dash.
            let parts = name.dropLast(4).split(separator: ".").last?.split(separator: "-") ?? []
            guard parts.count == 2, let process = pid_t(parts[0]), process != getpid(), kill(process, 0) != 0, errno == ESRCH else {
                continue
            }
            unlink("\(folder)/\(name)")
        }
    }

    package static func writeAtomically(_ bytes: some ContiguousBytes, to path: String) throws {
        try bytes.withUnsafeBytes { try writeAtomically([$0], to: path) }
    }

    /// Writes all of `bytes` to an open file, a terminal or a pipe; whether it could, with the reason in `errno`.
    package static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Bool {
        var done = 0
        while done < bytes.count, let base = bytes.baseAddress {
            let wrote = Foundation.write(descriptor, base + done, bytes.count - done)
            if wrote < 0, errno == EINTR { continue }
            guard wrote > 0 else { return false }
            done += wrote
        }
        return true
    }

    /// Writes text to standard error, as far as that can be done.
    package static func tell(_ text: String) {
        var text = text
        _ = text.withUTF8 { write(UnsafeRawBufferPointer($0), to: 2) }
    }

    /// The folder that holds `path`.
    static func folderPath(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Whether the folder is meant to be written: an owner's permission taken away counts for the superuser as well.
    static func isWritableFolder(_ path: String) -> Bool {
        var info = stat()
        guard stat(path, &info) == 0, info.st_mode & S_IFMT == S_IFDIR, info.st_mode & S_IWUSR != 0 else { return false }
        return access(path, W_OK) == 0
    }

    /// Makes the folder and those above it if need be.
    static func makeFolder(_ path: String) throws {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch {
            guard kind(of: path) == .folder else {
                throw TextError.unwritable(path: path, reason: "the folder cannot be made")
            }
        }
    }
}
