import Foundation

/// Files damaged at random, and what reading them costs.
enum Fuzz {
    /// Files that a test damages; LOOM_FUZZ=100000 does more.
    static let rounds = ProcessInfo.processInfo.environment["LOOM_FUZZ"].flatMap { Int($0) } ?? 3000

    /// One to a few changes: bytes, numbers, stretches removed, doubled, or taken from elsewhere in the file.
    static func mutated(_ bytes: [UInt8], _ random: inout TestRandom) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            guard bytes.count > 2 else { return bytes }
            let at = Int.random(in: 0..<bytes.count, using: &random)
            let length = min(bytes.count - at, Int.random(in: 1...24, using: &random))
            switch Int.random(in: 0..<8, using: &random) {
            case 0: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: bytes[at] = UInt8.random(in: .min ... .max, using: &random)
            case 2: bytes.removeSubrange(at..<at + length)
            case 3: bytes.insert(contentsOf: bytes[at..<at + length], at: Int.random(in: 0...bytes.count, using: &random))
            case 4: if Int.random(in: 0..<4, using: &random) == 0 { bytes.removeSubrange(at...) }
            case 5:
                let number = ["-1", "99999999999999999999", "1e308", "2147483648", "4294967296", "0", "null", "true", "[]", "{}", "\"\""]
                bytes.replaceSubrange(at..<at + length, with: Array((number.randomElement(using: &random) ?? "").utf8))
            case 6:
                // A number where a number is.
                if let digit = bytes[at...].firstIndex(where: { $0 >= 0x30 && $0 <= 0x39 }) {
                    bytes[digit] = UInt8.random(in: 0x30...0x39, using: &random)
                }
            default:
                let words = ["false", "true", "\"First\"", "\"Always\"", "\\ud800", "\"MergedWithNext\"", "<0x41>", "▁", " "]
                bytes.insert(contentsOf: Array((words.randomElement(using: &random) ?? "").utf8), at: at)
            }
        }
        return bytes
    }
}
