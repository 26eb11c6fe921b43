import Configuration
import Foundation
import Testing

/// `tokenizer …`, and training with a tokenizer from a file, through the program itself.
struct TokenizerCommandTests {
    let place: Place
    let fixtures = repository + "/Tests/Fixtures/tokenizers"
    let checkpoints = repository + "/Tests/Fixtures/interop"
    init() throws {
        place = try Place()
        try place.writeTiny(steps: 4)
    }

    @Test func trainEncodeDecodeCompareConvert() throws {
        let trained = try place.run("tokenizer", "train", "text.txt", "--vocab", "300", "--out", "own.json", "--json")
        #expect(trained.status == 0, "\(trained.errors)")
        let size = try JSON(parsing: Data(trained.output.utf8))["vocabulary"]?.intValue
        #expect(size == 300)

        let encoded = try place.run("tokenizer", "encode", "own.json", "the quick fox: né\n", "--json")
        let ids = try #require(try JSON(parsing: Data(encoded.output.utf8))["ids"]?.arrayValue?.compactMap(\.intValue))
        #expect(ids.count < 18 && ids.count > 3)
        let plain = try place.run("tokenizer", "encode", "own.json", "the quick fox: né\n")
        #expect(plain.output == ids.map(String.init).joined(separator: " ") + "\n")
        let decoded = try place.run(["tokenizer", "decode", "own.json"] + ids.map(String.init))
        #expect(decoded.output == "the quick fox: né\n")
        let shown = try place.run("tokenizer", "encode", "own.json", "the \u{1B}[31mfox", "--show", "--html", "page.html")
        #expect(shown.output.contains("·") && !shown.output.contains("\u{1B}") && shown.output.contains("\\x1b"))
        #expect(String(decoding: try place.bytes("page.html"), as: UTF8.self).hasPrefix("<!DOCTYPE html>"))

        for format in ["hf", "gpt2", "tiktoken", "loom"] {
            let converted = try place.run("tokenizer", "convert", "own.json", "--format", format, "--out", "as-\(format)")
            #expect(converted.status == 0, "\(format): \(converted.errors)")
        }
        let compared = try place.run(
            "tokenizer", "compare", "own.json", "byte", "as-tiktoken", "--pattern", "gpt4", "--file", "text.txt", "--json")
        // A pattern for a file that says itself how text is cut is a mistake.
        #expect(compared.status == 1 && compared.errors.contains("own.json") && compared.errors.contains("pattern"))
        let table = try place.run("tokenizer", "compare", "own.json", "byte", "as-hf", "as-loom", "--file", "text.txt", "--json")
        let rows = try #require(try JSON(parsing: Data(table.output.utf8)).arrayValue)
        #expect(rows.count == 4 && rows.allSatisfy { $0["decodes_to_the_text"] == true })
        #expect(rows[0]["tokens"] == rows[2]["tokens"] && rows[0]["tokens"] == rows[3]["tokens"])
        #expect(rows[1]["bytes_per_token"]?.doubleValue == 1)
    }

    @Test func aRunKeepsItsTokenizer() throws {
        let path = "\(place.path)/vocabulary.json"
        try FileManager.default.copyItem(atPath: fixtures + "/llama3.json", toPath: path)
        let trained = try place.run(
            "train", "tiny.json", "--out", "run", "--set", #"data.tokenizer={"type":"file","path":"vocabulary.json"}"#)
        #expect(trained.status == 0, "\(trained.errors)")
        // The run goes on without the file.
        try FileManager.default.removeItem(atPath: path)
        let sampled = try place.run("sample", "run", "--tokens", "5", "--prompt", "the", "--json")
        #expect(sampled.status == 0, "\(sampled.errors)")
        #expect(try place.run("train", "--resume", "run", "--set", "train.steps=6").status == 0)
        let encoded = try place.run("tokenizer", "encode", "run", "<|endoftext|>")
        #expect(encoded.status == 0 && encoded.output.split(separator: " ").count == 1)
    }

    @Test func textsMayBeginWithADash() throws {
        let encoded = try place.run("tokenizer", "encode", "byte", "--", "-x")
        #expect(encoded.status == 0 && encoded.output == "45 120\n", "\(encoded.errors)")
        let json = try place.run("tokenizer", "encode", "--json", "--", "byte", "--json")
        #expect(json.status == 0 && json.output.contains("\"bytes\":6"), "\(json.errors)")
    }

    @Test func mistakesGetOneLine() throws {
        let meta = checkpoints + "/nanogpt/source/meta.pkl"
        let mistakes: [([String], Int32, String)] = [
            (["tokenizer", "trian"], 2, "did you mean train?"),
            (["tokenizer", "train", "text.txt"], 2, "--out"),
            (["tokenizer", "train", "text.txt", "--out", "x", "--pattern", "gpt5"], 2, "gpt2, gpt4"),
            (["tokenizer", "train", "text.txt", "--out", "text.txt"], 2, "is there already"),
            (["tokenizer", "encode", "missing.json", "a"], 1, "no such file"),
            (["tokenizer", "encode", "text.txt", "a"], 1, "neither tokenizer.json"),
            (["tokenizer", "encode", "byte", "a", "--special", "maybe"], 2, "allowed, plain or forbidden"),
            (["tokenizer", "decode", "byte", "300"], 2, "0 to 255"),
            (["tokenizer", "compare", "byte"], 2, "--file"),
            (["tokenizer", "compare", "byte", meta, "--file", "text.txt"], 1, "cannot encode the text"),
            (["tokenizer", "encode", "byte", "-x"], 2, "behind -- nothing is a flag"),
            (["tokenizer", "encode", checkpoints + "/gpt2/source/model.safetensors", "a"], 1, "neither tokenizer.json"),
            (["tokenizer", "encode", checkpoints + "/nanogpt/source/ckpt.pt", "a"], 1, "neither tokenizer.json"),
            (["tokenizer", "convert", "byte", "--out", "x"], 1, "cannot be written as hf: it has tokens of a byte tokenizer"),
            (["tokenizer", "convert", fixtures + "/gpt1", "--format", "gpt2", "--out", "x"], 1, "as gpt2: it has more"),
            (["tokenizer", "encode", fixtures + "/gpt1", "a", "--pattern", "gpt4"], 1, "leave the pattern out"),
            (["tokenizer", "encode", fixtures + "/gpt2.tiktoken", "a"], 1, "split pattern"),
            (["train", "tiny.json", "--set", #"data.tokenizer={"type":"file"}"#], 1, "data.tokenizer.path"),
        ]
        for (words, status, part) in mistakes {
            let result = try place.run(words)
            #expect(result.status == status && result.errors.contains(part), "\(words): \(result.status) \(result.errors)")
            #expect(result.errors.split(separator: "\n").count <= 1, "\(words): \(result.errors)")
        }
        for name in ["train", "encode", "decode", "compare", "convert"] {
            let help = try place.run("tokenizer", name, "--help")
            #expect(help.status == 0 && help.output.contains("example:\n  ./runner tokenizer \(name)"))
        }
    }
}
