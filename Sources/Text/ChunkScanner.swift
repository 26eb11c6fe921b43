/// What the split patterns tell apart, a bit each.
struct ScanClass {
    static let upper: UInt8 = 1, lower: UInt8 = 2, caseless: UInt8 = 4, mark: UInt8 = 8
    static let number: UInt8 = 16, other: UInt8 = 32, space: UInt8 = 64, newline: UInt8 = 128
    static let letter = upper | lower | caseless
    /// All but letters, numbers and white space.
    static let symbol = mark | other
    static let white = space | newline

    /// The classes of all code points by pages of 256; memory that lives as long as the program.
    struct Table: @unchecked Sendable {
        let pages: UnsafePointer<UInt16>
        let entries: UnsafePointer<UInt8>
    }

    static let table: Table = {
        let pages = UnsafeMutablePointer<UInt16>.allocate(capacity: 0x1100)
        var entries: [UInt8] = []
        var known: [[UInt8]: UInt16] = [:]
        for page in 0..<0x1100 {
            let content = (0..<256).map { of(CharacterTable.shared[UInt32(page << 8 | $0)], UInt32(page << 8 | $0)) }
            let number = known[content] ?? UInt16(entries.count >> 8)
            if known.updateValue(number, forKey: content) == nil { entries.append(contentsOf: content) }
            pages[page] = number
        }
        let kept = UnsafeMutablePointer<UInt8>.allocate(capacity: entries.count)
        kept.initialize(from: entries, count: entries.count)
        return Table(pages: pages, entries: kept)
    }()

    private static func of(_ entry: UInt8, _ value: UInt32) -> UInt8 {
        if value == 0x0A || value == 0x0D { return newline }
        guard let category = CharacterTable.Category(rawValue: CharacterTable.category(entry)) else { return other }
        switch category {
        case .lu, .lt: return upper
        case .ll: return lower
        case .lm, .lo: return caseless
        case .mn, .mc, .me: return mark
        case .nd, .nl, .no: return number
        default: return entry & CharacterTable.spaceBit != 0 ? space : other
        }
    }
}

