import Architectures
import Autograd
import Components
import Configuration
import Testing

/// Passes that find their position in memory compute what passes compute that are told it, to the last bit.
struct DecodePositionTests {
    /// Logits of `count` tokens one by one behind a prompt of 5, positions in memory for ranges of `range` tokens, or none.
    private func logits(
        _ model: Model, type: DType, batch: Int, count: Int, range: Int?, on context: Context
    ) -> (logits: [[Float]], wasBypassed: Bool, kept: Bool) {
        let cache = model.cache(batch: batch, type: type, on: context)
        let prompt = randomTokens(batch * 5, vocabulary: 7)
        _ = model.logits(Pass(tokens: context.tensor(prompt, [batch, 5]), cache: cache))
        cache.advance(by: 5)
        var found: [[Float]] = [], wasBypassed = false, position: DecodePosition?
        let carried = cache.carried
        for index in 0..<count {
            let tokens = context.tensor(randomTokens(batch, vocabulary: 7, stream: UInt64(index + 1)), [batch, 1]), start = cache.position
            if let range, position?.range.contains(start) != true {
                position = DecodePosition(start..<start + range, batch: batch, on: context)
            }
            cache.devicePosition = position
            // Where the position is in memory, what the pass is told must not matter.
            found.append(model.logits(Pass(tokens: tokens, start: range == nil ? start : 1_000_000, cache: cache)).floats)
            cache.devicePosition = nil
            position?.advance()
            wasBypassed = wasBypassed || position?.wasBypassed == true
            cache.advance(by: 1)
        }
        return (found, wasBypassed, carried.allSatisfy { cache.carried[$0.key] === $0.value })
    }

    @Test(arguments: CacheTests.positions, [DType.float32, .bfloat16, .int8])
    func positionsInMemory(position: String, type: DType) throws {
        let context = Context.cpu(threads: 1)
        for window in CacheTests.windows {
            for residual in CacheTests.residuals {
                let json = CacheTests.config(
                    position: .string(position), attention: "gqa", options: window.json, residual: residual)
                let model = try randomModel(json, on: context)
                // Rings go round, unless positions end.
                let count = model.positionLimit.map { $0 - 5 } ?? 33
                for batch in [1, 3] {
                    let wanted = logits(model, type: type, batch: batch, count: count, range: nil, on: context)
                    for range in [4, 64] {
                        let found = logits(model, type: type, batch: batch, count: count, range: range, on: context)
                        #expect(found.logits == wanted.logits, "\(window.json), \(residual), batch \(batch), ranges of \(range)")
                        #expect(!found.wasBypassed && found.kept)
                    }
                    #expect(Set(wanted.logits).count == count, "nothing changes with the tokens")
                }
            }
        }
    }

    /// What asks for the position on the host is noticed.
    @Test func askingTheHost() {
        let context = Context.cpu(threads: 1)
        let shapes = [CacheShape(kvHeads: 1, headDim: 4, window: nil)]
        func pass(_ ask: (Pass, KVCache) -> Void) -> Bool {
            let cache = KVCache(shapes, contextLength: 8, batch: 1, on: context)
            let position = DecodePosition(0..<4, batch: 1, on: context)
            cache.devicePosition = position
            ask(Pass(tokens: context.tensor([Int32(1)], [1, 1]), cache: cache), cache)
            return position.wasBypassed
        }
        #expect(pass { pass, _ in _ = pass.start })
        #expect(pass { _, cache in _ = cache.position })
        #expect(!pass { pass, _ in _ = (pass.positions, pass.tablePositions, pass.position) })
    }

    @Test func whatIsCarriedStaysInItsPlace() {
        let context = Context.cpu(threads: 1)
        let cache = KVCache([CacheShape(kvHeads: 1, headDim: 4, window: nil)], contextLength: 8, batch: 2, on: context)
        let first = context.tensor([1.0, 2], [2, 1])
        cache.carry("a", first)
        let place = cache.carried["a"]
        #expect(place !== first && place?.floats == [1, 2])
        cache.carry("a", context.tensor([3.0, 4], [2, 1]))
        #expect(cache.carried["a"] === place && place?.floats == [3, 4] && first.floats == [1, 2])
        cache.carry("a", context.tensor([Float(5)], [1, 1]))
        #expect(cache.carried["a"]?.floats == [5])
    }
}
