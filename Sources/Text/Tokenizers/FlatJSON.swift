import Foundation

/// JSON as a flat list of values over the file's bytes, for files with hundreds of thousands of strings.
///
/// Strings are compared by their bytes: a vocabulary may well hold `é` twice, composed and decomposed, which Swift's strings
/// call equal. Memory is bounded by a small factor of the file's size, and no recursion follows the file's nesting.
package struct FlatJSON {
    enum Kind: UInt8 { case null, yes, no, number, string, array, object }

    /// One value. Members of an object are a key and a value in turn.
    struct Node {
        let kind: Kind
        /// Whether a string has escapes.
        var isEscaped = false
        /// Where its bytes are: of a string without its quotes.
        let start: Int32
        var end: Int32
        /// The number of the node behind this one and all that is in it.
        var after: Int32
    }

    private static let deepest = 128
    let bytes: [UInt8]
    private(set) var nodes: [Node] = []

    /// The outermost value.
    package var root: Value { Value(json: self, index: 0) }

    /// Reads `bytes`.
    /// - Throws: `TextError.damagedTokenizer` with the byte where it stops being JSON.
    package init(_ bytes: [UInt8]) throws {
        self.bytes = bytes
        guard bytes.count < Int(Int32.max) else { throw TextError.damagedTokenizer(reason: "\(bytes.count) bytes of JSON are too many") }
        try read()
    }

    private func failure(_ reason: String, at index: Int) -> TextError {
        .damagedTokenizer(reason: "not valid JSON at byte \(index): \(reason)")
    }

    private mutating func read() throws {
        var index = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        var open: [Int] = []
        // What may come next: a value, and within an object a key.
        var wantsValue = true
        func skipSpace() {
            while index < bytes.count, bytes[index] == 0x20 || (bytes[index] >= 0x09 && bytes[index] <= 0x0D) { index += 1 }
        }
        repeat {
            skipSpace()
            guard index < bytes.count else { throw failure("it ends too early", at: index) }
            if wantsValue {
                if let top = open.last, nodes[top].kind == .object {
                    guard bytes[index] == UInt8(ascii: "\"") else { throw failure("a key in double quotes should stand here", at: index) }
                    try scalar(&index)
                    skipSpace()
                    guard index < bytes.count, bytes[index] == UInt8(ascii: ":") else {
                        throw failure("a colon should stand here", at: index)
                    }
                    index += 1
                    skipSpace()
                    guard index < bytes.count else { throw failure("it ends too early", at: index) }
                }
                let byte = bytes[index]
                if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") {
                    guard open.count < FlatJSON.deepest else { throw failure("it is nested too deep", at: index) }
                    open.append(nodes.count)
                    nodes.append(
                        Node(kind: byte == UInt8(ascii: "{") ? .object : .array, start: Int32(index), end: 0, after: 0))
                    index += 1
                    skipSpace()
                    // An empty one closes at once; otherwise its first value comes.
                    wantsValue = !(index < bytes.count && bytes[index] == byte + 2)
                } else {
                    try scalar(&index)
                    wantsValue = false
                }
            } else {
                guard let top = open.last else { break }
                switch bytes[index] {
                case UInt8(ascii: ","): wantsValue = true
                case nodes[top].kind == .object ? UInt8(ascii: "}") : UInt8(ascii: "]"):
                    nodes[top].end = Int32(index + 1)
                    nodes[top].after = Int32(nodes.count)
                    open.removeLast()
                default: throw failure("a comma or the end of a list or object should stand here", at: index)
                }
                index += 1
            }
        } while !open.isEmpty
        skipSpace()
        guard index == bytes.count else { throw failure("there is something after the value", at: index) }
    }

    private mutating func scalar(_ index: inout Int) throws {
        let start = index
        let number = Int32(nodes.count + 1)
        func add(_ kind: Kind, _ from: Int, _ to: Int) {
            nodes.append(Node(kind: kind, start: Int32(from), end: Int32(to), after: number))
        }
        switch bytes[index] {
        case UInt8(ascii: "\""):
            index += 1
            var isEscaped = false
            while index < bytes.count, bytes[index] != UInt8(ascii: "\"") {
                if bytes[index] == UInt8(ascii: "\\") {
                    isEscaped = true
                    index += 1
                }
                index += 1
            }
            guard index < bytes.count else { throw failure("a string is never closed", at: start) }
            add(.string, start + 1, index)
            nodes[nodes.count - 1].isEscaped = isEscaped
            index += 1
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            while index < bytes.count, "+-.eE0123456789".utf8.contains(bytes[index]) { index += 1 }
            add(.number, start, index)
        default:
            for (word, kind) in [("null", Kind.null), ("true", .yes), ("false", .no)] where bytes[index...].starts(with: word.utf8) {
                index += word.utf8.count
                add(kind, start, index)
                return
            }
            throw failure("a value should stand here", at: index)
        }
    }
}