/// Walks over text chunk by chunk, in one pass and time linear in the text. Malformed bytes count as symbols, one by one.
package struct ChunkScanner {
    private let bytes: UnsafeBufferPointer<UInt8>
    private let pattern: SplitPattern
    private let table = ScanClass.table
    private let digits: Int
    private var position = 0

    package init(_ bytes: UnsafeBufferPointer<UInt8>, pattern: SplitPattern) {
        self.bytes = bytes
        self.pattern = pattern
        digits =
            switch pattern {
            case .qwen2: 1
            case .nanochat: 2
            default: 3
            }
    }

    /// The byte range of the next chunk, or nil at the end.
    @inline(__always)
    package mutating func next() -> Range<Int>? {
        guard position < bytes.count else { return nil }
        let start = position
        switch pattern {
        case .gpt2: position = endOfGPT2Chunk(from: start)
        case .o200k: position = endOfO200kChunk(from: start)
        default: position = endOfGPT4Chunk(from: start)
        }
        return start..<position
    }

    /// Whether every way of scanning has the edge of a chunk at `index`: a line feed before and visible ASCII after it.
    ///
    /// Text can be cut there and the pieces scanned on their own, with the same chunks.
    package static func isCertainEdge(_ index: Int, in bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        index > 0 && index < bytes.count && bytes[index - 1] == 0x0A && bytes[index] > 0x20 && bytes[index] < 0x7F
            // o200k has symbols followed by line breaks and slashes in one chunk.
            && bytes[index] != UInt8(ascii: "/")
    }

    /// Cuts the text at certain edges into at most `wanted` pieces of about the same length.
    static func pieces(of text: UnsafeBufferPointer<UInt8>, atMost wanted: Int) -> [Range<Int>] {
        var pieces: [Range<Int>] = []
        var start = 0
        for piece in 1..<max(wanted, 1) {
            var cut = max(start + 1, text.count / wanted * piece)
            while cut < text.count, !isCertainEdge(cut, in: text) { cut += 1 }
            guard cut < text.count else { break }
            pieces.append(start..<cut)
            start = cut
        }
        return pieces + [start..<text.count]
    }

    private func endOfGPT2Chunk(from start: Int) -> Int {
        let first = bytes[start]
        if first == 0x27, let end = endOfContraction(from: start, ignoringCase: false) { return end }
        var (kind, length) = unit(at: start)
        var index = start
        if first == 0x20 {
            let following = unit(at: start + 1)
            if following.kind & ~ScanClass.white != 0 {
                index = start + 1
                (kind, length) = following
            }
        }
        if kind & ScanClass.letter != 0 { return endOfRun(of: ScanClass.letter, from: index + length) }
        if kind == ScanClass.number { return endOfRun(of: ScanClass.number, from: index + length) }
        if kind & ScanClass.symbol != 0 { return endOfRun(of: ScanClass.symbol, from: index + length) }
        return endOfWhitespace(from: start, stoppingAfterNewline: false)
    }

    private func endOfGPT4Chunk(from start: Int) -> Int {
        let first = bytes[start]
        if first == 0x27, let end = endOfContraction(from: start, ignoringCase: true) { return end }
        let (kind, length) = unit(at: start)
        if kind & ScanClass.letter != 0 { return endOfRun(of: ScanClass.letter, from: start + length) }
        if kind == ScanClass.number { return endOfDigits(from: start + length) }
        if kind == ScanClass.newline { return endOfWhitespace(from: start, stoppingAfterNewline: true) }
        let following = unit(at: start + length)
        if following.kind & ScanClass.letter != 0 {
            return endOfRun(of: ScanClass.letter, from: start + length + following.length)
        }
        if kind & ScanClass.symbol != 0 { return endOfSymbols(from: start + length, slashes: false) }
        if first == 0x20, following.kind & ScanClass.symbol != 0 {
            return endOfSymbols(from: start + length + following.length, slashes: false)
        }
        return endOfWhitespace(from: start, stoppingAfterNewline: true)
    }

    private func endOfO200kChunk(from start: Int) -> Int {
        let (kind, length) = unit(at: start)
        if kind & (ScanClass.letter | ScanClass.number | ScanClass.newline) == 0 {
            // One character that is no letter may stand before a word; a mark can be a word's first as well.
            let body = start + length
            if let end = endOfWord(from: body) { return endOfWordWithContraction(end) }
            if kind == ScanClass.mark, let end = endOfWord(from: start) { return endOfWordWithContraction(end) }
            let capitals = endOfRun(of: ScanClass.upper, from: body)
            if capitals > body { return endOfWordWithContraction(capitals) }
        } else if kind & ScanClass.letter != 0 {
            if let end = endOfWord(from: start) { return endOfWordWithContraction(end) }
            return endOfWordWithContraction(endOfRun(of: ScanClass.upper, from: start))
        }
        if kind == ScanClass.number { return endOfDigits(from: start + length) }
        if kind & ScanClass.symbol != 0 { return endOfSymbols(from: start + length, slashes: true) }
        if bytes[start] == 0x20 {
            let following = unit(at: start + 1)
            if following.kind & ScanClass.symbol != 0 { return endOfSymbols(from: start + 1 + following.length, slashes: true) }
        }
        return endOfWhitespace(from: start, stoppingAfterNewline: true)
    }

    /// Capitals and what has no case, as many as there are, and then at least one that is no capital: `U*L+`, where the
    /// two sets share what has no case. Nil where that matches nothing.
    private func endOfWord(from start: Int) -> Int? {
        var end = start, lastShared = -1
        while true {
            let (kind, length) = unit(at: end)
            guard kind & (ScanClass.upper | ScanClass.caseless | ScanClass.mark) != 0 else { break }
            end += length
            if kind != ScanClass.upper { lastShared = end }
        }
        let small = endOfRun(of: ScanClass.lower | ScanClass.caseless | ScanClass.mark, from: end)
        if small > end { return small }
        return lastShared >= 0 ? lastShared : nil
    }

    private func endOfWordWithContraction(_ end: Int) -> Int {
        guard end < bytes.count, bytes[end] == 0x27 else { return end }
        return endOfContraction(from: end, ignoringCase: true) ?? end
    }

    private func endOfDigits(from start: Int) -> Int {
        var end = start
        for _ in 1..<digits {
            let following = unit(at: end)
            guard following.kind == ScanClass.number else { break }
            end += following.length
        }
        return end
    }

    /// A run of symbols takes the line breaks after it along.
    private func endOfSymbols(from start: Int, slashes: Bool) -> Int {
        var end = endOfRun(of: ScanClass.symbol, from: start)
        while end < bytes.count, bytes[end] == 0x0A || bytes[end] == 0x0D || slashes && bytes[end] == 0x2F { end += 1 }
        return end
    }

    @inline(__always)
    private func endOfRun(of kinds: UInt8, from start: Int) -> Int {
        var end = start
        while true {
            let following = unit(at: end)
            guard following.kind & kinds != 0 else { return end }
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
            guard kind & ScanClass.white != 0 else { break }
            lastStart = end
            end += length
            if kind == ScanClass.newline { newlineEnd = end }
        }
        if end == bytes.count, pattern == .cl100k { return end }
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

    /// The class and length of the character at `index`; no class at the end.
    @inline(__always)
    private func unit(at index: Int) -> (kind: UInt8, length: Int) {
        guard index < bytes.count else { return (0, 0) }
        let byte = bytes[index]
        if byte >= 0x80 { return multibyteUnit(at: index) }
        return (table.entries[Int(byte)], 1)
    }

    private func multibyteUnit(at index: Int) -> (kind: UInt8, length: Int) {
        guard let base = bytes.baseAddress else { return (0, 0) }
        let (value, length) = UTF8Scalars.decode(base, at: index, end: bytes.count)
        guard value != UTF8Scalars.malformed else { return (ScanClass.other, 1) }
        return (table.entries[Int(table.pages[Int(value >> 8)]) << 8 | Int(value & 0xFF)], length)
    }
}
