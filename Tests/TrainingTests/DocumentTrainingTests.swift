import Configuration
import Foundation
import Testing
import Text
import Training

/// Training on separate documents.
struct DocumentTrainingTests {
    let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder() }

    func jsonl(_ documents: [String]) throws -> String {
        let path = folder.path + "/documents.jsonl"
        let lines = try documents.map { String(decoding: try JSONSerialization.data(withJSONObject: ["text": $0]), as: UTF8.self) }
        try Data(lines.joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: path))
        return path
    }

    static let lengths = [3, 14, 15, 16, 17, 40, 1, 8, 33, 5, 9, 12, 2, 20, 6]

    func config(_ path: String, _ changes: [String]) throws -> RunConfig {
        try tiny(
            [
                "data.source=\(path)", "data.documents=isolated", "model.embedding.dropout=0", "model.attention.dropout=0",
                "model.attention.output_dropout=0", "model.mlp.dropout=0", "train.steps=4",
            ] + changes)
    }

    func train(_ config: RunConfig, _ name: String) throws -> [Metrics] {
        let run = try RunFolder.create(name: name, out: "\(folder.path)/\(name)")
        let trainer = try Trainer(config, dataset: config.dataset(), on: .cpu(threads: 1), folder: run, resuming: false)
        _ = try trainer.run()
        return try run.metrics()
    }

    func documents() throws -> String {
        try jsonl(Self.lengths.map { length in String((0..<length).map { "abcdefghij".dropFirst($0 * length % 10).first ?? "x" }) })
    }

    /// However a step is cut into micro-batches, each of which has another number of targets that count, it is the same step.
    @Test func accumulationIsOneLargeBatch() throws {
        let path = try documents()
        let whole = try train(config(path, ["train.batch=6", "train.grad_accumulation=1"]), "whole")
        let parts = try train(config(path, ["train.batch=2", "train.grad_accumulation=3"]), "parts")
        #expect(whole.count == 4)
        for (a, b) in zip(whole, parts) {
            let (first, second) = (try #require(a.trainLoss), try #require(b.trainLoss))
            #expect(abs(first - second) < 1e-5 * first)
            let (one, other) = (try #require(a.gradNorm), try #require(b.gradNorm))
            #expect(abs(one - other) < 1e-4 * one)
        }
    }

    /// The exact validation loss counts every token of every document once, however long windows are.
    @Test func everyTokenIsValidatedOnOnce() throws {
        let path = try documents()
        let config = try config(path, ["train.eval_batches=null", "data.validation_fraction=0.5"])
        let data = try config.dataset()
        let run = try RunFolder.create(name: "run", out: "\(folder.path)/run")
        let trainer = try Trainer(config, dataset: data, on: .cpu(threads: 1), folder: run, resuming: false)
        #expect(trainer.notes.contains { $0.contains("% of their places hold text") })
        #expect(try trainer.evaluate().tokens == data.validation.count - 1)
    }

    /// A model that knows its documents by heart says one and stops.
    @Test func samplesEndWithTheirDocument() throws {
        let path = try jsonl(["hello", "hello", "hello", "hello"])
        let config = try config(path, ["train.steps=150", "train.eval_interval=150", "optimizer.lr=0.02"])
        let data = try config.dataset(), run = try RunFolder.create(name: "run", out: "\(folder.path)/run")
        let trainer = try Trainer(config, dataset: data, on: .cpu(threads: 1), folder: run, resuming: false)
        _ = try trainer.run()
        let loaded = try LoadedRun(run.path, checkpoint: nil, on: .cpu(threads: 1), Registries())
        #expect(loaded.endToken == 256)
        var options = SamplingOptions()
        (options.tokens, options.greedy) = (60, true)
        let sampler = Sampler(loaded.model, loaded.tokenizer, on: loaded.context, endToken: loaded.endToken)
        #expect(try sampler.text(prompt: "", options) == "hello")
        #expect(try sampler.text(prompt: "he", options) == "llo")
        options.samples = 3
        var texts = Array(repeating: "", count: 3)
        let made = try sampler.generate(prompt: "", options) {
            texts[$0] += $1
            return true
        }
        #expect(texts == ["hello", "hello", "hello"] && made == 15)
    }

    /// From a prepared folder come the batches that come from the text.
    @Test(arguments: ["joined", "separated", "aligned", "isolated"]) func preparedIsTheSame(documents way: String) throws {
        let path = try documents()
        let config = try config(path, ["data.documents=\(way)", "data.tokenizer=char", "data.validation_fraction=0.4"])
        let direct = try train(config, "direct")
        _ = try config.dataset(keptIn: folder.path + "/tokens")
        try FileManager.default.removeItem(atPath: path)
        let prepared = try train(
            self.config(folder.path + "/tokens", ["data.documents=\(way)", "data.tokenizer=char", "data.validation_fraction=0.4"]),
            "prepared")
        #expect(direct.map(\.trainLoss) == prepared.map(\.trainLoss) && direct.last?.valLoss == prepared.last?.valLoss)
    }

    @Test func wrongSettings() throws {
        let path = try documents()
        #expect(message { _ = try config(path, ["data.documents=isolate"]) }.contains("did you mean \"isolated\""))
        #expect(message { _ = try config(path, ["data.text_field=body"]).dataset() }.contains("no field \"body\" but \"text\""))
        #expect(message { _ = try config("-", []).dataset() }.contains("--data -"))
    }
}
