import Foundation
import Synchronization

/// Standard input as a file: a text is read more than once, and a run is continued on the text that it began with.
public enum KeptInput {
    /// Writes all of standard input to a file in the user's cache, named by its content.
    /// - Returns: the file's path.
    /// - Throws: `TextError` when there is nothing, or no place for it.
    public static func path(locations: Locations = Locations()) throws -> String {
        try kept.withLock { kept in
            if let kept { return kept }
            let path = try keep(locations)
            kept = path
            return path
        }
    }

    /// There is only one standard input, and it can be read only once.
    private static let kept = Mutex<String?>(nil)

    private static func keep(_ locations: Locations) throws -> String {
        let title = "standard input"
        guard let cache = locations.cache else {
            throw TextError.unreadable(path: title, reason: "there is no cache folder to keep it in; set HOME or XDG_CACHE_HOME")
        }
        if isatty(0) == 1 { Files.tell("reading the text from standard input; end it with Ctrl-D\n") }
        let folder = "\(cache)/input"
        try Files.makeFolder(folder)
        Files.sweep(folder)
        let temporary = "\(folder)/\(getpid())-\(UInt32.random(in: .min ... .max)).tmp"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw TextError.unwritable(path: folder, reason: Files.lastError) }
        defer { unlink(temporary) }
        var size = 0
        do {
            defer { close(descriptor) }
            try Files.read(descriptor: 0, called: title) { piece in
                guard Files.write(piece, to: descriptor) else { throw TextError.unwritable(path: folder, reason: Files.lastError) }
                size += piece.count
            }
        }
        guard size > 0 else { throw TextError.empty(source: title) }
        var hash = ContentHash.Stream(count: size)
        try Files.read(temporary) { hash.append($0) }
        let path = "\(folder)/\(hash.finish())"
        guard rename(temporary, path) == 0 else { throw TextError.unwritable(path: path, reason: Files.lastError) }
        return path
    }
}
