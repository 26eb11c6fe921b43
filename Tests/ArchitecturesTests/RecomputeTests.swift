import Architectures
import Autograd
import Components
import Configuration
import Testing

/// Layers that are computed again going back: the same numbers, bit for bit, in less memory.
struct RecomputeTests {
    static let models: [JSON] =
        AccountingTests.small + [
            [
                "context": 24, "layers": 3, "width": 24, "vocab_size": 50, "attention": ["type": "mha", "output_dropout": 0.1],
                "mlp": ["type": "moe", "experts": 4, "active": 2, "hidden": 16, "balance": 0.1, "dropout": 0.1],
            ],
            [
                "context": 24, "layers": 5, "width": 24, "vocab_size": 50, "residual": ["type": "mixed", "x0_mix": false],
                "embedding": ["type": "token", "dropout": 0.3], "norm": ["type": "rmsnorm"], "mlp": ["type": "swiglu", "dropout": 0.2],
            ],
        ]

    private final class Counter: PassObserver {
        var seen: [String] = []
        func attends(_ layer: Int, _ call: AttentionCall) { seen.append("attends \(layer)") }
        func sublayer(_ name: String, of layer: Int, gave y: Tensor) { seen.append("\(name) \(layer)") }
        func stream(after layer: Int?, _ x: Tensor, end: () -> Tensor) { seen.append("stream \(layer ?? -1)") }
        func experts(_ layer: Int, _ shares: [Float]) { seen.append("experts \(layer) \(shares)") }
    }

    /// Losses of two micro-batches, the gradients that they gathered, what an observer saw.
    private func step(_ json: JSON, recomputes: Bool, threads: Int) throws -> (losses: [Float], gradients: [Float], seen: [String]) {
        let model = try Model(ModelConfig(json)), context = Context.cpu(threads: threads)
        model.materialize(on: context, training: true, seed: 3)
        // Smear, gates and the like begin at zero, where nothing flows through them.
        for parameter in model.store.parameters where parameter.role == .scalar {
            if let value = parameter.value { context.backend.fillUniform(value, low: 0.2, high: 0.8, key: 1, stream: 2) }
        }
        let (batch, time) = (2, model.size.context), observer = Counter()
        var losses: [Float] = []
        for micro in 0..<2 {
            func ids(_ seed: Int) -> Tensor {
                context.tensor((0..<batch * time).map { Int32(($0 * 7 + seed) * 31 % model.size.vocabulary) }, [batch, time])
            }
            losses.append(
                context.recording {
                    let source = DropoutSource(seed: 5, step: 2, firstExample: micro * batch)
                    let pass = Pass(tokens: ids(micro), dropout: source, observer: observer, recomputes: recomputes)
                    let loss = model.loss(pass, targets: ids(micro + 9), scale: 0.01)
                    loss.backward()
                    return loss.item
                })
        }
        return (losses, try #require(model.store.gradients).floats, observer.seen)
    }

    @Test(arguments: models, [1, 2])
    func sameToTheLastBit(json: JSON, threads: Int) throws {
        let kept = try step(json, recomputes: false, threads: threads), again = try step(json, recomputes: true, threads: threads)
        #expect(kept.losses.map(\.bitPattern) == again.losses.map(\.bitPattern))
        #expect(kept.gradients.map(\.bitPattern) == again.gradients.map(\.bitPattern))
        #expect(kept.gradients.contains { $0 != 0 } && kept.gradients.allSatisfy(\.isFinite))
        #expect(kept.seen == again.seen && !kept.seen.isEmpty)
    }

    /// Another layer costs what it reads and nothing else; without recomputing, everything on its way.
    @Test(arguments: [DType.float32, .bfloat16])
    func aLayerCostsWhatItReads(type: DType) throws {
        func bytes(_ layers: Int, _ recomputes: Bool) throws -> Int {
            let config = try ModelConfig([
                "context": 64, "layers": .int(layers), "width": 32, "vocab_size": 50, "attention": ["type": "mha", "heads": 4],
            ])
            return try Model.activationBytes(config, vocabulary: 50, batch: 4, activationType: type, recomputes: recomputes)
        }
        let stream = 4 * 64 * 32 * type.size
        #expect(try bytes(40, true) - bytes(20, true) == 20 * stream)
        #expect(try bytes(40, false) - bytes(20, false) > 20 * 8 * stream)
        #expect(try bytes(40, true) * 5 < bytes(40, false))
    }

    /// The estimate holds for a step that computes again as for one that does not.
    @Test(arguments: models)
    func activationBytesAreThePeak(json: JSON) throws {
        let config = try ModelConfig(json), model = try Model(config), context = Context.cpu(threads: 2)
        // A mixture's memory follows its choices, which shapes do not make.
        guard !"\(config.resolved.text())".contains("\"moe\"") else { return }
        model.materialize(on: context, training: true)
        let before = context.pool.bytesInUse, shape = [2, model.size.context]
        context.pool.resetPeak()
        let tokens = context.tensor([Int32](repeating: 1, count: shape[0] * shape[1]), shape)
        let targets = context.tensor([Int32](repeating: 2, count: shape[0] * shape[1]), shape)
        withExtendedLifetime((tokens, targets)) {
            context.recording {
                let pass = Pass(tokens: tokens, dropout: DropoutSource(seed: 1, step: 0), recomputes: true)
                model.loss(pass, targets: targets, scale: 0.1).backward()
            }
        }
        let estimated = try Model.activationBytes(config, vocabulary: 50, batch: 2, recomputes: true)
        #expect(context.pool.peakBytesInUse - before == estimated)
    }
}
