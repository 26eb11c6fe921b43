/// The normalizer of BERT, which GPT-1's tokenizer has too: control characters out, all white space as spaces, spaces around
/// ideographs, accents off, lowercase. What is a control character and what an accent is as the `tokenizers` library has it.
package struct BertNormalizer: Sendable {
    let cleans: Bool
    let spacesIdeographs: Bool
    let stripsAccents: Bool
    let lowercases: Bool

    package init(cleans: Bool = false, spacesIdeographs: Bool = false, stripsAccents: Bool = false, lowercases: Bool = false) {
        (self.cleans, self.spacesIdeographs) = (cleans, spacesIdeographs)
        (self.stripsAccents, self.lowercases) = (stripsAccents, lowercases)
    }

    /// Whether BERT's pre-tokenizer cuts a character off as punctuation.
    package static func isPunctuation(_ value: UInt32) -> Bool { CharacterSet.hubPunctuation.contains(value) }

    package func apply(_ text: [UInt8]) throws -> [UInt8] {
        // ASCII has neither ideographs nor accents; it goes byte by byte.
        if !text.contains(where: { $0 >= 0x80 }) { return ascii(text) }
        var text = text
        if cleans || spacesIdeographs { text = cleaned(text) }
        if stripsAccents { text = BertNormalizer.withoutAccents(try Normalizer.apply([.decomposed], to: text)) }
        return lowercases ? try Normalizer.apply([.lowercase], to: text) : text
    }

    private func ascii(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        for byte in text {
            if cleans, byte < 0x20 || byte == 0x7F {
                if byte == 0x09 || byte == 0x0A || byte == 0x0D { result.append(0x20) }
            } else {
                result.append(lowercases && byte >= 0x41 && byte <= 0x5A ? byte + 0x20 : byte)
            }
        }
        return result
    }

    private func cleaned(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count + text.count / 8)
        text.withUnsafeBufferPointer { text in
            BertNormalizer.forEachCharacter(of: text) { value, bytes in
                if cleans {
                    if BertNormalizer.isRemoved(value) { return }
                    if CharacterTable.shared[value] & CharacterTable.spaceBit != 0 {
                        result.append(0x20)
                        return
                    }
                }
                let isSpaced = spacesIdeographs && BertNormalizer.isIdeograph(value)
                if isSpaced { result.append(0x20) }
                result.append(contentsOf: bytes)
                if isSpaced { result.append(0x20) }
            }
        }
        return result
    }

    private static func withoutAccents(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        text.withUnsafeBufferPointer { text in
            forEachCharacter(of: text) { value, bytes in
                if !isAccent(value) { result.append(contentsOf: bytes) }
            }
        }
        return result
    }

    /// Calls `body` with each character and its bytes; bytes that are not UTF-8 come one by one, as `UTF8Scalars.malformed`.
    private static func forEachCharacter(
        of text: UnsafeBufferPointer<UInt8>, _ body: (UInt32, Slice<UnsafeBufferPointer<UInt8>>) -> Void
    ) {
        guard let base = text.baseAddress else { return }
        var at = 0
        while at < text.count {
            let (value, length) = UTF8Scalars.decode(base, at: at, end: text.count)
            body(value, text[at..<at + length])
            at += length
        }
    }

    /// Control, format and private characters but for tabs and line breaks, and what stands for damage.
    static func isRemoved(_ value: UInt32) -> Bool {
        if value == 0xFFFD { return true }
        if value == 0x09 || value == 0x0A || value == 0x0D { return false }
        return isOf([.cc, .cf, .co], value)
    }

    /// A nonspacing mark of Unicode 8: two were none of them later, and four only later.
    static func isAccent(_ value: UInt32) -> Bool {
        switch value {
        case 0x1734, 0x1171E: true
        case 0x1885...0x1886, 0xA9BD, 0x111C9: false
        default: isOf([.mn], value)
        }
    }

    /// The blocks of Chinese characters that the library has, one of them without its first page.
    static func isIdeograph(_ value: UInt32) -> Bool {
        switch value {
        case 0x4E00...0x9FFF, 0x3400...0x4DBF, 0x20000...0x2A6DF, 0x2A700...0x2B73F, 0x2B740...0x2B81F, 0x2B920...0x2CEAF,
            0xF900...0xFAFF, 0x2F800...0x2FA1F:
            true
        default: false
        }
    }

    private static func isOf(_ categories: [CharacterTable.Category], _ value: UInt32) -> Bool {
        let entry = CharacterTable.shared[value]
        guard entry & CharacterTable.oldBit != 0 else { return false }
        let category = CharacterTable.category(entry)
        return categories.contains { $0.rawValue == category }
    }
}
