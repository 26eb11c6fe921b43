import Autograd

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
    /// Chooses a token by `logits`, which it may change.
    func choose(_ logits: UnsafeMutableBufferPointer<Float>, seen: Set<Int32>, sample: Int, position: Int) -> Int32 {
        if repetitionPenalty != 1 {
            let penalty = Float(repetitionPenalty)
            for token in seen where Int(token) < logits.count {
                let value = logits[Int(token)]
                logits[Int(token)] = value > 0 ? value / penalty : value * penalty
            }
        }
        guard let sampling else { return TokenSampling.likeliest(UnsafeBufferPointer(logits)) }
        return sampling.token(of: UnsafeBufferPointer(logits), draw: draw(sample: sample, position: position))
    }

    /// Nil where no chance is in it: always the likeliest.
    var sampling: TokenSampling? { greedy || topK == 1 ? nil : TokenSampling(temperature: temperature, topK: topK, topP: topP) }

    /// A number from 0 to 1, which depends on the seed, the sample and the position alone.
    func draw(sample: Int, position: Int) -> Double {
        let (a, b, _, _) = Philox(seed: seed, domain: .sampling).block(stream: UInt64(sample), index: UInt64(position))
        return Double(UInt64(a) << 21 ^ UInt64(b) >> 11) * 0x1p-53
    }
}
