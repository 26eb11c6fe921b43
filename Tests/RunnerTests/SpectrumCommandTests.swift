import Configuration
import Foundation
import Testing

/// `spectrum`, and `inspect` of a prompt, through the program itself.
struct SpectrumCommandTests {
    let place: Place
    init() throws {
        place = try Place()
        try place.writeTiny(steps: 20)
        let result = try place.run(
            "train", "tiny.json", "--out", "run", "--set", "train.eval_interval=10", "--set", "train.log_statistics=10")
        #expect(result.status == 0, "\(result.errors)")
    }

    func json(_ arguments: String...) throws -> JSON {
        let result = try place.run(arguments)
        #expect(result.status == 0 && result.errors == "", "\(arguments): \(result.errors)")
        return try JSON(parsing: Data(result.output.utf8))
    }

    @Test func figures() throws {
        let found = try json("spectrum", "run", "--json")
        let matrices = try #require(found["matrices"]?.arrayValue)
        // Token and position tables, and a layer's q, k, v, output with two heads each, up and down.
        #expect(matrices.count == 2 + 2 * (4 * 3 + 2) && found["step"] == 20 && found["run"] == "run")
        for matrix in matrices {
            let values = try #require(matrix["singular_values"]?.arrayValue?.compactMap { $0.doubleValue })
            let rows = try #require(matrix["rows"]?.intValue), columns = try #require(matrix["columns"]?.intValue)
            #expect(values.count == min(rows, columns) && matrix["largest"]?.doubleValue == values[0])
            let energy = values.reduce(0) { $0 + $1 * $1 }
            #expect(abs((matrix["stable_rank"]?.doubleValue ?? 0) - energy / values[0] / values[0]) < 1e-9)
            #expect((matrix["rank_95"]?.intValue ?? 0) <= (matrix["rank_99"]?.intValue ?? 0))
        }
        let table = try place.run("spectrum", "run", "--heads", "--html", "page.html")
        #expect(table.status == 0 && table.output.contains("attention.output") && table.output.contains("head 1"))
        #expect(table.output.split(separator: "\n").allSatisfy { $0.count <= 110 })
        #expect(String(decoding: try place.bytes("page.html"), as: UTF8.self).hasPrefix("<!DOCTYPE html>"))
        let all = try json("spectrum", "run", "--all-checkpoints", "--json")
        #expect(all["checkpoints"]?.arrayValue?.compactMap { $0["step"]?.intValue } == [10, 20])
        #expect(try place.run("spectrum", "run", "--all-checkpoints").output.contains("effective rank over the steps"))
        let file = try json("spectrum", "run/checkpoints/step-00000020/model.safetensors", "--json")
        #expect(file["matrices"]?.arrayValue?.count == 2 + 2 * 6, "a file alone does not tell heads")
        // Weights and biases of five norms, six biases a layer; what a run's figures leave out is known of its model.
        let vectors = 5 * 2 + 2 * 6
        #expect(file["tensors_left_out"] == .int(vectors) && found["tensors_left_out"] == nil)
        let words = try place.run("spectrum", "run/checkpoints/step-00000020/model.safetensors").output
            .split(whereSeparator: \.isWhitespace).joined(separator: " ")
        #expect(
            words.contains("\(vectors) of \(vectors + 14) tensors left out") && words.contains("\(vectors) of one dimension"), "\(words)")
    }

    @Test func compressing() throws {
        let found = try json("spectrum", "run", "--compress", "energy=0.5", "--out", "cut", "--json")
        let before = try #require(found["before"]), after = try #require(found["after"])
        for key in ["parameters", "bytes", "flops_per_token"] {
            #expect((after[key]?.intValue ?? 0) < (before[key]?.intValue ?? 0), "\(key)")
        }
        let evaluated = try json("eval", "cut", "--json")
        #expect(abs((evaluated["loss"]?.doubleValue ?? 0) - (after["val_loss"]?.doubleValue ?? 1)) < 1e-9)
        #expect(try json("eval", "run", "--json")["loss"] == before["val_loss"])
        #expect(try place.run("sample", "cut", "--tokens", "3").status == 0)
        expectRefused(
            try place.run("train", "cut", "--resume", "--set", "train.steps=30"), ["training cannot go on"], status: 1)
        expectRefused(try place.run("spectrum", "run", "--compress", "energy=0.5", "--out", "cut"), ["cut is there already"], status: 1)
        #expect(try place.run("spectrum", "run", "--compress", "energy=0.9", "--out", "text").output.contains("those of the factors"))
        // Its config is that of the run it was made of, so only the checkpoint tells them apart.
        let difference = try place.run("diff", "run", "cut").output
        for words in [
            "cut is a low-rank copy (run, step 20, its matrices cut to 0.5 of their energy): ", "stored_parameters", "low_rank_matrices",
        ] {
            #expect(difference.contains(words), "\(words): \(difference)")
        }
        let costs = try #require(try json("diff", "run", "cut", "--json")["costs"])
        #expect(costs[path: "stored_parameters.a"] == before["parameters"] && costs[path: "stored_parameters.b"] == after["parameters"])
        #expect(try json("diff", "run", "run", "--json")["costs"] == [:])
    }

    @Test func prompts() throws {
        let found = try json("inspect", "run", "--attention", "the fox", "--lens", "the fox", "--html", "page.html", "--json")
        #expect(found[path: "attention.heads"]?.arrayValue?.count == 4 && found[path: "attention.tokens"]?.arrayValue?.count == 7)
        #expect(found[path: "lens.layers"]?.arrayValue?.count == 3 && place.has("page.html"))
        let text = try place.run("inspect", "run", "--attention", "the fox", "--lens", "the fox", "--top", "2")
        #expect(text.output.contains("entropy") && text.output.contains("layer 1"), "\(text.output)")
    }

    @Test func statistics() throws {
        let lines = String(decoding: try place.bytes("run/statistics.jsonl"), as: UTF8.self).split(separator: "\n")
        #expect(lines.count == 3, "the first step and every tenth")
    }

    @Test func wrongInput() throws {
        try place.write("nothing.safetensors", "")
        let header = #"{"bias":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#
        let length = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) }
        try (length + Data(header.utf8) + Data(count: 8)).write(to: URL(fileURLWithPath: "\(place.path)/vectors.safetensors"))
        let square = #"{"w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}"#
        let bad =
            withUnsafeBytes(of: UInt64(square.utf8.count).littleEndian) { Data($0) } + Data(square.utf8) + Data(repeating: 0xFF, count: 16)
        try bad.write(to: URL(fileURLWithPath: "\(place.path)/nan.safetensors"))
        func refused(_ arguments: [String], _ words: [String], status: Int32 = 2) throws {
            expectRefused(try place.run(arguments), words, status: status)
        }
        try refused(["spectrum"], ["expected one run or one safetensors file"])
        try refused(["spectrum", "rn"], ["rn is no run"], status: 1)
        try refused(["spectrum", "none.safetensors"], ["cannot be read"], status: 1)
        try refused(["spectrum", "nothing.safetensors"], ["too short"], status: 1)
        try refused(["spectrum", "vectors.safetensors"], ["has no matrices"], status: 1)
        try refused(["spectrum", "nan.safetensors"], ["w has a number that is not finite"], status: 1)
        try refused(["spectrum", "nan.safetensors", "--checkpoint", "last"], ["--checkpoint needs a run"])
        try refused(["spectrum", "run", "--checkpoint", "7"], ["no checkpoint 7"], status: 1)
        try refused(["spectrum", "run", "--out", "x"], ["--out is for --compress"])
        try refused(["spectrum", "run", "--html", "no/such/folder/x.html"], ["cannot be written"])
        for energy in ["energy=0", "energy=1.5", "energy=x", "0.9", "energy=nan"] {
            try refused(["spectrum", "run", "--compress", energy], [energy, "above 0 and at most 1"])
        }
        #expect(!place.has("runs"), "nothing was made")
        try refused(["inspect", "run", "--attention", ""], ["needs a prompt"])
        try refused(["inspect", "run", "--lens", ""], ["needs a prompt"])
        try refused(["inspect", "run", "--lens", "this is a long prompt"], ["21 tokens, more than the context of 16"])
        try refused(["inspect", "tiny.json", "--lens", "a"], ["tiny.json is no run"], status: 1)
        try refused(["inspect", "run", "--html", "x.html"], ["--html goes with --attention"])
        try refused(["inspect", "run", "--attention", "a", "--lens", "b", "--html", "x.html"], ["one page is of one prompt"])
    }
}
