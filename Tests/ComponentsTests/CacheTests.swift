import Architectures
import Autograd
import Components
import Configuration
import Testing

/// Decoding with the key/value cache equals the full pass, for every combination of what decoding may meet.
struct CacheTests {
    static let contextLength = 12, layers = 3
    static let positions = Registry.standard.position.description.components.map(\.name)
    static let attentions = Registry.standard.attention.description.components.map(\.name)

    /// A window as configured, and what each layer sees of it when the cache holds `contextLength` positions.
    struct Window: Sendable {
        let json: [String: JSON]
        let seen: [Int]
    }
    static let windows = [
        Window(json: ["window": .null], seen: [11, 11, 11]),
        Window(json: ["window": 3], seen: [3, 3, 3]),
        Window(json: ["window": "SL", "short_window": 4], seen: [4, 11, 11]),
    ]
    static let residuals: [JSON] = ["plain", ["type": "mixed", "smear_channels": 8]]
    static let extras: [[String: JSON]] = (0..<8).map { bits in
        var extra: [String: JSON] = [:]
        if bits & 1 != 0 { extra.merge(["qk_norm": true, "qk_norm_weight": true, "qk_scale": 1.2]) { $1 } }
        if bits & 2 != 0 { extra["value_embedding"] = "alternate" }
        if bits & 4 != 0 { extra["softcap"] = 3 }
        return extra
    }

    static func config(
        position: JSON, attention: String, options: [String: JSON], residual: JSON, context: Int = contextLength
    ) -> JSON {
        var section = options.merging(["type": .string(attention), "heads": 4]) { $1 }
        let known = Registry.standard.slots.first { $0.name == "attention" }?.keys(of: attention) ?? []
        if known.contains("kv_heads") { section["kv_heads"] = 2 }
        return [
            "context": .int(context), "layers": .int(layers), "width": 16, "vocab_size": 7, "position": position,
            "attention": .object(section), "residual": residual, "mlp": ["type": "gelu", "expansion": 2], "head": "untied",
        ]
    }

    /// How tokens come in: a prompt shorter than the windows, one longer, one longer than the ring; then chunks of
    /// several tokens that cross the end of the ring, and tokens one by one, until the rings have gone round twice.
    static let plans: [[Int]] = [[2], [9, 1, 4, 1, 1, 3, 6], [14, 1, 1, 5], [1, 5, 1, 12, 2, 1, 13]]

