import Architectures
import Autograd
import Components
import Configuration
import Testing

/// A batch in one piece and in micro-batches: the same loss and the same gradients, dropout masks included.
struct MicroBatchTests {
    static let batch = 8, time = 12
    static let models: [String: JSON] = [
        "no dropout": ["context": 12, "layers": 2, "width": 24, "vocab_size": 17],
        "dropout everywhere": [
            "context": 12, "layers": 2, "width": 24, "vocab_size": 17, "embedding": ["type": "token", "dropout": 0.2],
            "attention": ["type": "gqa", "heads": 4, "dropout": 0.3, "output_dropout": 0.2],
            "mlp": ["type": "swiglu", "dropout": 0.4], "position": "rope",
        ],
        "mixed stream": [
            "context": 12, "layers": 3, "width": 24, "vocab_size": 17, "residual": "mixed", "norm": "rmsnorm",
            "attention": ["type": "mha", "heads": 2, "dropout": 0.3, "qk_norm": true, "value_embedding": "all"],
            "head": ["type": "untied", "softcap": 10], "init": "gpt2",
        ],
    ]

    struct Result {
        var loss: Float
        var gradients: [String: [Float]]
    }

    static func run(_ json: JSON, pieces: Int, step: Int = 5, seed: UInt64 = 3, threads: Int = 2) throws -> Result {
        let context = Context.cpu(threads: threads), model = try Model(ModelConfig(json))
        model.materialize(on: context, training: true, seed: 2)
        var draw = Philox(key: 1).sequence(stream: 0)
        let tokens = (0..<batch * time).map { _ in Int32(draw.below(17)) }
        // Some targets count for nothing.
        let targets = (0..<batch * time).map { _ in Int32(draw.below(19)) }.map { $0 > 16 ? -1 : $0 }
        let scale = 1 / Float(targets.count { $0 >= 0 }), size = batch / pieces
        var loss: Float = 0
        for piece in 0..<pieces {
            let range = piece * size * time..<(piece + 1) * size * time
            context.recording {
                let pass = Pass(
                    tokens: context.tensor(Array(tokens[range]), [size, time]),
                    dropout: DropoutSource(seed: seed, step: step, firstExample: piece * size))
                let part = model.loss(pass, targets: context.tensor(Array(targets[range]), [size, time]), scale: scale)
                part.backward()
                loss += part.item
            }
        }
        return Result(
            loss: loss,
            gradients: Dictionary(uniqueKeysWithValues: model.store.parameters.map { ($0.name, $0.gradient?.floats ?? []) }))
    }

    @Test(arguments: models.keys.sorted(), [2, 4, 8])
    func piecesEqualTheWhole(name: String, pieces: Int) throws {
        let json = try #require(MicroBatchTests.models[name])
        let whole = try MicroBatchTests.run(json, pieces: 1), parts = try MicroBatchTests.run(json, pieces: pieces)
        #expect(abs(whole.loss - parts.loss) < 2e-6 * abs(whole.loss), "\(whole.loss) and \(parts.loss)")
        for (name, gradient) in whole.gradients {
            expectClose(try #require(parts.gradients[name]), gradient, relative: 2e-5, "gradient of \(name)")
        }
    }

    /// Masks are a matter of seed and step: the same again for the same, others for others.
    @Test func masksDependOnSeedAndStep() throws {
        let json = try #require(MicroBatchTests.models["dropout everywhere"])
        let first = try MicroBatchTests.run(json, pieces: 1)
        let again = try MicroBatchTests.run(json, pieces: 1)
        #expect(first.loss == again.loss && first.gradients == again.gradients)
        #expect(try MicroBatchTests.run(json, pieces: 1, step: 6).loss != first.loss)
        #expect(try MicroBatchTests.run(json, pieces: 1, seed: 4).loss != first.loss)
    }
}
