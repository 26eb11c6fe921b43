import Configuration
import Foundation
import Testing
import Training

/// What a resumed run accepts, what it refuses, and what it survives.
struct ContinuationTests {
    static func begun(_ folder: TemporaryFolder, steps: Int = 24) throws -> RunFolder {
        try ResumeTests.train([], stops: [steps], in: folder, name: "run")
    }

    @Test(arguments: [
        ("model.width=48", "model.width"), ("model.norm=rmsnorm", "model.norm"), ("optimizer.type=sgd", "optimizer.type"),
        ("data.tokenizer=char", "data.tokenizer.type"), ("model.vocab_size=300", "model.vocab_size"),
    ])
    func whatTheCheckpointIsMadeOfStays(change: String, path: String) throws {
        let found = message { _ = try tiny([change]).changes(since: tiny()) }
        #expect(found.contains(path) && found.contains("train a new run"), "\(found)")
    }

    @Test func theRestMayChangeAndIsTold() throws {
        let changes = try tiny(["optimizer.lr=0.5", "train.steps=99", "name=other"]).changes(since: tiny())
        #expect(changes.map(\.path) == ["optimizer.lr", "train.steps"])
        #expect(changes[0].line == "optimizer.lr 0.01 → 0.5")
        #expect(try tiny().changes(since: tiny()).isEmpty)
    }

    /// What does not fit is refused before anything is written.
    @Test func aRefusedChangeLeavesTheRun() throws {
        let folder = try TemporaryFolder(), run = try ContinuationTests.begun(folder)
        let before = try bytes(run.configPath)
        let found = message { _ = try trainer(tiny(["model.width=48"]), in: run, resuming: true) }
        #expect(found.contains("wanted"), "\(found)")
        #expect(try bytes(run.configPath) == before)
    }

    @Test func anotherTextIsRefusedUnlessAsked() throws {
        let folder = try TemporaryFolder(), run = try ContinuationTests.begun(folder)
        let other = try tiny(["data.seed=3"])
        let found = message { _ = try trainer(other, in: run, resuming: true) }
        #expect(found.contains("is not what") && found.contains("--data"), "\(found)")
        let allowed = try Trainer(
            other, dataset: dataset(other), on: .cpu(threads: 1), folder: run, resuming: true, allowsOtherText: true)
        #expect(allowed.state.step == 24)
        // Losses of another text are no measure of which checkpoint is best.
        #expect(allowed.state.bestStep == nil && allowed.notes.count == 1 && allowed.notes.first?.contains("sought anew") == true)
    }

    @Test func fewerStepsThanDone() throws {
        let folder = try TemporaryFolder(), run = try ContinuationTests.begun(folder), before = try bytes(run.configPath)
        let found = message { _ = try trainer(tiny(["train.steps=23"]), in: run, resuming: true) }
        #expect(found.contains("train.steps") && found.contains("fewer than the 24"), "\(found)")
        #expect(try bytes(run.configPath) == before)
    }

    @Test func anotherNumberOfThreadsIsTold() throws {
        let folder = try TemporaryFolder(), run = try ContinuationTests.begun(folder)
        #expect(try trainer(tiny(), in: run, resuming: true, threads: 1).notes.isEmpty)
        let notes = try trainer(tiny(), in: run, resuming: true, threads: 2).notes
        #expect(notes.count == 1 && notes.first?.contains("--threads 1") == true, "\(notes)")
    }

    /// Damage of every kind to the last checkpoint: the one before is continued, to the same end.
    @Test(arguments: ["state.json", "model.safetensors", "optimizer.safetensors"], [0, 40])
    func theCheckpointBeforeADamagedOne(file: String, kept: Int) throws {
        let folder = try TemporaryFolder()
        let straight = try ResumeTests.train([], stops: [30], in: folder, name: "straight")
        let run = try ContinuationTests.begun(folder)
        let path = try Checkpoint.find("24", in: run).path
        try folder.write("run/checkpoints/step-00000024/\(file)", bytes("\(path)/\(file)").prefix(kept))
        let resumed = try trainer(tiny(), in: run, resuming: true)
        #expect(resumed.state.step == 20)
        #expect(resumed.notes.count == 1 && resumed.notes.first?.contains("step 24") == true, "\(resumed.notes)")
        #expect(FileManager.default.fileExists(atPath: "\(run.checkpointsPath)/damaged-step-00000024/state.json"))
        #expect(try resumed.run() == .finished)
        #expect(try ResumeTests.Record(run, step: 30) == ResumeTests.Record(straight, step: 30))
    }

    @Test func noCheckpointIsWhole() throws {
        let folder = try TemporaryFolder(), run = try ContinuationTests.begun(folder)
        for checkpoint in Checkpoint.all(in: run) { try FileManager.default.removeItem(atPath: "\(checkpoint.path)/state.json") }
        let found = message { _ = try trainer(tiny(), in: run, resuming: true) }
        #expect(found.contains("step-00000024/state.json"), "the newest is named: \(found)")
    }

    /// Numbers that no run has: a counter must not overflow on them.
    @Test(arguments: [
        #"{"step": -5, "tokens": 1, "seconds": 1}"#, #"{"step": 24, "tokens": 9223372036854775807, "seconds": 1}"#,
        #"{"step": 24, "tokens": -1, "seconds": 1}"#, #"{"step": 24, "tokens": 1, "seconds": -1}"#,
        #"{"step": 23, "tokens": 1, "seconds": 1}"#, #"{"step": 24, "tokens": 1, "seconds": 1, "bestStep": 25}"#,
        #"{"step": 24, "tokens": 1, "seconds": 1, "threads": 0}"#, "[]", "",
    ])
    func statesThatCannotBe(text: String) throws {
        let folder = try TemporaryFolder(), run = try ContinuationTests.begun(folder)
        let checkpoint = try Checkpoint.find("24", in: run)
        try folder.write("run/checkpoints/step-00000024/state.json", text)
        let found = message { _ = try checkpoint.state() }
        #expect(found.contains("missing or damaged"), "\(found)")
    }

    @Test func theBestIsNeverAnother() throws {
        let folder = try TemporaryFolder(), run = try ContinuationTests.begun(folder)
        let best = try #require(try Checkpoint.find("last", in: run).state().bestStep)
        #expect(best == 10 || best == 20)
        try FileManager.default.removeItem(atPath: Checkpoint.find("best", in: run).path)
        let found = message { _ = try Checkpoint.find("best", in: run) }
        #expect(found.contains("step \(best), is gone") && found.contains("there are: last"), "\(found)")
    }

    @Test func samplesAreKept() throws {
        let folder = try TemporaryFolder()
        let run = try ResumeTests.train(["train.sample_tokens=12", "train.steps=20"], stops: [20], in: folder, name: "run")
        let names = try FileManager.default.contentsOfDirectory(atPath: run.samplesPath).sorted()
        #expect(names == ["step-00000010.txt", "step-00000020.txt"])
        #expect(try bytes("\(run.samplesPath)/step-00000020.txt").count > 0)
    }
}
