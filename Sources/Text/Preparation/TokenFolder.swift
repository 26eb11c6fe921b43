import Foundation

/// A folder that a text was prepared into: tokens in shards, the manifest and the tokenizer. It can be carried to another
/// machine and used there without the text.
public enum TokenFolder {
    static let tokenizerName = "tokenizer"
    /// Whether `folder` is one, be it damaged.
    public static func exists(_ folder: String) -> Bool {
        [TokenManifest.path(folder, "train", 0), "\(folder)/\(TokenManifest.fileName)"].contains { Files.kind(of: $0) == .file }
            && Files.kind(of: folder) == .folder
    }
    /// The tokens in `folder`.
    /// - Parameters:
    ///   - tokenizer: one that the tokens must have been made by, such as that of an earlier run.
    ///   - documents: how windows are to lie.
    /// - Throws: `TextError` for what is damaged or not finished, or was made by another tokenizer.
    public static func dataset(_ folder: String, tokenizer fixed: (any Tokenizer)? = nil, documents: Documents) throws -> Dataset {
        func unusable(_ reason: String) -> TextError { .unreadable(path: folder, reason: reason) }
        guard let manifest = TokenManifest(folder: folder) else {
            throw unusable("its manifest is missing or damaged; prepare the text again")
        }
        guard manifest.rest == nil else { throw unusable("its tokens are not finished; run prepare once more to go on") }
        let saved = try Files.contents(of: "\(folder)/\(tokenizerName)")
        guard ContentHash(saved).description == manifest.tokenizer, let tokenizer = try? Tokenizers.load(Data(saved)) else {
            throw unusable("its tokenizer is not the one that made its tokens; prepare the text again")
        }
        if let fixed, fixed.serialized() != tokenizer.serialized() { throw unusable("another tokenizer made its tokens") }
        guard documents == .joined || manifest.endToken != nil else {
            throw TextError.invalidSetting(
                name: "data.documents", value: documents.rawValue,
                requirement: "joined for the tokens in \(folder), which were prepared without a token between documents")
        }
        let rule = WindowRule(documents, end: manifest.endToken)
        func part(_ name: String, _ record: TokenManifest.Part) throws -> TokenFile {
            let writer = ShardWriter(
                part: name, title: "\(manifest.name) (\(name))", vocabularySize: manifest.vocabularySize, folder: folder)
            do {
                return try writer.open(record, rule)
            } catch TextError.damagedTokenFile(let path, let reason) {
                throw unusable("\(path.split(separator: "/").last ?? ""): \(reason); prepare the text again")
            } catch TextError.missing(let path) {
                throw unusable("\(path.split(separator: "/").last ?? "") is missing; prepare the text again")
            }
        }
        return Dataset(
            manifest, manifest.name, tokenizer, train: try part("train", manifest.train),
            validation: try part("validation", manifest.validation), folder: folder)
    }
}
