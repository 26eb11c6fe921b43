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
        // Sealed: a tokenizer with a changed merge still reads as a tokenizer, but as another one.
        if let bytes = SealedFile.read(path), let tokenizer = try? Tokenizers.load(Data(bytes)) { return tokenizer }
        let tokenizer = try make()
        try? SealedFile.write(Array(tokenizer.serialized()), to: path)
        return tokenizer
    }
}