extension FlatJSON {
    /// A value of the file.
    package struct Value {
        let json: FlatJSON
        let index: Int

        private var node: Node { json.nodes[index] }
        var kind: Kind { node.kind }
        var isNull: Bool { kind == .null }

        /// The bytes of a string, escapes resolved; nil for what is no string, or no well-formed one.
        var utf8: [UInt8]? {
            let node = node
            guard node.kind == .string else { return nil }
            let raw = json.bytes[Int(node.start)..<Int(node.end)]
            let text = node.isEscaped ? FlatJSON.unescaped(raw) : Array(raw)
            guard let text, text.withUnsafeBufferPointer({ UTF8Scalars.firstMalformedOffset(in: $0) }) == nil else { return nil }
            return text
        }

        var string: String? { utf8.map { String(decoding: $0, as: UTF8.self) } }

        var bool: Bool? { kind == .yes ? true : kind == .no ? false : nil }

        var int: Int? {
            guard kind == .number else { return nil }
            let text = String(decoding: json.bytes[Int(node.start)..<Int(node.end)], as: UTF8.self)
            return Int(text) ?? Double(text).flatMap { Int(exactly: $0) }
        }

        var double: Double? {
            guard kind == .number else { return nil }
            return Double(String(decoding: json.bytes[Int(node.start)..<Int(node.end)], as: UTF8.self))
        }

        /// The values of a list, nil for anything else.
        var items: Values? { kind == .array ? Values(json: json, at: index + 1, end: Int(node.after)) : nil }

        /// Calls `body` with each key and value of an object; false for anything else.
        @discardableResult
        func forEachMember(_ body: (_ key: Value, _ value: Value) throws -> Void) rethrows -> Bool {
            guard kind == .object else { return false }
            var at = index + 1
            while at < Int(node.after) {
                let value = at + 1
                try body(Value(json: json, index: at), Value(json: json, index: value))
                at = Int(json.nodes[value].after)
            }
            return true
        }

        /// The member called `name`, which is looked for one by one.
        subscript(name: String) -> Value? {
            var found: Value?
            forEachMember { key, value in if found == nil, key.string == name { found = value } }
            return found
        }

        /// The member called `name` unless it is null.
        func given(_ name: String) -> Value? { self[name].flatMap { $0.isNull ? nil : $0 } }

        /// The keys of an object.
        var keys: [String] {
            var all: [String] = []
            forEachMember { key, _ in all.append(key.string ?? "?") }
            return all
        }

        /// The bytes of the file that this value is.
        var source: ArraySlice<UInt8> { json.bytes[Int(node.start)..<Int(node.end)] }
    }

    /// The values of a list, one after the other.
    struct Values: Sequence, IteratorProtocol {
        let json: FlatJSON
        var at: Int
        let end: Int

        mutating func next() -> Value? {
            guard at < end else { return nil }
            defer { at = Int(json.nodes[at].after) }
            return Value(json: json, index: at)
        }
    }

    private static func unescaped(_ raw: ArraySlice<UInt8>) -> [UInt8]? {
        var text: [UInt8] = []
        text.reserveCapacity(raw.count)
        var index = raw.startIndex
        func hexadecimal() -> UInt32? {
            guard raw.endIndex - index >= 4 else { return nil }
            var value: UInt32 = 0
            for byte in raw[index..<index + 4] {
                guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else { return nil }
                value = value << 4 | UInt32(digit)
            }
            index += 4
            return value
        }
        while index < raw.endIndex {
            let byte = raw[index]
            index += 1
            guard byte == UInt8(ascii: "\\") else {
                text.append(byte)
                continue
            }
            guard index < raw.endIndex else { return nil }
            let escape = raw[index]
            index += 1
            switch escape {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(escape)
            case UInt8(ascii: "b"): text.append(0x08)
            case UInt8(ascii: "f"): text.append(0x0C)
            case UInt8(ascii: "n"): text.append(0x0A)
            case UInt8(ascii: "r"): text.append(0x0D)
            case UInt8(ascii: "t"): text.append(0x09)
            case UInt8(ascii: "u"):
                guard var value = hexadecimal() else { return nil }
                if (0xD800..<0xDC00).contains(value) {
                    guard raw.endIndex - index >= 6, raw[index] == UInt8(ascii: "\\"), raw[index + 1] == UInt8(ascii: "u") else {
                        return nil
                    }
                    index += 2
                    guard let low = hexadecimal(), (0xDC00..<0xE000).contains(low) else { return nil }
                    value = 0x10000 + (value - 0xD800) << 10 + (low - 0xDC00)
                }
                guard let scalar = Unicode.Scalar(value) else { return nil }
                text.append(contentsOf: Array(String(scalar).utf8))
            default: return nil
            }
        }
        return text
    }
}
