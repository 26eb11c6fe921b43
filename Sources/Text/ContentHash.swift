/// A fast hash of bytes for cache keys and for noticing damage; it is no protection against someone who tries.
///
/// Eight bytes at a time are folded by a 64 × 64 → 128 bit multiplication, as in wyhash; two lanes give 128 bits.
public struct ContentHash: Hashable, Sendable, CustomStringConvertible {
    public let high: UInt64
    public let low: UInt64

    /// The hash of `bytes`.
    public init(_ bytes: UnsafeRawBufferPointer) {
        high = ContentHash.fold(bytes, seed: 0xA076_1D64_78BD_642F)
        low = ContentHash.fold(bytes, seed: 0xE703_7ED1_A0B4_28DB)
    }

    /// The hash of the elements' bytes.
    public init<Bytes: Collection>(_ bytes: Bytes) where Bytes.Element == UInt8 {
        self =
            bytes.withContiguousStorageIfAvailable { ContentHash(UnsafeRawBufferPointer($0)) }
            ?? Array(bytes).withUnsafeBytes { ContentHash($0) }
    }

    /// 32 hexadecimal digits.
    public var description: String { ContentHash.hexadecimal(high) + ContentHash.hexadecimal(low) }

    private static func hexadecimal(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// 64 bits of hash.
    @inline(__always)
    static func fold(_ bytes: UnsafeRawBufferPointer, seed: UInt64) -> UInt64 {
        var state = seed ^ UInt64(truncatingIfNeeded: bytes.count)
        guard let base = bytes.baseAddress else { return multiplyFold(state, 0x9E37_79B9_7F4A_7C15) }
        var index = 0
        while bytes.count - index >= 8 {
            let word = base.loadUnaligned(fromByteOffset: index, as: UInt64.self).littleEndian
            state = multiplyFold(state ^ word, 0x9E37_79B9_7F4A_7C15 ^ seed)
            index += 8
        }
        var tail: UInt64 = 0
        while index < bytes.count {
            tail = tail << 8 | UInt64(base.load(fromByteOffset: index, as: UInt8.self))
            index += 1
        }
        state = multiplyFold(state ^ tail, 0x8EBC_6AF0_9C88_C6E3)
        return multiplyFold(state, 0x5899_65CC_7537_4CC3)
    }

    @inline(__always)
    private static func multiplyFold(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        // Folding with the input kept in: a plain product would map a zero state to zero for good.
        return product.high ^ product.low ^ (a << 32 | a >> 32)
    }
}
