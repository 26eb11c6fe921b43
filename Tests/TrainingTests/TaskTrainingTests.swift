import Configuration
import Foundation
import Testing
import Training

/// Synthetic tasks as a source of data: trained on answers alone, with accuracy reported.
struct TaskTrainingTests {
    static let base = [
        "data.source=copying", "data.characters=60000", "model.context=12", "model.position=rope", "train.batch=32",
        "train.grad_accumulation=1", "model.attention.dropout=0", "model.attention.output_dropout=0", "model.mlp.dropout=0",
        "model.embedding.dropout=0", "train.steps=300", "train.eval_interval=300", "train.log_interval=300", "optimizer.lr=0.01",
    ]

    static func accuracy(_ changes: [String], _ folder: TemporaryFolder, _ name: String) throws -> Double {
        let run = try RunFolder.create(name: name, out: "\(folder.path)/\(name)")
        _ = try trainer(tiny(base + changes), in: run).run()
        let last = try #require(try run.metrics().last)
        #expect(last.valBitsPerByte == nil && last.valLoss != nil, "bits per byte of answers mean nothing")
        return try #require(last.valAccuracy)
    }

    /// What the tasks are for: a window shorter than the distance fails, one as long as it does not.
    @Test func aShortWindowCannotCopy() throws {
        let folder = try TemporaryFolder()
        let full = try TaskTrainingTests.accuracy([], folder, "full")
        let short = try TaskTrainingTests.accuracy(["model.attention.window=2"], folder, "short")
        #expect(full > 0.9, "\(full)")
        // Two layers of two back reach four; the answer is seven away.
        #expect(short < 0.2, "\(short)")
    }

    @Test func theTokenizerIsTheTasksOwn() throws {
        let config = try tiny(["data.source=parity", "data.tokenizer={\"type\": \"bpe\", \"vocab_size\": 500}"])
        #expect(config.resolved[path: "data.tokenizer"] == ["type": "char"])
        #expect(try config.dataset().tokenizer.vocabularySize == 4)
    }

    /// Two micro-batches of half the size are one of the whole, though few targets count.
    @Test func accumulationEqualsTheLargeBatch() throws {
        let folder = try TemporaryFolder()
        func losses(_ batch: Int, _ accumulation: Int) throws -> [Double] {
            let run = try RunFolder.create(name: "r", out: "\(folder.path)/\(batch)")
            let changes = ["train.steps=3", "train.batch=\(batch)", "train.grad_accumulation=\(accumulation)", "train.log_interval=1"]
            _ = try trainer(tiny(TaskTrainingTests.base + changes), in: run).run()
            return try run.metrics().compactMap(\.trainLoss)
        }
        for (one, two) in zip(try losses(8, 1), try losses(4, 2)) { #expect(abs(one - two) < 1e-5) }
    }

    /// Compared in accuracy, on the same examples; on examples of another length there is nothing to compare.
    @Test func comparisons() throws {
        let folder = try TemporaryFolder()
        let text = try RunConfig.applying(TaskTrainingTests.base + ["train.steps=2"], to: tinyConfig).text()
        try folder.write("one.json", text)
        try folder.write("two.json", #"{"extends": "one.json", "model": {"attention": {"window": 2}}}"#)
        try folder.write("long.json", #"{"extends": "one.json", "model": {"context": 16}}"#)
        func comparison(_ names: String...) throws -> Comparison {
            try Comparison(Comparison.Request(VariantRequest(configs: names.map { "\(folder.path)/\($0).json" })))
        }
        #expect(try comparison("one", "two").text.isTask)
        let found = message { _ = try comparison("one", "long") }
        #expect(found.contains("model.context") && found.contains("fill the context"), "\(found)")
    }

    @Test func aContextTooShort() throws {
        let found = message { _ = try tiny(["data.source=holders", "model.context=8"]).dataset() }
        #expect(found.contains("the context for holders") && found.contains("16"), "\(found)")
    }
}
