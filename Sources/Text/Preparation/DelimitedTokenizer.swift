import Foundation

/// A tokenizer with one token more: the one that stands between documents, which no text becomes.
public struct DelimitedTokenizer: Tokenizer {
    /// What the token is called where nothing else is said; GPT-2's name for it.
    public static let usualName = "<|endoftext|>"

    public let base: any Tokenizer
    public let endName: String

    public var kind: String { base.kind }
    public var vocabularySize: Int { base.vocabularySize + 1 }
    public var leadingStrip: LeadingStrip? { base.leadingStrip }
    private var end: Int32 { Int32(base.vocabularySize) }

    public init(_ base: any Tokenizer, endName: String = usualName) {
        (self.base, self.endName) = (base, endName)
    }

    public func encode(utf8: UnsafeBufferPointer<UInt8>) throws -> [Int32] { try base.encode(utf8: utf8) }

    public func encode(documents: [Range<Int>], of text: UnsafeBufferPointer<UInt8>, end: Int32) throws -> [Int32] {
        try base.encode(documents: documents, of: text, end: end)
    }

    /// A prompt is the beginning of a document, as all were that the tokenizer was made for.
    public func encodePrompt(_ text: String) throws -> [Int32] { try [end] + base.encodePrompt(text) }

    public func bytes(of id: Int32) -> [UInt8] { id == end ? Array(endName.utf8) : base.bytes(of: id) }

    public func endToken(named name: String?) -> Int32? { name == nil || name == endName ? end : base.endToken(named: name) }

    public func serialized() -> Data {
        guard var saved = try? JSONDecoder().decode(SavedTokenizer.self, from: base.serialized()) else { return base.serialized() }
        saved.endToken = endName
        return saved.data()
    }
}

extension Tokenizer {
    /// A tokenizer of the same ids that has a token to stand between documents, and that token.
    /// - Throws: `TextError` for a published tokenizer without one: its ids are what its models know.
    func delimited(endToken name: String?) throws -> (any Tokenizer, Int32) {
        if let id = endToken(named: name) { return (self, id) }
        if let published = self as? PublishedTokenizer {
            let known = published.specialTokens.keys.sorted()
            throw TextError.invalidSetting(
                name: "data.end_token", value: name ?? "not given",
                requirement: known.isEmpty
                    ? "a special token of the tokenizer, which has none; leave data.documents joined"
                    : "a special token of the tokenizer, such as \(known.prefix(8).joined(separator: ", "))")
        }
        guard !(self is DelimitedTokenizer), !(self is IdTokenizer) else {
            throw TextError.invalidSetting(
                name: "data.end_token", value: name ?? "not given", requirement: "the one that the tokenizer was made with")
        }
        let delimited = DelimitedTokenizer(self, endName: name ?? DelimitedTokenizer.usualName)
        return (delimited, Int32(vocabularySize))
    }
}

extension PublishedTokenizer {
    /// What published tokenizers call the token that ends a document.
    private static let usualEnds = [
        "<|endoftext|>", "</s>", "<|end_of_text|>", "<eos>", "<|bos|>", "<|eos|>",
    ]

    public func endToken(named name: String?) -> Int32? {
        if let name { return specialTokens[name] }
        return PublishedTokenizer.usualEnds.lazy.compactMap { specialTokens[$0] }.first
    }

    public func encode(documents: [Range<Int>], of text: UnsafeBufferPointer<UInt8>, end: Int32) throws -> [Int32] {
        if let pattern = plainPattern { return try model.encode(documents: documents, of: text, pattern, end: end) }
        return try DocumentGroups.encode(documents) { group, output in
            for document in group {
                let part = UnsafeBufferPointer(rebasing: text[document])
                output.append(contentsOf: try encode(utf8: part, specials: .plain, threads: 1))
                output.append(end)
            }
        }
    }
}

extension BPETokenizer {
    public func encode(documents: [Range<Int>], of text: UnsafeBufferPointer<UInt8>, end: Int32) throws -> [Int32] {
        try model.encode(documents: documents, of: text, pattern, end: end)
    }
}
