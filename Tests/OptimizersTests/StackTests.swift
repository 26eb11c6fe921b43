import Autograd
import Components
import Configuration
import Optimizers
import Testing

/// Muon moves matrices of one shape together, and each as if it were alone.
struct StackTests {
    /// Wide, tall and square ones, several of each; one of them with a rate of its own; and what AdamW moves.
    static let parameters: [(name: String, shape: [Int], kind: ParameterKind)] = [
        ("a", [6, 10], .query), ("b", [10, 6], .up), ("c", [6, 10], .key), ("d", [6, 10], .gate), ("norm", [10], .constant(1)),
        ("e", [10, 6], .down), ("f", [7, 7], .attentionOutput), ("g", [6, 10], .value),
    ]

    /// Numbers of a parameter, which depend on its name and the step alone.
    static func numbers(_ name: String, _ step: Int, count: Int) -> [Float] {
        var state = name.utf8.reduce(UInt64(step + 1)) { $0 &* 31 &+ UInt64($1) }
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Float(state >> 40) / Float(1 << 23) - 1
        }
    }

    /// Values and state of every parameter after three steps.
    static func run(_ options: JSON, _ parameters: [(name: String, shape: [Int], kind: ParameterKind)]) throws -> [String: [Float]] {
        let bench = try Bench(options, parameters, groups: ["d": "smear"])
        for parameter in bench.store.parameters {
            try bench.set(parameter.name, values: numbers(parameter.name, -1, count: parameter.count))
        }
        for step in 0..<3 {
            for parameter in bench.store.parameters {
                try bench.set(parameter.name, gradient: numbers(parameter.name, step, count: parameter.count))
            }
            bench.optimizer.step(step, gradientNorm: 1)
        }
        var found = Dictionary(uniqueKeysWithValues: bench.optimizer.state.map { ($0.name, $0.tensor.floats) })
        for parameter in bench.store.parameters { found[parameter.name] = try bench.values(parameter.name) }
        return found
    }

    @Test(arguments: ["nanochat", "classic"])
    func inCompanyAsAlone(variant: String) throws {
        let options: JSON = [
            "type": "muon", "variant": .string(variant), "lr": 0.1, "weight_decay": 0.3, "grad_clip": 0,
            "groups": ["smear": ["lr": 0.05, "weight_decay": 0.1]],
        ]
        let together = try StackTests.run(options, StackTests.parameters)
        for parameter in StackTests.parameters {
            // A group that no parameter is in is refused, unless it is one of Loom's own.
            let alone = try StackTests.run(options, [parameter])
            #expect(alone.count >= 2)
            for (name, values) in alone {
                #expect(together[name] == values && values.allSatisfy(\.isFinite), "\(name) moves as it does alone")
            }
        }
        #expect(Set(together["a", default: []]) != Set(together["c", default: []]))
    }

    /// Names, shapes and order are those of matrices that move alone, so checkpoints are the same; parts of a stack do not overlap.
    @Test func stateIsByParameter() throws {
        let bench = try Bench(["type": "muon"], StackTests.parameters)
        let names = StackTests.parameters.flatMap { parameter in
            (parameter.name == "norm" ? ["m", "v"] : ["momentum", "second"]).map { "\(parameter.name)/\($0)" }
        }
        #expect(bench.optimizer.state.map(\.name) == names)
        for (index, item) in bench.optimizer.state.enumerated() { bench.context.backend.fill(item.tensor, Float(index)) }
        for (index, item) in bench.optimizer.state.enumerated() {
            #expect(item.tensor.floats.allSatisfy { $0 == Float(index) }, "\(item.name) is nobody else's")
            let shape = StackTests.parameters.first { item.name.hasPrefix("\($0.name)/") }?.shape ?? []
            #expect(item.tensor.shape == (item.name.hasSuffix("/second") ? [shape.max() ?? 0] : shape))
        }
    }

    /// Fifteen products for each shape, however many matrices it has; large ones, which would not stay in a CPU's cache, go alone.
    @Test func productsAreAskedForByShape() throws {
        func products(_ parameters: [(name: String, shape: [Int], kind: ParameterKind)]) throws -> Int? {
            let profile = ProfilingBackend(CPUBackend(threads: 1))
            let bench = try Bench(["type": "muon"], parameters, on: Context(backend: profile))
            bench.optimizer.clearGradients()
            for parameter in bench.store.parameters {
                try bench.set(parameter.name, values: Array(repeating: 1, count: parameter.count))
            }
            profile.reset()
            bench.optimizer.step(0, gradientNorm: 1)
            return profile.times.values.compactMap { $0["matrix product"]?.calls }.reduce(0, +)
        }
        #expect(try products(StackTests.parameters) == 45)
        #expect(try products([("a", [256, 300], .query), ("b", [256, 300], .query)]) == 30)
        #expect(try products([("a", [160, 160], .query), ("b", [160, 160], .query), ("c", [160, 160], .query)]) == 30)
    }

    /// A clip that is known on the device alone reaches every parameter once: Muon's beside AdamW's and those of gradient descent.
    @Test(arguments: ["muon", "adamw", "sgd"])
    func clippedOnTheDevice(type: String) throws {
        func run(_ move: (Bench, Int) -> Void) throws -> [Float] {
            let bench = try Bench(["type": .string(type), "grad_clip": 2], StackTests.parameters)
            for parameter in bench.store.parameters {
                try bench.set(parameter.name, values: StackTests.numbers(parameter.name, -1, count: parameter.count))
            }
            for step in 0..<3 {
                // The first is clipped most, the last not at all.
                for parameter in bench.store.parameters {
                    let gradient = StackTests.numbers(parameter.name, step, count: parameter.count)
                    try bench.set(parameter.name, gradient: gradient.map { $0 * [8, 1, 0.01][step] })
                }
                move(bench, step)
            }
            return try bench.store.parameters.flatMap { try bench.values($0.name) }
        }
        let host = try run { $0.optimizer.step($1, gradientNorm: $0.optimizer.gradientNorm) }
        let device = try run { bench, step in
            let squares = bench.context.zeros([2])
            bench.optimizer.sumSquares(into: squares)
            bench.optimizer.prepare(step)
            bench.optimizer.move(clippingBy: squares)
        }
        let worst = zip(host, device).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
        #expect(worst <= 1e-5, "parameters differ by \(worst)")
    }
}
