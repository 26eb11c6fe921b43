import Configuration
import Foundation
import Testing

struct PrepareCommandTests {
    let place: Place
    init() throws {
        place = try Place()
        try place.writeTiny(steps: 10)
        try place.write(
            "lines.jsonl", (0..<200).map { "{\"id\": \($0), \"text\": \"line \($0) of the fox\", \"body\": \"other\"}\n" }.joined())
    }

    func json(_ arguments: String...) throws -> JSON {
        let result = try place.run(arguments)
        #expect(result.status == 0, "\(result.errors)")
        return try JSON(parsing: Data(result.output.utf8))
    }

    @Test func preparesAndTrains() throws {
        let made = try json(
            "prepare", "tiny.json", "--data", "lines.jsonl", "--set", "data.documents=separated", "--out", "tokens", "--json")
        #expect(made["vocabulary"] == 257 && made["end_token"] == 256)
        let train = try #require(made["train"]), validation = try #require(made["validation"])
        #expect((train["documents"]?.intValue ?? 0) + (validation["documents"]?.intValue ?? 0) == 200)
        // A token a byte, one behind each document and one before the first.
        #expect(train["tokens"]?.intValue == (train["bytes"]?.intValue ?? 0) + (train["documents"]?.intValue ?? 0) + 1)
        let again = try place.run("prepare", "tiny.json", "--data", "lines.jsonl", "--set", "data.documents=separated", "--out", "tokens")
        #expect(again.status == 0 && again.output.contains("next: ./runner train tiny.json --data tokens"), "\(again.errors)")
        try FileManager.default.removeItem(atPath: "\(place.path)/lines.jsonl")
        let run = try place.run("train", "tiny.json", "--data", "tokens", "--set", "data.documents=isolated", "--out", "run")
        #expect(run.status == 0 && run.output.contains("of their places hold text"), "\(run.output)\(run.errors)")
        #expect(try place.run("sample", "run", "--tokens", "5").status == 0)
        #expect(try json("eval", "run", "--json")["tokens"]?.intValue == (validation["tokens"]?.intValue ?? 0) - 1)
        #expect(try place.run("train", "run", "--resume", "--set", "train.steps=12").status == 0)
        expectRefused(try place.run("eval", "run", "--stride", "4"), ["documents are isolated"])
        expectRefused(try place.run("prepare", "tiny.json", "--data", "tokens"), ["tokens already", "nothing to prepare"])
        expectRefused(try place.run("prepare", "tiny.json", "--out", "tokens"), ["tokens", "something else is there"], status: 1)
    }

    @Test func standardInput() throws {
        let running = try place.start(["train", "tiny.json", "--data", "-", "--out", "run"], input: "lines.jsonl")
        let result = running.wait()
        #expect(result.status == 0, "\(result.errors)")
        // The run remembers the text, and is continued without it.
        let more = try place.run("train", "run", "--resume", "--set", "train.steps=12")
        #expect(more.status == 0 && more.output.contains("continuing after step 10"), "\(more.errors)")
        let evaluated = try place.start(["eval", "run", "--data", "-", "--json"], input: "lines.jsonl").wait()
        let tokens = try JSON(parsing: Data(evaluated.output.utf8))["tokens"]?.intValue
        #expect(tokens == (0..<200).reduce(-1) { $0 + "line \($1) of the fox\n".utf8.count })
        expectRefused(try place.run("train", "tiny.json", "--data", "-"), ["standard input", "no text"], status: 1)
        expectRefused(try place.run("train", "tiny.json", "--set", "data.source=-"), ["--data -"])
    }

    @Test func wrongTexts() throws {
        try place.write("bad.jsonl", "{\"text\": \"fine\"}\n{\"text\": \n")
        expectRefused(try place.run("train", "tiny.json", "--data", "bad.jsonl"), ["bad.jsonl: line 2"], status: 1)
        expectRefused(
            try place.run("train", "tiny.json", "--data", "lines.jsonl", "--set", "data.text_field=title"),
            ["no field \"title\"", "\"id\", \"text\", \"body\"", "data.text_field"], status: 1)
        expectRefused(try place.run("prepare", "tiny.json", "--data", "none.jsonl"), ["none.jsonl"])
        expectRefused(try place.run("prepare"), ["one config"])
        expectRefused(try place.run("prepare", "tiny.json", "--data", "copying"), ["nothing to prepare"])
        #expect(!place.has("runs"), "nothing is left behind")
    }
}
