import Configuration
import Foundation
import Testing
import Training

/// Every subcommand through the program itself.
struct CommandTests {
    static let subcommands = ["train", "sample", "eval", "inspect", "components", "diff", "compare", "kv", "bench", "spectrum"]
    let place: Place
    init() throws {
        place = try Place()
        try place.writeTiny(steps: 20)
    }

    func json(_ arguments: String...) throws -> JSON {
        let result = try place.run(arguments)
        #expect(result.status == 0 && result.errors == "", "\(arguments): \(result.errors)")
        return try JSON(parsing: Data(result.output.utf8))
    }

    func train() throws {
        let result = try place.run("train", "tiny.json", "--out", "run")
        #expect(result.status == 0 && result.errors == "", "\(result.errors)")
    }

    @Test func help() throws {
        let all = try place.run("--help")
        #expect(all.status == 0 && all.errors == "")
        for name in CommandTests.subcommands {
            #expect(all.output.contains("  \(name)"), "\(name) is not in the help")
            let help = try place.run(name, "--help")
            #expect(help.status == 0 && help.errors == "")
            #expect(help.output.contains("usage: ./runner \(name) "), "\(help.output)")
            #expect(help.output.contains("example:\n  ./runner \(name) "), "\(name) has no example: \(help.output)")
            #expect(help.output.contains("--json"), "\(name) has no --json")
        }
        #expect(try place.run().status == 2, "no command at all")
    }

    @Test func unknownWords() throws {
        expectRefused(try place.run("trian", "tiny.json"), ["unknown command \"trian\"; did you mean train?"])
        expectRefused(try place.run("elephant"), ["there are: ", "train", "components"])
        expectRefused(try place.run("train", "tiny.json", "--resum"), ["unknown flag --resum; did you mean --resume?"])
        expectRefused(try place.run("inspect", "tiny.json", "-x"), ["unknown flag -x", "--help"])
        expectRefused(try place.run("train", "tiny.json", "--seed"), ["--seed needs a value"])
        expectRefused(try place.run("train", "tiny.json", "--seed", "x"), ["--seed x is not a whole number"])
        expectRefused(try place.run("train", "tiny.json", "--seed", "1", "--seed=2"), ["--seed stands twice"])
        expectRefused(try place.run("train", "tiny.json", "--resume=yes"), ["--resume takes no value"])
        expectRefused(try place.run("train", "tiny.json", "--device", "gpu"), ["--device gpu", "use cpu, cuda or auto"])
        expectRefused(try place.run("train"), ["expected one config", "none was given", "--help"])
        expectRefused(try place.run("diff", "tiny.json"), ["expected two configs", "--help"])
        expectRefused(try place.run("components", "atention"), ["did you mean attention?"])
        expectRefused(try place.run("components", "attention", "gq"), ["did you mean \"gqa\"?"])
        expectRefused(try place.run("sample", "rn"), ["rn is no run"], status: 1)
    }

    @Test func trainAndItsOutput() throws {
        let result = try place.run("train", "tiny.json", "--out", "run", "--set", "train.steps=3", "--seed", "9")
        #expect(result.status == 0 && result.errors == "", "no progress line where there is no terminal")
        #expect(!result.output.contains("\u{1B}") && !result.output.contains("\r"))
        for text in ["21,024 parameters", "vocabulary 256 (byte)", "next: ./runner sample run"] {
            #expect(result.output.contains(text), "\(result.output)")
        }
        let config = try JSON(parsing: place.bytes("run/config.json"))
        #expect(config[path: "train.seed"] == 9 && config[path: "train.steps"] == 3 && config["name"] == "tiny")
        expectRefused(try place.run("train", "run"), ["run is a run already", "--resume"])
        let lines = try place.run("train", "tiny.json", "--out", "other", "--json", "--set", "train.steps=3")
        #expect(lines.output == String(decoding: try place.bytes("other/metrics.jsonl"), as: UTF8.self), "--json prints the metrics")
    }

    @Test func inspect() throws {
        let text = try place.run("inspect", "tiny.json")
        #expect(text.status == 0 && text.output.contains("parameters            21,024"), "\(text.output)")
        let found = try json("inspect", "tiny.json", "--json")
        #expect(found["parameters"] == 21024 && found["vocab_size"] == 256)
        #expect(found["kv_bytes_per_token"] == .int(2 * 2 * 24 * 4) && found["kv_bytes"] == .int(2 * 2 * 24 * 4 * 16))
        let tensors = try #require(found["tensors"]?.arrayValue)
        #expect(tensors.reduce(0) { $0 + ($1["parameters"]?.intValue ?? 0) } == 21024)
        #expect(found["parameters_by_group"]?.objectValue?.values.reduce(0) { $0 + ($1.intValue ?? 0) } == 21024)
        let large = try place.run("inspect", "\(repository)/configs/gpt2.json")
        #expect(large.output.contains("parameters            124,439,808"), "\(large.output)")
        #expect(try json("inspect", "\(repository)/configs/nanochat-d12.json", "--json")["parameters"] == 286_261_730)
        #expect(try json("inspect", "tiny.json", "--config", "--set", "model.layers=5")[path: "model.layers"] == 5)
        try train()
        let trained = try json("inspect", "run", "--json")
        #expect(trained["step"] == 20 && trained["tensors"]?.arrayValue?.first?["std"]?.doubleValue ?? 0 > 0)
    }

