extension Heads {
    /// These heads normalized, rotated and scaled, as a tensor [B, T, H·D] of their own.
    public func prepared(
        normalize: Float? = nil, weight: Tensor? = nil, rotary: RotaryTable? = nil, positions: Tensor? = nil,
        scale: Float = 1
    ) -> Heads {
        let call = HeadPreparation(
            self, normalize: normalize, weight: weight, rotary: rotary, positions: positions, scale: scale)
        guard !call.isIdentity else { return self }
        let context = tensor.context
        let y = context.empty(tensor.shape.dropLast() + [count * dim], tensor.dtype)
        let rstd = normalize == nil ? nil : context.empty([tensor.rows * count])
        context.backend.prepareHeads(call, into: y, rstd: rstd)
        y.recordBackward(from: [tensor, weight]) { [gradient = tensor.gradient, columns] dy in
            let target = gradient?.columnsTarget(columns)
            context.backend.prepareHeadsBackward(
                call, rstd: rstd, dy: dy, dx: target?.tensor ?? context.empty(tensor.shape, tensor.dtype),
                accumulate: target?.accumulate ?? false, dweight: weight?.gradient?.addingTarget())
        }
        return Heads(y, count: count, dim: dim)
    }
}

/// Causal attention (Vaswani et al. 2017), tiled: [B, T, H·D]. Memory grows with T, never with T².
///
/// Keeps the logarithm of each row's normalizer; the backward pass computes the weights again from it, strip by strip.
public func attention(_ call: AttentionCall) -> Tensor {
    // The backward pass writes the gradients of queries, keys and values apart: columns that are two of them are copied.
    func apart(_ a: Heads, _ b: Heads) -> Heads {
        guard let gradient = a.tensor.gradient, gradient === b.tensor.gradient, a.columns.overlaps(b.columns) else { return a }
        return Heads(a.tensor.columns(a.columns), count: a.count, dim: a.dim)
    }
    var call = call
    call.key = apart(call.key, call.query)
    call.value = apart(apart(call.value, call.query), call.key)
    let q = call.query, context = q.tensor.context
    let output = context.empty([call.batch, call.queries, q.count * q.dim], q.tensor.dtype)
    let lse = context.empty([call.batch, q.count, call.queries])
    context.backend.attention(call, output: output, lse: lse)
    let saved = output.view(at: 0, output.shape)
    output.recordBackward(from: [q.tensor, call.key.tensor, call.value.tensor]) { [call] dy in
        func target(_ heads: Heads) -> HeadGradient? {
            guard let (tensor, accumulate) = heads.tensor.gradient?.columnsTarget(heads.columns) else { return nil }
            return HeadGradient(
                heads: Heads(tensor, offset: heads.offset, count: heads.count, dim: heads.dim), accumulate: accumulate)
        }
        context.backend.attentionBackward(
            call, output: saved, lse: lse, dOutput: dy, dQuery: target(q), dKey: target(call.key),
            dValue: target(call.value))
    }
    return output
}

/// Attention of one new token a sequence over a ring of keys and values: [B, 1, H·D]. Not recorded.
public func attentionDecode(_ call: DecodeCall) -> Tensor {
    let context = call.query.tensor.context
    let query = call.query
    let output = context.empty([query.tensor.shape[0], 1, query.count * query.dim], query.tensor.dtype)
    context.backend.attentionDecode(call, output: output)
    return output
}
