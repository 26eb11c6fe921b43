/// Philox4x32-10, the counter-based generator of Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3" (2011).
///
/// A block of four numbers is a pure function of key and counter, so every draw is addressed by *what it is for*
/// (a seed, a step, a position) and never by how many draws came before it. Two runs that differ in one component
/// still see the same batches, and a resumed run the same dropout. `Kernels` carries the same function in C.
public struct Philox: Sendable {
    /// What a stream of numbers is used for; different uses of one seed are independent of each other.
    public enum Domain: UInt64, Sendable {
        case initialization = 1, dropout, batches, sampling, corpus, evaluation, task
    }

    /// The 64-bit key, as the kernels take it.
    public let key: UInt64

    /// A generator whose numbers depend on `seed` and `domain` alone.
    public init(seed: UInt64, domain: Domain) {
        key = Philox.mix(seed &+ domain.rawValue &* 0x9E37_79B9_7F4A_7C15)
    }

    /// A generator with this very key.
    public init(key: UInt64) { self.key = key }

    /// The four 32-bit numbers at (`stream`, `index`).
    @inlinable
    public func block(stream: UInt64, index: UInt64) -> (UInt32, UInt32, UInt32, UInt32) {
        var c0 = UInt32(truncatingIfNeeded: index), c1 = UInt32(truncatingIfNeeded: index >> 32)
        var c2 = UInt32(truncatingIfNeeded: stream), c3 = UInt32(truncatingIfNeeded: stream >> 32)
        var k0 = UInt32(truncatingIfNeeded: key), k1 = UInt32(truncatingIfNeeded: key >> 32)
        for _ in 0..<10 {
            let a = 0xD251_1F53 as UInt64 &* UInt64(c0)
            let b = 0xCD9E_8D57 as UInt64 &* UInt64(c2)
            (c0, c1, c2, c3) = (
                UInt32(truncatingIfNeeded: b >> 32) ^ c1 ^ k0, UInt32(truncatingIfNeeded: b),
                UInt32(truncatingIfNeeded: a >> 32) ^ c3 ^ k1, UInt32(truncatingIfNeeded: a)
            )
            k0 &+= 0x9E37_79B9
            k1 &+= 0xBB67_AE85
        }
        return (c0, c1, c2, c3)
    }

    /// A sequence of numbers from one stream, for code that draws one after another.
    public func sequence(stream: UInt64) -> Sequence { Sequence(philox: self, stream: stream) }

    /// Draws in order from one stream of a `Philox`.
    public struct Sequence: RandomNumberGenerator, Sendable {
        let philox: Philox
        let stream: UInt64
        var index: UInt64 = 0
        var spare: [UInt64] = []

        init(philox: Philox, stream: UInt64) {
            self.philox = philox
            self.stream = stream
        }

        public mutating func next() -> UInt64 {
            if let value = spare.popLast() { return value }
            let (a, b, c, d) = philox.block(stream: stream, index: index)
            index &+= 1
            spare.append(UInt64(c) << 32 | UInt64(d))
            return UInt64(a) << 32 | UInt64(b)
        }

        /// Uniform in [0, 1), 53 bits.
        public mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

        /// Uniform in 0 ..< `count`, without bias (Lemire's method).
        public mutating func below(_ count: Int) -> Int {
            precondition(count > 0, "below(_:) needs a positive count")
            return Int(next(upperBound: UInt64(count)))
        }
    }

    /// SplitMix64's finalizer: a bijection whose every output bit depends on every input bit.
    public static func mix(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// A stream number for a name, so that a parameter's start depends on its name and not on its neighbours (FNV-1a).
    public static func stream(named name: String) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        return hash
    }
}
