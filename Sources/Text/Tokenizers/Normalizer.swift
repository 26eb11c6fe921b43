import Foundation

/// A change to the text before it is cut. Bytes that are not UTF-8 stay as they are.
enum Normalizer: Sendable {
    case composed, decomposed, compatibilityComposed, compatibilityDecomposed
    case lowercase
    case strip(left: Bool, right: Bool)
    case prepend([UInt8])
    case replace([UInt8], with: [UInt8])
    case replaceMatches(SplitRegex, with: [UInt8])
    case bert(BertNormalizer)

    /// Whether text of ASCII alone comes out as it goes in, so that nothing needs to be done.
    var leavesASCII: Bool {
        switch self {
        case .composed, .decomposed, .compatibilityComposed, .compatibilityDecomposed: true
        default: false
        }
    }

    /// Whether what it does to a line depends on nothing behind the line's end or before its start.
    var isLocal: Bool {
        switch self {
        case .composed, .decomposed, .compatibilityComposed, .compatibilityDecomposed, .lowercase, .bert: true
        default: false
        }
    }

    /// One after another.
    /// - Throws: `TextError.unsupportedTokenizer` where they make a text far longer than any does that was meant to.
    static func apply(_ normalizers: [Normalizer], to text: [UInt8]) throws -> [UInt8] {
        let limit = 4096 + 64 * text.count
        return try normalizers.reduce(text) { text, normalizer in
            let result = try normalizer.apply(text, limit: limit)
            guard result.count <= limit else { throw tooLong }
            return result
        }
    }

    private static var tooLong: TextError { .unsupportedTokenizer(what: "normalizers that make a text more than 64 times as long") }

    private func apply(_ text: [UInt8], limit: Int) throws -> [UInt8] {
        switch self {
        case .composed: return changed(text) { UnicodeNormalization.shared.apply($0, compatible: false, composes: true) }
        case .decomposed: return changed(text) { UnicodeNormalization.shared.apply($0, compatible: false, composes: false) }
        case .compatibilityComposed: return changed(text) { UnicodeNormalization.shared.apply($0, compatible: true, composes: true) }
        case .compatibilityDecomposed: return changed(text) { UnicodeNormalization.shared.apply($0, compatible: true, composes: false) }
        case .lowercase:
            // Character by character: the final sigma is no special case in the `tokenizers` library.
            return changed(text) { part in part.unicodeScalars.reduce(into: "") { $0 += $1.properties.lowercaseMapping } }
        case .bert(let bert): return try bert.apply(text)
        case .strip(let left, let right): return stripped(text, left, right)
        case .prepend(let prefix): return text.isEmpty ? text : prefix + text
        case .replace(let old, let new): return try Normalizer.replacing(old, by: new, in: text, limit: limit)
        case .replaceMatches(let regex, let new):
            return try text.withUnsafeBufferPointer { buffer in
                var search = SplitRegex.Search(regex, in: buffer)
                var result: [UInt8] = []
                var at = 0
                while let match = try search.next(from: at) {
                    result.append(contentsOf: buffer[at..<match.lowerBound])
                    result.append(contentsOf: new)
                    guard result.count <= limit else { throw Normalizer.tooLong }
                    at = match.upperBound
                }
                result.append(contentsOf: buffer[at...])
                return result
            }
        }
    }

    /// Every occurrence from left to right.
    static func replacing(_ old: [UInt8], by new: [UInt8], in text: [UInt8], limit: Int = .max) throws -> [UInt8] {
        guard let first = old.first else { return text }
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var at = 0
        while at < text.count {
            if text[at] == first, text[at...].starts(with: old) {
                result.append(contentsOf: new)
                guard result.count <= limit else { throw tooLong }
                at += old.count
            } else {
                result.append(text[at])
                at += 1
            }
        }
        return result
    }

    /// Changes the well-formed stretches that are not ASCII throughout.
    private func changed(_ text: [UInt8], _ change: (String) -> String) -> [UInt8] {
        if leavesASCII, !text.contains(where: { $0 >= 0x80 }) { return text }
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        text.withUnsafeBufferPointer { buffer in
            var at = 0
            while at < buffer.count {
                let rest = UnsafeBufferPointer(rebasing: buffer[at...])
                let length = UTF8Scalars.firstMalformedOffset(in: rest) ?? rest.count
                result.append(contentsOf: change(String(decoding: rest[..<length], as: UTF8.self)).utf8)
                at += length
                while at < buffer.count, let base = buffer.baseAddress,
                    UTF8Scalars.decode(base, at: at, end: buffer.count).scalar == UTF8Scalars.malformed
                {
                    result.append(buffer[at])
                    at += 1
                }
            }
        }
        return result
    }

    private func stripped(_ text: [UInt8], _ left: Bool, _ right: Bool) -> [UInt8] {
        text.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return text }
            var start = 0, end = buffer.count
            while left, start < end {
                let (value, length) = UTF8Scalars.decode(base, at: start, end: end)
                guard CharacterTable.shared[value] & CharacterTable.spaceBit != 0 else { break }
                start += length
            }
            while right, start < end {
                let value = UTF8Scalars.scalar(before: end, in: buffer)
                guard CharacterTable.shared[value] & CharacterTable.spaceBit != 0, let scalar = Unicode.Scalar(value) else { break }
                end -= UTF8.width(scalar)
            }
            return Array(buffer[start..<end])
        }
    }
}
