import Foundation

/// The normalization forms (UAX 15). Foundation's leave some conjoining jamo uncomposed and some marks out of order, so only
/// the mappings of single characters come from there; order and composition are done here.
struct UnicodeNormalization: Sendable {
    static let shared = UnicodeNormalization()

    /// What two characters compose to, keyed by both.
    private let composites: [UInt64: UInt32]
    /// Characters that may compose with one before them.
    private let seconds: Set<UInt32>

    private init() {
        var byDecomposition: [[UInt32]: UInt32] = [:]
        // Where Unicode has characters that compose; Hangul is composed by calculation.
        for range in [0xC0...0x33FF, 0x10500...0x105FF, 0x11000...0x11FFF, 0x16000...0x16FFF] as [ClosedRange<UInt32>] {
            for value in range {
                guard let scalar = Unicode.Scalar(value), !scalar.properties.isFullCompositionExclusion else { continue }
                let parts = UnicodeNormalization.decomposition(value, compatible: false)
                if parts.count > 1 { byDecomposition[parts] = value }
            }
        }
        var composites: [UInt64: UInt32] = [:]
        for (parts, value) in byDecomposition {
            guard let last = parts.last else { continue }
            let first = parts.count == 2 ? parts[0] : byDecomposition[Array(parts.dropLast())]
            if let first { composites[UInt64(first) << 32 | UInt64(last)] = value }
        }
        self.composites = composites
        seconds = Set(composites.keys.map { UInt32(truncatingIfNeeded: $0) })
    }

    /// The text in a normalization form.
    func apply(_ text: String, compatible: Bool, composes: Bool) -> String {
        var result = String.UnicodeScalarView()
        // What is not certainly left alone, from a character that nothing before it touches.
        var pending: [UInt32] = []
        func flush() {
            for value in normalized(pending, compatible, composes) { if let scalar = Unicode.Scalar(value) { result.append(scalar) } }
            pending.removeAll(keepingCapacity: true)
        }
        var needsWork = false
        for scalar in text.unicodeScalars {
            let value = scalar.value
            let isBoundary = value < 0x300 && (composes && !compatible || value < 0x80) || isStarter(scalar)
            if isBoundary {
                if needsWork {
                    flush()
                } else {
                    for value in pending { result.append(Unicode.Scalar(value) ?? " ") }; pending.removeAll(keepingCapacity: true)
                }
                needsWork = value >= 0x80 && !(composes && !compatible && !scalar.properties.isFullCompositionExclusion)
            } else {
                needsWork = true
            }
            pending.append(value)
        }
        flush()
        return String(result)
    }

    /// Whether nothing before this character composes with it or goes behind it.
    private func isStarter(_ scalar: Unicode.Scalar) -> Bool {
        let value = scalar.value
        if (0x1161...0x11FF).contains(value) { return false }
        guard scalar.properties.canonicalCombiningClass == .notReordered, !seconds.contains(value) else { return false }
        // What its own mapping begins with may be of the other kind; only some of the rest have one.
        let first = UnicodeNormalization.decomposition(value, compatible: false).first ?? value
        return first == value || Unicode.Scalar(first)?.properties.canonicalCombiningClass == .notReordered && !seconds.contains(first)
    }

    private func normalized(_ values: [UInt32], _ compatible: Bool, _ composes: Bool) -> [UInt32] {
        var parts: [(value: UInt32, order: UInt8)] = []
        for value in values {
            for part in UnicodeNormalization.decomposition(value, compatible: compatible) {
                parts.append((part, Unicode.Scalar(part)?.properties.canonicalCombiningClass.rawValue ?? 0))
            }
        }
        // Marks between two starters go in order of their classes; equal ones stay as they are.
        var start = 0
        while start < parts.count {
            guard parts[start].order != 0 else {
                start += 1
                continue
            }
            var end = start
            while end < parts.count, parts[end].order != 0 { end += 1 }
            let marks = parts[start..<end].enumerated().sorted { ($0.element.order, $0.offset) < ($1.element.order, $1.offset) }
            parts.replaceSubrange(start..<end, with: marks.map(\.element))
            start = end
        }
        return composes ? composed(parts) : parts.map(\.value)
    }

    private func composed(_ parts: [(value: UInt32, order: UInt8)]) -> [UInt32] {
        var result: [UInt32] = []
        var starter: Int?
        var lastOrder: UInt8 = 0
        for part in parts {
            // Behind a mark of the same or a higher class a mark is blocked, and so is a starter behind any mark.
            if let starter, result.count == starter + 1 || (lastOrder != 0 && lastOrder < part.order),
                let composite = composite(result[starter], part.value)
            {
                result[starter] = composite
                continue
            }
            if part.order == 0 { starter = result.count }
            lastOrder = part.order
            result.append(part.value)
        }
        return result
    }

    private func composite(_ first: UInt32, _ second: UInt32) -> UInt32? {
        if (0x1100..<0x1113).contains(first), (0x1161..<0x1176).contains(second) {
            return 0xAC00 + ((first - 0x1100) * 21 + (second - 0x1161)) * 28
        }
        if (0xAC00..<0xD7A4).contains(first), (first - 0xAC00) % 28 == 0, (0x11A8..<0x11C3).contains(second) {
            return first + (second - 0x11A7)
        }
        return composites[UInt64(first) << 32 | UInt64(second)]
    }

    /// What a character is made of, all the way down.
    private static func decomposition(_ value: UInt32, compatible: Bool) -> [UInt32] {
        guard value >= 0xA0, let scalar = Unicode.Scalar(value) else { return [value] }
        if (0xAC00..<0xD7A4).contains(value) {
            let index = value - 0xAC00
            let parts = [0x1100 + index / 588, 0x1161 + index % 588 / 28]
            return index % 28 == 0 ? parts : parts + [0x11A7 + index % 28]
        }
        if (0x3400..<0xA000).contains(value) || (0x20000..<0x2F800).contains(value) { return [value] }
        let text = String(scalar)
        let mapped = compatible ? text.decomposedStringWithCompatibilityMapping : text.decomposedStringWithCanonicalMapping
        return mapped.unicodeScalars.map(\.value)
    }
}
