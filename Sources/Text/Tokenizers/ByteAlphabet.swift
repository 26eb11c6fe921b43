/// GPT-2's way to write any bytes as printable characters: those that print stand for themselves, the others, in order, for
/// U+0100 and on. `vocab.bpe`, `merges.txt` and the `ByteLevel` parts of tokenizer.json are written so.
enum ByteAlphabet {
    /// The character of each byte.
    static let scalars: [Unicode.Scalar] = {
        var standIn: UInt32 = 256
        return (UInt8.min...UInt8.max).map { byte in
            if (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || byte >= 0xAE { return Unicode.Scalar(byte) }
            defer { standIn += 1 }
            return Unicode.Scalar(standIn) ?? " "
        }
    }()

    /// The byte of each code point below 0x144, -1 for those that stand for none.
    private static let bytes: [Int16] = {
        var bytes = [Int16](repeating: -1, count: 0x144)
        for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar.value)] = Int16(byte) }
        return bytes
    }()

    /// The bytes that `text` stands for, or nil where a character stands for none.
    static func bytes(of text: some Collection<UInt8>) -> [UInt8]? {
        let text = Array(text)
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        let isWhole = text.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return true }
            var at = 0
            while at < buffer.count {
                let (value, length) = UTF8Scalars.decode(base, at: at, end: buffer.count)
                guard value < 0x144, bytes[Int(value)] >= 0 else { return false }
                result.append(UInt8(bytes[Int(value)]))
                at += length
            }
            return true
        }
        return isWhole ? result : nil
    }

    /// The text that stands for `bytes`.
    static func text(of bytes: some Sequence<UInt8>) -> String {
        var text = String.UnicodeScalarView()
        for byte in bytes { text.append(scalars[Int(byte)]) }
        return String(text)
    }
}
