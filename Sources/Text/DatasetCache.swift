import Foundation

/// A folder of what was made from texts, under names that hold a hash of all that went in.
///
/// Nothing in here is needed: what cannot be read or is damaged is made again, and what cannot be written is left out.
struct DatasetCache: Sendable {
    let folder: String

    /// The cache beside the text where its folder may be written, otherwise in the user's cache, otherwise none.
    init?(for corpus: Corpus, locations: Locations) {
        var candidates: [String] = []
        if let source = corpus.folder, Files.isWritableFolder(source) { candidates.append(source + "/.loom") }
        if let cache = locations.cache { candidates.append(cache + "/tokens") }
        for candidate in candidates {
            guard (try? Files.makeFolder(candidate)) != nil, Files.isWritableFolder(candidate) else { continue }
            folder = candidate
            return
        }
        return nil
    }

    /// The tokens kept under `name` if they are there, whole and as many ids as wanted; otherwise those that `make` gives,
    /// which are kept.
    func tokens(_ name: String, called title: String, vocabularySize: Int, make: () throws -> [Int32]) throws -> TokenFile {
        let path = "\(folder)/\(name).tokens"
        if let kept = open(path, title, vocabularySize) { return kept }
        let tokens = try make()
        do {
            try TokenFile.write(tokens, vocabularySize: vocabularySize, to: path)
        } catch TextError.unwritable {
            // A full disk is no reason not to train.
        }
        return try open(path, title, vocabularySize) ?? TokenFile(tokens: tokens, vocabularySize: vocabularySize, name: title)
    }

    private func open(_ path: String, _ title: String, _ vocabularySize: Int) -> TokenFile? {
        guard let file = try? TokenFile(path: path, name: title), file.vocabularySize == vocabularySize else { return nil }
        return file
    }

    /// The tokenizer kept under `name` if it is there and whole, otherwise the one that `make` gives, which is kept.
    func tokenizer(_ name: String, make: () throws -> any Tokenizer) throws -> any Tokenizer {
        let path = "\(folder)/\(name).tokenizer"
        if let bytes = try? Files.read(path), let tokenizer = DatasetCache.unsealed(bytes) { return tokenizer }
        let tokenizer = try make()
        try? Files.writeAtomically(DatasetCache.sealed(tokenizer), to: path)
        return tokenizer
    }

    /// The tokenizer's JSON behind a line with its hash: a changed merge still reads as a tokenizer, but another one.
    private static func sealed(_ tokenizer: any Tokenizer) -> [UInt8] {
        let data = tokenizer.serialized()
        return Array("\(ContentHash(data))\n".utf8) + data
    }

    private static func unsealed(_ bytes: [UInt8]) -> (any Tokenizer)? {
        guard let end = bytes.firstIndex(of: 0x0A) else { return nil }
        let data = bytes[(end + 1)...]
        guard String(decoding: bytes[..<end], as: UTF8.self) == ContentHash(data).description else { return nil }
        return try? Tokenizers.load(Data(data))
    }
}
