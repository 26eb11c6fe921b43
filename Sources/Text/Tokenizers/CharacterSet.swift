/// A set of characters as a regular expression's class or escape has it.
struct CharacterSet: Sendable, Equatable {
    /// A bit for each general category.
    var categories: UInt32 = 0
    var spaces = false
    var words = false
    var ranges: [ClosedRange<UInt32>] = []
    /// Sets that belong to this one, such as `\S` within a class.
    var parts: [CharacterSet] = []
    var isNegated = false
    /// Whether the categories are those of characters that Unicode 8 had, as some of the `tokenizers` library's tables are.
    var isOld = false
    /// The answers for ASCII, looked up far more often than all others.
    private var ascii: (low: UInt64, high: UInt64) = (0, 0)

    static func == (a: CharacterSet, b: CharacterSet) -> Bool {
        a.categories == b.categories && a.spaces == b.spaces && a.words == b.words && a.ranges == b.ranges && a.parts == b.parts
            && a.isNegated == b.isNegated && a.isOld == b.isOld
    }

    init(categories: UInt32 = 0, spaces: Bool = false, words: Bool = false, ranges: [ClosedRange<UInt32>] = []) {
        (self.categories, self.spaces, self.words, self.ranges) = (categories, spaces, words, ranges)
    }

    /// The same set, quick to ask.
    func ready() -> CharacterSet {
        var result = self
        for value in 0..<64 where holds(UInt32(value)) { result.ascii.low |= 1 << UInt64(value) }
        for value in 0..<64 where holds(UInt32(value + 64)) { result.ascii.high |= 1 << UInt64(value) }
        return result
    }

    /// What the `tokenizers` library takes for punctuation: all of ASCII's symbols too, and what counted as such in Unicode 8.
    static let hubPunctuation: CharacterSet = {
        var marks = CharacterSet(
            categories: categories(named: "P") ?? 0,
            ranges: [0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E, 0x166D...0x166D, 0x111C9...0x111C9])
        marks.isOld = true
        return marks.ready()
    }()

    var negated: CharacterSet {
        var result = self
        result.isNegated.toggle()
        return result
    }

    /// Whether a set made `ready` has the character; a malformed byte (`UTF8Scalars.malformed`) is in negated sets only.
    @inline(__always)
    func contains(_ value: UInt32) -> Bool {
        if value < 64 { return ascii.low >> UInt64(value) & 1 != 0 }
        if value < 128 { return ascii.high >> UInt64(value - 64) & 1 != 0 }
        return holds(value)
    }

    private func holds(_ value: UInt32) -> Bool {
        let entry = CharacterTable.shared[value]
        let isIn =
            value != UTF8Scalars.malformed
            && (categories >> UInt32(CharacterTable.category(entry)) & 1 != 0 && (!isOld || entry & CharacterTable.oldBit != 0)
                || spaces && entry & CharacterTable.spaceBit != 0
                || words && entry & CharacterTable.wordBit != 0
                || ranges.contains { $0.contains(value) })
            || parts.contains { $0.holds(value) }
        return isIn != isNegated
    }

    /// Adds both cases of every letter of the ranges: all of ASCII's, and what single characters map to.
    mutating func ignoreCase() {
        for range in ranges {
            for letter in UInt32(0x41)...0x5A {
                if range.contains(letter) { ranges.append(letter + 32...letter + 32) }
                if range.contains(letter + 32) { ranges.append(letter...letter) }
            }
            // The long s and the Kelvin sign fold to ASCII letters.
            if range.contains(0x53) || range.contains(0x73) { ranges.append(0x17F...0x17F) }
            if range.contains(0x4B) || range.contains(0x6B) { ranges.append(0x212A...0x212A) }
            guard range.count == 1, range.lowerBound >= 0x80, let scalar = Unicode.Scalar(range.lowerBound) else { continue }
            for mapped in [scalar.properties.lowercaseMapping, scalar.properties.uppercaseMapping] {
                let scalars = mapped.unicodeScalars
                if scalars.count == 1, let only = scalars.first { ranges.append(only.value...only.value) }
            }
        }
    }

    /// The categories that `\p{name}` stands for, short or long; nil for what is no general category.
    static func categories(named name: String) -> UInt32? {
        let plain = name.lowercased().filter { $0 != "_" && $0 != " " && $0 != "-" }
        func bits(_ all: CharacterTable.Category...) -> UInt32 { all.reduce(0) { $0 | 1 << UInt32($1.rawValue) } }
        switch plain {
        case "l", "letter": return bits(.lu, .ll, .lt, .lm, .lo)
        case "lc", "casedletter", "l&": return bits(.lu, .ll, .lt)
        case "m", "mark", "combiningmark": return bits(.mn, .mc, .me)
        case "n", "number": return bits(.nd, .nl, .no)
        case "p", "punctuation", "punct": return bits(.pc, .pd, .ps, .pe, .pi, .pf, .po)
        case "s", "symbol": return bits(.sm, .sc, .sk, .so)
        case "z", "separator": return bits(.zs, .zl, .zp)
        case "c", "other": return bits(.cc, .cf, .cs, .co, .cn)
        default: break
        }
        let long: [String: CharacterTable.Category] = [
            "uppercaseletter": .lu, "lowercaseletter": .ll, "titlecaseletter": .lt, "modifierletter": .lm, "otherletter": .lo,
            "nonspacingmark": .mn, "spacingmark": .mc, "enclosingmark": .me, "decimalnumber": .nd, "letternumber": .nl,
            "othernumber": .no, "connectorpunctuation": .pc, "dashpunctuation": .pd, "openpunctuation": .ps,
            "closepunctuation": .pe, "initialpunctuation": .pi, "finalpunctuation": .pf, "otherpunctuation": .po,
            "mathsymbol": .sm, "currencysymbol": .sc, "modifiersymbol": .sk, "othersymbol": .so, "spaceseparator": .zs,
            "lineseparator": .zl, "paragraphseparator": .zp, "control": .cc, "format": .cf, "surrogate": .cs, "privateuse": .co,
            "unassigned": .cn,
        ]
        let short = CharacterTable.Category.allCases.first { "\($0)" == plain }
        return (short ?? long[plain]).map { bits($0) }
    }
}
