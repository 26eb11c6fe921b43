import Foundation

/// A tokenizer by byte pairs that somebody published: a `tokenizer.json` of Hugging Face, GPT-2's files or tiktoken's ranks.
///
/// Its ids are those of the programs it comes from. Bytes that are not UTF-8, which those programs do not take, count as
/// symbols one by one.
public struct PublishedTokenizer: Tokenizer {
    let model: BPEModel
    /// Looked for in the text as it is.
    let addedTokens: AddedTokens
    /// Looked for in the normalized text.
    let normalizedTokens: AddedTokens
    let normalizers: [Normalizer]
    let steps: [PreTokenizer]
    /// What the template puts before and after a text.
    let template: (before: [Int32], after: [Int32])
    let texts: TokenTexts
    public let leadingStrip: LeadingStrip?
    /// What special tokens in a text are unless said otherwise.
    let usualSpecials: SpecialTokens
    /// The ids of special tokens by name.
    public let specialTokens: [String: Int32]
    /// How the text is cut where that is all there is to do before merging.
    private let cutting: BPEModel.Cutting?
    private let source: Data

    public var kind: String { BPETokenizer.kindName }
    public var vocabularySize: Int { texts.count }
    /// The name of the pattern that text is cut by, where it is one that the program has a name for.
    public var pattern: SplitPattern? {
        if case .pattern(let pattern)? = cutting { return pattern }
        return nil
    }

    /// The pattern that is all there is to do before merging, as long as special tokens are plain text.
    var plainPattern: SplitPattern? {
        normalizers.isEmpty && addedTokens.areAllSpecial && normalizedTokens.areAllSpecial ? pattern : nil
    }

    /// The parts of a tokenizer, as a reader has found them.
    struct Parts {
        var model: BPEModel
        var added: [AddedTokens.Token] = []
        var normalizers: [Normalizer] = []
        var steps: [PreTokenizer] = []
        var template: (before: [Int32], after: [Int32]) = ([], [])
        var texts: TokenTexts
        var leadingStrip: LeadingStrip?
        var usualSpecials = SpecialTokens.allowed
        /// What `serialized` gives, which the reader can read again.
        var source: Data
    }

    init(_ parts: Parts) throws {
        (model, normalizers, steps, template) = (parts.model, parts.normalizers, parts.steps, parts.template)
        (texts, leadingStrip, usualSpecials, source) = (parts.texts, parts.leadingStrip, parts.usualSpecials, parts.source)
        addedTokens = AddedTokens(parts.added.filter { !$0.isNormalized })
        normalizedTokens = AddedTokens(
            try parts.added.filter(\.isNormalized).map { token in
                let bytes = try Normalizer.apply(parts.normalizers, to: token.bytes)
                return AddedTokens.Token(
                    bytes: bytes, id: token.id, isSpecial: token.isSpecial, stripsLeft: token.stripsLeft,
                    stripsRight: token.stripsRight, isSingleWord: token.isSingleWord, isNormalized: true)
            })
        specialTokens = Dictionary(
            parts.added.filter(\.isSpecial).map { (String(decoding: $0.bytes, as: UTF8.self), $0.id) }, uniquingKeysWith: { $1 })
        cutting = PublishedTokenizer.cutting(of: parts)
    }

    /// The whole of what is done before merging, where it is nothing or one split into chunks.
    private static func cutting(of parts: Parts) -> BPEModel.Cutting? {
        guard parts.steps.count <= 1 else { return nil }
        guard let step = parts.steps.first else { return .whole }
        guard case .split(let cutter, let behavior, let isInverted) = step else { return nil }
        switch (cutter, behavior) {
        // The known patterns match all there is, so removing what lies between changes nothing.
        case (.pattern(let pattern), .isolated): return .pattern(pattern)
        case (.pattern(let pattern), .removed) where isInverted: return .pattern(pattern)
        case (.regex(let regex), .isolated): return .regex(regex)
        default: return nil
        }
    }

