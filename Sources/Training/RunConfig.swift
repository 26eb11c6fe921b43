import Architectures
import Components
import Configuration
import Foundation
import Optimizers
import Text

/// The `train` section.
public struct TrainOptions: OptionGroup {
    public var steps = 1000
    public var batch = 16
    public var gradAccumulation = 1
    public var evalInterval = 200
    public var evalBatches: Int? = 20
    public var logInterval = 10
    public var logStatistics: Int?
    public var checkpointInterval: Int?
    public var keepCheckpoints = 2
    public var sampleTokens = 0
    public var seed = 0
    public var precision = Precision.auto
    public init() {}

    /// How numbers are kept and multiplied. Parameters, their gradients, the optimizer's state, statistics of norms, softmax and loss are
    /// float32 in all of them.
    public enum Precision: String, OptionEnum {
        /// bfloat16 on a GPU, float32 on a CPU.
        case auto
        case float32
        /// float32, multiplied with 10 bits of mantissa by a GPU's tensor cores.
        case tf32
        /// Activations in bfloat16, products of bfloat16 added up in float32; on a GPU.
        case bfloat16
    }

    public static var options: [Option<Self>] {
        [
            Option("steps", \.steps, .atLeast(0), help: "optimizer steps"),
            Option("batch", \.batch, .within(1...1_048_576), help: "sequences a micro-batch"),
            Option("grad_accumulation", \.gradAccumulation, .within(1...1_048_576), help: "micro-batches a step; equal to one large batch"),
            Option("eval_interval", \.evalInterval, .atLeast(1), help: "steps between evaluations; there is one at the end too"),
            Option("eval_batches", \.evalBatches, .atLeast(1), help: "random validation batches an evaluation; null for the whole split"),
            Option("log_interval", \.logInterval, .atLeast(1), help: "steps between lines of metrics.jsonl"),
            Option(
                "log_statistics", \.logStatistics, .atLeast(1),
                help: "steps between lines of statistics.jsonl, activations and gradients by layer; null for none"),
            Option("checkpoint_interval", \.checkpointInterval, .atLeast(1), help: "steps between checkpoints; by default eval_interval"),
            Option("keep_checkpoints", \.keepCheckpoints, .atLeast(1), help: "newest checkpoints to keep, besides the best"),
            Option("sample_tokens", \.sampleTokens, .within(0...1_000_000), help: "tokens to sample at each evaluation"),
            Option("seed", \.seed, .atLeast(0), help: "seed of weights, batches and dropout"),
            Option(
                "precision", \.precision,
                help: "type of activations and matrix products; the CPU computes in float32, auto is bfloat16 on a GPU"),
        ]
    }
}

/// Options of the `bpe` tokenizer.
public struct BPEOptions: OptionGroup {
    public var vocabSize = 1024
    public var pattern = SplitPattern.gpt4
    public init() {}
    public static var options: [Option<Self>] {
        [
            Option("vocab_size", \.vocabSize, .within(256...1_000_000), help: "tokens: 256 bytes and the merges learned"),
            Option("pattern", \.pattern, help: "how text is split before merging"),
        ]
    }
}

/// Options of the `imported` tokenizer.
public struct ImportedTokenizerOptions: OptionGroup {
    public var vocabSize = 256
    public init() {}
    public static var options: [Option<Self>] {
        [Option("vocab_size", \.vocabSize, .within(1...16_777_216), help: "tokens of the model that was imported")]
    }
}

/// Options of the `file` tokenizer.
public struct TokenizerFileOptions: OptionGroup {
    public var path = ""
    public var pattern = ""
    public init() {}
    public static var options: [Option<Self>] {
        [
            Option("path", \.path, help: "tokenizer.json, GPT-2's files, tiktoken's ranks, or a folder of them"),
            Option("pattern", \.pattern, help: "how text is split, for files that do not say"),
        ]
    }
}

