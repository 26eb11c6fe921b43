import Formats
import Foundation
import Text

/// The tokenizer that came with weights: its files are kept with the run in `tokenizer/`, and what of them is understood becomes the
/// run's own tokenizer.
public enum ImportedTokenizer {
    /// What tokenizers' files are called, wherever they come from.
    static let names = [
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt",
        "encoder.json", "vocab.bpe", "tokenizer.model", "tokenizer.pkl", "token_bytes.pt", "meta.pkl",
    ]

    /// The files of a tokenizer in `folder`; empty where there are none.
    public static func files(in folder: String) -> [String] {
        names.map { "\(folder)/\($0)" }.filter { path in
            var isFolder: ObjCBool = false
            return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && !isFolder.boolValue
        }
    }

    /// What files of a tokenizer came to.
    public enum Found {
        case nothing
        case tokenizer(any Tokenizer)
        /// There is one, but it cannot be used here: why, in a line. The weights can.
        case unusable(reason: String)
    }

    /// The tokenizer that files in `folder` describe, for a model of `vocabulary` tokens.
    /// - Throws: `TextError` for nanoGPT's `meta.pkl` where it is damaged, `FormatError` where it belongs to another model.
    public static func tokenizer(in folder: String, vocabulary: Int) throws -> Found {
        let meta = "\(folder)/meta.pkl"
        if FileManager.default.fileExists(atPath: meta) {
            let tokenizer = try Tokenizers.open(meta)
            guard tokenizer.vocabularySize == vocabulary else {
                throw FormatError(
                    meta, "has \(tokenizer.vocabularySize) characters, but the model \(vocabulary) tokens; it belongs to another model")
            }
            return .tokenizer(tokenizer)
        }
        guard !files(in: folder).isEmpty else { return .nothing }
        do {
            let tokenizer = try Tokenizers.open(folder)
            // Fewer is usual: vocabularies are padded.
            guard tokenizer.vocabularySize <= vocabulary else {
                return .unusable(
                    reason:
                        "\(folder): its tokenizer has \(tokenizer.vocabularySize) tokens, the model \(vocabulary); it belongs to another model"
                )
            }
            return .tokenizer(tokenizer)
        } catch let error as TextError {
            // A clone without Git LFS leaves a line in place of each large file.
            for file in files(in: folder) {
                if let kind = try? MappedFile(path: file).otherKind { return .unusable(reason: "\(file): \(kind)") }
            }
            return .unusable(reason: error.description)
        }
    }

    /// What nanoGPT keeps of a character vocabulary in `meta.pkl`.
    static func meta(of tokenizer: CharTokenizer) -> PickleValue {
        let characters = (0..<Int32(tokenizer.vocabularySize)).map { PickleValue.string(tokenizer.decode([$0])) }
        func table(_ pair: (Int, PickleValue) -> PickleValue.Pair) -> PickleValue { .dictionary(characters.enumerated().map(pair)) }
        return .dictionary([
            PickleValue.Pair(key: .string("vocab_size"), value: .int(characters.count)),
            PickleValue.Pair(key: .string("itos"), value: table { PickleValue.Pair(key: .int($0), value: $1) }),
            PickleValue.Pair(key: .string("stoi"), value: table { PickleValue.Pair(key: $1, value: .int($0)) }),
        ])
    }
}