    /// Whether white space is cut away before anything else is done, so that lines have nothing to do with one another.
    private var cutsAtSpaces: Bool {
        guard normalizers.allSatisfy(\.isLocal), case .split(.characters(let set), .removed, false)? = steps.first else { return false }
        // Nothing may ask whether a piece is the text's first.
        let asksForStart = steps.contains { if case .metaspace(_, .first, _) = $0 { true } else { false } }
        return set == CharacterSet(spaces: true) && !asksForStart
    }

    public func encode(utf8: UnsafeBufferPointer<UInt8>) throws -> [Int32] { try encode(utf8: utf8, specials: nil) }

    /// The ids of a text, without what the template adds.
    /// - Parameters:
    ///   - specials: what special tokens in the text are; by default what they are to the program the tokenizer comes from.
    ///   - threads: as many at most; nil for as many as the machine has. The ids are the same for any number.
    /// - Throws: `TextError.forbiddenSpecialToken`, and `.unsupportedTokenizer` when a split pattern takes absurdly long.
    public func encode(
        utf8: UnsafeBufferPointer<UInt8>, specials: SpecialTokens?, threads: Int? = nil
    ) throws -> [Int32] {
        let specials = specials ?? usualSpecials
        let mayCut = addedTokens.mayCutAfterLineBreak && normalizedTokens.mayCutAfterLineBreak
        let wanted = min(threads ?? ProcessInfo.processInfo.activeProcessorCount, 1 + utf8.count / 100_000)
        var pattern: SplitPattern?
        if case .pattern(let known)? = cutting, normalizers.allSatisfy(\.leavesASCII) { pattern = known }
        guard pattern != nil || cutsAtSpaces else { return try encodePart(utf8, specials) }
        let pieces = mayCut ? ChunkScanner.pieces(of: utf8, atMost: wanted) : [0..<utf8.count]
        let parts = try Parallel.map(pieces) { piece in
            let part = UnsafeBufferPointer(rebasing: utf8[piece])
            return try pattern.map { try encodePart(part, specials, pattern: $0) } ?? encodePart(part, specials)
        }
        return Parallel.joined(parts)
    }

    /// The ids of `text`; see the other form.
    public func encode(_ text: String, specials: SpecialTokens) throws -> [Int32] {
        var text = text
        return try text.withUTF8 { try encode(utf8: $0, specials: specials) }
    }

    /// The ids of a text as a model is to be given it: with what the template puts around it.
    public func encodeWithTemplate(_ text: String) throws -> [Int32] { try template.before + encode(text) + template.after }

    public func encodePrompt(_ text: String) throws -> [Int32] {
        let ids = try encode(text)
        // A prompt may well spell its start out.
        return ids.starts(with: template.before) ? ids : template.before + ids
    }

    private func encodePart(
        _ text: UnsafeBufferPointer<UInt8>, _ specials: SpecialTokens, pattern: SplitPattern
    ) throws -> [Int32] {
        // Where normalizing changes nothing, one encoder does all segments and remembers chunks from one to the next.
        guard normalizers.isEmpty || !text.contains(where: { $0 >= 0x80 }) else { return try encodePart(text, specials) }
        var output: [Int32] = []
        output.reserveCapacity(text.count / 2 + 16)
        var encoder = BPEModel.ChunkEncoder(model, text)
        for outer in try addedTokens.segments(of: text, specials) {
            if let id = outer.id {
                output.append(id)
                continue
            }
            for inner in try normalizedTokens.segments(of: UnsafeBufferPointer(rebasing: text[outer.range]), specials) {
                if let id = inner.id {
                    output.append(id)
                    continue
                }
                let start = outer.range.lowerBound + inner.range.lowerBound
                var scanner = ChunkScanner(
                    UnsafeBufferPointer(rebasing: text[start..<start + inner.range.count]), pattern: pattern)
                while let chunk = scanner.next() {
                    encoder.encode(chunk.lowerBound + start..<chunk.upperBound + start, into: &output)
                }
            }
        }
        return output
    }

