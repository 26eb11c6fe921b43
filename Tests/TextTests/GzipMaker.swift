/// gzip files without a compressor: the data is stored as it is, which is valid all the same.
enum GzipMaker {
    static func pack(_ bytes: [UInt8]) -> [UInt8] {
        var out: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255]
        var start = 0
        repeat {
            let count = min(65535, bytes.count - start)
            out += [start + count == bytes.count ? 1 : 0] + little(UInt32(count), 2) + little(UInt32(count) ^ 0xFFFF, 2)
            out += bytes[start..<start + count]
            start += count
        } while start < bytes.count
        return out + little(crc(bytes), 4) + little(UInt32(truncatingIfNeeded: bytes.count), 4)
    }

    private static func little(_ value: UInt32, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt32(8 * $0)) }
    }

    private static func crc(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(~0 as UInt32) { sum, byte in
            (0..<8).reduce(sum ^ UInt32(byte)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
        }
    }
}
