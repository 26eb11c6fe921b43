import Components
import Configuration
import Foundation
import Optimizers
import Testing

/// Settings by role and by finer group, seen through how far parameters move.
struct GroupTests {
    static let kinds: [(name: String, shape: [Int], kind: ParameterKind)] = [
        ("matrix", [2, 2], .query), ("embedding", [3, 2], .embedding), ("position", [3, 2], .position),
        ("value_embedding", [3, 2], .valueEmbedding), ("head", [2, 3], .head), ("norm", [4], .constant(1)),
        ("bias", [4], .bias(fanIn: 4)), ("scalar", [2], .values([1, 1])),
    ]

    /// How far each parameter moves in one step of plain gradient descent with gradient 1, from value `start`.
    static func moves(_ changes: JSON, start: Float = 0, width: Int = 768) throws -> [String: Double] {
        let base: JSON = ["type": "sgd", "lr": 0.5, "momentum": 0, "grad_clip": 0]
        let options = base.merging(changes, known: { _, _ in nil })
        let bench = try Bench(options, kinds, width: width)
        var moved: [String: Double] = [:]
        for parameter in bench.store.parameters {
            try bench.set(
                parameter.name, values: Array(repeating: start, count: parameter.count),
                gradient: Array(repeating: 1, count: parameter.count))
        }
        bench.optimizer.step(0, gradientNorm: bench.optimizer.gradientNorm)
        for parameter in bench.store.parameters {
            let values = try bench.values(parameter.name)
            #expect(Set(values).count == 1, "all of \(parameter.name) moves alike")
            moved[parameter.name] = Double(start) - Double(values[0])
        }
        return moved
    }

    static func expect(
        _ found: [String: Double], _ usual: Double, except: [String: Double], sourceLocation: SourceLocation = #_sourceLocation
    ) {
        for (name, move) in found {
            expectNear(move, except[name] ?? usual, "move of \(name)", tolerance: 1e-6, sourceLocation: sourceLocation)
        }
    }

    @Test func ofARole() throws {
        GroupTests.expect(
            try GroupTests.moves(["groups": ["table": ["lr": 0.25], "norm": ["lr": 0]]]), 0.5,
            except: ["embedding": 0.25, "position": 0.25, "value_embedding": 0.25, "norm": 0])
    }

    /// A finer group goes before its role, setting by setting.
    @Test func ofAFinerGroup() throws {
        let moves = try GroupTests.moves(
            ["groups": ["table": ["lr": 0.25, "weight_decay": 0.5], "value_embedding": ["lr": 0.125]]], start: 1)
        GroupTests.expect(
            moves, 0.5, except: ["embedding": 0.25 * 1.5, "position": 0.25 * 1.5, "value_embedding": 0.125 * 1.5])
    }

    @Test func widthScaled() throws {
        let groups: JSON = ["groups": ["head": ["lr": 0.25, "width_scaled": true], "embedding": ["width_scaled": true]]]
        GroupTests.expect(try GroupTests.moves(groups, width: 192), 0.5, except: ["head": 0.5, "embedding": 1])
        GroupTests.expect(try GroupTests.moves(groups, width: 768), 0.5, except: ["head": 0.25])
    }

    @Test func ratesFallTogether() throws {
        let bench = try Bench(
            ["type": "sgd", "lr": 0.5, "momentum": 0, "grad_clip": 0, "groups": ["norm": ["lr": 2]]], GroupTests.kinds,
            schedule: Schedule(.cosine(ScheduleShape.CosineOptions()), ScheduleOptions(), steps: 10, lr: 0.5))
        for name in ["matrix", "norm"] { try bench.set(name, values: [0, 0, 0, 0], gradient: [1, 1, 1, 1]) }
        bench.optimizer.step(10, gradientNorm: 1)
        expectNear(Double(try bench.values("matrix")[0]), -0.05, "the usual rate at the end", tolerance: 1e-6)
        expectNear(Double(try bench.values("norm")[0]), -0.2, "the group's rate at the end", tolerance: 1e-6)
    }

    @Test(arguments: [("norms", "norm"), ("value_embeding", "value_embedding"), ("bais", "bias")])
    func unknownGroupsAreRefused(name: String, nearest: String) throws {
        let error = #expect(throws: ConfigError.self) {
            try Bench(["type": "adamw", "groups": .object([name: ["lr": 1]])], GroupTests.kinds)
        }
        let message = error?.description ?? ""
        #expect(message.contains("optimizer.groups") && message.contains("\"\(name)\""), "\(message)")
        #expect(message.contains("did you mean \"\(nearest)\""), "\(message)")
    }

    @Test func wrongSettingsOfAGroupAreRefused() throws {
        for (groups, word) in [
            (["norm": ["lrr": 1]] as JSON, "did you mean \"lr\""), (["norm": ["lr": -1]], "at least 0"),
            (["norm": ["betas": [0.9]]], "two numbers"), (["norm": 3], "expected an object"),
        ] {
            let error = #expect(throws: ConfigError.self) { try plan(["type": "adamw", "groups": groups]) }
            let message = error?.description ?? ""
            #expect(message.contains(word) && message.contains("norm") && message.contains("optimizer.groups"), "\(message)")
        }
    }

    /// Betas and epsilon of a group reach AdamW: its first step is lr · g / (|g| + ε), whatever the betas; its second,
    /// with a gradient of zero, tells β₁ and β₂.
    @Test func betasAndEpsilon() throws {
        let bench = try Bench(
            ["type": "adamw", "lr": 1, "weight_decay": 0, "grad_clip": 0, "groups": ["norm": ["betas": [0.5, 0.25], "eps": 1]]],
            GroupTests.kinds)
        try bench.set("norm", values: [0, 0, 0, 0], gradient: [1, 1, 1, 1])
        bench.optimizer.step(0, gradientNorm: 1)
        expectNear(Double(try bench.values("norm")[0]), -0.5, "first step with ε = 1", tolerance: 1e-6)
        try bench.set("norm", values: [0, 0, 0, 0], gradient: [0, 0, 0, 0])
        bench.optimizer.step(1, gradientNorm: 0)
        let m = 0.5 * 0.5 / (1 - 0.25), v = 0.25 * 0.75 / (1 - 0.0625)
        expectNear(Double(try bench.values("norm")[0]), -m / (v.squareRoot() + 1), "second step", tolerance: 1e-6)
    }
}
