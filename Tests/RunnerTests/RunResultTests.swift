import Configuration
import Foundation
import Testing

/// Commands over runs: what `diff` and `inspect` say of results, damaged ones too, and how `train --resume` answers.
struct RunResultTests {
    let place: Place
    init() throws {
        place = try Place()
        try place.writeTiny(steps: 20)
        let result = try place.run("train", "tiny.json", "--out", "run")
        #expect(result.status == 0, "\(result.errors)")
    }

    func copy() throws {
        try FileManager.default.copyItem(atPath: "\(place.path)/run", toPath: "\(place.path)/copy")
    }

    @Test func sameSettingsOtherResults() throws {
        try copy()
        #expect(try place.run("diff", "run", "copy").output == "the two are the same\n")
        try place.write("copy/metrics.jsonl", #"{"seconds":1,"step":20,"tokens":640,"val_loss":1.5,"tokens_per_second":1e300}"# + "\n")
        let result = try place.run("diff", "run", "copy")
        #expect(result.status == 0 && result.errors == "", "\(result.errors)")
        #expect(result.output.contains("the same settings") && result.output.contains("val_loss") && result.output.contains("1e+300"))
    }

    @Test func diffTakesSettings() throws {
        try place.write("other.json", #"{"extends": "tiny.json", "model": {"position": "rope"}}"#)
        let result = try place.run("diff", "tiny.json", "other.json", "--set", "model.layers=5")
        #expect(result.output.contains("model.position") && !result.output.contains("model.layers"), "\(result.output)")
        #expect(result.output.contains("parameters"))
    }

    @Test func inspectSaysWhichCheckpointIsMissing() throws {
        expectRefused(try place.run("inspect", "run", "--checkpoint", "77"), ["no checkpoint 77", "there are: last, best, 20"], status: 1)
        expectRefused(try place.run("inspect", "tiny.json", "--checkpoint", "last"), ["needs a run"])
        expectRefused(try place.run("inspect", "run", "--checkpoint", "last", "--set", "model.layers=1"), ["use one of them"])
        #expect(try place.run("inspect", "run", "--checkpoint", "20").output.contains("mean"))
    }

    @Test func resumeRefusesByName() throws {
        expectRefused(try place.run("train", "run", "--resume", "--set", "model.layers=3"), ["model.layers", "train a new run"])
        expectRefused(try place.run("train", "run", "--resume", "--set", "optimizer.type=sgd"), ["optimizer.type", "train a new run"])
        expectRefused(try place.run("train", "run", "--resume", "--set", "data.tokenizer=char"), ["data.tokenizer", "train a new run"])
    }

    @Test func resumeTellsWhatChanged() throws {
        let result = try place.run("train", "run", "--resume", "--set", "train.steps=22", "--set", "optimizer.lr=0.001")
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.output.contains("note: changed: train.steps 20 → 22"), "\(result.output)")
        #expect(result.output.contains("note: changed: optimizer.lr 0.01 → 0.001"))
    }

    @Test func aChangedTextIsRefused() throws {
        try place.write("text.txt", String(repeating: "another text altogether, all of it new. ", count: 200))
        expectRefused(
            try place.run("train", "run", "--resume", "--set", "train.steps=22"), ["is not what run was trained on", "--data"], status: 1)
        let asked = try place.run("train", "run", "--resume", "--set", "train.steps=22", "--data", "text.txt")
        #expect(asked.status == 0, "\(asked.errors)")
    }

    /// The advice after an interrupt continues exactly: it names the threads where they were named.
    @Test func theAdviceKeepsTheThreads() throws {
        let running = try place.start(["train", "tiny.json", "--out", "long", "--threads", "1", "--set", "train.steps=1000000"])
        try wait(for: "training") { place.size("long/metrics.jsonl") > 0 }
        running.signal(SIGINT)
        let result = running.wait()
        #expect(result.status == 130 && result.output.contains("./runner train long --resume --threads 1"), "\(result.output)")
    }
}
