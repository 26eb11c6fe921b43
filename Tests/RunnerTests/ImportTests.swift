import Configuration
import Foundation
import Testing

/// Import, export and fine-tuning as a person uses them.
struct ImportTests {
    let place: Place
    let fixtures = "\(repository)/Tests/Fixtures/interop"
    init() throws { place = try Place() }

    /// A run with another program's weights is a run like any other.
    @Test func importedRunsAreRuns() throws {
        let made = try place.run("import", "\(fixtures)/gpt2/source/", "--out", "gpt2", "--json")
        let result = try JSON(parsing: Data(made.output.utf8))
        #expect(made.status == 0 && result["parameters"] == 9104 && result["kind"] == "gpt2 of Hugging Face", "\(made.errors)")
        let ids = try place.run("sample", "gpt2", "--ids", "1,2,3", "--tokens", "4", "--greedy")
        #expect(ids.status == 0 && ids.output.hasPrefix("1,2,3,") && ids.output.split(separator: ",").count == 7, "\(ids.output)")
        expectRefused(try place.run("sample", "gpt2", "--prompt", "Once"), ["without a tokenizer", "--ids 1,2,3"], status: 1)
        expectRefused(try place.run("sample", "gpt2", "--ids", "61"), ["token id 61", "0 to 60"], status: 1)
        expectRefused(try place.run("sample", "gpt2", "--ids", "1,x"), ["--ids 1,x"])
        expectRefused(try place.run("import", "\(fixtures)/gpt2/source", "--out", "gpt2"), ["gpt2 is there already"], status: 1)
        for command in [["inspect", "gpt2"], ["spectrum", "gpt2"], ["kv", "gpt2"]] {
            let found = try place.run(command)
            #expect(found.status == 0, "\(command): \(found.errors)")
        }
        // What asks for text goes without it where it can, and takes ids where it has to.
        for command in [["kv", "gpt2", "--dtype", "all"], ["spectrum", "gpt2", "--compress", "energy=0.5", "--out", "cut"]] {
            let found = try place.run(command)
            let words = found.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
            #expect(found.status == 0 && words.contains("validation loss left out: these weights came without"), "\(command): \(found)")
        }
        let lens = try place.run("inspect", "gpt2", "--lens", "1, 2,3", "--attention", "1,2,3", "--html", "page.html")
        #expect(lens.status == 0 && lens.output.contains("attention over 3 tokens") && lens.output.contains("2 \" 3\""), "\(lens)")
        for prompt in ["Once", "1,61", "1,,2", "-1"] {
            expectRefused(try place.run("inspect", "gpt2", "--lens=\(prompt)"), ["token ids from 0 to 60: --lens 1,2,3"])
        }
        try place.write("some.txt", String(repeating: "0123456789:;<=>?@ABCDEFGHIJ\\]^_`abcdefghijkl", count: 40))
        // The next command works as it stands: the path in quotes, and no prompt of characters that this vocabulary lacks.
        let nano = try place.run("import", "\(fixtures)/nanogpt/source/ckpt.pt", "--out", "nano's run")
        #expect(nano.status == 0 && nano.output.contains("next: ./runner sample 'nano'\\''s run' --tokens 200\n"), "\(nano.output)")
        try FileManager.default.moveItem(atPath: "\(place.path)/nano's run", toPath: "\(place.path)/nano")
        #expect(try place.run("eval", "nano", "--data", "some.txt").status == 0)
        #expect(try place.run("sample", "nano", "--prompt", "012", "--tokens", "5", "--greedy").output.hasPrefix("012"))
    }

    @Test func fineTuning() throws {
        #expect(try place.run("import", "\(fixtures)/nanogpt/source", "--out", "base").status == 0)
        try place.write("some.txt", (0..<3000).map { "0123456789:;<=>?@ABCDEFGHIJ\\]^_`abcdefghijkl"[$0 % 40] }.joined())
        let settings = ["--set", "train.steps=4", "--set", "train.batch=2", "--set", "train.eval_batches=1", "--data", "some.txt"]
        let tuned = try place.run(["train", "--from", "base", "--out", "tuned"] + settings)
        #expect(tuned.status == 0, "\(tuned.errors)")
        // What it began with is the base's weights, kept as its first checkpoint.
        let first = try place.bytes("base/checkpoints/step-00000000/model.safetensors")
        try place.write(
            "same.json", String(decoding: place.bytes("base/config.json"), as: UTF8.self))
        let none = try place.run(["train", "same.json", "--from", "base", "--out", "none", "--set", "train.steps=0", "--data", "some.txt"])
        #expect(none.status == 0, "\(none.errors)")
        #expect(try place.bytes("none/checkpoints/step-00000000/model.safetensors") == first)
        #expect(try place.bytes("tuned/checkpoints/step-00000004/model.safetensors") != first)
        try place.writeTiny()
        expectRefused(try place.run(["train", "tiny.json", "--from", "base"] + settings), ["--from needs the same architecture"])
        let deeper = ["train", "--from", "base", "--set", "model.layers=3"] + settings
        expectRefused(try place.run(deeper), ["base has no tensor layers.2.", "same architecture"])
        expectRefused(try place.run("train", "base", "--resume", "--from", "base"), ["use one of them"])
        expectRefused(try place.run("train", "--from", "nothing"), ["nothing is no run"], status: 1)
        #expect(!place.has("runs"), "what is refused leaves no folder behind")
    }

    @Test func export() throws {
        #expect(try place.run("import", "\(fixtures)/llama/source", "--out", "llama").status == 0)
        let out = try place.run("export", "llama", "--format", "hf", "--out", "hub")
        #expect(out.status == 0 && out.output == "llama of Hugging Face: hub\n", "\(out.errors)")
        #expect(place.has("hub/config.json") && place.has("hub/model.safetensors"))
        expectRefused(try place.run("export", "llama", "--format", "nanogpt", "--out", "no"), ["nanoGPT cannot express"], status: 1)
        expectRefused(try place.run("export", "llama", "--format", "onnx", "--out", "no"), ["--format onnx", "hf or nanogpt"])
        expectRefused(try place.run("export", "llama", "--format", "hf"), ["--out is missing"])
        expectRefused(try place.run("export", "llama", "--format", "hf", "--out", "no", "--dtype", "int4"), ["--dtype int4", "bfloat16"])
        #expect(try place.run("export", "llama", "--format", "hf", "--out", "half", "--dtype", "bfloat16").status == 0)
        #expect(String(decoding: try place.bytes("half/config.json"), as: UTF8.self).contains("\"bfloat16\""))
        expectRefused(try place.run("import", "nowhere"), ["nowhere", "is not there"], status: 1)
        try place.write("file", "")
        expectRefused(
            try place.run("import", "\(fixtures)/llama/source", "--out", "file/run"), ["cannot make file/run: Not a directory"], status: 1)
    }
}

extension String {
    fileprivate subscript(_ index: Int) -> String { String(self[self.index(startIndex, offsetBy: index)]) }
}
