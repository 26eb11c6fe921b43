import Components
import Configuration
import Foundation
import Optimizers
import Testing

/// What weight decay touches by default, and the clipping of all gradients together.
struct DecayAndClippingTests {
    /// How far parameters at 1 move with gradients of zero: by decay alone.
    static func decays(_ options: JSON, schedule: Schedule = constantSchedule(), step: Int = 0) throws -> [String: Double] {
        let bench = try Bench(options, GroupTests.kinds, schedule: schedule)
        for parameter in bench.store.parameters {
            try bench.set(parameter.name, values: Array(repeating: 1, count: parameter.count))
        }
        bench.optimizer.clearGradients()
        bench.optimizer.step(step, gradientNorm: 0)
        return try Dictionary(uniqueKeysWithValues: bench.store.parameters.map { ($0.name, 1 - Double(try bench.values($0.name)[0])) })
    }

    @Test(arguments: ["adamw", "sgd"])
    func decayTouchesMatricesTablesAndHead(type: String) throws {
        let found = try DecayAndClippingTests.decays(["type": .string(type), "lr": 0.5, "weight_decay": 0.25])
        for name in ["matrix", "embedding", "position", "value_embedding", "head"] {
            expectNear(try #require(found[name]), 0.125, "decay of \(name)", tolerance: 1e-6)
        }
        for name in ["norm", "bias", "scalar"] { #expect(found[name] == 0, "\(name) is not decayed by \(type)") }
    }

    @Test func muonDecaysMatricesAlone() throws {
        let found = try DecayAndClippingTests.decays(
            ["type": "muon", "variant": "classic", "lr": 0.5, "weight_decay": 0.25])
        for (name, decay) in found { expectNear(decay, name == "matrix" ? 0.125 : 0, "decay of \(name)", tolerance: 1e-6) }
    }

    @Test func groupsDecideOtherwise() throws {
        let found = try DecayAndClippingTests.decays(
            ["type": "adamw", "lr": 0.5, "weight_decay": 0.25, "groups": ["norm": ["weight_decay": 0.5], "matrix": ["weight_decay": 0]]])
        expectNear(try #require(found["norm"]), 0.25, "decay of norms", tolerance: 1e-6)
        #expect(found["matrix"] == 0 && found["bias"] == 0)
    }

    /// Where Muon moves the matrices, the schedule's decay is theirs; where AdamW moves all, it is everybody's.
    @Test func scheduledDecay() throws {
        var options = ScheduleOptions()
        options.weightDecay = .cosine
        let schedule = Schedule(.constant, options, steps: 10, lr: 0.5)
        let groups: JSON = ["embedding": ["weight_decay": 0.5, "lr": 0.5]]
        let muon = try DecayAndClippingTests.decays(
            ["type": "muon", "variant": "classic", "lr": 0.5, "weight_decay": 0.5, "groups": groups], schedule: schedule, step: 5)
        expectNear(try #require(muon["matrix"]), 0.125, "Muon's matrices at half time", tolerance: 1e-6)
        expectNear(try #require(muon["embedding"]), 0.25, "the table beside Muon", tolerance: 1e-6)
        let adamw = try DecayAndClippingTests.decays(
            ["type": "adamw", "lr": 0.5, "weight_decay": 0.5], schedule: schedule, step: 5)
        for name in ["matrix", "embedding"] { expectNear(try #require(adamw[name]), 0.125, "\(name) of AdamW", tolerance: 1e-6) }
    }

    @Test func theNormIsOfAllGradients() throws {
        let bench = try Bench(["type": "sgd"], GroupTests.kinds)
        bench.optimizer.clearGradients()
        try bench.set("matrix", gradient: [1, 2, 3, 4])
        try bench.set("bias", gradient: [0, -5, 0, 3])
        expectNear(bench.optimizer.gradientNorm, 8, "√(30 + 34)", tolerance: 1e-6)
        bench.optimizer.clearGradients()
        #expect(bench.optimizer.gradientNorm == 0)
    }

    /// One scale for all: min(1, clip / (norm + 1e-6)).
    @Test(arguments: [(clip: 4.0, scale: 0.5), (8.0, 1), (9.0, 1), (0.0, 1), (0.001, 0.000125)])
    func clipping(clip: Double, scale: Double) throws {
        let bench = try Bench(["type": "sgd", "lr": 1, "momentum": 0, "grad_clip": .double(clip)], GroupTests.kinds)
        bench.optimizer.clearGradients()
        try bench.set("matrix", values: [0, 0, 0, 0], gradient: [1, 2, 3, 4])
        try bench.set("bias", values: [0, 0, 0, 0], gradient: [0, -5, 0, 3])
        bench.optimizer.step(0, gradientNorm: bench.optimizer.gradientNorm)
        let wanted = [1, 2, 3, 4, 0, -5, 0, 3].map { -$0 * scale }
        let found = try bench.values("matrix") + bench.values("bias")
        for (x, y) in zip(found, wanted) { expectNear(Double(x), y, "moved with clip \(clip)", tolerance: 1e-6) }
    }

    @Test func theFirstParameterThatWentBadIsNamed() throws {
        let bench = try Bench(["type": "adamw"], GroupTests.kinds)
        for parameter in bench.store.parameters { try bench.set(parameter.name, values: Array(repeating: 0, count: parameter.count)) }
        #expect(bench.optimizer.firstNotFinite() == nil)
        try bench.set("bias", gradient: [0, .nan, 0, 0])
        #expect(bench.optimizer.firstNotFinite() == "the gradient of bias")
        try bench.set("embedding", values: [0, 0, 0, 0, .infinity, 0])
        #expect(bench.optimizer.firstNotFinite() == "embedding", "declared before the bias")
    }

    /// What AdamW and Muon remember is named after the parameter, and is all a checkpoint needs.
    @Test func stateByName() throws {
        let adamw = try Bench(["type": "adamw"], [("a", [2], .query)])
        #expect(adamw.optimizer.state.map(\.name) == ["a/m", "a/v"])
        let muon = try Bench(["type": "muon"], [("a", [2, 3], .query), ("b", [3], .constant(1))])
        #expect(muon.optimizer.state.map(\.name) == ["a/momentum", "a/second", "b/m", "b/v"])
        #expect(muon.optimizer.state.first { $0.name == "a/second" }?.tensor.count == 3)
    }
}
