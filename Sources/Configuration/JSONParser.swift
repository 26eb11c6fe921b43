/// Parses JSON (RFC 8259) and says where it goes wrong: Foundation's decoder gives no position, and a person who edits a
/// config by hand needs one. Stricter than Foundation's: no trailing commas, no key twice in an object.
struct JSONParser {
    /// What is wrong, with line and column, both from 1.
    struct Failure: Error {
        let message: String
        let line: Int
        let column: Int
    }

    private let bytes: [UInt8]
    private var index = 0
    private var depth = 0
    private static let deepest = 512

    init(_ bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }

    mutating func parse() throws -> JSON {
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { index = 3 }
        let value = try self.value()
        skipSpace()
        guard index == bytes.count else { throw failure("there is something after the value") }
        return value
    }

    private var next: UInt8? { index < bytes.count ? bytes[index] : nil }

    private func failure(_ message: String, at position: Int? = nil) -> Failure {
        let before = bytes[..<min(position ?? index, bytes.count)]
        let line = before.count { $0 == UInt8(ascii: "\n") } + 1
        let column = before.reversed().prefix { $0 != UInt8(ascii: "\n") }.count + 1
        return Failure(message: message, line: line, column: column)
    }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { index += 1 }
    }

    private mutating func value() throws -> JSON {
        skipSpace()
        guard let byte = next else { throw failure("it ends where a value should stand") }
        switch byte {
        case UInt8(ascii: "{"): return try nested { try $0.object() }
        case UInt8(ascii: "["): return try nested { try $0.array() }
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
        default:
            for (word, value) in [("true", JSON.bool(true)), ("false", .bool(false)), ("null", .null)]
            where bytes[index...].starts(with: word.utf8) {
                index += word.utf8.count
                return value
            }
            throw failure("expected a value, found \(shown(byte))")
        }
    }

    private mutating func nested(_ body: (inout JSONParser) throws -> JSON) throws -> JSON {
        depth += 1
        defer { depth -= 1 }
        guard depth <= JSONParser.deepest else { throw failure("it is nested more than \(JSONParser.deepest) deep") }
        index += 1
        return try body(&self)
    }

    private mutating func object() throws -> JSON {
        var members: [String: JSON] = [:]
        skipSpace()
        if next == UInt8(ascii: "}") {
            index += 1
            return .object(members)
        }
        while true {
            skipSpace()
            let start = index
            guard next == UInt8(ascii: "\"") else { throw failure("expected a key in double quotes, found \(shown(next))") }
            let key = try string()
            guard members[key] == nil else { throw failure("the key \"\(key.prefix(40))\" stands twice in one object", at: start) }
            skipSpace()
            guard next == UInt8(ascii: ":") else {
                throw failure("expected a colon after the key \"\(key.prefix(40))\", found \(shown(next))")
            }
            index += 1
            members[key] = try value()
            skipSpace()
            if next == UInt8(ascii: ",") {
                index += 1
            } else if next == UInt8(ascii: "}") {
                index += 1
                return .object(members)
            } else {
                throw failure("expected a comma or } after the value of \"\(key.prefix(40))\", found \(shown(next))")
            }
        }
    }

    private mutating func array() throws -> JSON {
        var items: [JSON] = []
        skipSpace()
        if next == UInt8(ascii: "]") {
            index += 1
            return .array(items)
        }
        while true {
            items.append(try value())
            skipSpace()
            if next == UInt8(ascii: ",") {
                index += 1
            } else if next == UInt8(ascii: "]") {
                index += 1
                return .array(items)
            } else {
                throw failure("expected a comma or ] in a list, found \(shown(next))")
            }
        }
    }

    private mutating func number() throws -> JSON {
        let start = index
        while let byte = next, "+-.eE0123456789".utf8.contains(byte) { index += 1 }
        let text = String(decoding: bytes[start..<index], as: UTF8.self)
        let digits = text.first == "-" ? text.dropFirst() : text[...]
        let wellFormed =
            digits.first?.isNumber == true && text.last?.isNumber == true
            && !(digits.hasPrefix("0") && digits.dropFirst().first?.isNumber == true)
        if wellFormed, let whole = Int(text), !text.hasPrefix("+") { return .int(whole) }
        guard wellFormed, let value = Double(text) else { throw failure("\(text.prefix(40)) is not a number", at: start) }
        guard value.isFinite else { throw failure("\(text.prefix(40)) is too large a number", at: start) }
        return .double(value)
    }

    private mutating func string() throws -> String {
        let start = index
        index += 1
        var text: [UInt8] = []
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                index += 1
                guard let valid = String(validating: text, as: UTF8.self) else { throw failure("a string is not UTF-8", at: start) }
                return valid
            case UInt8(ascii: "\\"):
                index += 1
                text.append(contentsOf: String(try escaped()).utf8)
            case 0..<0x20:
                throw failure("a line break or control character in a string; close it with \", or write \\n", at: index)
            default:
                text.append(byte)
                index += 1
            }
        }
        throw failure("a string that begins here is never closed", at: start)
    }

    private mutating func escaped() throws -> Unicode.Scalar {
        guard let byte = next else { throw failure("it ends inside a string") }
        index += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"):
            let first = try hexadecimal()
            if let scalar = Unicode.Scalar(first) { return scalar }
            // A character beyond the first plane comes as two escapes.
            guard first < 0xDC00, next == UInt8(ascii: "\\") else { throw failure("half of a surrogate pair") }
            index += 1
            guard next == UInt8(ascii: "u") else { throw failure("half of a surrogate pair") }
            index += 1
            let second = try hexadecimal()
            guard (0xDC00...0xDFFF).contains(second),
                let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
            else { throw failure("half of a surrogate pair") }
            return scalar
        default: throw failure("\\\(shown(byte)) is no escape; a backslash is written \\\\")
        }
    }

    private mutating func hexadecimal() throws -> UInt32 {
        guard index + 4 <= bytes.count, let value = UInt32(String(decoding: bytes[index..<index + 4], as: UTF8.self), radix: 16)
        else { throw failure("\\u needs four hexadecimal digits") }
        index += 4
        return value
    }

    private func shown(_ byte: UInt8?) -> String {
        guard let byte else { return "the end" }
        if (0x21...0x7E).contains(byte) { return String(UnicodeScalar(byte)) }
        return byte < 0x80 ? "a space or line break" : "a character that does not belong there"
    }
}