    @Test func inspectPredictsMemory() throws {
        let text = try place.run("inspect", "tiny.json", "--memory", "64MiB")
        let words = ["for a GPU of 64.0 MiB in bfloat16; nothing was run", "in bfloat16 for products", "which fits", "largest train.batch"]
        for part in words {
            #expect(text.status == 0 && text.output.contains(part), "\(part) is not in: \(text.output)")
        }
        func predicted(_ more: String...) throws -> [String: Int] {
            let found = try #require(
                try JSON(parsing: Data(place.run(["inspect", "tiny.json", "--json"] + more).output.utf8))["memory_prediction"]?.objectValue)
            return found.compactMapValues(\.intValue)
        }
        let gpu = try predicted("--memory", "64MiB"), cpu = try predicted("--memory", "64MiB", "--device", "cpu")
        #expect(gpu["memory_bytes"] == 64 << 20 && cpu["product_weight_bytes"] == 0 && cpu["workspace_bytes"] == 0)
        let parts = ["weight", "product_weight", "gradient", "optimizer_state", "activation", "kept", "workspace"]
        #expect(parts.reduce(0) { $0 + (gpu["\($1)_bytes"] ?? 0) } == gpu["total_bytes"])
        #expect(gpu["largest_batch_recomputing"] ?? 0 > gpu["largest_batch"] ?? 0 && gpu["largest_batch"] ?? 0 > 1)
        #expect(gpu["total_bytes"] ?? 0 < 64 << 20)
        #expect(try json("inspect", "tiny.json", "--json")["memory_prediction"] == nil, "only where it was asked for")
        #expect(try place.run("inspect", "tiny.json", "--memory", "1KiB").output.contains("does not fit"))
        expectRefused(try place.run("inspect", "tiny.json", "--memory", "much"), ["--memory much", "8GiB"])
    }

    @Test func diff() throws {
        try place.write("other.json", #"{"extends": "tiny.json", "model": {"position": "rope", "layers": 3}}"#)
        let found = try json("diff", "tiny.json", "other.json", "--json")
        #expect(found["settings"]?["model.layers"] == ["a": 2, "b": 3])
        #expect(found["settings"]?["model.position.type"] == ["a": "learned", "b": "rope"])
        #expect(found["settings"]?["train.steps"] == nil, "what is the same is left out")
        #expect(found["costs"]?["parameters"]?["a"] == 21024)
        let text = try place.run("diff", "tiny.json", "other.json")
        #expect(text.output.contains("model.layers") && text.output.contains("21,024"), "\(text.output)")
        #expect(try place.run("diff", "tiny.json", "tiny.json").output.contains("the same"))
    }

    @Test func components() throws {
        let text = try place.run("components"), all = try json("components", "--json")
        for (path, slot) in Registries().slots {
            #expect(text.output.contains("\n\(path)\n") || text.output.hasPrefix("\(path)\n"), "\(path) is not listed")
            let types = all[path]?.arrayValue?.compactMap { $0["type"]?.stringValue }
            #expect(types == slot.components.map(\.name), "\(path)")
            for component in slot.components {
                let isListed = text.output.contains("\n  \(component.name) ") && text.output.contains(component.summary)
                #expect(isListed, "\(path) \(component.name) is not listed")
                for option in component.options {
                    let isExplained = text.output.contains(option.help)
                    #expect(isExplained, "\(option.name) of \(path) \(component.name) is not explained: \(option.help)")
                }
            }
        }
        let one = try place.run("components", "attention", "gqa").output
        #expect(one.contains("kv_heads") && !one.contains("mqa"))
        #expect(try json("components", "--schema")["title"] != nil)
    }

    @Test func eval() throws {
        try train()
        let found = try json("eval", "run", "--json")
        let loss = try #require(found["loss"]?.doubleValue), bits = try #require(found["bits_per_byte"]?.doubleValue)
        #expect(loss > 1 && loss < 5.6 && abs(bits - loss / log(2)) < 1e-9 && found["step"] == 20 && found["split"] == "validation")
        #expect(abs((found["perplexity"]?.doubleValue ?? 0) - exp(loss)) < 1e-6 * exp(loss))
        let closer = try json("eval", "run", "--stride", "4", "--json")
        #expect(closer["tokens"] == found["tokens"] && closer["loss"] != found["loss"])
        try place.write("short.txt", "fox")
        #expect(try json("eval", "run", "--data", "short.txt", "--json")["tokens"] == 2)
        let text = try place.run("eval", "run", "--split", "train")
        #expect(text.status == 0 && text.output.contains("bits per byte"), "\(text.output)")
        expectRefused(try place.run("eval", "run", "--stride", "17"), ["longer than the context of 16"])
        expectRefused(try place.run("eval", "run", "--split", "test"), ["use validation, train or all"])
        expectRefused(try place.run("eval", "run", "--data", "none.txt"), ["none.txt"], status: 1)
    }

    @Test func sample() throws {
        try train()
        let result = try place.run("sample", "run", "--prompt", "the fox", "--tokens", "30", "--seed", "4")
        #expect(result.status == 0 && result.errors == "")
        #expect(result.output.hasPrefix("the fox") && result.output.hasSuffix("\n"), "\(result.output)")
        let found = try json("sample", "run", "--prompt", "the fox", "--tokens", "30", "--seed", "4", "--json")
        let text = try #require(found["samples"]?.arrayValue?.first?.stringValue)
        #expect(result.output == "the fox\(text)\n", "standard output has the text and nothing else")
        #expect(found["tokens"] == 30 && found["step"] == 20 && found["prompt"] == "the fox")
        let many = try json(
            "sample", "run", "--prompt", "the fox", "--tokens", "30", "--seed", "4", "--samples", "3", "--no-cache", "--json")
        #expect(many["samples"]?.arrayValue?.count == 3 && many["samples"]?.arrayValue?.first?.stringValue == text)
        let greedy = ["sample", "run", "--greedy", "--tokens", "40", "--prompt", "the"]
        #expect(try place.run(greedy).output == place.run(greedy + ["--no-cache", "--seed", "3"]).output)
        #expect(try place.run("sample", "run", "--prompt", "abc", "--tokens", "0").output == "abc\n")
        try place.write("prompt.txt", "lazy")
        #expect(try place.run("sample", "run", "--prompt-file", "prompt.txt", "--tokens", "5").output.hasPrefix("lazy"))
        expectRefused(try place.run("sample", "run", "--temperature", "0"), ["--temperature 0.0", "above 0", "--greedy"])
        expectRefused(try place.run("sample", "run", "--top-p", "1.5"), ["--top-p 1.5", "at most 1"])
        expectRefused(try place.run("sample", "run", "--top-k", "0"), ["--top-k 0", "at least 1"])
        expectRefused(try place.run("sample", "run", "--prompt", "a", "--prompt-file", "b"), ["exclude each other"])
        expectRefused(try place.run("sample", "run", "--checkpoint", "7"), ["no checkpoint 7", "last, best, 20"], status: 1)
    }

    /// A run whose checkpoint was damaged says so, and does not crash.
    @Test func damagedCheckpoint() throws {
        try train()
        let name = "run/checkpoints/step-00000020/model.safetensors"
        let whole = try place.bytes(name)
        try whole.dropLast(100).write(to: URL(fileURLWithPath: "\(place.path)/\(name)"))
        for command in [["sample", "run"], ["eval", "run"], ["train", "run", "--resume", "--set", "train.steps=30"]] {
            expectRefused(try place.run(command), ["model.safetensors"], status: 1)
        }
    }

    @Test func attentionIsTimedAlone() throws {
        let found = try json(
            "bench", "--attention", "--context", "16,40", "--head-dim", "8", "--heads", "4", "--kv-heads", "2", "--window", "5",
            "--steps", "2", "--device", "cpu", "--json")
        let rows = try #require(found["attention"]?.arrayValue)
        #expect(rows.count == 2)
        for (row, context) in zip(rows, [16.0, 40]) {
            // Rows of 1, 2 … 6 visible keys, and of 6 from then on.
            let pairs = 4.0 * (15 + 6 * (context - 5))
            #expect(row["forward_flops"]?.doubleValue == pairs * 8 * 4 && row["backward_flops"]?.doubleValue == pairs * 8 * 10)
            #expect((row["forward_seconds"]?.doubleValue ?? 0) > 0 && (row["backward_seconds"]?.doubleValue ?? 0) > 0)
        }
        let refused: [([String], String)] = [
            (["tiny.json"], "takes no config"), (["--heads", "4", "--kv-heads", "3"], "does not divide"),
            (["--batch", "65536", "--context", "1048576", "--heads", "1024", "--head-dim", "1024"], "at most"),
            (["--decode"], "give one"),
        ]
        for (words, said) in refused {
            let result = try place.run(["bench", "--attention"] + words)
            #expect(result.status == 2 && result.errors.contains(said), "\(words): \(result.errors)")
        }
        let stray = try place.run("bench", "tiny.json", "--window", "3")
        #expect(stray.status == 2 && stray.errors.contains("goes with --attention"))
    }
}
