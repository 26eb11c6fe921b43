/// How text is cut into chunks before byte pairs are merged; no token ever crosses the edge of a chunk.
///
/// The scanners give the same chunks as the regular expressions that GPT-2 and GPT-4 use, written out by hand: a regular
/// expression engine with Unicode classes is far slower, and none is at hand on every platform.
public enum SplitPattern: String, Sendable, Codable, CaseIterable {
    /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
    case gpt2
    /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`
    case gpt4

    /// The chunks of `text`, whose UTF-8 joined is the text again.
    public func split(_ text: String) -> [String] {
        var text = text
        return text.withUTF8 { buffer in
            var scanner = ChunkScanner(buffer, pattern: self)
            var chunks: [String] = []
            while let range = scanner.next() {
                chunks.append(String(decoding: UnsafeBufferPointer(rebasing: buffer[range]), as: UTF8.self))
            }
            return chunks
        }
    }
}

/// Walks over text chunk by chunk, in one pass and time linear in the text.
package struct ChunkScanner {
    /// What the patterns tell apart; malformed bytes count as `other`, one by one.
    private enum Class: UInt8 { case letter, number, other, space, newline, end }

    private let bytes: UnsafeBufferPointer<UInt8>
    private let pattern: SplitPattern
    private var position = 0

    package init(_ bytes: UnsafeBufferPointer<UInt8>, pattern: SplitPattern) {
        self.bytes = bytes
        self.pattern = pattern
    }

    /// The byte range of the next chunk, or nil at the end.
    package mutating func next() -> Range<Int>? {
        guard position < bytes.count else { return nil }
        let start = position
        position = pattern == .gpt2 ? endOfGPT2Chunk(from: start) : endOfGPT4Chunk(from: start)
        return start..<position
    }

    /// Whether every way of scanning has the edge of a chunk at `index`: a line feed before and visible ASCII after it.
    ///
    /// Text can be cut there and the pieces scanned on their own, with the same chunks.
    package static func isCertainEdge(_ index: Int, in bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        index > 0 && index < bytes.count && bytes[index - 1] == 0x0A && bytes[index] > 0x20 && bytes[index] < 0x7F
    }

    private func endOfGPT2Chunk(from start: Int) -> Int {
        let first = bytes[start]
        if first == 0x27, let end = endOfContraction(from: start, ignoringCase: false) { return end }
        var (kind, length) = unit(at: start)
        var index = start
        if first == 0x20 {
            let following = unit(at: start + 1)
            if following.kind.rawValue <= Class.other.rawValue {
                index = start + 1
                (kind, length) = following
            }
        }
        switch kind {
        case .letter, .number, .other: return endOfRun(of: kind, from: index + length)
        case .space, .newline, .end: return endOfWhitespace(from: start, stoppingAfterNewline: false)
        }
    }

    private func endOfGPT4Chunk(from start: Int) -> Int {
        let first = bytes[start]
        if first == 0x27, let end = endOfContraction(from: start, ignoringCase: true) { return end }
        let (kind, length) = unit(at: start)
        switch kind {
        case .letter:
            return endOfRun(of: .letter, from: start + length)
        case .number:
            var end = start + length
            for _ in 0..<2 {
                let following = unit(at: end)
                guard following.kind == .number else { break }
                end += following.length
            }
            return end
        case .other, .space:
            let following = unit(at: start + length)
            if following.kind == .letter { return endOfRun(of: .letter, from: start + length + following.length) }
            if kind == .other { return endOfSymbols(from: start + length) }
            if first == 0x20, following.kind == .other { return endOfSymbols(from: start + length + following.length) }
            return endOfWhitespace(from: start, stoppingAfterNewline: true)
        case .newline, .end:
            return endOfWhitespace(from: start, stoppingAfterNewline: true)
        }
    }

    /// A run of symbols takes the line breaks after it along.
    private func endOfSymbols(from start: Int) -> Int {
        var end = endOfRun(of: .other, from: start)
        while end < bytes.count, bytes[end] == 0x0A || bytes[end] == 0x0D { end += 1 }
        return end
    }

    private func endOfRun(of kind: Class, from start: Int) -> Int {
        var end = start
        while true {
            let following = unit(at: end)
            guard following.kind == kind else { return end }
            end += following.length
        }
    }

    /// A run of whitespace leaves its last character to the word after it, where a word follows;
    /// with `stoppingAfterNewline` it ends behind its last line break, if it has one.
    private func endOfWhitespace(from start: Int, stoppingAfterNewline: Bool) -> Int {
        var end = start
        var lastStart = start
        var newlineEnd = -1
        while true {
            let (kind, length) = unit(at: end)
            guard kind == .space || kind == .newline else { break }
            lastStart = end
            end += length
            if kind == .newline { newlineEnd = end }
        }
        if stoppingAfterNewline, newlineEnd > 0 { return newlineEnd }
        return end == bytes.count || lastStart == start ? end : lastStart
    }

    /// `'s 't 'm 'd 're 've 'll`; ignoring case, the long s (U+017F) is an s as well.
    private func endOfContraction(from start: Int, ignoringCase: Bool) -> Int? {
        func letter(_ index: Int) -> UInt8 {
            guard index < bytes.count else { return 0 }
            let byte = bytes[index]
            return ignoringCase && byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte
        }
        switch (letter(start + 1), letter(start + 2)) {
        case (UInt8(ascii: "s"), _), (UInt8(ascii: "t"), _), (UInt8(ascii: "m"), _), (UInt8(ascii: "d"), _):
            return start + 2
        case (UInt8(ascii: "r"), UInt8(ascii: "e")), (UInt8(ascii: "v"), UInt8(ascii: "e")), (UInt8(ascii: "l"), UInt8(ascii: "l")):
            return start + 3
        case (0xC5, 0xBF) where ignoringCase:
            return start + 3
        default:
            return nil
        }
    }

    @inline(__always)
    private func unit(at index: Int) -> (kind: Class, length: Int) {
        guard index < bytes.count else { return (.end, 0) }
        let byte = bytes[index]
        if byte >= 0x80 { return multibyteUnit(at: index) }
        let lower = byte | 0x20
        if lower >= 0x61 && lower <= 0x7A { return (.letter, 1) }
        if byte == 0x20 { return (.space, 1) }
        if byte > 0x20 { return (byte >= 0x30 && byte <= 0x39 ? .number : .other, 1) }
        if byte == 0x0A || byte == 0x0D { return (.newline, 1) }
        return (byte >= 0x09 && byte <= 0x0C ? .space : .other, 1)
    }

    private func multibyteUnit(at index: Int) -> (kind: Class, length: Int) {
        guard let base = bytes.baseAddress else { return (.end, 0) }
        let (value, length) = UTF8Scalars.decode(base, at: index, end: bytes.count)
        guard let scalar = Unicode.Scalar(value) else { return (.other, 1) }
        let properties = scalar.properties
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: return (.letter, length)
        case .decimalNumber, .letterNumber, .otherNumber: return (.number, length)
        default: return (properties.isWhitespace ? .space : .other, length)
        }
    }
}
