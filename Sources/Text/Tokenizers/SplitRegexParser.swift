/// What a regular expression means, before it is compiled.
indirect enum SplitRegexNode {
    case empty
    case set(CharacterSet)
    case sequence([SplitRegexNode])
    case choice([SplitRegexNode])
    case repetition(SplitRegexNode, min: Int, max: Int?, RepetitionMode)
    case look(SplitRegexNode, isNegative: Bool)
    /// What stands right before must, or must not, be of the set.
    case behind(CharacterSet, isNegative: Bool)
    case atomic(SplitRegexNode)
    case textStart, textEnd

    enum RepetitionMode { case greedy, lazy, possessive }

    /// The fewest characters that it matches.
    var shortest: Int {
        switch self {
        case .empty, .look, .behind, .textStart, .textEnd: 0
        case .set: 1
        case .sequence(let parts): parts.reduce(0) { min($0 + $1.shortest, 1 << 20) }
        case .choice(let parts): parts.map(\.shortest).min() ?? 0
        case .repetition(let part, let least, _, _): min(part.shortest * least, 1 << 20)
        case .atomic(let part): part.shortest
        }
    }
}

/// Reads the regular expressions that tokenizers split text by; syntax that it does not know is refused by name.
package struct SplitRegexParser {
    /// Whose expressions they are: the two engines differ in `$`, `^` and in `+` behind `{1,3}`.
    package enum Dialect: Sendable { case huggingFace, tiktoken }

    private static let deepest = 32
    private let pattern: [Unicode.Scalar]
    private let dialect: Dialect
    private var index = 0
    private var depth = 0
    private var ignoresCase = false

    /// The meaning of `pattern`.
    /// - Throws: `TextError.unsupportedTokenizer` naming the syntax.
    static func parse(_ pattern: String, _ dialect: Dialect) throws -> SplitRegexNode {
        var parser = SplitRegexParser(pattern: Array(pattern.unicodeScalars), dialect: dialect)
        let node = try parser.choice()
        guard parser.index == parser.pattern.count else { throw parser.refused("an unmatched )") }
        return node
    }

    private init(pattern: [Unicode.Scalar], dialect: Dialect) { (self.pattern, self.dialect) = (pattern, dialect) }

    private func refused(_ what: String) -> TextError {
        var shown = String.UnicodeScalarView()
        shown.append(contentsOf: pattern.prefix(60))
        return .unsupportedTokenizer(
            what: "\(what) at character \(index) of the split pattern \(String(shown))\(pattern.count > 60 ? "…" : "")")
    }

    private var next: Unicode.Scalar? { index < pattern.count ? pattern[index] : nil }

    private mutating func take(_ text: String) -> Bool {
        let wanted = Array(text.unicodeScalars)
        guard pattern[index...].starts(with: wanted) else { return false }
        index += wanted.count
        return true
    }

    private mutating func choice() throws -> SplitRegexNode {
        depth += 1
        defer { depth -= 1 }
        guard depth <= SplitRegexParser.deepest else { throw refused("groups nested more than \(SplitRegexParser.deepest) deep") }
        let outerCase = ignoresCase
        defer { ignoresCase = outerCase }
        var parts = [try sequence()]
        while take("|") { parts.append(try sequence()) }
        return parts.count == 1 ? parts[0] : .choice(parts)
    }

    private mutating func sequence() throws -> SplitRegexNode {
        var parts: [SplitRegexNode] = []
        while let scalar = next, scalar != "|", scalar != ")" {
            guard let part = try atom() else { continue }
            parts.append(try repeated(part))
        }
        return parts.count == 1 ? parts[0] : parts.isEmpty ? .empty : .sequence(parts)
    }

    private mutating func repeated(_ part: SplitRegexNode) throws -> SplitRegexNode {
        var least = 1, most: Int? = 1
        var isCounted = false
        switch next {
        case "*": (least, most) = (0, nil)
        case "+": (least, most) = (1, nil)
        case "?": (least, most) = (0, 1)
        case "{":
            guard let (from, to, end) = counts() else { throw refused("a { that is no count") }
            (least, most, isCounted) = (from, to, true)
            guard least <= 1000, most ?? 0 <= 1000, most ?? least >= least else { throw refused("a count over 1000 or backwards") }
            index = end - 1
        default: return part
        }
        index += 1
        switch part {
        case .look, .behind, .textStart, .textEnd, .empty: throw refused("a repeated assertion")
        default: break
        }
        var mode = SplitRegexNode.RepetitionMode.greedy
        if take("?") {
            mode = .lazy
        } else if next == "+" {
            // Oniguruma reads it as a repetition of the repetition there.
            if isCounted, dialect == .huggingFace { throw refused("a + behind a count") }
            index += 1
            mode = .possessive
        }
        if let scalar = next, "*+?{".unicodeScalars.contains(scalar) { throw refused("a repetition of a repetition") }
        if most == nil, part.shortest == 0 { throw refused("a repetition of what may be empty") }
        return .repetition(part, min: least, max: most, mode)
    }

    /// `{3}`, `{1,3}` or `{1,}` at the current place, and where it ends.
    private func counts() -> (Int, Int?, Int)? {
        var at = index + 1
        func number() -> Int? {
            let start = at
            while at < pattern.count, at - start < 5, ("0"..."9").contains(pattern[at]) { at += 1 }
            return at == start ? nil : pattern[start..<at].reduce(0) { $0 * 10 + Int($1.value) - 48 }
        }
        guard let from = number() else { return nil }
        var to: Int? = from
        if at < pattern.count, pattern[at] == "," {
            at += 1
            to = number()
        }
        guard at < pattern.count, pattern[at] == "}" else { return nil }
        return (from, to, at + 1)
    }

    /// The next thing that can be repeated; nil for what only changes a setting.
    private mutating func atom() throws -> SplitRegexNode? {
        guard let scalar = next else { return nil }
        switch scalar {
        case "(": return try group()
        case "[": return .set(try bracketed())
        case "\\":
            if take("\\A") { return .textStart }
            if take("\\z") { return .textEnd }
            return .set(try escaped(inClass: false))
        case ".":
            index += 1
            return .set(CharacterSet(ranges: [0x0A...0x0A]).negated)
        case "$" where dialect == .tiktoken:
            index += 1
            return .textEnd
        case "^" where dialect == .tiktoken:
            index += 1
            return .textStart
        case "^", "$", "*", "+", "?", "{": throw refused("\(scalar)")
        default:
            index += 1
            return .set(single(scalar))
        }
    }

    private func single(_ scalar: Unicode.Scalar) -> CharacterSet {
        var set = CharacterSet(ranges: [scalar.value...scalar.value])
        if ignoresCase { set.ignoreCase() }
        return set
    }

    private mutating func group() throws -> SplitRegexNode? {
        func closed(_ node: SplitRegexNode) throws -> SplitRegexNode {
            guard take(")") else { throw refused("a group that is not closed") }
            return node
        }
        if take("(?:") { return try closed(choice()) }
        if take("(?=") { return try closed(.look(choice(), isNegative: false)) }
        if take("(?!") { return try closed(.look(choice(), isNegative: true)) }
        if take("(?>") { return try closed(.atomic(choice())) }
        for (start, isNegative) in [("(?<=", false), ("(?<!", true)] where take(start) {
            guard case .set(let set) = try choice() else { throw refused("a lookbehind of more than one character") }
            return try closed(.behind(set, isNegative: isNegative))
        }
        for (start, ignores) in [("(?i:", true), ("(?-i:", false)] where take(start) {
            let outer = ignoresCase
            ignoresCase = ignores
            defer { ignoresCase = outer }
            return try closed(choice())
        }
        if take("(?i)") {
            ignoresCase = true
            return nil
        }
        if take("(?") { throw refused("the group (?\(next.map { String($0) } ?? "")") }
        index += 1
        return try closed(choice())
    }

    private mutating func escaped(inClass: Bool) throws -> CharacterSet {
        index += 1
        guard let scalar = next else { throw refused("a \\ at the end") }
        index += 1
        switch scalar {
        case "s": return CharacterSet(spaces: true)
        case "S": return CharacterSet(spaces: true).negated
        case "d": return CharacterSet(categories: 1 << UInt32(CharacterTable.Category.nd.rawValue))
        case "D": return CharacterSet(categories: 1 << UInt32(CharacterTable.Category.nd.rawValue)).negated
        case "w": return CharacterSet(words: true)
        case "W": return CharacterSet(words: true).negated
        case "p", "P": return try property(isNegated: scalar == "P")
        case "n": return single("\n")
        case "r": return single("\r")
        case "t": return single("\t")
        case "f": return single("\u{C}")
        case "v": return single("\u{B}")
        case "x", "u": return try codePoint(scalar)
        default:
            guard scalar.value < 0x80, !scalar.properties.isAlphabetic, !("0"..."9").contains(scalar) else {
                index -= 1
                throw refused("\\\(scalar)")
            }
            return single(scalar)
        }
    }

    private mutating func codePoint(_ kind: Unicode.Scalar) throws -> CharacterSet {
        var digits = ""
        if take("{") {
            while let scalar = next, scalar != "}", digits.count < 8 {
                digits.unicodeScalars.append(scalar)
                index += 1
            }
            guard take("}") else { throw refused("a code point without }") }
        } else {
            let count = kind == "x" ? 2 : 4
            while let scalar = next, digits.count < count, scalar.properties.isASCIIHexDigit {
                digits.unicodeScalars.append(scalar)
                index += 1
            }
            guard digits.count == count else { throw refused("\\\(kind) without \(count) digits") }
        }
        guard let value = UInt32(digits, radix: 16), let scalar = Unicode.Scalar(value) else { throw refused("the code point \(digits)") }
        return single(scalar)
    }

    private mutating func property(isNegated: Bool) throws -> CharacterSet {
        var name = ""
        if take("{") {
            while let scalar = next, scalar != "}", name.count < 40 {
                name.unicodeScalars.append(scalar)
                index += 1
            }
            guard take("}") else { throw refused("a \\p without }") }
        } else if let scalar = next {
            name.unicodeScalars.append(scalar)
            index += 1
        }
        let isInverse = name.hasPrefix("^")
        if isInverse { name.removeFirst() }
        guard let categories = CharacterSet.categories(named: name) else { throw refused("\\p{\(name)}") }
        let set = CharacterSet(categories: categories)
        return isNegated != isInverse ? set.negated : set
    }

    private mutating func bracketed() throws -> CharacterSet {
        index += 1
        var set = CharacterSet()
        let isNegated = take("^")
        var isFirst = true
        while true {
            guard let scalar = next else { throw refused("a [ without ]") }
            if scalar == "]", !isFirst { break }
            if scalar == "]" { throw refused("an empty class") }
            isFirst = false
            if scalar == "[" { throw refused("a class in a class") }
            if take("&&") { throw refused("&&") }
            let first = try member()
            guard next == "-", index + 1 < pattern.count, pattern[index + 1] != "]" else {
                set.parts.append(first.set)
                continue
            }
            index += 1
            if next == "[" { throw refused("a class in a class") }
            let last = try member()
            guard let low = first.value, let high = last.value, low <= high else { throw refused("a range that is none") }
            var part = CharacterSet(ranges: [low...high])
            if ignoresCase { part.ignoreCase() }
            set.parts.append(part)
        }
        index += 1
        return isNegated ? set.negated : set
    }

    /// One member of a class, and its code point if it is a single character.
    private mutating func member() throws -> (set: CharacterSet, value: UInt32?) {
        guard let scalar = next else { throw refused("a [ without ]") }
        guard scalar == "\\" else {
            index += 1
            return (single(scalar), scalar.value)
        }
        let set = try escaped(inClass: true)
        return (set, set.ranges.first.flatMap { $0.count == 1 && !set.isNegated ? $0.lowerBound : nil })
    }
}
