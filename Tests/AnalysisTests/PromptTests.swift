import Analysis
import Architectures
import Autograd
import Components
import Configuration
import Foundation
import Testing

/// Attention maps and the logit lens against what the model computes.
struct PromptTests {
    static let variants: [JSON] = [
        ["type": "mha", "heads": 2], ["type": "gqa", "heads": 4, "kv_heads": 2, "softcap": 3],
        ["type": "mqa", "heads": 2, "window": 2, "qk_norm": true],
    ]
    let context = Context.cpu(threads: 1)

    func model(_ attention: JSON, position: JSON = "rope", residual: JSON = "plain", norm: JSON = "layernorm") throws -> Model {
        try randomModel(
            [
                "context": 12, "layers": 3, "width": 16, "attention": attention, "position": position, "residual": residual,
                "norm": norm,
            ], vocabulary: 19, on: context)
    }

    let ids: [Int32] = [3, 7, 7, 18, 0, 4, 11, 2, 9]

    /// Sums the values by the map: it must be what the attention operation gives.
    private final class Check: PassObserver {
        var calls = 0
        func attends(_ layer: Int, _ call: AttentionCall) {
            calls += 1
            let maps = AttentionMap.weights(call), v = call.value.tensor.floats, found = attention(call).floats
            let (time, dim, heads) = (call.queries, call.query.dim, call.query.count)
            for head in 0..<heads {
                for query in 0..<time {
                    for d in 0..<dim {
                        let column = call.value.offset + head / (heads / call.key.count) * dim + d
                        let sum = (0..<time).reduce(0.0) {
                            $0 + Double(maps[head][query * time + $1]) * Double(v[$1 * call.value.tensor.columns + column])
                        }
                        #expect(abs(sum - Double(found[query * heads * dim + head * dim + d])) < 1e-4)
                    }
                }
            }
        }
    }

    @Test(arguments: variants, ["rope", "alibi", "learned"]) func mapsAreTheAttention(attention: JSON, position: String) throws {
        let model = try model(attention, position: .string(position)), check = Check()
        _ = model.hidden(Pass(tokens: context.tensor(ids, [1, ids.count]), observer: check))
        #expect(check.calls == 3)
        let maps = PromptObserver.look(at: model, on: context, ids: ids, maps: true, top: nil).maps
        #expect(maps.count == 3 * (attention["heads"]?.intValue ?? 0) && maps.allSatisfy { $0.time == ids.count })
        for map in maps {
            for query in ids.indices {
                let row = ids.indices.map { map[query, $0] }
                #expect(abs(row.reduce(0, +) - 1) < 1e-5 && row[(query + 1)...].allSatisfy { $0 == 0 })
                if let window = attention["window"]?.intValue { #expect(row.prefix(max(0, query - window)).allSatisfy { $0 == 0 }) }
            }
        }
    }

    @Test func figuresOfAMap() {
        // Every token looks at itself.
        let time = 4
        var own = [Float](repeating: 0, count: 16), even = own, first = own
        for query in 0..<time {
            own[query * time + query] = 1
            first[query * time] = 1
            for key in 0...query { even[query * time + key] = 1 / Float(query + 1) }
        }
        func map(_ weights: [Float]) -> AttentionMap { AttentionMap(layer: 0, head: 0, weights: weights, time: time) }
        #expect(map(own).entropy == 0 && map(own).meanDistance == 0 && map(own).firstTokenShare == 0.25)
        #expect(map(first).entropy == 0 && map(first).meanDistance == 1.5 && map(first).firstTokenShare == 1)
        #expect(abs(map(even).entropy - (log(2) + log(3) + log(4)) / 4) < 1e-6)
        #expect(abs(map(even).meanDistance - (0 + 0.5 + 1 + 1.5) / 4) < 1e-6)
        #expect(abs(map(even).firstTokenShare - (1 + 1.0 / 2 + 1.0 / 3 + 1.0 / 4) / 4) < 1e-6)
    }

    /// After the last layer the lens says what the model says, whatever the residual stream does at its end.
    @Test(arguments: ["plain", "mixed"], [["type": "layernorm"], ["type": "rmsnorm", "placement": "post"]] as [JSON])
    func theLastLensIsTheModel(residual: String, norm: JSON) throws {
        let options: JSON = residual == "mixed" ? ["type": "mixed", "smear_channels": 8] : "plain"
        let model = try model(PromptTests.variants[0], residual: options, norm: norm)
        let plain = model.logits(Pass(tokens: context.tensor(ids, [1, ids.count]))).floats
        let lenses = PromptObserver.look(at: model, on: context, ids: ids, maps: false, top: 19).lenses
        #expect(lenses.map(\.layer) == [nil, 0, 1, 2])
        let last = try #require(lenses.last)
        for position in ids.indices {
            let row = plain[position * 19..<(position + 1) * 19].map(Double.init), total = row.reduce(0) { $0 + exp($1) }
            let found = last.likeliest[position]
            #expect(Set(found.map(\.token)).count == 19 && abs(found.reduce(0) { $0 + $1.probability } - 1) < 1e-9)
            #expect(found.map(\.probability) == found.map(\.probability).sorted(by: >))
            for (token, probability) in found { #expect(abs(probability - exp(row[Int(token)]) / total) < 1e-5) }
            if position + 1 < ids.count { #expect(abs(last.ofNext[position] - exp(row[Int(ids[position + 1])]) / total) < 1e-5) }
        }
        #expect(lenses[0].likeliest[0].first?.probability != last.likeliest[0].first?.probability)
    }

    /// Being looked at changes nothing.
    @Test func observedAndNot() throws {
        let model = try model(PromptTests.variants[1]), tokens = context.tensor(ids, [1, ids.count])
        #expect(model.hidden(Pass(tokens: tokens)).floats == model.hidden(Pass(tokens: tokens, observer: Check())).floats)
    }

    @Test func shades() {
        #expect(PromptPage.shade(0) == 0 && PromptPage.shade(0.003) == 0 && PromptPage.shade(0.01) == 1 && PromptPage.shade(1) == 7)
    }
}
