import Foundation

/// Turns text into token ids and back.
public protocol Tokenizer: Sendable {
    /// `char`, `byte` or `bpe`.
    var kind: String { get }
    /// Ids are 0 ..< `vocabularySize`.
    var vocabularySize: Int { get }
    /// The ids of `text`.
    func encode(_ text: String) throws -> [Int32]
    /// The ids of text given as bytes, which need not be well-formed UTF-8 for `byte` and `bpe`.
    func encode(utf8: UnsafeBufferPointer<UInt8>) throws -> [Int32]
    /// The ids of stretches of a text, each by itself and followed by `end`; words of special tokens in them are plain text.
    func encode(documents: [Range<Int>], of text: UnsafeBufferPointer<UInt8>, end: Int32) throws -> [Int32]
    /// The token of that name that may stand between documents; without a name the one that the tokenizer has for it. Nil
    /// where there is none.
    func endToken(named name: String?) -> Int32?
    /// The bytes that a token stands for; none for an id that the vocabulary does not have.
    func bytes(of id: Int32) -> [UInt8]
    /// The text of `ids`: bytes that are not UTF-8 become U+FFFD, and ids that the vocabulary does not have are skipped.
    func decode(_ ids: [Int32]) -> String
    /// The ids of a text that a model is to continue: with the tokens before it that the tokenizer starts every text with.
    func encodePrompt(_ text: String) throws -> [Int32]
    /// What decoding takes from the start of a text.
    var leadingStrip: LeadingStrip? { get }
    /// The tokenizer as JSON, the same bytes every time; `Tokenizers.load` reads it.
    func serialized() -> Data
}

extension Tokenizer {
    public var leadingStrip: LeadingStrip? { nil }

    public func endToken(named name: String?) -> Int32? { nil }

    public func encodePrompt(_ text: String) throws -> [Int32] { try encode(text) }

    public func encode(_ text: String) throws -> [Int32] {
        var text = text
        return try text.withUTF8 { try encode(utf8: $0) }
    }

    public func decode(_ ids: [Int32]) -> String {
        var all: [UInt8] = []
        all.reserveCapacity(ids.count * 4)
        var strip = leadingStrip
        for id in ids { all.append(contentsOf: strip?.apply(bytes(of: id)) ?? bytes(of: id)) }
        return String(decoding: all, as: UTF8.self)
    }
}

/// Reads back what `Tokenizer.serialized()` wrote.
public enum Tokenizers {
    /// The tokenizer saved in `data`.
    public static func load(_ data: Data) throws -> any Tokenizer {
        if let tokenizer = try PublishedTokenizer.saved(data) { return tokenizer }
        let saved: SavedTokenizer
        do {
            saved = try JSONDecoder().decode(SavedTokenizer.self, from: data)
        } catch {
            throw TextError.damagedTokenizer(reason: "not the JSON of a tokenizer")
        }
        guard saved.version == SavedTokenizer.currentVersion else {
            throw TextError.damagedTokenizer(
                reason: "format version \(saved.version), this program reads \(SavedTokenizer.currentVersion)")
        }
        let tokenizer = try saved.tokenizer()
        return saved.endToken.map { DelimitedTokenizer(tokenizer, endName: $0) } ?? tokenizer
    }
}

extension SavedTokenizer {
    fileprivate func tokenizer() throws -> any Tokenizer {
        let saved = self
        switch saved.kind {
        case CharTokenizer.kindName:
            return try CharTokenizer(codePoints: saved.codePoints ?? [])
        case ByteTokenizer.kindName:
            return ByteTokenizer()
        case BPETokenizer.kindName:
            guard let name = saved.pattern, let pattern = SplitPattern(rawValue: name) else {
                throw TextError.damagedTokenizer(reason: "a bpe tokenizer without a known split pattern")
            }
            return try BPETokenizer(flatMerges: saved.merges ?? [], pattern: pattern)
        case IdTokenizer.kindName:
            guard let size = saved.vocabularySize, (1...16_777_216).contains(size) else {
                throw TextError.damagedTokenizer(reason: "ids without a number of them")
            }
            return IdTokenizer(vocabularySize: size)
        default:
            throw TextError.damagedTokenizer(reason: "unknown kind '\(saved.kind.prefix(40))'")
        }
    }
}

/// The JSON form of every kind of tokenizer; fields that a kind has no use for are left out.
struct SavedTokenizer: Codable {
    static let currentVersion = 1

    var version = SavedTokenizer.currentVersion
    var kind: String
    /// char: the code points of the vocabulary in order of id.
    var codePoints: [UInt32]?
    /// bpe: the name of the split pattern.
    var pattern: String?
    /// bpe: left and right id of each merge, one merge after the other.
    var merges: [Int32]?
    /// ids: how many there are.
    var vocabularySize: Int?
    /// The name of the token between documents, which comes behind all others.
    var endToken: String?

    func data() -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        // Strings and integers always encode; the empty value is never seen.
        return (try? encoder.encode(self)) ?? Data()
    }
}

/// Turns tokens into text one at a time, giving out a character as soon as all of its bytes are there.
///
/// The pieces joined are exactly what `Tokenizer.decode` gives for all of the ids.
public struct StreamingDecoder: Sendable {
    private let tokenizer: any Tokenizer
    private var pending: [UInt8] = []
    private var strip: LeadingStrip?

    /// A decoder at the start of a text, or of what continues one.
    public init(tokenizer: any Tokenizer, continuing: Bool = false) {
        self.tokenizer = tokenizer
        strip = continuing ? nil : tokenizer.leadingStrip
    }

    /// The text that `id` completes, which may be empty.
    public mutating func append(_ id: Int32) -> String {
        let bytes = tokenizer.bytes(of: id)
        pending.append(contentsOf: strip?.apply(bytes) ?? bytes)
        let ready = pending.count - UTF8Scalars.incompleteSuffixLength(of: pending)
        guard ready > 0 else { return "" }
        let text = String(decoding: pending[..<ready], as: UTF8.self)
        pending.removeFirst(ready)
        return text
    }

    /// What is left at the end: U+FFFD where the last character was cut short, otherwise nothing.
    public mutating func finish() -> String {
        defer { pending.removeAll() }
        return String(decoding: pending, as: UTF8.self)
    }
}
