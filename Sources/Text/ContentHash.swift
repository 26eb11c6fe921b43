/// A fast hash of bytes for cache keys and for noticing damage; it is no protection against someone who tries.
///
/// Eight bytes at a time are folded by a 64 × 64 → 128 bit multiplication, as in wyhash; two lanes give 128 bits.
public struct ContentHash: Hashable, Sendable, CustomStringConvertible {
    public let high: UInt64
    public let low: UInt64

    /// The hash of `bytes`.
    public init(_ bytes: UnsafeRawBufferPointer) {
        high = ContentHash.fold(bytes, seed: Stream.highSeed)
        low = ContentHash.fold(bytes, seed: Stream.lowSeed)
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
            state = step(state, word, seed)
            index += 8
        }
        return end(state, UnsafeRawBufferPointer(rebasing: bytes[index...]))
    }

    @inline(__always)
    private static func step(_ state: UInt64, _ word: UInt64, _ seed: UInt64) -> UInt64 {
        multiplyFold(state ^ word, 0x9E37_79B9_7F4A_7C15 ^ seed)
    }

    /// Takes in the last bytes, fewer than eight.
    @inline(__always)
    private static func end(_ state: UInt64, _ rest: some Sequence<UInt8>) -> UInt64 {
        var tail: UInt64 = 0
        for byte in rest { tail = tail << 8 | UInt64(byte) }
        return multiplyFold(multiplyFold(state ^ tail, 0x8EBC_6AF0_9C88_C6E3), 0x5899_65CC_7537_4CC3)
    }

    @inline(__always)
    private static func multiplyFold(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        // Folding with the input kept in: a plain product would map a zero state to zero for good.
        return product.high ^ product.low ^ (a << 32 | a >> 32)
    }

    /// The hash of bytes that come in pieces; the same as of all of them at once.
    struct Stream {
        private var high: UInt64, low: UInt64
        private var rest: [UInt8] = []

        /// - Parameter count: how many bytes there will be.
        init(count: Int) {
            high = Stream.highSeed ^ UInt64(truncatingIfNeeded: count)
            low = Stream.lowSeed ^ UInt64(truncatingIfNeeded: count)
        }

        fileprivate static let highSeed: UInt64 = 0xA076_1D64_78BD_642F, lowSeed: UInt64 = 0xE703_7ED1_A0B4_28DB

        mutating func append(_ bytes: UnsafeRawBufferPointer) {
            var bytes = bytes[...]
            if !rest.isEmpty {
                let missing = bytes.prefix(8 - rest.count)
                rest.append(contentsOf: missing)
                bytes = bytes.dropFirst(missing.count)
                guard rest.count == 8 else { return }
                rest.withUnsafeBytes { add($0) }
                rest.removeAll()
            }
            let whole = bytes.count & ~7
            add(UnsafeRawBufferPointer(rebasing: bytes.prefix(whole)))
            rest.append(contentsOf: bytes.dropFirst(whole))
        }

        private mutating func add(_ bytes: UnsafeRawBufferPointer) {
            guard let base = bytes.baseAddress else { return }
            for index in stride(from: 0, to: bytes.count, by: 8) {
                let word = base.loadUnaligned(fromByteOffset: index, as: UInt64.self).littleEndian
                high = ContentHash.step(high, word, Stream.highSeed)
                low = ContentHash.step(low, word, Stream.lowSeed)
            }
        }

        consuming func finish() -> ContentHash {
            ContentHash(high: ContentHash.end(high, rest[...]), low: ContentHash.end(low, rest[...]))
        }
    }

    private init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }
}
