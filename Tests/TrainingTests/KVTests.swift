import Architectures
import Autograd
import Components
import Configuration
import Foundation
import Testing
import Training

/// The KV cache's bytes: formula, allocation and process agree, and stay what they are however long the text.
struct KVTests {
    /// Every attention component the registry has, with windows of every kind, odd sizes, every type.
    @Test(arguments: [DType.float32, .bfloat16, .int8])
    func formulaAndAllocationAgree(type: DType) throws {
        let context = Context.cpu(threads: 1)
        for component in Registry.standard.attention.description.components {
            for window in [.null, 0, 1, 7, 100, "SSL"] as [JSON] {
                for (batch, length) in [(1, 100), (3, 37), (2, 1)] {
                    var attention: [String: JSON] = ["type": .string(component.name), "heads": 6, "head_dim": 5, "window": window]
                    if component.options.contains(where: { $0.name == "kv_heads" }) { attention["kv_heads"] = 3 }
                    let model = try randomModel(
                        ["context": 100, "layers": 3, "width": 24, "attention": .object(attention)], vocabulary: 11, on: context)
                    let found = try KVMeasurement.measure(model, on: context, batch: batch, context: length, type: type, steps: 3)
                    // Counted here anew: every layer's ring, keys and values, of so many heads.
                    let heads = ["mha": 6, "gqa": 3, "mqa": 1][component.name] ?? 6
                    let windows = try KVTests.windows(window)
                    let positions = windows.reduce(0) { $0 + min(length, ($1 ?? 99999) + 1) }
                    let number = type == .float32 ? 20 : type == .bfloat16 ? 10 : 5 + 4
                    #expect(found.formulaBytes == batch * positions * 2 * heads * number, "\(component.name) \(window)")
                    #expect(found.allocatedBytes == found.formulaBytes, "\(component.name) \(window) \(batch) × \(length)")
                    #expect(found.layers.map(\.allocatedBytes).reduce(0, +) == found.allocatedBytes)
                    #expect(found.bytesReadPerStep == batch * windows.reduce(0) { $0 + min(length, $1 ?? 99999) } * 2 * heads * number)
                    #expect(found.decodeTokensPerSecond > 0)
                }
            }
        }
    }

    /// "SSL" over three layers: short is a quarter of the context, rounded up to 128, the context at most.
    static func windows(_ json: JSON) throws -> [Int?] {
        if json == "SSL" { return [100, 100, nil] }
        return [Int?](repeating: json.intValue, count: 3)
    }

    /// What the process lets go of with the cache is the formula's bytes, within 2 %.
    @Test(.enabled(if: ProcessMemory.residentBytes != nil)) func theSystemAgrees() throws {
        let context = Context.cpu(threads: 1)
        let model = try randomModel(
            ["context": 4096, "layers": 4, "width": 64, "position": "rope", "attention": ["heads": 8, "head_dim": 128, "window": "SLSL"]],
            vocabulary: 11, on: context)
        // Other tests run in this process at the same time and take and leave memory of their own: one of some tries is calm.
        let shares = try (0..<8).map { _ in
            let found = try KVMeasurement.measure(model, on: context, batch: 1, context: 4096, type: .float32, steps: 2)
            return Double(found.residentBytes ?? 0) / Double(found.formulaBytes)
        }
        #expect(shares.contains { abs($0 - 1) < 0.02 }, "\(shares)")
    }

    /// A text of 100,000 tokens through windows: not a byte more than at its beginning.
    @Test func aLongTextTakesNoMoreMemory() throws {
        let context = Context.cpu(threads: 1)
        let model = try randomModel(
            ["context": 64, "layers": 1, "width": 8, "position": "rope", "attention": ["heads": 2, "window": 16], "mlp": ["hidden": 8]],
            vocabulary: 11, on: context)
        let cache = model.cache(on: context)
        var reserved = 0, token: Int32 = 3
        for position in 0..<100_000 {
            let logits = model.logits(Pass(tokens: context.tensor([token], [1, 1]), start: position, cache: cache)).floats
            cache.advance(by: 1)
            token = Int32(position % 11)
            if position == 100 { reserved = context.pool.bytesReserved }
            guard position == 99_999 else { continue }
            let areFinite = logits.allSatisfy { $0.isFinite }
            #expect(areFinite)
        }
        #expect(cache.position == 100_000 && context.pool.bytesReserved == reserved)
        #expect(cache.byteCount == 17 * 2 * 8 * 4)
    }

    /// Against trying every number.
    @Test func whatFits() {
        let shapes = [CacheShape(kvHeads: 2, headDim: 3, window: 5), CacheShape(kvHeads: 1, headDim: 4, window: nil)]
        func bytes(_ context: Int) -> Int { 2 * 6 * 4 * min(context, 6) + 2 * 4 * 4 * context }
        for memory in [0, 99, 100, 180, 181, 2000, 5001] {
            let found = KVCapacity(shapes, type: .float32, memory: memory, weights: 100, batch: 2, context: 9)
            let free = max(0, memory - 100)
            #expect(found.batch == (0...1000).last { $0 * bytes(9) <= free })
            #expect(found.context == (0...1000).last { 2 * bytes($0) <= free })
        }
        let windowed = KVCapacity([shapes[0]], type: .int8, memory: 10_000, weights: 0, batch: 1, context: 9)
        #expect(windowed.context == KVCapacity.unlimited, "a ring does not grow")
    }

    /// Read token by token through the cache, the text has the loss that it has read as a whole.
    @Test func decodingLoss() throws {
        let context = Context.cpu(threads: 1), config = try tiny(), data = try dataset(config)
        let model = try Trainer.model(config, tokenizer: data.tokenizer)
        model.materialize(on: context, training: false, seed: 7)
        let one = try Evaluator.decoding(model, on: context, tokens: data.validation, type: .float32, windows: 1, length: 16)
        var ids = [Int32](repeating: 0, count: 17)
        ids.withUnsafeMutableBufferPointer { data.validation.copy(from: 0, into: $0) }
        let whole = model.loss(
            Pass(tokens: context.tensor(Array(ids.dropLast()), [1, 16])), targets: context.tensor(Array(ids.dropFirst()), [1, 16]),
            scale: 1 / 16
        ).item
        #expect(abs(one - Double(whole)) < 1e-4)
        let types = try [DType.bfloat16, .int8].map {
            try Evaluator.decoding(model, on: context, tokens: data.validation, type: $0, windows: 1, length: 16)
        }
        for loss in types { #expect(loss != one && abs(loss - one) < 0.05) }
    }
}
