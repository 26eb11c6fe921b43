import Foundation

/// A text to train on, in memory as UTF-8.
public struct Corpus: Sendable {
    /// What the text is called in logs and errors: a name or a path.
    public let name: String
    /// The text, never empty and always well-formed UTF-8.
    public let bytes: [UInt8]
    /// Where the text comes from, for the records of a run.
    public let info: String?
    /// The folder that the text was read from, where things made from it may be kept.
    let folder: String?

    private init(name: String, bytes: [UInt8], info: String?, folder: String?) throws {
        guard !bytes.isEmpty else { throw TextError.empty(source: name) }
        if let offset = bytes.withUnsafeBufferPointer({ UTF8Scalars.firstMalformedOffset(in: $0) }) {
            throw TextError.notUTF8(source: name, byteOffset: offset)
        }
        (self.name, self.bytes, self.info, self.folder) = (name, bytes, info, folder)
    }

    /// The same text under another name.
    func renamed(_ name: String) -> Corpus { Corpus(unchecked: self, name: name) }

    private init(unchecked other: Corpus, name: String) {
        (self.name, bytes, info, folder) = (name, other.bytes, other.info, other.folder)
    }

    /// How many characters (Unicode scalars) the text has.
    public var characterCount: Int { bytes.withUnsafeBufferPointer { UTF8Scalars.count(in: $0) } }

    /// The text as a string.
    public var text: String { String(decoding: bytes, as: UTF8.self) }

    /// A text that the program made.
    public static func generated(name: String, text: String, info: String? = nil) throws -> Corpus {
        try Corpus(name: name, bytes: Array(text.utf8), info: info, folder: nil)
    }

    static func generated(name: String, bytes: [UInt8], info: String?) throws -> Corpus {
        try Corpus(name: name, bytes: bytes, info: info, folder: nil)
    }

    /// A file of UTF-8 text, or a folder: its files and those of the folders in it in order of their paths, hidden ones
    /// skipped, joined by line breaks.
    public static func file(_ path: String) throws -> Corpus {
        guard Files.kind(of: path) == .folder else {
            return try Corpus(name: path, bytes: Files.contents(of: path), info: "file \(path)", folder: Files.folderPath(of: path))
        }
        let files = try filePaths(in: path)
        var bytes: [UInt8] = []
        for file in files {
            let part = try Files.contents(of: file)
            // Checked one by one so that an error names the file.
            if let offset = part.withUnsafeBufferPointer({ UTF8Scalars.firstMalformedOffset(in: $0) }) {
                throw TextError.notUTF8(source: file, byteOffset: offset)
            }
            if part.isEmpty { continue }
            if !bytes.isEmpty { bytes.append(0x0A) }
            bytes.append(contentsOf: part)
        }
        guard !bytes.isEmpty else { throw TextError.noFiles(folder: path) }
        return try Corpus(name: path, bytes: bytes, info: "folder \(path), \(files.count) files", folder: path)
    }

    /// All files below `folder`, sorted by the bytes of their paths.
    static func filePaths(in folder: String) throws -> [String] {
        var pending = [folder]
        var visited: Set<String> = []
        var files: [String] = []
        while let current = pending.popLast() {
            // A link to a folder above would go round for ever.
            guard visited.insert(URL(fileURLWithPath: current).resolvingSymlinksInPath().path).inserted else { continue }
            let names: [String]
            do {
                names = try FileManager.default.contentsOfDirectory(atPath: current)
            } catch {
                throw TextError.unreadable(path: current, reason: "the folder cannot be listed")
            }
            for name in names where !name.hasPrefix(".") {
                let path = current.hasSuffix("/") ? current + name : current + "/" + name
                switch Files.kind(of: path) {
                case .folder?: pending.append(path)
                case .file?: files.append(path)
                case .other?, nil: continue
                }
            }
        }
        return files.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }
}
