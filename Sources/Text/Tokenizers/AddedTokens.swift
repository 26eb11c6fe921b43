/// What happens where a text holds the words of a special token, such as `<|endoftext|>`.
public enum SpecialTokens: Sendable, Equatable {
    /// They become the token.
    case allowed
    /// These become their tokens; others are an error.
    case only(Set<String>)
    /// They are text like any other.
    case plain
    /// They are an error.
    case forbidden
}

/// Tokens that are found in the text before it is cut and merged.
struct AddedTokens: Sendable {
    struct Token: Sendable {
        let bytes: [UInt8]
        let id: Int32
        var isSpecial = false
        /// Whether white space on this side goes with the token.
        var stripsLeft = false, stripsRight = false
        /// Whether it counts between word characters.
        var isSingleWord = false
        /// Whether it is looked for in the normalized text.
        var isNormalized = false
    }

    /// A stretch of text, or a token.
    struct Segment {
        let range: Range<Int>
        let id: Int32?
    }

    /// In order of their bytes, so that those with the same start are neighbours.
    private let tokens: [Token]
    private let firstBytes: [Bool]
    /// Whether a text may be cut after any line break without any of the tokens being missed.
    let mayCutAfterLineBreak: Bool
    /// A token that is more than a special token of these very words, by its words.
    var firstUnusual: String? {
        tokens.first { !$0.isSpecial || $0.stripsLeft || $0.stripsRight || $0.isSingleWord || $0.isNormalized }
            .map { String(decoding: $0.bytes, as: UTF8.self) }
    }

    /// Whether there are none but special ones.
    var areAllSpecial: Bool { tokens.allSatisfy(\.isSpecial) }

    init(_ tokens: [Token]) {
        self.tokens = tokens.filter { !$0.bytes.isEmpty }.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
        var first = [Bool](repeating: false, count: 256)
        for token in self.tokens { first[Int(token.bytes[0])] = true }
        firstBytes = first
        mayCutAfterLineBreak = tokens.allSatisfy { !$0.stripsLeft && !$0.bytes.contains(0x0A) }
    }

    /// Cuts `text` at the tokens: the longest of those that begin first, as the `tokenizers` library does.
    /// - Throws: `TextError.forbiddenSpecialToken`.
    func segments(of text: UnsafeBufferPointer<UInt8>, _ specials: SpecialTokens) throws -> [Segment] {
        guard !tokens.isEmpty, specials != .plain || tokens.contains(where: { !$0.isSpecial }) else {
            return [Segment(range: 0..<text.count, id: nil)]
        }
        var segments: [Segment] = []
        var done = 0
        var at = 0
        while at < text.count {
            guard firstBytes[Int(text[at])], let token = longest(at: at, in: text) else {
                at += 1
                continue
            }
            var start = at, end = at + token.bytes.count
            at = end
            if token.isSingleWord, isWord(before: start, in: text) || isWord(at: end, in: text) { continue }
            if token.isSpecial {
                switch specials {
                case .allowed: break
                case .plain: continue
                case .only(let names):
                    if !names.contains(String(decoding: token.bytes, as: UTF8.self)) { throw forbidden(token, start) }
                case .forbidden: throw forbidden(token, start)
                }
            }
            if token.stripsLeft { while start > done, let length = space(before: start, in: text) { start -= length } }
            if token.stripsRight { while let length = space(at: end, in: text) { end += length } }
            if start > done { segments.append(Segment(range: done..<start, id: nil)) }
            segments.append(Segment(range: start..<end, id: token.id))
            // A token found in the white space that one before it took goes back to its own end, as the library does.
            done = end
        }
        if done < text.count || segments.isEmpty { segments.append(Segment(range: done..<text.count, id: nil)) }
        return segments
    }

    private func forbidden(_ token: Token, _ offset: Int) -> TextError {
        .forbiddenSpecialToken(token: String(decoding: token.bytes, as: UTF8.self), offset: offset)
    }

    private func longest(at start: Int, in text: UnsafeBufferPointer<UInt8>) -> Token? {
        var low = 0, high = tokens.count
        var depth = 0
        var found: Token?
        while low < high, start + depth < text.count {
            let byte = text[start + depth]
            // Those that go on with this byte; one that ends here comes before them all and does not.
            low = firstIndex(low, high) { $0.bytes.count > depth && $0.bytes[depth] >= byte }
            high = firstIndex(low, high) { $0.bytes.count > depth && $0.bytes[depth] > byte }
            depth += 1
            if low < high, tokens[low].bytes.count == depth { found = tokens[low] }
        }
        return found
    }

    private func firstIndex(_ low: Int, _ high: Int, where isBehind: (Token) -> Bool) -> Int {
        var low = low, high = high
        while low < high {
            let middle = (low + high) / 2
            if isBehind(tokens[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }

    private func isWord(before end: Int, in text: UnsafeBufferPointer<UInt8>) -> Bool {
        end > 0 && CharacterTable.shared[UTF8Scalars.scalar(before: end, in: text)] & CharacterTable.wordBit != 0
    }

    private func isWord(at start: Int, in text: UnsafeBufferPointer<UInt8>) -> Bool {
        guard start < text.count, let base = text.baseAddress else { return false }
        return CharacterTable.shared[UTF8Scalars.decode(base, at: start, end: text.count).scalar] & CharacterTable.wordBit != 0
    }

    private func space(at start: Int, in text: UnsafeBufferPointer<UInt8>) -> Int? {
        guard start < text.count, let base = text.baseAddress else { return nil }
        let (value, length) = UTF8Scalars.decode(base, at: start, end: text.count)
        return CharacterTable.shared[value] & CharacterTable.spaceBit != 0 ? length : nil
    }

    private func space(before end: Int, in text: UnsafeBufferPointer<UInt8>) -> Int? {
        guard end > 0 else { return nil }
        let value = UTF8Scalars.scalar(before: end, in: text)
        guard CharacterTable.shared[value] & CharacterTable.spaceBit != 0, let scalar = Unicode.Scalar(value) else { return nil }
        return UTF8.width(scalar)
    }
}
