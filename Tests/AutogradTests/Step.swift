import Autograd

/// A training step with a bit of everything, big enough that work is spread over threads.
struct Step: Sendable {
    var batch = 2, time = 70, width = 64, vocabulary = 300

    struct Result {
        var loss: [Float]
        var gradients: [[Float]]
    }

    func parameters(_ context: Context) -> [Tensor] {
        let shapes = [
            [vocabulary, width], [3 * width, width], [width, width], [width], [width], [8 * width, width], [width, 4 * width],
        ]
        return shapes.enumerated().map { index, shape in
            let tensor = context.empty(shape)
            context.backend.fillNormal(tensor, deviation: 0.2, key: 3, stream: UInt64(index))
            tensor.attach(Gradient(gatheringIn: context.zeros(shape)))
            return tensor
        }
    }

    /// Embedding, norms, packed attention with dropout, a gated feed-forward, and the tied head's loss.
    func run(_ context: Context, _ p: [Tensor]) -> Tensor {
        let ids = (0..<batch * time).map { Int32($0 * 7 % vocabulary) }
        return context.recording {
            let x = p[0].rows(at: context.tensor(ids, [batch, time]))
            let packed = x.layerNorm(weight: p[3], bias: p[4], epsilon: 1e-5).linear(p[1])
            func heads(_ part: Int) -> Heads { Heads(packed, offset: part * width, count: 4, dim: width / 4) }
            let call = AttentionCall(
                query: heads(0).prepared(normalize: 1e-6), key: heads(1).prepared(normalize: 1e-6), value: heads(2),
                options: AttentionOptions(
                    window: 40, scale: 0.25, softcap: 20, dropout: DropoutMask(probability: 0.1, key: 1, stream: 2)))
            let attended = x + attention(call).linear(p[2])
            let mixed =
                attended
                + attended.rmsNorm(weight: p[3], epsilon: 1e-6).linear(p[5]).gated(.silu).linear(p[6])
                .dropout(DropoutMask(probability: 0.1, key: 1, stream: 3))
            let loss = mixed.headLoss(
                weight: p[0], bias: nil, targets: context.tensor(ids.map { ($0 + 1) % Int32(vocabulary) }, [batch, time]),
                LossOptions(vocabulary: vocabulary, softcap: 15, scale: 1 / Float(batch * time)))
            loss.backward()
            return loss
        }
    }

    func result(threads: Int) -> Result {
        let context = Context.cpu(threads: threads), p = parameters(context)
        let loss = run(context, p)
        return Result(loss: loss.floats, gradients: p.map { $0.gradient?.tensor?.floats ?? [] })
    }
}
