import Configuration
import Foundation
import Testing

/// A comparison through the program itself: begun, killed, continued, repeated.
@Suite(.serialized)
struct CompareTests {
    let place: Place

    init() throws {
        place = try Place()
        try place.writeTiny(steps: 40)
        try place.write("gated.json", #"{"extends": "tiny.json", "model": {"mlp": {"type": "swiglu", "dropout": 0.1}}}"#)
        try place.write("wild.json", #"{"extends": "tiny.json", "optimizer": {"lr": 1e38}}"#)
    }

    /// - Parameter failed: what standard error says of runs that failed, after everything that finished was shown.
    func json(_ arguments: [String], failed: String? = nil) throws -> JSON {
        let result = try place.run(["compare"] + arguments + ["--json"])
        if let failed {
            #expect(result.status == 1 && result.errors.hasPrefix("runner: \(failed)"), "\(result.status): \(result.errors)")
        } else {
            #expect(result.status == 0 && result.errors == "", "\(result.errors)")
        }
        return try JSON(parsing: Data(result.output.utf8))
    }

    func rows(_ json: JSON) throws -> [String: JSON] {
        try Dictionary(uniqueKeysWithValues: #require(json["rows"]?.arrayValue).map { ($0["name"]?.stringValue ?? "", $0) })
    }

    /// Text whose lines were broken to fit, on one line.
    func unwrapped(_ text: String) -> String { text.split(whereSeparator: \.isWhitespace).joined(separator: " ") }

    @Test func fromBeginningToEnd() throws {
        let command = ["compare", "tiny.json", "gated.json", "--seeds", "3", "--threads", "1"]
        let first = try place.run(command)
        #expect(first.status == 0 && first.errors == "" && !first.output.contains("\u{1B}"), "\(first.errors)")
        for text in [
            "2 variants × 3 seeds = 6 runs", "[6/6] gated/7: validation loss ", "baseline", "* ", "paired by seed",
            "written: comparisons/tiny-vs-gated/results.json",
        ] {
            #expect(first.output.contains(text), "\"\(text)\" in \(first.output)")
        }
        #expect(first.output.split(separator: "\n").allSatisfy { $0.count <= 80 }, "80 columns: \(first.output)")
        let folder = "comparisons/tiny-vs-gated"
        let written = try JSON(parsing: place.bytes("\(folder)/results.json"))
        #expect(written["complete"] == true && written["runs_finished"] == 6 && written["seeds"] == 3)
        let lines = try rows(written)
        for (name, row) in lines {
            let losses = try #require(row["val_losses"]?.arrayValue).compactMap(\.doubleValue)
            #expect(losses.count == 3 && Set(losses).count == 3, "\(name): \(losses)")
            let mean = losses.reduce(0, +) / 3, deviation = (losses.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 2).squareRoot()
            let interval = try #require(row["val_loss_interval"]?.arrayValue).compactMap(\.doubleValue)
            #expect(abs((row["val_loss"]?.doubleValue ?? 0) - mean) < 1e-12)
            #expect(abs(interval[1] - (mean + 4.302652729749462 * deviation / 3.0.squareRoot())) < 1e-10, "t of 2 degrees of freedom")
            for key in ["train_tokens_per_second", "decode_tokens_per_second", "peak_memory_bytes", "kv_bytes", "flops_per_token"] {
                #expect(row[key]?.doubleValue ?? 0 > 0, "\(key) of \(name)")
            }
        }
        #expect(lines["tiny"]?["parameters"] == 21024 && lines["tiny"]?["kv_bytes_per_token"] == .int(2 * 2 * 24 * 4))

        // What compare found of a run, eval finds too: both judge the whole validation split.
        let run = "\(folder)/runs/gated/seed-6"
        let eval = try JSON(parsing: Data(try place.run("eval", run, "--json").output.utf8))
        #expect(abs((eval["loss"]?.doubleValue ?? 0) - (lines["gated"]?["val_losses"]?.arrayValue?[1].doubleValue ?? 1)) < 1e-6)
        // A run of a comparison is the run that train makes.
        #expect(try place.run("train", "gated.json", "--seed", "6", "--threads", "1", "--out", "alone").status == 0)
        #expect(
            try place.bytes("alone/checkpoints/step-00000040/model.safetensors")
                == place.bytes("\(run)/checkpoints/step-00000040/model.safetensors"))

        // Again: no work, the same results.
        let before = try place.bytes("\(run)/metrics.jsonl")
        let second = try place.run(command)
        #expect(second.status == 0 && second.output.contains("nothing to do: all 6 runs are done already"), "\(second.output)")
        #expect(try place.bytes("\(folder)/results.json") == JSON(parsing: place.bytes("\(folder)/results.json")).asFile)
        #expect(try JSON(parsing: place.bytes("\(folder)/results.json")) == written && place.bytes("\(run)/metrics.jsonl") == before)
        // By its folder, and with a seed and a variant more: what is there is kept.
        #expect(try json([folder])["runs_trained"] == 0)
        // One run by hand, without a parent.
        try FileManager.default.removeItem(atPath: "\(place.path)/\(run)")
        #expect(try place.run("compare", folder, "--run", "gated/6", "--threads", "1").status == 0)
        #expect(try rows(json([folder]))["gated"]?["val_losses"] == lines["gated"]?["val_losses"])
        let more = try json(
            ["tiny.json", "gated.json", "wild.json", "--seeds", "4", "--jobs", "1", "--out", folder], failed: "4 of 12 runs of")
        #expect(more["runs_trained"] == 6 && more["runs_finished"] == 8 && more["runs_failed"] == 4)
        let wild = try #require(try rows(more)["wild"])
        #expect(wild["val_loss"] == .null && wild["failures"]?.arrayValue?.first?["message"]?.stringValue?.contains("not finite") == true)
        let third = try place.run("compare", folder)
        #expect(third.status == 1 && third.errors.contains("4 of 12 runs of \(folder) failed; --retry"), "\(third.errors)")
        for words in ["nothing to do", "4 of them failed; --retry tries those again", "failed: wild, seeds 5, 6, 7, 8: the loss of step"] {
            #expect(unwrapped(third.output).contains(words), "\(third.output)")
        }
        #expect(try json([folder, "--retry"], failed: "4 of 12 runs of")["runs_trained"] == 4)
        let table = String(decoding: try place.bytes("\(folder)/results.md"), as: UTF8.self)
        #expect(table.contains("| * ") && table.contains("| ---: |") && table.contains("- failed: wild, seeds 5, 6, 7, 8"))
    }

    /// Results outlive the weights they came from, but nobody should look for those in vain.
    @Test func weightsRemovedAfterwards() throws {
        #expect(try json(["tiny.json", "--seeds", "2", "--out", "c"])["runs_without_weights"] == [])
        try FileManager.default.removeItem(atPath: "\(place.path)/c/runs/tiny/seed-6/checkpoints/step-00000040")
        let found = try json(["c"])
        #expect(found["runs_without_weights"] == ["tiny/6"] && found["runs_finished"] == 2 && found["runs_trained"] == 0)
        let text = unwrapped(try place.run("compare", "c").output)
        #expect(text.contains("the weights of 1 finished run are gone: tiny/6.") && text.contains("such as c/runs/tiny/seed-6"), "\(text)")
        // One file of the checkpoint is enough.
        try FileManager.default.removeItem(atPath: "\(place.path)/c/runs/tiny/seed-5/checkpoints/step-00000040/model.safetensors")
        #expect(try json(["c"])["runs_without_weights"] == ["tiny/5", "tiny/6"])
        // Where a config is asked for, a folder is told what it is.
        let name = ["a comparison's folder", "name runs in it, such as c/runs/tiny/seed-5"]
        for command in [["kv", "c"], ["inspect", "c"], ["diff", "c", "tiny.json"], ["bench", "c"]] {
            expectRefused(try place.run(command), name)
        }
        expectRefused(try place.run("bench", "c/runs/tiny/seed-5"), ["a run's folder (its config is c/runs/tiny/seed-5/config.json)"])
        expectRefused(try place.run("kv", "c/runs"), ["c/runs: is a folder, not a config file"])
    }

    /// Killed at any moment, the same command comes to the results of one that was left alone.
    @Test func killedAndContinued() throws {
        let command = ["tiny.json", "gated.json", "--seeds", "2", "--threads", "1", "--budget", "steps=600"]
        let straight = try json(command + ["--out", "straight"])
        var kills = 0
        for delay in [150_000, 400_000, 700_000, 250_000, 550_000] as [UInt32] {
            let running = try place.start(["compare"] + command + ["--out", "killed"])
            usleep(delay)
            running.signal(SIGKILL)
            if !running.wait().wasKilled { break }
            kills += 1
        }
        #expect(kills >= 2, "over before it could be killed; give it more steps")
        let continued = try json(command + ["--out", "killed"])
        #expect(continued["complete"] == true)
        let (found, wanted) = (try rows(continued), try rows(straight))
        for name in ["tiny", "gated"] { #expect(found[name]?["val_losses"] == wanted[name]?["val_losses"], "after \(kills) kills") }
        #expect(try json(command + ["--out", "killed"])["runs_trained"] == 0)
    }

    @Test(arguments: [SIGINT, SIGTERM])
    func interrupted(signal: Int32) throws {
        let running = try place.start(["compare", "tiny.json", "--seeds", "2", "--budget", "steps=1M", "--out", "long", "--threads", "1"])
        try wait(for: "a few steps") { place.size("long/runs/tiny/seed-5/metrics.jsonl") > 2000 }
        expectRefused(try place.run("compare", "long"), ["another process is training in long"], status: 1)
        running.signal(signal)
        let result = running.wait()
        #expect(result.status == 130 && result.errors == "", "\(result)")
        #expect(result.output.contains("stopped after 0 of 2 runs") && result.output.contains("./runner compare long"))
        // Stopped after its step, and saved there.
        let lines = String(decoding: try place.bytes("long/runs/tiny/seed-5/metrics.jsonl"), as: UTF8.self).split(separator: "\n")
        let names = try FileManager.default.contentsOfDirectory(atPath: "\(place.path)/long/runs/tiny/seed-5/checkpoints").sorted()
        let step = try JSON(parsing: Data(lines[lines.count - 1].utf8))["step"]?.intValue
        #expect(names.last.flatMap { Int($0.dropFirst(5)) } == step, "\(names), logged to \(step ?? 0)")
    }

    @Test func severalAtOnceAreTheSame() throws {
        guard ProcessInfo.processInfo.activeProcessorCount >= 2 else { return }
        let command = ["tiny.json", "gated.json", "--seeds", "2", "--threads", "1"]
        let one = try rows(json(command + ["--out", "one"])), two = try rows(json(command + ["--out", "two", "--jobs", "2"]))
        for name in ["tiny", "gated"] { #expect(one[name]?["val_losses"] == two[name]?["val_losses"]) }
    }

    @Test func gridsAndBudgets() throws {
        let found = try json([
            "tiny.json", "--grid", "model.attention.type=mha,mqa", "--grid", "model.layers=1,2", "--seeds", "1", "--budget", "tokens=1000",
        ])
        let lines = try rows(found)
        #expect(
            found["name"] == "tiny-by-type-layers"
                && lines.keys.sorted() == ["type=mha,layers=1", "type=mha,layers=2", "type=mqa,layers=1", "type=mqa,layers=2"])
        #expect(
            lines.values.allSatisfy {
                $0["train_steps"] == 15 && $0["train_tokens"] == 960 && $0["p_value"] == .null && $0["val_loss_interval"] == .null
            })
        #expect(place.has("comparisons/tiny-by-type-layers/runs/type=mqa,layers=2/seed-5/result.json"))
        let text = try place.run("compare", "comparisons/tiny-by-type-layers")
        #expect(unwrapped(text.output).contains("with one seed nothing says how much of that is chance"), "\(text.output)")
    }

    @Test func wrongUsage() throws {
        func refused(_ arguments: String..., words: [String], status: Int32 = 2, sourceLocation: SourceLocation = #_sourceLocation) throws {
            expectRefused(try place.run(["compare"] + arguments), words, status: status, sourceLocation: sourceLocation)
        }
        try refused(words: ["expected configs to compare", "--help"])
        try refused("tiny.json", "nowhere.json", words: ["nowhere.json: no such file"])
        try refused("tiny.json", "--seeds", "0", words: ["--seeds 0 is not a whole number from 1"])
        try refused("tiny.json", "--budget", "tokns=5", words: ["did you mean tokens?"])
        try refused("tiny.json", "--budget", "tokens=5", words: ["less than one step of tiny"])
        try refused("tiny.json", "tiny.json", words: ["two variants are called \"tiny\""])
        try refused("tiny.json", "--match", "speed", words: ["use --match parameters"])
        try refused("tiny.json", "--jobs", "2", "--threads", "512", words: ["more than this machine's"])
        try refused("tiny.json", "--baseline", "tny", words: ["did you mean tiny?"])
        try place.write("chars.json", #"{"extends": "tiny.json", "data": {"tokenizer": "char"}}"#)
        try refused("tiny.json", "chars.json", words: ["chars.json: data.tokenizer.type", "would predict different tokens"])
        #expect(!place.has("comparisons"), "nothing is made before all is checked")
        try FileManager.default.createDirectory(atPath: "\(place.path)/full", withIntermediateDirectories: true)
        try place.write("full/notes.txt", "mine")
        try refused("tiny.json", "--out", "full", words: ["full is there already and is no comparison"], status: 1)
        #expect(try place.run("compare", "tiny.json", "--seeds", "1", "--out", "kept").status == 0)
        try refused("gated.json", "--out", "kept", words: ["kept belongs to another comparison"], status: 1)
        try refused("kept", "--budget", "steps=5", words: ["kept is a comparison already, which --budget cannot change"])
        try refused("kept", "--run", "tiny/99", words: ["no run tiny/99", "tiny/5"], status: 1)
        // Where nothing at all finished, that is a failure.
        let nothing = try place.run("compare", "wild.json", "--seeds", "1")
        #expect(
            nothing.status == 1 && nothing.errors.contains("no run of comparisons/wild finished; the first failure: the "), "\(nothing)")
    }
}

extension JSON {
    /// As results files hold it.
    fileprivate var asFile: Data { Data((text() + "\n").utf8) }
}
