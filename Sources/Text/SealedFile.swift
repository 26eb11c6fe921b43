/// A file of bytes behind a line with their hash, so that a changed or cut-off one is noticed when it is read.
enum SealedFile {
    /// What `write` wrote to `path`, or nil if that is not there whole.
    static func read(_ path: String) -> [UInt8]? {
        guard let bytes = try? Files.contents(of: path), let end = bytes.prefix(64).firstIndex(of: 0x0A) else { return nil }
        let content = Array(bytes[(end + 1)...])
        guard String(decoding: bytes[..<end], as: UTF8.self) == ContentHash(content).description else { return nil }
        return content
    }

    /// Writes the file, making its folder if need be.
    static func write(_ content: [UInt8], to path: String) throws {
        try Files.makeFolder(Files.folderPath(of: path))
        let seal = Array("\(ContentHash(content))\n".utf8)
        try seal.withUnsafeBytes { seal in
            try content.withUnsafeBytes { try Files.writeAtomically([seal, $0], to: path) }
        }
    }
}
