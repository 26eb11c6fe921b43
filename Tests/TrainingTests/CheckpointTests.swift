import Architectures
import Autograd
import Configuration
import Formats
import Foundation
import Optimizers
import Testing
import Training

/// Saving, loading, choosing and pruning checkpoints.
struct CheckpointTests {
    let folder: TemporaryFolder
    let run: RunFolder
    init() throws {
        folder = try TemporaryFolder()
        run = try RunFolder.create(name: "run", out: "\(folder.path)/run")
    }

    /// A model and an optimizer with state, every number random.
    func make(seed: UInt64, _ changes: [String] = []) throws -> (model: Model, optimizer: Optimizer) {
        let config = try tiny(changes), context = Context.cpu(threads: 1)
        let model = try Model(config.model, vocabulary: 256)
        model.materialize(on: context, training: true, seed: seed)
        let optimizer = try Optimizer(config.plan, schedule: config.schedule, store: model.store, width: model.size.width)
        for (index, tensor) in (model.store.parameters.compactMap(\.value) + optimizer.state.map(\.tensor)).enumerated() {
            context.backend.fillNormal(tensor, deviation: 1, key: seed, stream: UInt64(index))
        }
        return (model, optimizer)
    }

    func bits(_ model: Model, _ optimizer: Optimizer) -> [[UInt32]] {
        (model.store.parameters.compactMap(\.value) + optimizer.state.map(\.tensor)).map { $0.floats.map(\.bitPattern) }
    }

    func state(_ step: Int, best: Int? = nil) -> RunState {
        var state = RunState()
        (state.step, state.tokens, state.seconds, state.bestStep) = (step, step * 64, 1.5, best)
        state.bestValidationLoss = best.map { _ in 2.25 }
        return state
    }

    @Test(arguments: ["adamw", "muon", "sgd"])
    func roundTripBitForBit(type: String) throws {
        let changes = ["optimizer=\(type)"]
        let (model, optimizer) = try make(seed: 1, changes)
        // Numbers that text or arithmetic would lose.
        let odd: [Float] = [
            -0.0, .nan, .infinity, -.infinity, .leastNonzeroMagnitude, .greatestFiniteMagnitude, Float(bitPattern: 0x7fc1_2345),
        ]
        let value = try #require(model.store.parameters[0].value)
        odd.withUnsafeBytes { value.backend.upload($0, to: value.view(at: 0, [odd.count])) }
        try Checkpoint.save(model, optimizer, state(12, best: 4), in: run, keep: 2)

        let (other, otherOptimizer) = try make(seed: 2, changes)
        #expect(bits(other, otherOptimizer) != bits(model, optimizer))
        let checkpoint = try Checkpoint.find(in: run)
        try checkpoint.load(into: other)
        try checkpoint.load(into: otherOptimizer)
        #expect(bits(other, otherOptimizer) == bits(model, optimizer))
        #expect(checkpoint.step == 12)
        #expect(try checkpoint.state() == state(12, best: 4))
        let file = try Safetensors.File(path: "\(checkpoint.path)/model.safetensors")
        #expect(file.metadata["step"] == "12")
        #expect(Set(file.entries.keys) == Set(model.store.parameters.map(\.name)))
    }

    @Test func pruningKeepsTheNewestAndTheBest() throws {
        let (model, optimizer) = try make(seed: 1)
        var found: [[Int]] = []
        for (step, best) in [(10, 10), (20, 20), (30, 20), (40, 20), (50, 50), (60, 50), (70, 50)] {
            try Checkpoint.save(model, optimizer, state(step, best: best), in: run, keep: 2)
            found.append(Checkpoint.all(in: run).map(\.step))
        }
        #expect(found == [[10], [10, 20], [20, 30], [20, 30, 40], [40, 50], [50, 60], [50, 60, 70]])
        #expect(try Checkpoint.find("last", in: run).step == 70)
        #expect(try Checkpoint.find("best", in: run).step == 50)
        #expect(try Checkpoint.find("60", in: run).step == 60)
        let text = message { _ = try Checkpoint.find("61", in: run) }
        #expect(text.contains("no checkpoint 61") && text.contains("50, 60, 70"), "\(text)")
        let left = try FileManager.default.contentsOfDirectory(atPath: run.checkpointsPath)
        #expect(left.sorted() == ["step-00000050", "step-00000060", "step-00000070"], "nothing else is left behind")
    }

    @Test func stepsSortAsNumbers() throws {
        let (model, optimizer) = try make(seed: 1)
        for step in [99_999_999, 100_000_000, 7] { try Checkpoint.save(model, optimizer, state(step), in: run, keep: 9) }
        #expect(Checkpoint.all(in: run).map(\.step) == [7, 99_999_999, 100_000_000])
    }

    /// What a killed process leaves is no checkpoint.
    @Test func halfWrittenOnesAreNotSeen() throws {
        let (model, optimizer) = try make(seed: 1)
        try Checkpoint.save(model, optimizer, state(5), in: run, keep: 2)
        for name in [".saving-123", ".old-3", "step-x", "notes"] {
            try folder.write("run/checkpoints/\(name)/model.safetensors", "half")
        }
        #expect(Checkpoint.all(in: run).map(\.step) == [5])
    }

    @Test func noneYet() {
        let text = message { _ = try Checkpoint.find(in: run) }
        #expect(text.contains("no checkpoint yet"), "\(text)")
    }

    /// Weights of another model are refused with the tensor that does not fit.
    @Test func anotherModelIsRefused() throws {
        let (model, optimizer) = try make(seed: 1)
        try Checkpoint.save(model, optimizer, state(5), in: run, keep: 2)
        let checkpoint = try Checkpoint.find(in: run)
        let wider = try make(seed: 1, ["model.width=48"]), deeper = try make(seed: 1, ["model.layers=3"])
        #expect(message { try checkpoint.load(into: wider.model) }.contains("embedding.weight"))
        #expect(message { try checkpoint.load(into: deeper.model) }.contains("has no tensor \"layers.2."))
        #expect(message { try checkpoint.load(into: make(seed: 1, ["optimizer=sgd"]).optimizer) }.contains("has no tensor"))
    }

    @Test func damagedStateIsRefused() throws {
        let (model, optimizer) = try make(seed: 1)
        try Checkpoint.save(model, optimizer, state(5), in: run, keep: 2)
        let checkpoint = try Checkpoint.find(in: run)
        for text in ["", "{", "{\"step\": \"five\"}"] {
            try folder.write("run/checkpoints/step-00000005/state.json", text)
            #expect(message { _ = try checkpoint.state() }.contains("missing or damaged"))
        }
    }
}