    /// Step by step as the `tokenizers` library goes: added tokens, normalization, added tokens again, cuts, merges.
    private func encodePart(_ text: UnsafeBufferPointer<UInt8>, _ specials: SpecialTokens) throws -> [Int32] {
        var output: [Int32] = []
        output.reserveCapacity(text.count / 2 + 16)
        for outer in try addedTokens.segments(of: text, specials) {
            if let id = outer.id {
                output.append(id)
                continue
            }
            let normalized = try Normalizer.apply(normalizers, to: Array(text[outer.range]))
            try normalized.withUnsafeBufferPointer { normalized in
                for inner in try normalizedTokens.segments(of: normalized, specials) {
                    if let id = inner.id {
                        output.append(id)
                        continue
                    }
                    let part = UnsafeBufferPointer(rebasing: normalized[inner.range])
                    if let cutting {
                        try model.encode(part, cutting, into: &output)
                    } else if !part.isEmpty {
                        var pieces = PreTokenizer.Pieces(
                            bytes: Array(part), ranges: [0..<part.count],
                            startsText: outer.range.lowerBound == 0 && inner.range.lowerBound == 0)
                        for step in steps { try step.apply(&pieces) }
                        pieces.bytes.withUnsafeBufferPointer { model.encode($0, chunks: pieces.ranges, into: &output) }
                    }
                }
            }
        }
        return output
    }

    public func bytes(of id: Int32) -> [UInt8] { Array(texts[id]) }

    public func decode(_ ids: [Int32]) -> String { decode(ids, skippingSpecials: false) }

    /// The text of `ids`, with or without special tokens.
    public func decode(_ ids: [Int32], skippingSpecials: Bool) -> String {
        let skipped = skippingSpecials ? Set(specialTokens.values) : []
        var strip = leadingStrip
        var all: [UInt8] = []
        all.reserveCapacity(ids.count * 4)
        for id in ids where !skipped.contains(id) {
            if strip == nil { all.append(contentsOf: texts[id]) } else { all.append(contentsOf: strip?.apply(texts[id]) ?? []) }
        }
        return String(decoding: all, as: UTF8.self)
    }

    public func serialized() -> Data { source }
}

/// Work spread over threads.
enum Parallel {
    /// `body` of every item, in order; the first error if there is one.
    static func map<Item: Sendable, Result: Sendable>(_ items: [Item], _ body: (Item) throws -> Result) throws -> [Result] {
        guard items.count > 1 else { return try items.map(body) }
        var results = [Swift.Result<Result, any Error>?](repeating: nil, count: items.count)
        results.withUnsafeMutableBufferPointer { results in
            withoutActuallyEscaping(body) { body in
                // Every thread writes one element of its own.
                nonisolated(unsafe) let (results, body) = (results, body)
                DispatchQueue.concurrentPerform(iterations: items.count) { number in
                    results[number] = Swift.Result { try body(items[number]) }
                }
            }
        }
        return try results.compactMap { try $0?.get() }
    }

    /// All parts one after the other. Taking new memory from the system is most of the work, and every thread can do its share.
    static func joined(_ parts: [[Int32]]) -> [Int32] {
        guard parts.count > 1 else { return parts.first ?? [] }
        var starts = [0]
        for part in parts { starts.append(starts[starts.count - 1] + part.count) }
        return [Int32](unsafeUninitializedCapacity: starts[parts.count]) { buffer, count in
            // Every thread writes a range of its own.
            nonisolated(unsafe) let all = buffer
            let starts = starts
            DispatchQueue.concurrentPerform(iterations: parts.count) { number in
                _ = UnsafeMutableBufferPointer(rebasing: all[starts[number]..<starts[number + 1]]).initialize(from: parts[number])
            }
            count = starts[parts.count]
        }
    }
}
