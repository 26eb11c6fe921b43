import Foundation

/// How long one attention of a training step takes, alone.
public struct AttentionSpeed: Sendable {
    /// Seconds of one call, round by round: the median of several rounds is what to quote.
    public let forward: [Double], backward: [Double]
    /// Floating-point operations of one call by the pairs that are seen, 4·D each forward and 10·D backward: what FlashAttention's authors
    /// count, so that figures can be held against others'. What is computed again is not counted.
    public let forwardFlops: Double, backwardFlops: Double

    public var forwardSeconds: Double { Self.median(forward) }
    public var backwardSeconds: Double { Self.median(backward) }

    private static func median(_ seconds: [Double]) -> Double { seconds.isEmpty ? 0 : seconds.sorted()[seconds.count / 2] }
}

/// Sizes of the attention to time: queries, keys and values in columns of one packed tensor, as a model's are.
public struct AttentionSize: Sendable {
    public var batch: Int, time: Int, heads: Int, keyHeads: Int, dim: Int
    /// As in `AttentionOptions`.
    public var window: Int?

    public init(batch: Int, time: Int, heads: Int, keyHeads: Int, dim: Int, window: Int? = nil) {
        (self.batch, self.time, self.heads, self.keyHeads) = (batch, time, heads, keyHeads)
        (self.dim, self.window) = (dim, window)
    }

    /// Elements of the packed tensor.
    public var elements: Int { batch * time * (heads + 2 * keyHeads) * dim }

    /// Pairs of a query and a key that it sees, over all heads and examples.
    public var pairs: Double {
        let seen = min(window ?? time, time - 1) + 1
        return Double(batch * heads) * (Double(seen) * Double(time) - Double(seen) * Double(seen - 1) / 2)
    }
}

extension Context {
    /// Times attention of random numbers in this context's type for activations.
    /// - Parameters:
    ///   - rounds: how often each of forward and backward is timed.
    ///   - least: seconds that a round shall take at least: one wait for the device ends as many calls as that needs.
    /// - Throws: what the device says where it fails.
    public func measureAttention(_ size: AttentionSize, rounds: Int = 10, least: Double = 0.05) throws -> AttentionSpeed {
        let (query, key) = (size.heads * size.dim, size.keyHeads * size.dim)
        let packed = empty([size.batch, size.time, query + 2 * key], activationType)
        backend.fillNormal(packed, deviation: 1, key: 1, stream: 0)
        let call = AttentionCall(
            query: Heads(packed, count: size.heads, dim: size.dim), key: Heads(packed, offset: query, count: size.keyHeads, dim: size.dim),
            value: Heads(packed, offset: query + key, count: size.keyHeads, dim: size.dim),
            options: AttentionOptions(window: size.window, scale: 1 / Float(size.dim).squareRoot()))
        let output = empty([size.batch, size.time, query], activationType)
        let upstream = empty(output.shape, activationType), gradient = empty(packed.shape, activationType)
        backend.fillNormal(upstream, deviation: 1, key: 1, stream: 1)
        let lse = empty([size.batch, size.heads, size.time])
        func target(_ heads: Heads) -> HeadGradient {
            HeadGradient(heads: Heads(gradient, offset: heads.offset, count: heads.count, dim: heads.dim), accumulate: false)
        }
        let forward = try time(rounds, least) { backend.attention(call, output: output, lse: lse) }
        let backward = try time(rounds, least) {
            backend.attentionBackward(
                call, output: output, lse: lse, dOutput: upstream, dQuery: target(call.query), dKey: target(call.key),
                dValue: target(call.value))
        }
        let work = size.pairs * Double(size.dim)
        return AttentionSpeed(forward: forward, backward: backward, forwardFlops: 4 * work, backwardFlops: 10 * work)
    }

    /// Seconds of one call of `body` in each of `rounds`, after one call to warm up and one to see how many a round needs.
    private func time(_ rounds: Int, _ least: Double, _ body: () -> Void) throws -> [Double] {
        func seconds(_ calls: Int) -> Double {
            let start = DispatchTime.now().uptimeNanoseconds
            for _ in 0..<calls { body() }
            backend.synchronize()
            return Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9 / Double(calls)
        }
        backend.synchronize()
        _ = seconds(1)
        try check()
        let calls = Int(min(1000, (least / max(seconds(1), 1e-7)).rounded(.up)))
        let measured = (0..<max(rounds, 1)).map { _ in seconds(max(calls, 1)) }
        try check()
        return measured
    }
}
