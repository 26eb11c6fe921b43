import Configuration
import Foundation
import Optimizers
import Testing

/// Schedules against their formulas, at the steps where something begins or ends.
struct ScheduleTests {
    @Test func constant() throws {
        let plain = try schedule("constant", steps: 50)
        for step in [0, 1, 49, 50, 1000] { expectNear(plain.factor(step), 1, "step \(step)") }
        let warm = try schedule(["type": "constant", "warmup": 10], steps: 50)
        expectNear(warm.factor(0), 1.0 / 11, "first step")
        expectNear(warm.factor(9), 10.0 / 11, "last step of the warm-up")
        for step in [10, 49, 60] { expectNear(warm.factor(step), 1, "step \(step)") }
    }

    /// nanoGPT's: (step + 1) / (warmup + 1), then min + ½(1 + cos πr)(lr − min) with r = (step − warmup)/(end − warmup).
    @Test func cosine() throws {
        let s = try schedule(["type": "cosine", "warmup": 100, "min_lr": 6e-5], steps: 1100, lr: 6e-4)
        expectNear(s.factor(0), 1.0 / 101, "first step")
        expectNear(s.factor(99), 100.0 / 101, "last step of the warm-up")
        expectNear(s.factor(100), 1, "top")
        expectNear(s.factor(350), 0.1 + 0.9 * 0.5 * (1 + cos(.pi / 4)), "a quarter down")
        expectNear(s.factor(600), 0.55, "half-way down")
        expectNear(s.factor(1099), 0.1 + 0.9 * 0.5 * (1 + cos(.pi * 0.999)), "last step")
        for step in [1100, 1101, 100_000] { expectNear(s.factor(step), 0.1, "step \(step), beyond the end") }
    }

    @Test func cosineToAStepOfItsOwn() throws {
        let s = try schedule(["type": "cosine", "decay_steps": 40, "min_lr": 0.25], steps: 100, lr: 0.5)
        expectNear(s.factor(0), 1, "first step, no warm-up")
        expectNear(s.factor(20), 0.75, "half-way to decay_steps")
        for step in [40, 41, 99] { expectNear(s.factor(step), 0.5, "step \(step), after decay_steps") }
    }

    /// A trapezoid: all of the rate until (1 − warmdown) of the run, then straight to min_lr at its end.
    @Test func linearWarmdown() throws {
        let s = try schedule(["type": "linear-warmdown", "warmup": 5, "warmdown": 0.4, "min_lr": 0.02], steps: 100, lr: 0.2)
        expectNear(s.factor(0), 1.0 / 6, "first step")
        expectNear(s.factor(4), 5.0 / 6, "last step of the warm-up")
        for step in [5, 30, 59, 60] { expectNear(s.factor(step), 1, "step \(step), flat") }
        expectNear(s.factor(61), 1 - 0.9 / 40, "first step down")
        expectNear(s.factor(80), 0.55, "half-way down")
        expectNear(s.factor(99), 0.1 + 0.9 / 40, "last step")
        for step in [100, 150] { expectNear(s.factor(step), 0.1, "step \(step), beyond the end") }
    }

    @Test func minimumByDefault() throws {
        expectNear(try schedule("cosine", steps: 10, lr: 0.3).factor(10), 0.1, "cosine ends at a tenth")
        expectNear(try schedule("linear-warmdown", steps: 10, lr: 0.3).factor(10), 0, "the trapezoid ends at zero")
        expectNear(try schedule("constant", steps: 10, lr: 0.3).factor(10), 1, "constant does not end")
        expectNear(try schedule(["type": "cosine", "min_lr": 0], steps: 10, lr: 0.3).factor(10), 0, "min_lr 0 is kept")
        expectNear(try schedule(["type": "cosine"], steps: 10, lr: 0).factor(10), 0, "a rate of zero divides nothing")
    }

    @Test func everyFactorIsFiniteAndWithinOne() throws {
        for type in ["constant", "cosine", "linear-warmdown"] {
            for (warmup, steps) in [(0, 0), (0, 1), (1, 1), (50, 20), (3, 20)] {
                let s = try schedule(["type": .string(type), "warmup": .int(warmup)], steps: steps, lr: 0.1)
                for step in 0..<60 {
                    let factors = [s.factor(step), s.decayFactor(step), s.momentum(step, usual: 0.9)]
                    #expect(
                        factors.allSatisfy { $0 >= 0 && $0 <= 1 }, "\(type), warmup \(warmup), \(steps) steps, step \(step): \(factors)")
                }
            }
        }
    }

    @Test func momentum() throws {
        let s = try schedule(
            ["type": "linear-warmdown", "warmdown": 0.5, "momentum_warmup": 20, "momentum_start": 0.85, "momentum_end": 0.9],
            steps: 100)
        expectNear(s.momentum(0, usual: 0.97), 0.85, "first step")
        expectNear(s.momentum(10, usual: 0.97), 0.91, "half-way up")
        expectNear(s.momentum(19, usual: 0.97), 0.85 + 0.12 * 19 / 20, "last step of the way up")
        for step in [20, 49, 50] { expectNear(s.momentum(step, usual: 0.97), 0.97, "step \(step), flat") }
        expectNear(s.momentum(75, usual: 0.97), 0.935, "half-way down")
        expectNear(s.momentum(100, usual: 0.97), 0.9, "the end")
        expectNear(s.momentum(140, usual: 0.97), 0.9, "beyond the end")
        let plain = try schedule("linear-warmdown", steps: 100)
        for step in [0, 60, 100] { expectNear(plain.momentum(step, usual: 0.95), 0.95, "step \(step), not scheduled") }
    }

    @Test func weightDecay() throws {
        let s = try schedule(["type": "constant", "weight_decay": "cosine"], steps: 200)
        expectNear(s.decayFactor(0), 1, "first step")
        expectNear(s.decayFactor(50), 0.5 * (1 + cos(.pi / 4)), "a quarter")
        expectNear(s.decayFactor(100), 0.5, "half-way")
        expectNear(s.decayFactor(200), 0, "the end", tolerance: 1e-15)
        expectNear(try schedule("constant", steps: 200).decayFactor(150), 1, "constant by default")
    }

    /// Schedules reach the parameters: the rate, the momentum and the decay that a step really uses.
    @Test func stepsUseTheSchedule() throws {
        let s = try schedule(
            ["type": "linear-warmdown", "warmup": 3, "warmdown": 0.5, "momentum_end": 0.5, "weight_decay": "cosine"],
            steps: 10, lr: 0.1)
        let bench = try Bench(
            ["type": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 0.2, "grad_clip": 0], [("p", [1], .query)], schedule: s)
        var p = 2.0, buffer = 0.0
        try bench.set("p", values: [2])
        for step in 0..<12 {
            try bench.set("p", gradient: [Float(step) - 4])
            bench.optimizer.step(step, gradientNorm: bench.optimizer.gradientNorm)
            let g = Double(step) - 4 + 0.2 * 0.5 * (1 + cos(.pi * Double(step) / 10)) * p
            let left = min(1, max(0, Double(10 - step) / 5))
            let rate = 0.1 * (step < 3 ? Double(step + 1) / 4 : left)
            buffer = (0.5 + 0.4 * left) * buffer + g
            p -= rate * buffer
            expectNear(Double(try bench.values("p")[0]), p, "after step \(step)", tolerance: 1e-5)
            expectNear(bench.optimizer.learningRate(step), rate, "reported rate of step \(step)")
        }
    }
}
