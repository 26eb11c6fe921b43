/// A step that cuts text into pieces, or changes the pieces that there are.
enum PreTokenizer: Sendable {
    /// What a split looks for.
    enum Cutter: Sendable {
        case pattern(SplitPattern)
        case regex(SplitRegex)
        case text([UInt8])
        /// Characters of a set, one by one.
        case characters(CharacterSet)
    }

    /// What becomes of what is found, by the names of the `tokenizers` library.
    enum Behavior: Sendable { case removed, isolated, mergedWithPrevious, mergedWithNext, contiguous }

    enum PrefixScheme: Sendable { case always, first, never }

    case split(Cutter, Behavior, isInverted: Bool)
    /// A space before each piece that has none.
    case prefixSpace
    /// White space written as a visible character, `▁` mostly, and pieces cut before it.
    case metaspace([UInt8], PrefixScheme, splits: Bool)

    /// A text and the pieces of it.
    struct Pieces {
        var bytes: [UInt8]
        var ranges: [Range<Int>]
        /// Whether the first piece stands at the start of all of the text.
        let startsText: Bool
    }

    func apply(_ pieces: inout Pieces) throws {
        switch self {
        case .split(let cutter, let behavior, let isInverted):
            var ranges: [Range<Int>] = []
            try pieces.bytes.withUnsafeBufferPointer { bytes in
                for piece in pieces.ranges {
                    let text = UnsafeBufferPointer(rebasing: bytes[piece])
                    if behavior == .isolated || behavior == .removed {
                        // The usual ways need no list of the parts of every word.
                        try cutter.forEachPart(of: text) { part, isMatch in
                            guard behavior == .isolated || isMatch == isInverted, !part.isEmpty else { return }
                            ranges.append(part.lowerBound + piece.lowerBound..<part.upperBound + piece.lowerBound)
                        }
                        continue
                    }
                    let found = try cutter.parts(of: text)
                    for part in behavior.apply(isInverted ? found.map { ($0.range, !$0.isMatch) } : found) where !part.isEmpty {
                        ranges.append(part.lowerBound + piece.lowerBound..<part.upperBound + piece.lowerBound)
                    }
                }
            }
            pieces.ranges = ranges
        case .prefixSpace:
            pieces = rewritten(pieces) { piece, _ in piece.first == 0x20 ? Array(piece) : [0x20] + piece }
        case .metaspace(let replacement, let scheme, let splits):
            pieces = try rewritten(pieces) { piece, isFirst in
                let text = try Normalizer.replacing([0x20], by: replacement, in: Array(piece), limit: 4096 + 64 * piece.count)
                let wantsPrefix = scheme == .always || scheme == .first && isFirst
                return wantsPrefix && !text.starts(with: replacement) ? replacement + text : text
            }
            if splits { try PreTokenizer.split(.text(replacement), .mergedWithNext, isInverted: false).apply(&pieces) }
        }
    }

    private func rewritten(_ pieces: Pieces, _ change: (ArraySlice<UInt8>, _ isFirst: Bool) throws -> [UInt8]) rethrows -> Pieces {
        var result = Pieces(bytes: [], ranges: [], startsText: pieces.startsText)
        result.bytes.reserveCapacity(pieces.bytes.count)
        for (number, piece) in pieces.ranges.enumerated() {
            let start = result.bytes.count
            result.bytes.append(contentsOf: try change(pieces.bytes[piece], number == 0 && pieces.startsText))
            result.ranges.append(start..<result.bytes.count)
        }
        return result
    }
}

extension PreTokenizer.Cutter {
    /// All of `text` in parts: what is found, and what lies between.
    func parts(of text: UnsafeBufferPointer<UInt8>) throws -> [(range: Range<Int>, isMatch: Bool)] {
        var parts: [(range: Range<Int>, isMatch: Bool)] = []
        try forEachPart(of: text) { parts.append(($0, $1)) }
        return parts
    }

    /// Calls `body` with every part in order, and whether it is what is looked for.
    func forEachPart(of text: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>, Bool) -> Void) throws {
        var done = 0
        func add(_ match: Range<Int>) {
            if match.lowerBound > done { body(done..<match.lowerBound, false) }
            body(match, true)
            done = match.upperBound
        }
        switch self {
        case .pattern(let pattern):
            var scanner = ChunkScanner(text, pattern: pattern)
            while let chunk = scanner.next() { add(chunk) }
        case .regex(let regex):
            var search = SplitRegex.Search(regex, in: text)
            while let match = try search.next(from: done) { add(match) }
        case .text(let wanted):
            var at = 0
            while let first = wanted.first, at + wanted.count <= text.count {
                if text[at] == first, text[at..<at + wanted.count].elementsEqual(wanted) {
                    add(at..<at + wanted.count)
                    at += wanted.count
                } else {
                    at += 1
                }
            }
        case .characters(let set):
            guard let base = text.baseAddress else { return }
            var at = 0
            while at < text.count {
                let (value, length) = UTF8Scalars.decode(base, at: at, end: text.count)
                if set.contains(value) { add(at..<at + length) }
                at += length
            }
        }
        if done < text.count { body(done..<text.count, false) }
    }
}

extension PreTokenizer.Behavior {
    /// The pieces that are left, in order.
    func apply(_ parts: [(range: Range<Int>, isMatch: Bool)]) -> [Range<Int>] {
        var result: [Range<Int>] = []
        var previous = false
        func extendLast(to end: Int) { result[result.count - 1] = result[result.count - 1].lowerBound..<end }
        switch self {
        case .isolated: return parts.map(\.range)
        case .removed: return parts.filter { !$0.isMatch }.map(\.range)
        case .contiguous:
            for part in parts {
                if part.isMatch == previous, !result.isEmpty {
                    extendLast(to: part.range.upperBound)
                } else {
                    result.append(part.range)
                }
                previous = part.isMatch
            }
        case .mergedWithPrevious:
            for part in parts {
                if part.isMatch, !previous, !result.isEmpty { extendLast(to: part.range.upperBound) } else { result.append(part.range) }
                previous = part.isMatch
            }
        case .mergedWithNext:
            for part in parts.reversed() {
                if part.isMatch, !previous, let last = result.last {
                    result[result.count - 1] = part.range.lowerBound..<last.upperBound
                } else {
                    result.append(part.range)
                }
                previous = part.isMatch
            }
            result.reverse()
        }
        return result
    }
}
