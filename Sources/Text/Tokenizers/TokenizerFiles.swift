import Formats
import Foundation

/// The formats that a tokenizer can be written in.
public enum TokenizerFormat: String, CaseIterable, Sendable {
    /// `tokenizer.json` of Hugging Face's `tokenizers`.
    case hf
    /// `vocab.json` and `merges.txt`, as GPT-2's were published.
    case gpt2
    /// tiktoken's rank file; the split pattern and special tokens are not in it.
    case tiktoken
    /// What a run keeps.
    case loom
}

extension PublishedTokenizer {
    /// The tokenizer of a tokenizer.json or of ranks kept as JSON; nil where the data is JSON of another kind.
    /// - Throws: `TextError` where it is one that cannot be used.
    static func saved(_ data: Data) throws -> PublishedTokenizer? {
        let root = try FlatJSON(Array(data)).root
        if HubReader.isHub(root) { return try HubReader(data, root).read() }
        return root["kind"]?.string == RankFile.kindName ? try RankFile.load(root) : nil
    }
}

extension Tokenizers {
    /// Opens the tokenizer at `path`, a file or a folder of any known format, told apart by what is in it.
    /// - Parameters:
    ///   - pattern: how text is cut, for formats that do not say: the name of a `SplitPattern`, or for ranks an expression.
    ///   - specials: special tokens and their ids, for tiktoken's ranks.
    /// - Throws: `TextError` naming the path.
    public static func open(
        _ path: String, pattern: String? = nil, specials: [String: Int32]? = nil
    ) throws -> any Tokenizer {
        do {
            if Files.kind(of: path) == .folder { return try openFolder(path, pattern, specials) }
            return try openFile(path, pattern, specials)
        } catch TextError.damagedTokenizer(let reason) {
            throw TextError.unusableTokenizerFile(path: path, reason: reason)
        } catch TextError.unsupportedTokenizer(let what) {
            throw TextError.unusableTokenizerFile(path: path, reason: "not supported: \(what)")
        }
    }

    private static func openFolder(_ path: String, _ pattern: String?, _ specials: [String: Int32]?) throws -> any Tokenizer {
        func has(_ name: String) -> Bool { Files.kind(of: "\(path)/\(name)") == .file }
        for name in ["tokenizer.json", "encoder.json", "vocab.json", "tokenizer.model", "meta.pkl"] where has(name) {
            return try openFile("\(path)/\(name)", pattern, specials)
        }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        let ranks = names.filter { $0.hasSuffix(".tiktoken") && has($0) }.sorted()
        guard let only = ranks.first, ranks.count == 1 else {
            throw TextError.unusableTokenizerFile(
                path: path,
                reason: ranks.isEmpty
                    ? "the folder has none of tokenizer.json, encoder.json with vocab.bpe, vocab.json with merges.txt, *.tiktoken"
                    : "there are \(ranks.count) rank files; name one")
        }
        return try openFile("\(path)/\(only)", pattern, specials)
    }

    private static func openFile(_ path: String, _ pattern: String?, _ specials: [String: Int32]?) throws -> any Tokenizer {
        let bytes = try Files.contents(of: path)
        let start = bytes.first { $0 > 0x20 }
        if start == UInt8(ascii: "{") || bytes.starts(with: [0xEF, 0xBB, 0xBF, UInt8(ascii: "{")]) {
            let root = try FlatJSON(bytes).root
            if VocabularyFiles.isVocabulary(root) {
                return try openPair(root, merges: companion(of: path, among: ["vocab.bpe", "merges.txt"]), pattern)
            }
            guard pattern == nil else {
                throw TextError.damagedTokenizer(reason: "the file says itself how text is cut; leave the pattern out")
            }
            return try load(Data(bytes))
        }
        if bytes.first == 0x80 {
            do {
                return try characters(meta: Pickle.read(path: path))
            } catch let error as FormatError {
                throw TextError.damagedTokenizer(reason: error.description)
            }
        }
        if RankFile.isRankFile(bytes) { return try RankFile.read(bytes, pattern: pattern, specials: specials) }
        if VocabularyFiles.isMerges(bytes) {
            let vocabulary = try companion(of: path, among: ["encoder.json", "vocab.json"])
            let root = try FlatJSON(vocabulary).root
            guard VocabularyFiles.isVocabulary(root) else { throw TextError.damagedTokenizer(reason: "the vocabulary beside it is none") }
            return try openPair(root, merges: bytes, pattern)
        }
        throw TextError.damagedTokenizer(
            reason: "neither tokenizer.json, nor a vocabulary with merges, nor tiktoken's ranks; a sentencepiece model is to be converted "
                + "to tokenizer.json first")
    }

    private static func openPair(_ vocabulary: FlatJSON.Value, merges: [UInt8], _ pattern: String?) throws -> any Tokenizer {
        let cut = pattern.flatMap { SplitPattern(rawValue: $0) }
        if let pattern, cut == nil {
            throw TextError.damagedTokenizer(
                reason: "no split pattern is called \(pattern.prefix(40)); known are "
                    + SplitPattern.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return try VocabularyFiles.read(vocabulary: vocabulary, merges: merges, pattern: cut)
    }

    private static func companion(of path: String, among names: [String]) throws -> [UInt8] {
        let folder = Files.folderPath(of: path)
        guard let name = names.first(where: { Files.kind(of: "\(folder)/\($0)") == .file }) else {
            throw TextError.damagedTokenizer(reason: "beside it there must be \(names.joined(separator: " or "))")
        }
        return try Files.contents(of: "\(folder)/\(name)")
    }

    /// Writes `tokenizer`.
    /// - Parameter path: a folder for `gpt2`, which has two files; a file for the others, or a folder that is there already.
    /// - Returns: the paths of what was written.
    /// - Throws: `TextError` where the format cannot say what the tokenizer does, or a file cannot be written.
    @discardableResult
    public static func write(_ tokenizer: any Tokenizer, as format: TokenizerFormat, to path: String) throws -> [String] {
        do {
            return try writeFiles(tokenizer, as: format, to: path)
        } catch TextError.unsupportedTokenizer(let what) {
            throw TextError.unwritableTokenizer(format: format.rawValue, reason: what)
        }
    }

    private static func writeFiles(_ tokenizer: any Tokenizer, as format: TokenizerFormat, to path: String) throws -> [String] {
        func file(_ name: String) -> String { Files.kind(of: path) == .folder ? "\(path)/\(name)" : path }
        switch format {
        case .loom: return [try save(Array(tokenizer.serialized()), to: file("tokenizer.json"))]
        case .hf:
            let own = Array(tokenizer.serialized())
            let isHub = try tokenizer is PublishedTokenizer && HubReader.isHub(FlatJSON(own).root)
            return [try save(isHub ? own : ByteLevelParts(tokenizer).hub, to: file("tokenizer.json"))]
        case .tiktoken: return [try save(ByteLevelParts(tokenizer).ranks(), to: file("vocabulary.tiktoken"))]
        case .gpt2:
            let (vocabulary, merges) = try ByteLevelParts(tokenizer).pair
            try Files.makeFolder(path)
            return [try save(vocabulary, to: "\(path)/vocab.json"), try save(merges, to: "\(path)/merges.txt")]
        }
    }

    private static func save(_ bytes: [UInt8], to path: String) throws -> String {
        try Files.makeFolder(Files.folderPath(of: path))
        try Files.writeAtomically(bytes, to: path)
        return path
    }
}
