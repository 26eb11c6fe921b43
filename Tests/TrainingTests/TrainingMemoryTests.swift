import Architectures
import Autograd
import Configuration
import Foundation
import Testing
import Training

/// What training takes, predicted, and runs that compute layers again.
struct TrainingMemoryTests {
    private func memory(
        _ changes: [String], on device: TrainingMemory.Device = .gpu, batch: Int? = nil, recomputes: Bool? = nil
    ) throws -> TrainingMemory {
        try TrainingMemory(tiny(changes), vocabulary: 256, on: device, batch: batch, recomputes: recomputes)
    }

    @Test func partsAreWhatTheyAre() throws {
        let parameters = try Model(tiny().model, vocabulary: 256).store.count
        let half = try memory(["train.precision=auto"]), single = try memory(["train.precision=float32"])
        // Blocks of parameters begin on cache lines.
        #expect(half.weights >= 4 * parameters && half.weights < 4 * parameters + 64 * 60)
        #expect(half.gradients == half.weights && half.productWeights == half.weights / 2 && single.productWeights == 0)
        #expect(half.optimizerState == 2 * 4 * parameters, "two averages a parameter")
        #expect(try memory(["optimizer=sgd"]).optimizerState == 4 * parameters)
        #expect(half.activationType == .bfloat16 && single.activationType == .float32)
        #expect(half.activations < single.activations && half.total == half.pool + half.workspace && half.workspace > 0)
        let cpu = try memory([], on: .cpu)
        #expect(cpu.activationType == .float32 && cpu.productWeights == 0 && cpu.workspace == 0)
        let known = try Model.activationBytes(tiny().model, vocabulary: 256, batch: 2)
        #expect(cpu.activations >= known && cpu.activations < known + known / 10)
        let again = try memory(["train.recompute=true", "model.layers=12"]), kept = try memory(["model.layers=12"])
        #expect(again.recomputes && again.activations * 2 < kept.activations && again.atRest == kept.atRest)
    }

    /// The pool of a step over shapes is that of a step over memory.
    @Test(arguments: [["train.recompute=true"], ["optimizer=muon"], ["train.batch=5", "train.grad_accumulation=1"], ["model.layers=6"]])
    func aRunTakesWhatIsPredicted(changes: [String]) throws {
        let config = try tiny(changes + ["train.steps=3", "train.eval_interval=3"])
        let predicted = try TrainingMemory(config, vocabulary: 256, on: .cpu)
        let measured = try Benchmark.training(config, vocabulary: 256, steps: 2, on: .cpu(threads: 1))
        let ratio = Double(predicted.needed) / Double(measured.poolPeakBytes)
        #expect(ratio > 0.9 && ratio <= 1, "\(predicted.needed) predicted, \(measured.poolPeakBytes) taken")
    }

    @Test(arguments: [false, true])
    func theLargestBatchIsTheLargest(recomputes: Bool) throws {
        let config = try tiny(["model.layers=8"])
        func total(_ batch: Int) throws -> Int {
            try TrainingMemory(config, vocabulary: 256, on: .gpu, batch: batch, recomputes: recomputes).total
        }
        for memory in [40 << 20, 41_234_567, 48 << 20, 90 << 20] {
            let batch = try TrainingMemory.largestBatch(config, vocabulary: 256, on: .gpu, memory: memory, recomputes: recomputes)
            #expect(batch >= 1)
            #expect(try total(batch) <= memory && total(batch + 1) > memory, "\(batch) in \(memory)")
        }
        #expect(try TrainingMemory.largestBatch(config, vocabulary: 256, on: .gpu, memory: 1 << 20, recomputes: recomputes) == 0)
    }

    /// A run that computes layers again writes the same numbers and the same weights.
    @Test func runsAreTheSame() throws {
        let folder = try TemporaryFolder()
        func files(_ name: String, _ changes: [String]) throws -> (losses: [Double?], weights: Data) {
            let run = try RunFolder.create(name: name, out: "\(folder.path)/\(name)")
            let config = try tiny(changes + ["train.steps=10", "train.log_statistics=5", "model.residual=mixed"])
            #expect(try trainer(config, in: run).run() == .finished)
            let last = try #require(Checkpoint.all(in: run).last)
            return (try run.metrics().map(\.trainLoss), try bytes("\(last.path)/model.safetensors"))
        }
        let kept = try files("kept", []), again = try files("again", ["train.recompute=true"])
        #expect(kept.losses == again.losses && kept.losses.count == 10)
        #expect(kept.weights == again.weights)
    }

    @Test func whatDoesNotFitIsRefusedByItsParts() throws {
        let folder = try TemporaryFolder()
        func refusal(_ changes: [String]) throws -> String {
            let run = try RunFolder.create(name: "large", out: "\(folder.path)/\(UUID().uuidString)")
            return message { _ = try trainer(tiny(changes), in: run) }
        }
        let batch = try refusal(["model.width=256", "model.mlp.hidden=100000", "train.batch=1000000"])
        for word in ["train.batch", "train.recompute=true", "optimizer state", "activations", "this machine has"] {
            #expect(batch.contains(word), "\(word) is not in: \(batch)")
        }
        let again = try refusal(["model.width=256", "model.mlp.hidden=100000", "train.batch=1000000", "train.recompute=true"])
        #expect(!again.contains("set train.recompute") && again.contains("train.grad_accumulation"))
        let weights = try refusal(["model.width=65536", "model.mlp.hidden=16000000"])
        #expect(weights.contains("make the model smaller") && weights.contains("optimizer state"))
    }
}