/// Everything that configs can name.
public struct Registries: Sendable {
    public var components = Registry.standard
    public var optimizers = OptimizerRegistry.standard
    public var tokenizer: Slot<TokenizerSpec> = {
        var slot = Slot<TokenizerSpec>("tokenizer")
        slot.register("char", "one token a Unicode scalar of the text", NoOptions.self) { _ in .char }
        slot.register("byte", "one token a byte", NoOptions.self) { _ in .byte }
        slot.register("bpe", "byte pairs, learned from the training text", BPEOptions.self) {
            .bpe(vocabularySize: $0.vocabSize, pattern: $0.pattern)
        }
        slot.register("file", "a tokenizer from a file or folder, kept with the run", TokenizerFileOptions.self) {
            .file(path: $0.path, pattern: $0.pattern.isEmpty ? nil : $0.pattern)
        }
        slot.register("imported", "that of imported weights, kept with their run; by itself only ids", ImportedTokenizerOptions.self) {
            .fixed(IdTokenizer(vocabularySize: $0.vocabSize))
        }
        return slot
    }()
    public init(components: Registry = .standard) { self.components = components }

    /// The keys that the section at `path` keeps when its type becomes `type`; nil where no component stands.
    func keys(at path: String, type: String) -> Set<String>? { slot(at: path)?.keysCarriedOver(to: type) }

    /// Every slot by the path of its section.
    public var slots: [(path: String, slot: SlotDescription)] {
        components.slots.map { ("model.\($0.name)", $0) } + [
            ("optimizer", optimizers.optimizer.description), ("schedule", optimizers.schedule.description),
            ("data.tokenizer", tokenizer.description),
        ]
    }

    private func slot(at path: String) -> SlotDescription? { slots.first { $0.path == path }?.slot }
}

/// A whole config: checked, every default filled in.
public struct RunConfig {
    public let name: String
    /// The file it came from, for errors.
    public let file: String?
    public let model: ModelConfig
    public let data: DataOptions
    public let tokenizer: TokenizerSpec
    public let train: TrainOptions
    public let plan: OptimizerPlan
    public let schedule: Schedule
    /// Every option with its value; reading it again gives this config.
    public let resolved: JSON

    /// Tokens a micro-batch: far above what any memory holds the activations of, and far below what a counter does.
    static let largestMicroBatch = 1 << 24

    /// Whether a tokenizer may have fewer tokens than the model: imported weights are often padded with rows that no text meets.
    var allowsFewerTokens: Bool { if case .fixed = tokenizer { true } else { false } }

    static let keys: Set<String> = [
        "$schema", "name", "description", "extends", "model", "optimizer", "schedule", "data", "train",
    ]

    /// Reads a file, what it extends, and `overrides` of the form `key.path=value`.
    /// - Throws: `ConfigError` naming file, path and remedy.
    public init(path: String, overrides: [String] = [], registries: Registries = Registries()) throws {
        let files = try ConfigFiles(path)
        let changed = try RunConfig.applying(overrides, to: files.merged(registries), registries)
        let fallback = URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
        do {
            try self.init(changed, file: path, fallbackName: fallback, registries: registries)
        } catch var error as ConfigError {
            error.file = files.source(of: error, overrides: overrides)
            throw error
        }
    }

