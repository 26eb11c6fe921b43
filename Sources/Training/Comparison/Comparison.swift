import Architectures
import Autograd
import Configuration
import Foundation
import Optimizers
import Text

/// Everything that decides what is compared, and how: the variants, what each may spend, and what they are judged by.
public struct Comparison {
    /// Parameter counts further from the baseline's than this share are warned of.
    public static let parameterTolerance = 0.05

    public let name: String
    public internal(set) var variants: [Variant]
    /// The name of the variant that the others are measured against.
    public let baseline: String
    /// nil: every config as it is.
    public let budget: Budget?
    /// Whether variants were made as large as the baseline.
    public let matchesParameters: Bool
    /// Runs of each variant: seed number i is counted on from the config's `train.seed`.
    public var seeds: Int
    /// Validation tokens that every finished run is judged by; fewer where the text has no more.
    public let evaluationTokens: Int
    public let text: ComparedText

    public static let defaultEvaluationTokens = 262_144

    /// What a person asked for.
    public struct Request {
        public var variants: VariantRequest
        /// nil: every config as it is.
        public var budget: Budget?
        /// Whether configs that train for longer than `Budget.usual` are held to it where no budget is named.
        public var usesUsualBudget = false
        public var matchesParameters = false
        /// What the runs will be on, whose memory they must fit.
        public var device = DeviceChoice(.cpu)
        public var seeds = 3
        public var evaluationTokens = Comparison.defaultEvaluationTokens
        public init(_ variants: VariantRequest) { self.variants = variants }
    }

    /// Checks all of it and prepares the text, so that whatever is wrong is found before any work is done.
    /// - Throws: `ConfigError` or `TextError`.
    public init(
        _ request: Request, _ registries: Registries = Registries(), progress: @escaping (PreparationProgress) -> Bool = { _ in true }
    ) throws {
        var (variants, baseline) = try request.variants.variants(registries)
        try variants.requireSameText()
        let dataset = try variants[0].config.dataset(progress: progress)
        if request.matchesParameters, let base = variants.first(where: { $0.name == baseline }) {
            let target = try Trainer.model(base.config, tokenizer: dataset.tokenizer).accounting.parameters
            let match = ParameterMatch(target: target, tokenizer: dataset.tokenizer, registries: registries)
            variants = try variants.map { $0.name == baseline ? $0 : try match.matched($0) }
        }
        for variant in variants { try variant.requireFits(dataset, request.device) }
        var budget = request.budget
        if budget == nil, request.usesUsualBudget,
            variants.contains(where: { Double($0.tokensPerStep * $0.config.train.steps) > Budget.usual.amount })
        {
            budget = Budget.usual
        }
        name = Comparison.name(request.variants, variants, baseline)
        (self.variants, self.baseline, self.budget, seeds) = (variants, baseline, budget, request.seeds)
        (matchesParameters, evaluationTokens) = (request.matchesParameters, request.evaluationTokens)
        text = ComparedText(variants[0].config, dataset)
        if budget?.unit != .seconds { try setSteps(registries) { _ in nil } }
    }

    init(
        name: String, variants: [Variant], baseline: String, budget: Budget?, matchesParameters: Bool, seeds: Int, evaluationTokens: Int,
        text: ComparedText
    ) {
        (self.name, self.variants, self.baseline, self.budget) = (name, variants, baseline, budget)
        (self.matchesParameters, self.seeds, self.evaluationTokens, self.text) = (matchesParameters, seeds, evaluationTokens, text)
    }

    /// Gives the variants that have none yet the steps that the budget allows; without a budget they keep their own.
    mutating func setSteps(_ registries: Registries, secondsPerStep: (Variant) throws -> Double?) throws {
        variants = try variants.map { variant in
            guard !variant.hasSteps else { return variant }
            var variant = variant
            variant.hasSteps = true
            guard let budget else { return variant }
            let steps = try budget.steps(
                of: variant.name, tokensPerStep: variant.tokensPerStep, flopsPerToken: accounting(of: variant).flopsPerToken,
                secondsPerStep: secondsPerStep(variant))
            variant.config = try variant.config.setting(["train": ["steps": .int(steps)]], registries)
            return variant
        }
    }

