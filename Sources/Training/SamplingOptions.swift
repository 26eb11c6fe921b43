import Autograd
import Foundation

/// How the next token is chosen.
public struct SamplingOptions: Sendable {
    /// New tokens at most.
    public var tokens = 500
    /// Always the likeliest token.
    public var greedy = false
    /// Logits are divided by it; above 0.
    public var temperature = 0.8
    /// Only the k likeliest tokens; nil for all.
    public var topK: Int?
    /// Only the smallest set of likeliest tokens whose probability reaches p; nil for all.
    public var topP: Double?
    /// Logits of tokens that occurred are divided by it where positive, multiplied where negative (Keskar et al. 2019).
    public var repetitionPenalty = 1.0
    /// Texts that end a sample; they are not part of it.
    public var stop: [String] = []
    public var samples = 1
    public var seed: UInt64 = 0
    /// Whether to keep keys and values rather than compute them again for every token.
    public var usesCache = true
    /// The type that keys and values are kept in.
    public var cacheType = DType.float32
    public init() {}

    /// - Throws: `Failure` naming the option and its range.
    public func validate() throws {
        func check(_ holds: Bool, _ option: String, _ found: Any, _ range: String) throws {
            guard holds else { throw Failure("--\(option) \(found) is out of range; it must be \(range)") }
        }
        try check(tokens >= 0 && tokens <= 100_000_000, "tokens", tokens, "from 0 to 100000000")
        try check(
            temperature > 0 && temperature.isFinite && temperature <= 100, "temperature", temperature,
            "above 0 and at most 100 (--greedy takes the likeliest token)")
        try check(topK ?? 1 >= 1, "top-k", topK ?? 0, "at least 1")
        try check(topP ?? 1 > 0 && topP ?? 1 <= 1, "top-p", topP ?? 0, "above 0 and at most 1")
        try check(repetitionPenalty > 0 && repetitionPenalty.isFinite, "repetition-penalty", repetitionPenalty, "above 0")
        try check(samples >= 1 && samples <= 10_000, "samples", samples, "from 1 to 10000")
        try check(!stop.contains(""), "stop", "\"\"", "a text with something in it")
    }
}

extension SamplingOptions {
    /// Chooses a token by `logits`. The random number depends on the seed, the sample and the position alone.
    func choose(_ logits: UnsafeMutableBufferPointer<Float>, seen: Set<Int32>, sample: Int, position: Int) -> Int32 {
        if repetitionPenalty != 1 {
            let penalty = Float(repetitionPenalty)
            for token in seen where Int(token) < logits.count {
                let value = logits[Int(token)]
                logits[Int(token)] = value > 0 ? value / penalty : value * penalty
            }
        }
        if takesLikeliest { return SamplingOptions.likeliest(logits) }
        let largest = Double(logits.max() ?? 0)
        var weights = logits.map { exp((Double($0) - largest) / temperature) }
        if (topK ?? logits.count) < logits.count || (topP ?? 1) < 1 { keepLikeliest(&weights, logits) }
        let total = weights.reduce(0, +)
        guard total > 0, total.isFinite else { return SamplingOptions.likeliest(logits) }
        let (a, b, _, _) = Philox(seed: seed, domain: .sampling).block(stream: UInt64(sample), index: UInt64(position))
        var left = Double(UInt64(a) << 21 ^ UInt64(b) >> 11) * 0x1p-53 * total
        for (token, weight) in weights.enumerated() {
            left -= weight
            if left < 0, weight > 0 { return Int32(token) }
        }
        return Int32(weights.lastIndex { $0 > 0 } ?? 0)
    }

    /// Sets the weights that top-k and top-p leave out to zero; ties go to the lower token.
    private func keepLikeliest(_ weights: inout [Double], _ logits: UnsafeMutableBufferPointer<Float>) {
        let order = weights.indices.sorted { (logits[$0], $1) > (logits[$1], $0) }
        var kept = min(topK ?? order.count, order.count)
        if let topP, topP < 1 {
            let total = order.prefix(kept).reduce(0) { $0 + weights[$1] }
            var sum = 0.0
            for (rank, token) in order.prefix(kept).enumerated() {
                sum += weights[token]
                if sum >= topP * total {
                    kept = rank + 1
                    break
                }
            }
        }
        for token in order.dropFirst(kept) { weights[token] = 0 }
    }

    /// Whether no chance is in it.
    var takesLikeliest: Bool { greedy || topK == 1 }

    private static func likeliest(_ logits: UnsafeMutableBufferPointer<Float>) -> Int32 {
        var best = 0
        for token in logits.indices where logits[token] > logits[best] { best = token }
        return Int32(best)
    }
}