    /// Checks a config that has been merged already.
    public init(
        _ json: JSON, file: String? = nil, fallbackName: String = "run", registries: Registries = Registries()
    ) throws {
        do {
            guard let members = json.objectValue else {
                throw ConfigError("expected an object of sections, found \(json.brief)")
            }
            for key in members.keys.sorted() where !RunConfig.keys.contains(key) {
                throw ConfigError.unknown("key", key, known: RunConfig.keys)
            }
            let name = try RunConfig.string(members["name"], "name") ?? fallbackName
            guard !name.isEmpty, !name.hasPrefix("."), !name.contains("/"), name.utf8.count <= 100,
                !name.unicodeScalars.contains(where: { $0.properties.generalCategory == .control })
            else {
                throw ConfigError(
                    "\"\(name.prefix(40))\" cannot name a folder; use a short name without slashes or line breaks", at: "name")
            }
            self.name = name
            self.file = file
            model = try ModelConfig(members["model"] ?? [:], registry: registries.components)
            let dataJSON = members["data"] ?? [:]
            var data = try DataOptions.decode(dataJSON, at: "data", also: ["tokenizer"])
            // A run remembers its file wherever it is continued from.
            if !Corpus.knownNames.contains(data.source), FileManager.default.fileExists(atPath: data.source) {
                data.source = URL(fileURLWithPath: data.source).standardizedFileURL.path
            }
            self.data = data
            // A task is made of symbols, whatever tokenizer the text before it had.
            let tokenizerSection = SyntheticTask.named(data.source) == nil ? dataJSON["tokenizer"] : "char"
            let tokenizerRead = try registries.tokenizer.read(RunConfig.section(tokenizerSection, usual: "char"), at: "data.tokenizer")
            tokenizer = tokenizerRead.make
            train = try TrainOptions.decode(members["train"] ?? [:], at: "train")
            let tokens = train.batch * model.sizes.context
            guard tokens <= RunConfig.largestMicroBatch else {
                throw ConfigError(
                    "\(train.batch) sequences of \(model.sizes.context) tokens are \(tokens) tokens a micro-batch, more than "
                        + "\(RunConfig.largestMicroBatch); lower it and raise train.grad_accumulation", at: "train.batch")
            }
            let optimizerRead = try registries.optimizers.optimizer.read(
                RunConfig.section(members["optimizer"], usual: "adamw"), at: "optimizer")
            plan = optimizerRead.make
            let scheduleRead = try registries.optimizers.schedule.read(
                RunConfig.section(members["schedule"], usual: "constant"), at: "schedule")
            let common = Set(ScheduleOptions.options.map(\.name))
            let scheduleOptions = try ScheduleOptions.decode(
                .object((scheduleRead.resolved.objectValue ?? [:]).filter { common.contains($0.key) }), at: "schedule")
            if let minimum = scheduleRead.make.minLr, minimum > plan.lr {
                throw ConfigError("\(minimum) is above optimizer.lr \(plan.lr); lower it", at: "schedule.min_lr")
            }
            schedule = Schedule(scheduleRead.make, scheduleOptions, steps: train.steps, lr: plan.lr)
            var resolved: [String: JSON] = [
                "name": .string(name), "model": model.resolved, "optimizer": optimizerRead.resolved,
                "schedule": scheduleRead.resolved, "train": .object(train.json),
                "data": .object(data.json.merging(["tokenizer": tokenizerRead.resolved]) { $1 }),
            ]
            if let description = try RunConfig.string(members["description"], "description") {
                resolved["description"] = .string(description)
            }
            self.resolved = .object(resolved)
        } catch let error as ConfigError {
            throw error.inFile(file)
        }
    }

    /// A section over the component that stands there when the config names none.
    private static func section(_ json: JSON?, usual: String) -> JSON {
        let base: JSON = ["type": .string(usual)]
        return json.map { base.merging($0, known: { _, _ in nil }) } ?? base
    }

    private static func string(_ json: JSON?, _ path: String) throws -> String? {
        guard let json else { return nil }
        guard let text = json.stringValue else { throw ConfigError("expected a string, found \(json.brief)", at: path) }
        return text
    }

    /// The file with everything it extends merged underneath.
    public static func load(_ path: String, _ registries: Registries = Registries()) throws -> JSON {
        try ConfigFiles(path).merged(registries)
    }

    /// `json` with each `key.path=value` laid over it. A value is JSON where it parses as such, a string otherwise.
    public static func applying(_ overrides: [String], to json: JSON, _ registries: Registries = Registries()) throws -> JSON {
        try overrides.reduce(json) { json, text in
            guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
                throw ConfigError("--set \(text): expected key.path=value, such as model.layers=4")
            }
            let raw = String(text[text.index(after: equals)...])
            let value = (try? JSON(parsing: Data(raw.utf8))) ?? .string(raw)
            let keys = text[..<equals].split(separator: ".", omittingEmptySubsequences: false).map(String.init)
            guard !keys.contains("") else { throw ConfigError("--set \(text): the path has an empty part") }
            let nested = keys.reversed().reduce(value) { inner, key in .object([key: inner]) }
            return json.merging(nested, known: registries.keys)
        }
    }
}
