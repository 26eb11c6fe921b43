import Configuration
import Foundation
import Testing
import Training

/// A run that was stopped and resumed is the run that was not.
struct ResumeTests {
    /// What must be the same, to the bit: everything but times.
    struct Record: Equatable {
        var weights: Data, optimizer: Data
        var lines: [String]

        init(_ run: RunFolder, step: Int) throws {
            let checkpoint = try Checkpoint.find(String(step), in: run)
            weights = try bytes("\(checkpoint.path)/model.safetensors")
            optimizer = try bytes("\(checkpoint.path)/optimizer.safetensors")
            lines = try run.metrics().map {
                "\($0.step) \($0.tokens) \(String(describing: $0.trainLoss)) \(String(describing: $0.valLoss)) \(String(describing: $0.gradNorm)) \(String(describing: $0.lr))"
            }
        }
    }

    /// Trains until `stops` is exhausted: each a number of steps after which a run is stopped.
    static func train(_ changes: [String], stops: [Int], in folder: TemporaryFolder, name: String, threads: Int = 1) throws -> RunFolder {
        let config = try tiny(changes), run = try RunFolder.create(name: name, out: "\(folder.path)/\(name)")
        for (index, stop) in stops.enumerated() {
            let part = try trainer(config, in: run, resuming: index > 0, threads: threads)
            let outcome = try part.run(shouldStop: { part.state.step == stop })
            #expect(outcome == (stop >= config.train.steps ? .finished : .interrupted))
            #expect(part.state.step == min(stop, config.train.steps))
        }
        return run
    }

    static let variants: [(name: String, changes: [String])] = [
        ("adamw", []), ("muon", ["optimizer={\"type\": \"muon\", \"lr\": 0.02}", "schedule=linear-warmdown"]),
        ("whole split, sequential", ["train.eval_batches=null", "data.order=sequential", "data.characters=4000"]),
    ]

    @Test(arguments: variants)
    func stoppedAtElevenAndResumed(variant: (name: String, changes: [String])) throws {
        let folder = try TemporaryFolder()
        let straight = try ResumeTests.train(variant.changes, stops: [30], in: folder, name: "straight")
        let stopped = try ResumeTests.train(variant.changes, stops: [11, 30], in: folder, name: "stopped")
        let wanted = try Record(straight, step: 30), found = try Record(stopped, step: 30)
        #expect(wanted.lines.count == 30)
        #expect(found.lines == wanted.lines, "\(variant.name): metrics differ")
        #expect(found.weights == wanted.weights, "\(variant.name): weights differ")
        #expect(found.optimizer == wanted.optimizer, "\(variant.name): optimizer state differs")
    }

    @Test func manyStopsAndTwoThreads() throws {
        let folder = try TemporaryFolder()
        let straight = try ResumeTests.train([], stops: [30], in: folder, name: "straight", threads: 2)
        let stopped = try ResumeTests.train([], stops: [1, 2, 10, 19, 20, 29, 30], in: folder, name: "stopped", threads: 2)
        #expect(try Record(stopped, step: 30) == Record(straight, step: 30))
    }

    /// The comparison above can fail: dropout is on, and another seed is another run.
    @Test func anotherSeedIsAnotherRun() throws {
        let folder = try TemporaryFolder()
        let one = try ResumeTests.train(["train.steps=4"], stops: [4], in: folder, name: "one")
        let other = try ResumeTests.train(["train.steps=4", "train.seed=6"], stops: [4], in: folder, name: "other")
        let plain = try ResumeTests.train(["train.steps=4", "model.mlp.dropout=0"], stops: [4], in: folder, name: "plain")
        #expect(try Record(one, step: 4).weights != Record(other, step: 4).weights)
        #expect(try Record(one, step: 4).lines != Record(plain, step: 4).lines)
    }

    /// A process that dies without saving loses the steps since its last checkpoint and nothing else: their lines of
    /// metrics are made again, and what it left half-written is swept away.
    @Test func fromTheLastCheckpoint() throws {
        let folder = try TemporaryFolder()
        let straight = try ResumeTests.train([], stops: [30], in: folder, name: "straight")
        let run = try ResumeTests.train([], stops: [24], in: folder, name: "dying")
        #expect(Checkpoint.all(in: run).map(\.step) == [20, 24])
        try FileManager.default.removeItem(atPath: Checkpoint.find("24", in: run).path)
        try folder.write("dying/checkpoints/.saving-1/model.safetensors", "half")
        try folder.write("dying/checkpoints/.old-10/model.safetensors", "half")
        let part = try trainer(tiny(), in: run, resuming: true)
        #expect(part.state.step == 20)
        #expect(try run.metrics().last?.step == 20)
        #expect(try part.run() == .finished)
        #expect(try Record(run, step: 30) == Record(straight, step: 30))
        let hidden = try FileManager.default.contentsOfDirectory(atPath: run.checkpointsPath).filter { $0.hasPrefix(".") }
        #expect(hidden == [], "left behind: \(hidden)")
    }

    /// A run that is done can be taken further.
    @Test func moreSteps() throws {
        let folder = try TemporaryFolder()
        let changes = ["schedule=constant"]
        let straight = try ResumeTests.train(changes, stops: [30], in: folder, name: "straight")
        let run = try ResumeTests.train(changes + ["train.steps=20"], stops: [20], in: folder, name: "longer")
        #expect(try trainer(tiny(changes), in: run, resuming: true).run() == .finished)
        #expect(try Record(run, step: 30) == Record(straight, step: 30))
        #expect(try RunConfig(path: run.configPath).train.steps == 30)
        #expect(try trainer(tiny(changes), in: run, resuming: true).run() == .finished, "resuming what is done does nothing")
        #expect(try run.metrics().count == 30)
    }
}
