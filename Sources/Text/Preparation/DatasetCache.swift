import Foundation

/// A folder of what was made from texts, under names that hold a hash of all that went in.
///
/// Nothing in here is needed: what cannot be read or is damaged is made again, and what cannot be written is left out.
struct DatasetCache: Sendable {
    let folder: String

    /// The cache beside the text where its folder may be written, otherwise in the user's cache, otherwise none.
    init?(for text: TextSource, locations: Locations) {
        var candidates: [String] = []
        if let source = text.folder, Files.isWritableFolder(source) { candidates.append(source + "/.loom") }
        if let cache = locations.cache { candidates.append(cache + "/tokens") }
        for candidate in candidates {
            guard (try? Files.makeFolder(candidate)) != nil, Files.isWritableFolder(candidate) else { continue }
            folder = candidate
            return
        }
        return nil
    }

    /// What was found out about a text, kept under `name`, otherwise what `make` finds out, which is kept.
    func facts(_ name: String, make: () throws -> TextFacts) throws -> TextFacts {
        let path = "\(folder)/\(name).facts"
        if let bytes = SealedFile.read(path), let facts = try? JSONDecoder().decode(TextFacts.self, from: Data(bytes)) { return facts }
        let facts = try make()
        if let data = try? JSONEncoder().encode(facts) { try? SealedFile.write(Array(data), to: path) }
        return facts
    }

    /// The folder for the tokens called `name`, where one can be made.
    func tokens(_ name: String) -> String? {
        let path = "\(folder)/\(name)"
        guard (try? Files.makeFolder(path)) != nil, Files.isWritableFolder(path) else { return nil }
        return path
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
