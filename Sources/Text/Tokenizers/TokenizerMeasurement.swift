import Foundation

/// How a tokenizer does on a text.
public struct TokenizerMeasurement: Sendable {
    public let name: String
    public let kind: String
    public let vocabulary: Int
    /// Tokens of the text, and how many different ones.
    public let tokens: Int, usedTokens: Int
    public let bytesPerToken: Double
    /// The shortest of three times, seconds.
    public let seconds: Double
    public let bytesPerSecond: Double
    /// Whether decoding gives the text again.
    public let isLossless: Bool

    /// Encodes `text` three times.
    /// - Throws: `TextError` for text that the tokenizer cannot encode.
    public init(_ name: String, _ tokenizer: any Tokenizer, on text: [UInt8], threads: Int?) throws {
        func encoded() throws -> [Int32] {
            try text.withUnsafeBufferPointer { text in
                switch tokenizer {
                case let published as PublishedTokenizer: try published.encode(utf8: text, specials: nil, threads: threads)
                case let own as BPETokenizer: try own.encode(utf8: text, threads: threads)
                default: try tokenizer.encode(utf8: text)
                }
            }
        }
        var ids: [Int32] = []
        var fastest = Duration.seconds(1 << 40)
        for _ in 0..<3 { fastest = min(fastest, try ContinuousClock().measure { ids = try encoded() }) }
        (self.name, kind, vocabulary, tokens) = (name, tokenizer.kind, tokenizer.vocabularySize, ids.count)
        usedTokens = Set(ids).count
        bytesPerToken = Double(text.count) / Double(max(1, ids.count))
        seconds = fastest / .seconds(1)
        bytesPerSecond = Double(text.count) / max(seconds, 1e-9)
        isLossless = Array(tokenizer.decode(ids).utf8) == text
    }
}

extension Tokenizer {
    /// The text of one token by itself, whatever it would lose at the start of a text.
    public func decodePiece(_ id: Int32) -> String { String(decoding: bytes(of: id), as: UTF8.self) }
}

extension PublishedTokenizer {
    /// The ids with what the template puts around them.
    public func withTemplate(_ ids: [Int32]) -> [Int32] { template.before + ids + template.after }
}

/// Files read whole.
public enum TextFile {
    /// All bytes of the file at `path`.
    /// - Throws: `TextError` that names it.
    public static func bytes(of path: String) throws -> [UInt8] { try Files.contents(of: path) }
}
