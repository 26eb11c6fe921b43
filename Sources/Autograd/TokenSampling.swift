import Kernels

/// How tokens are drawn from logits.
public struct TokenSampling: Sendable {
    /// Logits are divided by it; above 0.
    public var temperature: Double
    /// Only the k likeliest tokens; nil for all. Ties go to the lower token.
    public var topK: Int?
    /// Only the smallest set of likeliest of those whose probability reaches p (Holtzman et al. 2020); nil for all.
    public var topP: Double?

    public init(temperature: Double, topK: Int? = nil, topP: Double? = nil) {
        (self.temperature, self.topK, self.topP) = (temperature, topK, topP)
    }

    /// The place of the largest, of equal ones the lowest; the first where the first is NaN, and other NaNs are passed over.
    public static func likeliest(_ logits: UnsafeBufferPointer<Float>) -> Int32 {
        var best = 0
        for token in logits.indices where logits[token] > logits[best] { best = token }
        return Int32(best)
    }

    /// The token that a number from 0 to 1 falls on, where tokens lie side by side, each as wide as it is likely. The likeliest where
    /// likelihoods are not finite.
    public func token(of logits: UnsafeBufferPointer<Float>, draw: Double) -> Int32 {
        guard !logits.isEmpty else { return 0 }
        let kept = topK.flatMap { $0 < logits.count ? TokenSampling.largest(of: logits, until: Double(max(1, $0))) { _ in 1 } : nil }
        return withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * (kept?.count ?? logits.count)) { memory in
            let count = memory.count / 2
            let values = UnsafeMutableBufferPointer(rebasing: memory[..<count]),
                weights = UnsafeMutableBufferPointer(rebasing: memory[count...])
            if let kept {
                for (index, token) in kept.enumerated() { values.initializeElement(at: index, to: logits[Int(token)]) }
            } else {
                _ = values.initialize(from: logits)
            }
            var total = loom_softmax_weights(values.baseAddress, count, Float(1 / temperature), weights.baseAddress)
            guard total > 0, total.isFinite else { return TokenSampling.likeliest(logits) }
            if let topP, topP < 1 { total = TokenSampling.keep(topP * total, of: UnsafeBufferPointer(values), weights) }
            var left = draw * total, last = 0
            for (index, weight) in weights.enumerated() where weight > 0 {
                left -= Double(weight)
                last = index
                if left < 0 { break }
            }
            return kept?[last] ?? Int32(last)
        }
    }

    /// Places of the largest values, as few as come to `wanted` together, lowest place first; of equal ones those that come first.
    /// - Parameter measure: what the value at a place comes to.
    @inline(__always)
    private static func largest(
        of values: UnsafeBufferPointer<Float>, until wanted: Double, _ measure: (Int) -> Double
    ) -> [Int32] {
        // The smallest that is kept, digit by digit from the highest: what is above it is summed, and so nothing has to be sorted.
        var (cut, missing) = (UInt32(0), wanted)
        for (shift, bits) in [(21, 11), (10, 11), (0, 10)] as [(UInt32, UInt32)] {
            withUnsafeTemporaryAllocation(of: Double.self, capacity: 1 << bits) { sums in
                sums.initialize(repeating: 0)
                let mask = (UInt32(1) << bits) - 1, above = UInt64(shift + bits)
                for (place, value) in values.enumerated() where UInt64(order(value)) >> above == UInt64(cut) >> above {
                    sums[Int(order(value) >> shift & mask)] += measure(place)
                }
                var digit = sums.count - 1
                while digit > 0, missing > sums[digit] {
                    missing -= sums[digit]
                    digit -= 1
                }
                cut |= UInt32(digit) << shift
            }
        }
        var kept: [Int32] = []
        for (place, value) in values.enumerated() {
            let key = order(value)
            guard key >= cut else { continue }
            if key == cut {
                guard missing > 0 else { continue }
                missing -= measure(place)
            }
            kept.append(Int32(place))
        }
        return kept
    }

    /// A number that orders as the value does. NaN is above all: where there is one, it is among what is kept.
    private static func order(_ value: Float) -> UInt32 {
        guard value == value else { return .max }
        let bits = (value + 0).bitPattern  // -0 is 0
        return bits >> 31 == 1 ? ~bits : bits | 1 << 31
    }

    /// Sets the weights to zero that are not those of the largest values whose weights together reach `wanted`. Returns their sum.
    private static func keep(
        _ wanted: Double, of values: UnsafeBufferPointer<Float>, _ weights: UnsafeMutableBufferPointer<Float>
    ) -> Double {
        let kept = largest(of: values, until: wanted) { Double(weights[$0]) }.map { (place: Int($0), weight: weights[Int($0)]) }
        weights.update(repeating: 0)
        for (place, weight) in kept { weights[place] = weight }
        return kept.reduce(0) { $0 + Double($1.weight) }
    }
}