    @Test(arguments: positions, attentions)
    func decodingEqualsTheFullPass(position: String, attention: String) throws {
        let context = Context.cpu(threads: 1)
        for window in CacheTests.windows {
            for extra in CacheTests.extras {
                for residual in CacheTests.residuals {
                    func json(_ options: [String: JSON], _ length: Int) -> JSON {
                        CacheTests.config(
                            position: .string(position), attention: attention,
                            options: extra.merging(options) { $1 }, residual: residual, context: length)
                    }
                    let short = json(window.json, CacheTests.contextLength)
                    let hasEnd = try Model(ModelConfig(short)).positionLimit != nil
                    let time = hasEnd ? CacheTests.contextLength : 3 * CacheTests.contextLength + 2
                    let long = hasEnd ? short : json(["window": ["by_layer": .array(window.seen.map { .int($0) })]], time)
                    let decoding = try Decoding(short, long: long, time: time, batch: 3, on: context)
                    for plan in CacheTests.plans {
                        for sequences in [1, 3] {
                            let worst = decoding.worst(plan, sequences: sequences)
                            #expect(
                                (worst ?? .infinity) < 1e-4,
                                "\(position), \(attention), \(window.json), \(extra), \(residual), chunks \(plan), batch \(sequences)")
                        }
                    }
                }
            }
        }
    }

    /// Windows whose edges meet the ring's: none back, the whole context, one less.
    @Test(arguments: [0, 1, 10, 11, 12])
    func windowsAtTheEdges(window: Int) throws {
        func json(_ window: Int, _ length: Int) -> JSON {
            CacheTests.config(
                position: "rope", attention: "gqa", options: ["window": .int(window)], residual: "plain", context: length)
        }
        let decoding = try Decoding(json(window, 12), long: json(min(window, 11), 38), time: 38, batch: 2, on: .cpu(threads: 1))
        for plan in CacheTests.plans {
            #expect((decoding.worst(plan, sequences: 2) ?? .infinity) < 1e-4, "window \(window), chunks \(plan)")
        }
    }

    @Test func layersThatDiffer() throws {
        let json: JSON = [
            "context": 12, "layers": 4, "width": 16, "vocab_size": 9,
            "position": ["by_layer": [["type": "rope", "fraction": 0.5, "interleaved": true], "none", "alibi"]],
            "attention": [
                "type": ["by_layer": ["gqa", "mqa"]], "heads": ["by_layer": [4, 2, 8]],
                "window": ["by_layer": [2, 5, 11, 0]],
            ],
            "mlp": ["by_layer": ["swiglu", "relu"]],
        ]
        let decoding = try Decoding(json, long: with(json, ["context": 40]), time: 40, batch: 2, on: .cpu(threads: 2))
        for plan in CacheTests.plans {
            #expect((decoding.worst(plan, sequences: 2) ?? .infinity) < 1e-4, "chunks \(plan)")
        }
    }

    @Test(arguments: windows.indices, attentions)
    func bytesAreTheRings(window: Int, attention: String) throws {
        let context = Context.cpu(threads: 1)
        let model = try randomModel(
            CacheTests.config(
                position: "rope", attention: attention, options: CacheTests.windows[window].json, residual: "plain"),
            on: context)
        let kvHeads = ["mha": 4, "gqa": 2, "mqa": 1][attention] ?? 0, dim = 4
        for batch in [1, 3] {
            let before = context.pool.bytesInUse, cache = model.cache(batch: batch, on: context)
            let wanted = CacheTests.windows[window].seen.reduce(0) { $0 + ($1 + 1) * 2 * kvHeads * dim * 4 * batch }
            #expect(cache.byteCount == wanted)
            // The pool rounds a block up by an eighth at most, or to 64 bytes.
            let taken = context.pool.bytesInUse - before
            #expect(taken >= wanted && taken <= wanted * 9 / 8 + 6 * 64)
        }
    }

    /// One prompt, several continuations: copies go their own ways and leave the original alone.
    @Test(arguments: CacheTests.residuals, [5, 17])
    func repeatedCopies(residual: JSON, prompt: Int) throws {
        let context = Context.cpu(threads: 1)
        let json = CacheTests.config(position: "rope", attention: "gqa", options: ["window": 6], residual: residual)
        let model = try randomModel(json, on: context)
        let tokens = randomTokens(prompt, vocabulary: 7)
        let continuations = (0..<3).map { randomTokens(8, vocabulary: 7, stream: UInt64($0 + 1)) }
        func step(_ cache: KVCache, _ column: [Int32]) -> [Float] {
            let logits = model.logits(
                Pass(tokens: context.tensor(column, [column.count, 1]), start: cache.position, cache: cache)
            ).floats
            cache.advance(by: 1)
            return logits
        }
        func prefilled() -> KVCache {
            let cache = model.cache(on: context)
            _ = model.logits(Pass(tokens: context.tensor(tokens, [1, prompt]), cache: cache))
            cache.advance(by: prompt)
            return cache
        }
        let cache = prefilled(), copies = cache.repeated(3)
        #expect(copies.batch == 3 && copies.position == prompt && copies.byteCount == 3 * cache.byteCount)
        let singles = continuations.map { continuation in
            let single = prefilled()
            return continuation.map { step(single, [$0]) }
        }
        for time in 0..<8 {
            let found = step(copies, continuations.map { $0[time] })
            #expect((distance(found, singles.flatMap { $0[time] }) ?? .infinity) < 1e-4, "copies differ at step \(time)")
        }
        for time in 0..<8 { #expect(step(cache, [continuations[0][time]]) == singles[0][time], "the original was touched") }
    }

    @Test func lastLogitsAreTheLastOfAll() throws {
        let context = Context.cpu(threads: 1)
        let model = try randomModel(
            CacheTests.config(position: "learned", attention: "mha", options: [:], residual: CacheTests.residuals[1]), on: context)
        for time in [1, 5] {
            let pass = { Pass(tokens: context.tensor(randomTokens(2 * time, vocabulary: 7), [2, time])) }
            let all = model.logits(pass()).floats, last = model.lastLogits(pass())
            #expect(last.shape == [2, 1, 7])
            let wanted = Array(all[(time - 1) * 7..<time * 7]) + Array(all[(2 * time - 1) * 7..<2 * time * 7])
            #expect((distance(last.floats, wanted) ?? .infinity) < 1e-5)
        }
    }
}
