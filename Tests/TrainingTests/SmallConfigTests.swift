import Autograd
import Configuration
import Foundation
import Testing
import Text
import Training

/// Every config that a small machine can train trains, at reduced size.
struct SmallConfigTests {
    static let names = configNames.filter { name in
        ["gpt1", "gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl", "nanochat-d12", "nanochat-d20"].allSatisfy { $0 != name }
    }

    /// The text once for each tokenizer, as all small configs share one.
    private static let datasets = Shared()

    private final class Shared: @unchecked Sendable {
        private let lock = NSLock()
        private var made: [String: Dataset] = [:]
        func dataset(_ config: RunConfig) throws -> Dataset {
            lock.lock()
            defer { lock.unlock() }
            let key = config.resolved["data"]?.text() ?? ""
            if let known = made[key] { return known }
            let new = try TrainingTests.dataset(config)
            made[key] = new
            return new
        }
    }

    func train(_ name: String, _ changes: [String], in folder: TemporaryFolder) throws -> [Metrics] {
        let reduced = [
            "train.steps=2", "train.batch=2", "model.context=32", "data.source=stories", "data.characters=60000",
            "train.eval_batches=1", "train.log_interval=1",
        ]
        let config = try RunConfig(path: "\(repository)/configs/\(name).json", overrides: reduced + changes)
        let run = try RunFolder.create(name: name, out: "\(folder.path)/\(name)")
        let trainer = try Trainer(
            config, dataset: SmallConfigTests.datasets.dataset(config), on: .cpu(threads: 2), folder: run, resuming: false)
        #expect(try trainer.run() == .finished)
        return try run.metrics()
    }

    @Test func thereAreEnough() { #expect(SmallConfigTests.names.count >= 16, "\(SmallConfigTests.names)") }

    @Test(arguments: names)
    func trainsTwoSteps(name: String) throws {
        let folder = try TemporaryFolder()
        let file = try RunConfig.load("\(repository)/configs/\(name).json")
        let short = file[path: "model.attention.short_window"] == nil ? [] : ["model.attention.short_window=8"]
        let metrics = try train(name, short, in: folder)
        #expect(metrics.map(\.step) == [1, 2])
        for line in metrics {
            let loss = try #require(line.trainLoss)
            // A new model knows nothing: near the logarithm of its vocabulary, 1024 or some 60.
            #expect(loss > 3 && loss < 8.5, "step \(line.step): \(loss)")
        }
        let last = try #require(metrics.last?.valLoss)
        #expect(last.isFinite)
    }

    @Test(arguments: [
        "small", "gqa-rope", "nanochat-small", "llama-small", "mistral-small", "mixtral-small", "gemma2-small", "qwen3-small",
    ])
    func lossesFallOverTwentySteps(name: String) throws {
        let folder = try TemporaryFolder()
        let windows = [
            "nanochat-small": ["model.attention.short_window=8"], "mistral-small": ["model.attention.window=8"],
            "mixtral-small": ["model.attention.window=8"], "gemma2-small": [#"model.attention.window={"by_layer":[8,null]}"#],
        ]
        let metrics = try train(name, (windows[name] ?? []) + ["train.steps=20", "train.batch=8", "schedule.warmup=2"], in: folder)
        let losses = metrics.compactMap(\.trainLoss)
        #expect(losses.count == 20)
        let first = try #require(losses.first), end = losses.suffix(5).reduce(0, +) / 5
        #expect(end < first - 0.5, "\(name): from \(first) to \(end)")
    }
}
