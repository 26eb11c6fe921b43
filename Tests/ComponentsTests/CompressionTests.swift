import Architectures
import Autograd
import Components
import Configuration
import Testing

/// Weights and caches in fewer bits: what they cost in accuracy, and what they save in bytes.
struct CompressionTests {
    static let config: JSON = [
        "context": 48, "layers": 3, "width": 48, "vocab_size": 61, "position": "rope",
        "attention": ["type": "gqa", "heads": 4, "kv_heads": 2, "window": 9, "qk_norm": true], "mlp": ["type": "swiglu", "hidden": 80],
        "init": ["type": "gpt2", "std": 0.15],
    ]

    private func model(on context: Context) throws -> Model {
        let model = try Model(ModelConfig(CompressionTests.config))
        model.materialize(on: context, training: false, seed: 3)
        return model
    }

    private func tokens(_ count: Int) -> [Int32] { (0..<count).map { Int32(($0 * 7 + $0 * $0) % 61) } }

    /// The root of the mean square of the difference, over that of the reference.
    private func error(_ found: [Float], _ wanted: [Float]) -> Float {
        let difference = zip(found, wanted).reduce(Float(0)) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        return (difference / wanted.reduce(0) { $0 + $1 * $1 }).squareRoot()
    }

    @Test(arguments: [(DType.bfloat16, Float(0.01), 2.0), (.int8, 0.04, 3.3)])
    func weights(type: DType, limit: Float, smaller: Double) throws {
        let context = Context.cpu(threads: 2)
        // 4 tokens go through the decoding kernel, 40 through the products.
        for count in [4, 40] {
            let model = try model(on: context)
            let input = context.tensor(tokens(count), [1, count])
            let plain = model.logits(Pass(tokens: input)).floats, bytes = model.store.productBytes
            model.store.compressProducts(to: type)
            let found = error(model.logits(Pass(tokens: input)).floats, plain)
            #expect(found > 0 && found < limit, "\(type) weights change the logits of \(count) tokens by \(found)")
            #expect(Double(bytes) / Double(model.store.productBytes) >= smaller)
        }
    }

    /// Decoding with compressed weights is the same model as the pass over everything, whichever kernel runs.
    @Test(arguments: [DType.bfloat16, .int8])
    func decodingAgreesWithTheFullPass(type: DType) throws {
        let context = Context.cpu(threads: 2)
        let model = try model(on: context)
        model.store.compressProducts(to: type)
        let all = tokens(40)
        let full = model.logits(Pass(tokens: context.tensor(all, [1, 40]))).floats
        let cache = model.cache(on: context)
        for (index, token) in all.enumerated() {
            let logits = model.logits(Pass(tokens: context.tensor([token], [1, 1]), start: index, cache: cache)).floats
            cache.advance(by: 1)
            let wanted = Array(full[index * 61..<(index + 1) * 61])
            #expect(error(logits, wanted) < 1e-5, "token \(index)")
        }
    }

    @Test(arguments: [(DType.bfloat16, Float(0.01)), (.int8, 0.02)])
    func caches(type: DType, limit: Float) throws {
        let context = Context.cpu(threads: 2)
        let model = try model(on: context)
        let all = tokens(40), full = model.logits(Pass(tokens: context.tensor(all, [1, 40]))).floats
        let cache = model.cache(type: type, on: context)
        // A prompt in two pieces, so that the past is read back, then token by token across the wrap of the ring.
        for range in [0..<5, 5..<16] + (16..<40).map({ $0..<$0 + 1 }) {
            let pass = Pass(tokens: context.tensor(Array(all[range]), [1, range.count]), start: range.lowerBound, cache: cache)
            let logits = model.logits(pass).floats
            cache.advance(by: range.count)
            let found = error(logits, Array(full[range.lowerBound * 61..<range.upperBound * 61]))
            #expect(found < limit, "tokens \(range) with a \(type) cache are off by \(found)")
        }
        // 3 layers, rings of 10, keys and values, 2 heads of 12: elements, and int8's scale a head.
        let elements = 3 * 10 * 2 * 2 * 12
        #expect(cache.byteCount == (type == .bfloat16 ? elements * 2 : elements + 3 * 10 * 2 * 2 * 4))
        let copies = cache.repeated(3)
        let next = model.logits(Pass(tokens: context.tensor([5, 5, 5] as [Int32], [3, 1]), start: 40, cache: copies)).floats
        let alone = model.logits(Pass(tokens: context.tensor([5] as [Int32], [1, 1]), start: 40, cache: cache)).floats
        #expect(error(next, alone + alone + alone) < 1e-5)
    }
}
