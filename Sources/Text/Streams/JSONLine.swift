/// One line of a JSON Lines file, of which only one string is wanted: read without building anything for the rest.
package enum JSONLine {
    /// What is wrong with a line.
    package enum Failure: Error, Equatable {
        case notAnObject
        case malformed(byte: Int)
        /// There is no such field; these there are.
        case noField(found: [String])
        /// The field is there, and no string.
        case notText
    }

    /// Appends the string that the object in `line` has as its member `field`; of several, the last, as Python's `json` does.
    package static func append(
        _ field: [UInt8], of line: UnsafeBufferPointer<UInt8>, to text: inout [UInt8]
    ) throws(Failure) {
        var scanner = Scanner(line)
        scanner.skipSpace()
        guard scanner.take(UInt8(ascii: "{")) else { throw .notAnObject }
        var found: Range<Int>?
        var isText = true
        var names: [String] = []
        scanner.skipSpace()
        if !scanner.take(UInt8(ascii: "}")) {
            while true {
                scanner.skipSpace()
                let key = try scanner.string()
                scanner.skipSpace()
                guard scanner.take(UInt8(ascii: ":")) else { throw .malformed(byte: scanner.index) }
                scanner.skipSpace()
                let isWanted = JSONLine.equal(line, key, field)
                if names.count < 6, found == nil { names.append(String(decoding: line[key].prefix(60), as: UTF8.self)) }
                if scanner.peek == UInt8(ascii: "\"") {
                    let value = try scanner.string()
                    if isWanted { (found, isText) = (value, true) }
                } else {
                    try scanner.skipValue()
                    if isWanted { (found, isText) = (0..<0, false) }
                }
                scanner.skipSpace()
                if scanner.take(UInt8(ascii: ",")) { continue }
                guard scanner.take(UInt8(ascii: "}")) else { throw .malformed(byte: scanner.index) }
                break
            }
        }
        scanner.skipSpace()
        guard scanner.isAtEnd else { throw .malformed(byte: scanner.index) }
        guard let found else { throw .noField(found: names) }
        guard isText else { throw .notText }
        try unescape(line, found, to: &text)
    }

    private static func equal(_ line: UnsafeBufferPointer<UInt8>, _ key: Range<Int>, _ field: [UInt8]) -> Bool {
        if line[key].elementsEqual(field) { return true }
        guard line[key].contains(UInt8(ascii: "\\")) else { return false }
        var plain: [UInt8] = []
        return (try? unescape(line, key, to: &plain)) != nil && plain == field
    }

    /// Appends what a string of JSON stands for. Half of a surrogate pair, which stands for nothing, becomes U+FFFD.
    private static func unescape(
        _ line: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, to text: inout [UInt8]
    ) throws(Failure) {
        var index = range.lowerBound
        while index < range.upperBound {
            var end = index
            while end < range.upperBound, line[end] != UInt8(ascii: "\\") { end += 1 }
            text.append(contentsOf: line[index..<end])
            index = end
            guard index + 1 < range.upperBound else {
                if index < range.upperBound { throw .malformed(byte: index) }
                return
            }
            switch line[index + 1] {
            case UInt8(ascii: "n"): text.append(0x0A)
            case UInt8(ascii: "t"): text.append(0x09)
            case UInt8(ascii: "r"): text.append(0x0D)
            case UInt8(ascii: "b"): text.append(0x08)
            case UInt8(ascii: "f"): text.append(0x0C)
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(line[index + 1])
            case UInt8(ascii: "u"):
                guard let first = unit(line, index, range.upperBound) else { throw .malformed(byte: index) }
                index += 4
                var scalar = Unicode.Scalar(first)
                if first & 0xFC00 == 0xD800, let second = unit(line, index + 2, range.upperBound), second & 0xFC00 == 0xDC00 {
                    scalar = Unicode.Scalar(0x10000 + (first & 0x3FF) << 10 + (second & 0x3FF))
                    index += 6
                }
                text.append(contentsOf: UTF8.encode(scalar ?? "\u{FFFD}") ?? UTF8.encodedReplacementCharacter)
            default: throw .malformed(byte: index)
            }
            index += 2
        }
    }

    /// The number of the `\uXXXX` at `index`.
    private static func unit(_ line: UnsafeBufferPointer<UInt8>, _ index: Int, _ end: Int) -> UInt32? {
        guard index + 6 <= end, line[index] == UInt8(ascii: "\\"), line[index + 1] == UInt8(ascii: "u") else { return nil }
        var value: UInt32 = 0
        for byte in line[index + 2..<index + 6] {
            switch byte {
            case 0x30...0x39: value = value << 4 | UInt32(byte - 0x30)
            case 0x41...0x46: value = value << 4 | UInt32(byte - 0x41 + 10)
            case 0x61...0x66: value = value << 4 | UInt32(byte - 0x61 + 10)
            default: return nil
            }
        }
        return value
    }

    /// Walks over JSON. What it skips it only follows as far as needed to find its end.
    private struct Scanner {
        private let line: UnsafeBufferPointer<UInt8>
        private(set) var index = 0

        init(_ line: UnsafeBufferPointer<UInt8>) { self.line = line }

        var isAtEnd: Bool { index >= line.count }
        var peek: UInt8? { index < line.count ? line[index] : nil }

        mutating func skipSpace() {
            while index < line.count, line[index] == 0x20 || (0x09...0x0D).contains(line[index]) { index += 1 }
        }

        mutating func take(_ byte: UInt8) -> Bool {
            guard peek == byte else { return false }
            index += 1
            return true
        }

        /// The bytes between the quotes of the string that starts here.
        mutating func string() throws(Failure) -> Range<Int> {
            guard take(UInt8(ascii: "\"")) else { throw .malformed(byte: index) }
            let start = index
            while index < line.count {
                switch line[index] {
                case UInt8(ascii: "\""):
                    index += 1
                    return start..<index - 1
                case UInt8(ascii: "\\"): index += 2
                default: index += 1
                }
            }
            index = line.count
            throw .malformed(byte: index)
        }

        mutating func skipValue() throws(Failure) {
            var depth = 0
            let start = index
            while let byte = peek {
                switch byte {
                case UInt8(ascii: "\""):
                    _ = try string()
                    continue
                case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
                case UInt8(ascii: "}"), UInt8(ascii: "]"):
                    if depth == 0 {
                        if index == start { throw .malformed(byte: index) }
                        return
                    }
                    depth -= 1
                case UInt8(ascii: ",") where depth == 0:
                    if index == start { throw .malformed(byte: index) }
                    return
                default: break
                }
                index += 1
            }
            throw .malformed(byte: index)
        }
    }
}
