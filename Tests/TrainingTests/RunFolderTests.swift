import Configuration
import Foundation
import Testing
import Training

/// Runs stay out of each other's way, and the best and the last good checkpoint are there when they are wanted.
struct RunFolderTests {
    let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder() }

    func create(_ name: String) throws -> RunFolder { try RunFolder.create(name: name, out: "\(folder.path)/\(name)") }

    @Test func aFolderThatIsThereIsNotTaken() throws {
        try folder.write("thesis/chapter.txt", "years of work")
        let text = message { _ = try create("thesis") }
        #expect(text.contains("never overwritten") && text.contains("--out"), "\(text)")
        _ = try create("deep/er/run")
        #expect(message { _ = try create("deep/er/run") }.contains("is there already"))
        try folder.write("file", "text")
        _ = message { _ = try create("file") }
        _ = message { _ = try create("file/inside") }
        #expect(try bytes("\(folder.path)/file") == Data("text".utf8))
    }

    @Test func oneTrainerAFolder() throws {
        let run = try create("run")
        var first: Trainer? = try trainer(tiny(), in: run)
        let text = message { _ = try trainer(tiny(), in: run, resuming: true) }
        #expect(text.contains("another process is training in \(run.path)"), "\(text)")
        withExtendedLifetime(first) {}
        first = nil
        _ = try trainer(tiny(), in: run, resuming: true)
    }

    @Test func openingWhatIsNoRun() throws {
        _ = try trainer(tiny(), in: create("gqa-rope"))
        let text = message { _ = try RunFolder.open("\(folder.path)/gqa-rop") }
        #expect(text.contains("did you mean \(folder.path)/gqa-rope?"), "\(text)")
        #expect(message { _ = try RunFolder.open("\(folder.path)/elephant") }.contains("train one first"))
        #expect(try RunFolder.open("\(folder.path)/gqa-rope/").path == "\(folder.path)/gqa-rope")
    }

    /// The best is saved when it is found, even between two checkpoints.
    @Test func theBestCanBeLoaded() throws {
        let run = try create("run")
        // Overfitting fast on little text: the best is early.
        let config = try tiny([
            "train.steps=60", "train.eval_interval=3", "train.checkpoint_interval=20", "train.keep_checkpoints=1",
            "optimizer.lr=0.05", "schedule=constant", "train.eval_batches=8",
        ])
        _ = try trainer(config, in: run).run()
        let losses = try run.metrics().compactMap { line in line.valLoss.map { (step: line.step, loss: $0) } }
        let best = try #require(losses.min { $0.loss < $1.loss }?.step)
        #expect(best < 60, "the test needs a best before the end; losses: \(losses)")
        #expect(try Checkpoint.find("last", in: run).state().bestStep == best)
        #expect(try Checkpoint.find("best", in: run).step == best, "kept: \(Checkpoint.all(in: run).map(\.step))")
    }

    @Test func aLossThatIsNotFiniteStopsTheRun() throws {
        let run = try create("run")
        _ = try trainer(tiny(["train.steps=4"]), in: run).run()
        // The update of step 5 ruins the weights; step 6 sees it.
        let text = message { _ = try trainer(tiny(["optimizer.lr=1e38", "schedule=constant"]), in: run, resuming: true).run() }
        #expect(text.contains("the loss of step 6 is not finite") || text.contains("the gradient of step 6 is not finite"), "\(text)")
        #expect(text.contains("first in ") && text.contains("the checkpoint of step 4 is kept"), "\(text)")
        #expect(Checkpoint.all(in: run).map(\.step) == [4])
        // And it goes on from there with a rate that works.
        #expect(try trainer(tiny(["train.steps=8"]), in: run, resuming: true).run() == .finished)
        #expect(try run.metrics().map(\.step) == [1, 2, 3, 4, 5, 6, 7, 8])
    }

    /// Weights that an update made infinite are not saved, whether or not anything was evaluated.
    @Test func infiniteWeightsAreNotSaved() throws {
        let run = try create("run")
        _ = try trainer(tiny(["train.steps=4"]), in: run).run()
        let changes = ["optimizer.lr=3e38", "optimizer.weight_decay=1e10", "schedule=constant", "train.checkpoint_interval=1"]
        let text = message { _ = try trainer(tiny(changes), in: run, resuming: true).run() }
        #expect(text.contains("the update of step 5 is not finite; first in embedding.weight"), "\(text)")
        #expect(Checkpoint.all(in: run).map(\.step) == [4])
    }

    /// The same where the ruined weights are evaluated, and would be saved, before the next step sees them.
    @Test func ruinedWeightsAreNotSaved() throws {
        let run = try create("run")
        _ = try trainer(tiny(["train.steps=4"]), in: run).run()
        let good = try bytes("\(Checkpoint.find(in: run).path)/model.safetensors")
        let text = message {
            _ = try trainer(
                tiny(["optimizer.lr=1e38", "schedule=constant", "train.eval_interval=1", "train.keep_checkpoints=1"]), in: run,
                resuming: true
            ).run()
        }
        #expect(text.contains("the validation loss of step 5 is not finite"), "\(text)")
        // The weights are huge, but numbers still.
        #expect(text.contains("largest numbers in "), "\(text)")
        #expect(text.contains("the checkpoint of step 4 is kept"), "\(text)")
        #expect(Checkpoint.all(in: run).map(\.step) == [4])
        #expect(try bytes("\(Checkpoint.find(in: run).path)/model.safetensors") == good)
    }
}
