/// What a character is, as the split patterns ask: its general category and whether it is white space.
///
/// Asking the standard library for every character costs far more than splitting does, so its answers are kept in a table
/// of two levels, made when first needed. The Unicode version is that of the Swift runtime.
struct CharacterTable: Sendable {
    /// General categories in the order of their numbers here.
    enum Category: UInt8, CaseIterable {
        case lu, ll, lt, lm, lo, mn, mc, me, nd, nl, no, pc, pd, ps, pe, pi, pf, po, sm, sc, sk, so, zs, zl, zp, cc, cf, cs, co, cn
    }

    static let shared = CharacterTable()
    /// White_Space, besides the category in the lower bits.
    static let spaceBit: UInt8 = 0x80
    /// Alphabetic or Join_Control: with marks, decimal digits and connecting punctuation what `\w` is.
    static let wordBit: UInt8 = 0x40
    /// Assigned in Unicode 8 already. Some of the `tokenizers` library's tables are that old.
    static let oldBit: UInt8 = 0x20

    private let pages: [UInt16]
    private let entries: [UInt8]

    private init() {
        var pages: [UInt16] = []
        var entries: [UInt8] = []
        var known: [[UInt8]: UInt16] = [:]
        for page in 0..<0x1100 {
            let content = CharacterTable.content(ofPage: page)
            if let number = known[content] {
                pages.append(number)
            } else {
                let number = UInt16(entries.count >> 8)
                known[content] = number
                pages.append(number)
                entries.append(contentsOf: content)
            }
        }
        (self.pages, self.entries) = (pages, entries)
    }

    /// Category and bits of a code point; those of an unassigned one where there is none.
    @inline(__always)
    subscript(value: UInt32) -> UInt8 {
        guard value < 0x110000 else { return Category.cn.rawValue }
        return entries[Int(pages[Int(value >> 8)]) << 8 | Int(value & 0xFF)]
    }

    @inline(__always)
    static func category(_ entry: UInt8) -> UInt8 { entry & 0x1F }

    private static func content(ofPage page: Int) -> [UInt8] {
        // Asking about every code point of planes that hold nothing, or private use alone, would take most of the time.
        switch page {
        case 0x400..<0xE00: return Array(repeating: Category.cn.rawValue, count: 256)
        case 0xF00..<0xFFF, 0x1000..<0x10FF: return Array(repeating: Category.co.rawValue | oldBit, count: 256)
        default: return (0..<256).map { entry(UInt32(page << 8 | $0)) }
        }
    }

    private static func entry(_ value: UInt32) -> UInt8 {
        guard let scalar = Unicode.Scalar(value) else { return Category.cs.rawValue }
        let properties = scalar.properties
        let category = category(properties.generalCategory)
        if category == .cn { return category.rawValue }
        let isOld = properties.age.map { $0.major <= 8 && ($0.major < 8 || $0.minor == 0) } ?? false
        if category == .co { return category.rawValue | (isOld ? oldBit : 0) }
        let isWord =
            properties.isAlphabetic || properties.isJoinControl
            || [.mn, .mc, .me, .nd, .pc].contains(category)
        return category.rawValue | (isOld ? oldBit : 0) | (properties.isWhitespace ? spaceBit : 0) | (isWord ? wordBit : 0)
    }

    private static func category(_ category: Unicode.GeneralCategory) -> Category {
        switch category {
        case .uppercaseLetter: .lu
        case .lowercaseLetter: .ll
        case .titlecaseLetter: .lt
        case .modifierLetter: .lm
        case .otherLetter: .lo
        case .nonspacingMark: .mn
        case .spacingMark: .mc
        case .enclosingMark: .me
        case .decimalNumber: .nd
        case .letterNumber: .nl
        case .otherNumber: .no
        case .connectorPunctuation: .pc
        case .dashPunctuation: .pd
        case .openPunctuation: .ps
        case .closePunctuation: .pe
        case .initialPunctuation: .pi
        case .finalPunctuation: .pf
        case .otherPunctuation: .po
        case .mathSymbol: .sm
        case .currencySymbol: .sc
        case .modifierSymbol: .sk
        case .otherSymbol: .so
        case .spaceSeparator: .zs
        case .lineSeparator: .zl
        case .paragraphSeparator: .zp
        case .control: .cc
        case .format: .cf
        case .surrogate: .cs
        case .privateUse: .co
        case .unassigned: .cn
        @unknown default: .cn
        }
    }
}
