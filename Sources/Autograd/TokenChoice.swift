import Kernels

/// How tokens are drawn from logits.
public struct TokenChoice: Sendable {
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
        guard let base = logits.baseAddress else { return 0 }
        let kept = topK.flatMap { $0 < logits.count ? TokenChoice.largest(of: logits, until: Double(max(1, $0))) { _ in 1 } : nil }
        return withUnsafeTemporaryAllocation(of: Float.self, capacity: kept?.count ?? logits.count) { weights in
            var total: Double
            if let kept {
                for (index, token) in kept.enumerated() { weights.initializeElement(at: index, to: logits[Int(token)]) }
                total = loom_choice_weights(weights.baseAddress, kept.count, Float(1 / temperature), weights.baseAddress)
            } else {
                total = loom_choice_weights(base, logits.count, Float(1 / temperature), weights.baseAddress)
            }
            guard total > 0, total.isFinite else { return TokenChoice.likeliest(logits) }
            if let topP, topP < 1 { total = keep(topP * total, of: weights) }
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
    /// - Parameter measure: what a value comes to.
    @inline(__always)
    private static func largest(
        of values: UnsafeBufferPointer<Float>, until wanted: Double, _ measure: (Float) -> Double
    ) -> [Int32] {
        // The smallest that is kept, digit by digit from the highest: what is above it is summed, and so nothing has to be sorted.
        var (cut, missing) = (UInt32(0), wanted)
        for (shift, bits) in [(21, 11), (10, 11), (0, 10)] as [(UInt32, UInt32)] {
            withUnsafeTemporaryAllocation(of: Double.self, capacity: 1 << bits) { sums in
                sums.initialize(repeating: 0)
                let mask = (UInt32(1) << bits) - 1, above = UInt64(shift + bits)
                for value in values where UInt64(order(value)) >> above == UInt64(cut) >> above {
                    sums[Int(order(value) >> shift & mask)] += measure(value)
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
                missing -= measure(value)
            }
            kept.append(Int32(place))
        }
        return kept
    }

    /// A number that orders as the value does.
    private static func order(_ value: Float) -> UInt32 {
        let bits = (value + 0).bitPattern  // -0 is 0
        return bits >> 31 == 1 ? ~bits : bits | 1 << 31
    }

    /// Sets to zero what is not among the largest weights that together reach `wanted`. Returns their sum.
    private func keep(_ wanted: Double, of weights: UnsafeMutableBufferPointer<Float>) -> Double {
        let chosen = TokenChoice.largest(of: UnsafeBufferPointer(weights), until: wanted) { Double($0) }
            .map { (place: Int($0), weight: weights[Int($0)]) }
        weights.update(repeating: 0)
        for (place, weight) in chosen { weights[place] = weight }
        return chosen.reduce(0) { $0 + Double($1.weight) }
    }
}
