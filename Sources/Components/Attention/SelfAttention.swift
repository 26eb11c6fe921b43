import Autograd
import Configuration

/// Causal self-attention with any grouping of heads: `mha`, `gqa` and `mqa` are this with K = H, K and 1 key/value
/// heads.
///
///     q, k, v = x Wqkv          one packed product; three parameters
///     v += gate · value embedding of the token          where the layer has one
///     q, k = rotate(norm(q)), rotate(norm(k))           as asked
///     y = softmax(mask(softcap(scale q kᵀ) − bias)) v Wo
public struct SelfAttention: Attention {
    public let heads: Int
    public let cacheShape: CacheShape
    let layer: Int
    let options: SelfAttentionOptions
    let position: any Position
    let scale: Float
    /// The largest distance a layer sees: the context less the token itself.
    let longest: Int
    /// [(H + 2K)·D, C]
    let qkv: ParameterBlock
    let qkvBias: ParameterBlock?
    let output: Linear
    let queryNorm: ParameterBlock?
    let keyNorm: ParameterBlock?
    /// [V padded, K·D], and its gate [K, channels].
    let valueEmbedding: (table: ParameterBlock, gate: ParameterBlock)?

    /// - Throws: `ConfigError` where heads and width do not fit.
    public init(_ group: some SelfAttentionGroup, position: any Position, at site: Site) throws {
        let options = group.shared, size = site.size, layer = site.layer ?? 0
        if options.headDim == nil, size.width % options.heads != 0 {
            let near =
                (1...size.width).filter { size.width % $0 == 0 }
                .min { abs($0 - options.heads) < abs($1 - options.heads) } ?? 1
            throw site.error(
                "\(options.heads) heads do not divide width \(size.width); use \(near) heads, or set head_dim", at: "heads")
        }
        let dim = options.headDim ?? size.width / options.heads
        let kvHeads = group.kvHeads
        let window = options.window.window(layer: layer, options, size)
        if let window, window > size.context {
            throw site.error(
                "a window of \(window) is longer than the context of \(size.context); use at most \(size.context), or null "
                    + "for all of it", at: "window")
        }
        if options.valueEmbedding != .none, options.valueGateChannels > size.width {
            throw site.error(
                "the gate reads \(options.valueGateChannels) channels of a width of \(size.width); use fewer",
                at: "value_gate_channels")
        }
        (self.options, self.layer, self.position, heads) = (options, layer, position, options.heads)
        longest = size.context - 1
        cacheShape = CacheShape(kvHeads: kvHeads, headDim: dim, window: window)
        scale = Float(options.scale ?? 1 / Double(dim).squareRoot())
        let (q, kv, width) = (heads * dim, kvHeads * dim, size.width)
        qkv = site.packed([
            ("q.weight", [q, width], .query), ("k.weight", [kv, width], .key), ("v.weight", [kv, width], .value),
        ])
        qkvBias =
            options.bias
            ? site.packed([("q", q), ("k", kv), ("v", kv)].map { ("\($0.0).bias", [$0.1], .bias(fanIn: width)) }) : nil
        output = site.linear("output", q, width, bias: options.outputBias ?? options.bias, .attentionOutput)
        let weighted = options.qkNorm && options.qkNormWeight
        queryNorm = weighted ? site.parameter("q_norm.weight", [dim], .constant(1)) : nil
        keyNorm = weighted ? site.parameter("k_norm.weight", [dim], .constant(1)) : nil
        valueEmbedding =
            options.valueEmbedding.includes(layer: layer, of: size.layers)
            ? (
                site.parameter("value_embedding.weight", [size.paddedVocabulary, kv], .valueEmbedding),
                site.parameter("value_gate.weight", [kvHeads, options.valueGateChannels], .gate)
            ) : nil
    }

    public func callAsFunction(_ x: Tensor, _ pass: Pass) -> Tensor {
        let (kvHeads, dim) = (cacheShape.kvHeads, cacheShape.headDim)
        let packed = x.linear(qkv.product, bias: qkvBias?.tensor)  // [B, T, (H + 2K)·D]
        let rotary = position.rotary(dim: dim, pass)
        func prepared(_ heads: Heads, _ weight: ParameterBlock?) -> Heads {
            heads.prepared(
                normalize: options.qkNorm ? Float(options.qkNormEps) : nil, weight: weight?.tensor, rotary: rotary,
                positions: rotary == nil ? nil : pass.positions, scale: Float(options.qkScale))
        }
        let query = prepared(Heads(packed, count: heads, dim: dim), queryNorm)
        let key = prepared(Heads(packed, offset: heads * dim, count: kvHeads, dim: dim), keyNorm)
        var value = Heads(packed, offset: (heads + kvHeads) * dim, count: kvHeads, dim: dim)
        if let valueEmbedding {
            value = adding(valueEmbedding, to: value, x, pass)
        }
        // A layer never sees further than the context, whatever the sequence: that is what its cache holds.
        var scores = AttentionOptions(
            window: min(cacheShape.window ?? longest, longest), scale: scale, softcap: Float(options.softcap),
            slopes: position.slopes(heads: heads))
        // Weights are numbered by (example, head, query, key), so the examples before these need no offset.
        scores.dropout = pass.mask(options.dropout, elementsPerExample: 0)
        let mixed: Tensor
        if let cache = pass.cache {
            mixed = cache.attend(layer: layer, query: query, key: key, value: value, options: scores)
        } else {
            var call = AttentionCall(query: query, key: key, value: value, options: scores)
            call.firstExample = pass.firstExample
            pass.observer?.attends(layer, call)
            mixed = attention(call)
        }
        return output(mixed).dropout(options.outputDropout, pass)
    }

    /// Value embeddings (Zhou et al. 2024, arXiv:2410.17897, in nanochat's gated form): v += scale·σ(gate)·ve, one gate
    /// a key/value head.
    private func adding(
        _ embedding: (table: ParameterBlock, gate: ParameterBlock), to value: Heads, _ x: Tensor, _ pass: Pass
    ) -> Heads {
        let (rows, kvHeads, dim) = (pass.batch * pass.time, value.count, value.dim)
        let gate =
            x.columns(0..<options.valueGateChannels).linear(embedding.gate.tensor)  // [B, T, K]
            .activation(.sigmoid) * Float(options.valueGateScale)
        let embedded = embedding.table.tensor.rows(at: pass.tokens)  // [B, T, K·D]
            .reshaped([rows * kvHeads, dim]).scaledRows(by: gate.reshaped([rows * kvHeads]))
            .reshaped([pass.batch, pass.time, kvHeads * dim])
        return Heads(value.tensor.columns(value.columns) + embedded, count: kvHeads, dim: dim)
    }
}