    /// Checks that the text is still the one that the comparison began with.
    /// - Throws: `Failure` where it has changed, or what loading it throws.
    public func requireSameText() throws {
        guard let config = variants.first?.config else { return }
        guard ComparedText(config, try config.dataset()) == text else {
            throw Failure("the text of \(name), \(text.name), has changed since the comparison began; start another one with --out")
        }
    }

    /// One run that belongs to a comparison.
    public struct PlannedRun {
        public let variant: Variant
        /// From 0; runs of one index are paired.
        public let index: Int
        /// `variant/seed`, unlike any other's.
        public var label: String { "\(variant.name)/\(variant.seed(index))" }
    }

    /// All runs, seed by seed: an interrupted comparison has pairs to show.
    public var runs: [PlannedRun] {
        (0..<seeds).flatMap { index in variants.map { PlannedRun(variant: $0, index: index) } }
    }

    /// What a variant costs.
    /// - Throws: `ConfigError`, as making the model does.
    public func accounting(of variant: Variant) throws -> Accounting {
        try Model(variant.config.model, vocabulary: text.vocabularySize).accounting
    }

    /// A short name for the folder: what is compared with what.
    private static func name(_ request: VariantRequest, _ variants: [Variant], _ baseline: String) -> String {
        if !request.grid.isEmpty, request.configs.count == 1, let path = request.configs.first {
            let keys = request.grid.map { $0.key.split(separator: ".").last.map(String.init) ?? $0.key }
            return "\(URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent)-by-\(keys.joined(separator: "-"))"
        }
        let others = variants.map(\.name).filter { $0 != baseline }
        let all = ([baseline] + others).joined(separator: "-vs-")
        return all.count <= 60 ? all : "\(baseline.prefix(60))-vs-\(others.count)-others"
    }
}

/// The text of a comparison, and enough of it to notice that it has changed.
public struct ComparedText: Sendable, Equatable {
    public let name: String
    /// Of the whole text.
    public let hash: String
    public let trainingTokens: Int, validationTokens: Int
    public let tokenizer: String
    public let vocabularySize: Int
    /// The lowest loss that any model can reach, nats a token and bits a byte, where the text's own probabilities are known.
    public let floor: Floor?

    /// Whether only answers count, in accuracy rather than bits per byte.
    public var isTask: Bool { SyntheticTask.named(name) != nil }

    public struct Floor: Sendable, Equatable {
        public let natsPerToken: Double, bitsPerByte: Double

        public init(natsPerToken: Double, bitsPerByte: Double) {
            (self.natsPerToken, self.bitsPerByte) = (natsPerToken, bitsPerByte)
        }
    }

    init(
        name: String, hash: String, trainingTokens: Int, validationTokens: Int, tokenizer: String, vocabularySize: Int, floor: Floor?
    ) {
        (self.name, self.hash, self.trainingTokens, self.validationTokens) = (name, hash, trainingTokens, validationTokens)
        (self.tokenizer, self.vocabularySize, self.floor) = (tokenizer, vocabularySize, floor)
    }

    init(_ config: RunConfig, _ dataset: Dataset) {
        self.init(
            name: dataset.name, hash: dataset.contentHash, trainingTokens: dataset.train.count,
            validationTokens: dataset.validation.count, tokenizer: dataset.tokenizer.kind,
            vocabularySize: dataset.tokenizer.vocabularySize,
            floor: EntropyFloor(config, dataset).map { Floor(natsPerToken: $0.natsPerToken, bitsPerByte: $0.bitsPerByte) })
    }
}

extension Variant {
    /// Checks that the text has a window for the model, that a step fits the memory, and that the optimizer finds its parameters.
    /// - Throws: `ConfigError`.
    func requireFits(_ dataset: Dataset, _ device: DeviceChoice) throws {
        let model = try Trainer.model(config, tokenizer: dataset.tokenizer)
        for part in [dataset.train, dataset.validation] {
            do {
                _ = try BatchSampler(
                    part, context: model.size.context, batch: config.train.batch, accumulation: config.train.gradAccumulation, seed: 0)
            } catch let error as TextError {
                throw ConfigError(error.description, at: "model.context", file: source)
            }
        }
        try Trainer.checkMemory(config, model, on: device.context(config.train.precision))
        model.materialize(on: .shapesOnly(), training: true)
        do {
            _ = try Optimizer(config.plan, schedule: config.schedule, store: model.store, width: model.size.width)
        } catch let error as ConfigError {
            throw error.inFile(source)
        }
    }
}
