/// UTF-8 read by hand from raw bytes, so that text never has to become a `String` to be tokenized.
package enum UTF8Scalars {
    /// What `decode` gives for a byte that starts no well-formed scalar.
    static let malformed: UInt32 = .max

    /// The scalar that starts at `index` and its length in bytes; (`malformed`, 1) where there is none.
    ///
    /// Strict as Unicode has it: overlong forms, surrogates and values above U+10FFFF are malformed.
    @inline(__always)
    package static func decode(_ bytes: UnsafePointer<UInt8>, at index: Int, end: Int) -> (scalar: UInt32, length: Int) {
        let first = bytes[index]
        if first < 0x80 { return (UInt32(first), 1) }
        return decodeMultibyte(bytes, at: index, end: end)
    }

    private static func decodeMultibyte(
        _ bytes: UnsafePointer<UInt8>, at index: Int, end: Int
    ) -> (scalar: UInt32, length: Int) {
        let first = bytes[index]
        let length: Int
        var second: ClosedRange<UInt8> = 0x80...0xBF
        switch first {
        case 0xC2...0xDF: length = 2
        case 0xE0: (length, second) = (3, 0xA0...0xBF)
        case 0xED: (length, second) = (3, 0x80...0x9F)
        case 0xE1...0xEF: length = 3
        case 0xF0: (length, second) = (4, 0x90...0xBF)
        case 0xF4: (length, second) = (4, 0x80...0x8F)
        case 0xF1...0xF3: length = 4
        default: return (malformed, 1)
        }
        guard end - index >= length, second.contains(bytes[index + 1]) else { return (malformed, 1) }
        var value = (UInt32(first) & (0x7F >> UInt32(length))) << 6 | UInt32(bytes[index + 1] & 0x3F)
        for position in 2..<max(2, length) {
            let byte = bytes[index + position]
            guard byte & 0xC0 == 0x80 else { return (malformed, 1) }
            value = value << 6 | UInt32(byte & 0x3F)
        }
        return (value, length)
    }

    /// The offset of the first byte that is not part of well-formed UTF-8, or nil.
    package static func firstMalformedOffset(in text: UnsafeBufferPointer<UInt8>) -> Int? {
        guard let bytes = text.baseAddress else { return nil }
        let end = text.count
        let raw = UnsafeRawPointer(bytes)
        var index = 0
        while index < end {
            while end - index >= 8, raw.loadUnaligned(fromByteOffset: index, as: UInt64.self) & 0x8080_8080_8080_8080 == 0 {
                index += 8
            }
            guard index < end else { break }
            let (scalar, length) = decode(bytes, at: index, end: end)
            if scalar == malformed { return index }
            index += length
        }
        return nil
    }

    /// How many scalars well-formed text holds: every byte but the continuation bytes starts one.
    static func count(in text: UnsafeBufferPointer<UInt8>) -> Int {
        var total = 0
        for byte in text where Int8(bitPattern: byte) > -65 { total &+= 1 }
        return total
    }

    /// Where scalar number `number` of well-formed text starts; the end of the text when there are fewer.
    static func byteOffset(ofScalar number: Int, in text: UnsafeBufferPointer<UInt8>) -> Int {
        var seen = 0
        for index in 0..<text.count where Int8(bitPattern: text[index]) > -65 {
            if seen == number { return index }
            seen += 1
        }
        return text.count
    }

    /// How many bytes at the end of `bytes` are the start of a scalar that more bytes could complete (0 to 3).
    static func incompleteSuffixLength(of bytes: [UInt8]) -> Int {
        for length in 1..<4 where length <= bytes.count {
            let start = bytes.count - length
            let lead = bytes[start]
            if lead & 0xC0 == 0x80 { continue }
            // Whether the bytes so far can still become a scalar: complete them in each way the second byte allows.
            let needed = lead >= 0xF0 && lead <= 0xF4 ? 4 : lead >= 0xE0 && lead < 0xF0 ? 3 : lead >= 0xC2 && lead < 0xE0 ? 2 : 0
            guard length < needed else { return 0 }
            if length == 1 { return 1 }
            let second = bytes[start + 1]
            switch lead {
            case 0xE0: return second >= 0xA0 ? length : 0
            case 0xED: return second <= 0x9F ? length : 0
            case 0xF0: return second >= 0x90 ? length : 0
            case 0xF4: return second <= 0x8F ? length : 0
            default: return length
            }
        }
        return 0
    }

    /// The scalar that ends at `end`, which must be above 0; `malformed` where none does.
    static func scalar(before end: Int, in text: UnsafeBufferPointer<UInt8>) -> UInt32 {
        guard let bytes = text.baseAddress else { return malformed }
        for start in stride(from: end - 1, through: max(0, end - 4), by: -1) {
            let (value, length) = decode(bytes, at: start, end: end)
            if value != malformed, start + length == end { return value }
        }
        return malformed
    }
}
