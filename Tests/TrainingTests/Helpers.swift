import Architectures
import Autograd
import Components
import Configuration
import Foundation
import Testing
import Text
import Training

/// The repository this test was built from.
let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

/// The names of configs/ without `.json`, the schema left out.
let configNames = ((try? FileManager.default.contentsOfDirectory(atPath: "\(repository)/configs")) ?? [])
    .filter { $0.hasSuffix(".json") && $0 != "schema.json" }.map { String($0.dropLast(5)) }.sorted()

/// A new folder that is gone when the test is over.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/loom-training-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    @discardableResult
    func write(_ name: String, _ text: String) throws -> String {
        try write(name, Data(text.utf8))
    }

    @discardableResult
    func write(_ name: String, _ data: Data) throws -> String {
        let file = "\(path)/\(name)"
        try FileManager.default.createDirectory(
            atPath: URL(fileURLWithPath: file).deletingLastPathComponent().path, withIntermediateDirectories: true)
        try data.write(to: URL(fileURLWithPath: file))
        return file
    }
}

func bytes(_ path: String) throws -> Data {
    try #require(FileManager.default.contents(atPath: path), "\(path) cannot be read")
}

/// A model that trains in milliseconds, every kind of dropout on.
let tinyConfig: JSON = [
    "name": "tiny",
    "model": [
        "context": 16, "layers": 2, "width": 24, "embedding": ["type": "token", "dropout": 0.1],
        "attention": ["type": "mha", "heads": 2, "dropout": 0.1, "output_dropout": 0.1], "mlp": ["type": "gelu", "dropout": 0.1],
    ],
    "optimizer": ["type": "adamw", "lr": 0.01], "schedule": ["type": "cosine", "warmup": 5],
    "data": ["source": "stories", "characters": 20000, "tokenizer": "byte"],
    "train": [
        "steps": 30, "batch": 2, "grad_accumulation": 2, "eval_interval": 10, "eval_batches": 2, "log_interval": 1, "seed": 5,
    ],
]

func tiny(_ changes: [String] = []) throws -> RunConfig { try RunConfig(RunConfig.applying(changes, to: tinyConfig)) }

/// The config's text, made ready without touching the user's cache.
func dataset(_ config: RunConfig) throws -> Dataset {
    if SyntheticTask.named(config.data.source) != nil { return try config.dataset() }
    let corpus = try Corpus.load(
        source: config.data.source, seed: UInt64(config.data.seed), characters: config.data.characters, cache: false)
    return try Dataset.prepare(
        corpus, tokenizer: config.tokenizer, validationFraction: config.data.validationFraction, cache: false)
}

func trainer(
    _ config: RunConfig, in folder: RunFolder, resuming: Bool = false, threads: Int = 1
) throws -> Trainer {
    try Trainer(config, dataset: dataset(config), on: .cpu(threads: threads), folder: folder, resuming: resuming)
}

/// A model with every parameter random, so that nothing hides behind a zero or a one.
func randomModel(_ json: JSON, vocabulary: Int, on context: Context, deviation: Float = 0.3) throws -> Model {
    let model = try Model(ModelConfig(json), vocabulary: vocabulary)
    model.materialize(on: context, training: false)
    for parameter in model.store.parameters {
        guard let value = parameter.value else { continue }
        let stream = Philox.stream(named: parameter.name)
        if parameter.role == .norm {
            context.backend.fillUniform(value, low: 0.5, high: 1.5, key: 1, stream: stream)
        } else {
            context.backend.fillNormal(value, deviation: deviation, key: 1, stream: stream)
        }
    }
    return model
}

/// The message of what `body` throws, which must be one line.
func message(_ sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void) -> String {
    do {
        try body()
        Issue.record("nothing was thrown", sourceLocation: sourceLocation)
        return ""
    } catch {
        let text = "\(error)"
        #expect(!text.contains("\n") && text.count < 500, "not one clear line: \(text)", sourceLocation: sourceLocation)
        return text
    }
}
