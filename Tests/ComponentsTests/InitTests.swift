import Architectures
import Autograd
import Components
import Configuration
import Foundation
import Testing

/// How parameters begin: each scheme's distributions, and what they depend on.
struct InitTests {
    static let layers = 3, width = 64, hidden = 256
    static let base: JSON = [
        "context": 64, "layers": .int(layers), "width": .int(width), "vocab_size": 300, "head": ["type": "untied", "bias": true],
        "attention": ["type": "gqa", "heads": 4, "kv_heads": 2, "value_embedding": "all"], "mlp": ["type": "swiglu"],
    ]

    static func start(_ json: JSON, seed: UInt64 = 1) throws -> [String: [Float]] {
        let model = try Model(ModelConfig(json))
        model.materialize(on: .cpu(threads: 1), training: false, seed: seed)
        return Dictionary(uniqueKeysWithValues: model.store.parameters.map { ($0.name, $0.value?.floats ?? []) })
    }

    enum Shape: Sendable, Equatable {
        case constant(Float)
        case normal(Double)
        case uniform(Double, Double)
    }

    struct Scheme: Sendable, CustomTestStringConvertible {
        let json: JSON
        /// By the end of the name; the first that fits counts.
        let shapes: [(suffix: String, shape: Shape)]
        var testDescription: String { json.brief }
    }

    static func bound(_ fanIn: Int) -> Shape { .uniform(-1 / Double(fanIn).squareRoot(), 1 / Double(fanIn).squareRoot()) }
    static let root = (3 / Double(width)).squareRoot()
    static let norms: [(String, Shape)] = [("norm.weight", .constant(1)), ("norm.bias", .constant(0))]

    static let schemes = [
        Scheme(json: "gpt1", shapes: norms + [("bias", .constant(0)), ("weight", .normal(0.02))]),
        Scheme(json: ["type": "gpt1", "std": 0.5], shapes: norms + [("bias", .constant(0)), ("weight", .normal(0.5))]),
        Scheme(
            json: "gpt2",
            shapes: norms + [
                ("bias", .constant(0)), ("output.weight", .normal(0.02 / 6.0.squareRoot())),
                ("down.weight", .normal(0.02 / 6.0.squareRoot())), ("weight", .normal(0.02)),
            ]),
        Scheme(
            json: "torch",
            shapes: norms + [
                ("down.bias", bound(hidden)), ("output.bias", bound(64)), ("bias", bound(width)),
                ("value_embedding.weight", .normal(1)), ("embedding.weight", .normal(1)), ("position.weight", .normal(1)),
                ("value_gate.weight", bound(12)), ("down.weight", bound(hidden)), ("weight", bound(width)),
            ]),
        Scheme(
            json: "nanochat",
            shapes: norms + [
                ("bias", .constant(0)), ("output.weight", .constant(0)), ("down.weight", .constant(0)),
                ("gate.weight", .uniform(-0.4 * root, 0.4 * root)), ("up.weight", .uniform(-0.4 * root, 0.4 * root)),
                ("q.weight", .uniform(-root, root)), ("k.weight", .uniform(-root, root)), ("v.weight", .uniform(-root, root)),
                ("head.weight", .normal(0.001)), ("position.weight", .normal(0.02)),
            ]),
    ]

    @Test(arguments: schemes)
    func distributions(_ scheme: Scheme) throws {
        var met = Set<String>()
        for (name, values) in try InitTests.start(with(InitTests.base, ["init": scheme.json])) {
            var shape = scheme.shapes.first { name.hasSuffix($0.suffix) }
            // nanochat's own: value embeddings as wide as the values, gates barely open, a wide embedding.
            if scheme.json == "nanochat" {
                if name.hasSuffix("value_embedding.weight") {
                    let root = (3.0 / 32).squareRoot()
                    shape = ("value_embedding.weight", .uniform(-root, root))
                } else if name.hasSuffix("value_gate.weight") {
                    shape = ("value_gate.weight", .uniform(0, 0.02))
                } else if name == "embedding.weight" {
                    shape = ("embedding.weight", .normal(0.8))
                }
            }
            let (suffix, expected) = try #require(shape, "no expectation for \(name)")
            met.insert(suffix)
            InitTests.expect(values, expected, "\(name) under \(scheme.json.brief)")
        }
        #expect(met.isSuperset(of: scheme.shapes.map(\.suffix)), "parameters that were expected and are not there")
    }

    /// Mean and deviation within five standard errors, values within their bounds.
    static func expect(_ values: [Float], _ shape: Shape, _ what: String) {
        let count = Double(values.count), mean = values.reduce(0) { $0 + Double($1) } / count
        let deviation = (values.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / count).squareRoot()
        func close(_ wantedMean: Double, _ wanted: Double) {
            #expect(abs(mean - wantedMean) < 5 * wanted / count.squareRoot(), "\(what): mean \(mean), wanted \(wantedMean)")
            #expect(
                abs(deviation / wanted - 1) < 5 / (2 * count).squareRoot() + 1 / count, "\(what): deviation \(deviation), wanted \(wanted)")
        }
        switch shape {
        case .constant(let number): #expect(values.allSatisfy { $0 == number }, "\(what) is not \(number) everywhere")
        case .normal(let wanted):
            close(0, wanted)
            let beyond = values.count { abs(Double($0)) > wanted }
            #expect(abs(Double(beyond) / count - 0.3173) < 5 * 0.4655 / count.squareRoot(), "\(what): \(beyond) beyond one deviation")
        case .uniform(let low, let high):
            close((low + high) / 2, (high - low) / 12.0.squareRoot())
            let inside = values.allSatisfy { Double($0) >= low - 1e-7 && Double($0) <= high + 1e-7 }
            #expect(inside, "\(what): outside \(low) … \(high)")
        }
    }

    @Test func valuesDependOnSeedAndNameAlone() throws {
        let start = try InitTests.start(InitTests.base)
        #expect(try InitTests.start(InitTests.base) == start)
        let other = try InitTests.start(InitTests.base, seed: 2)
        #expect(other.keys == start.keys)
        for (name, values) in start where Set(values).count > 1 {
            #expect(other[name] != values, "\(name) is the same under another seed")
        }
        let random = start.filter { Set($0.value).count > 1 }
        #expect(Set(random.values).count == random.count, "two parameters begin alike")
    }

    static let swaps: [[String: JSON]] = [
        ["mlp": "relu"], ["attention": ["type": "mha", "heads": 8]], ["norm": "rmsnorm"], ["position": "rope"],
        ["residual": "mixed"], ["head": "tied"], ["context": 32], ["norm": ["type": "layernorm", "placement": "both"]],
        ["attention": ["type": "gqa", "heads": 4, "kv_heads": 2, "value_embedding": "none", "qk_norm": true]],
    ]

    /// With one component swapped, every other parameter begins as it did.
    @Test(arguments: swaps)
    func swapsLeaveTheRestUntouched(change: [String: JSON]) throws {
        let start = try InitTests.start(InitTests.base), swapped = try InitTests.start(with(InitTests.base, change))
        let shared = start.keys.filter { swapped[$0]?.count == start[$0]?.count }
        #expect(shared.count * 2 >= start.count, "only \(shared.count) of \(start.count) parameters are left")
        for name in shared { #expect(swapped[name] == start[name], "\(name) begins otherwise") }
    }
}
