import Architectures
import Autograd
import Components
import Configuration
import Foundation
import Optimizers
import Text

/// What a trainer tells as it goes.
public enum TrainingEvent {
    /// After a step; `validation` where it was evaluated.
    case step(Metrics, validation: Evaluation?)
    case saved(Checkpoint)
    /// A checkpoint, to look at how the model writes.
    case sample(String)
}

/// Trains the model of a config on a dataset, in a run's folder.
public final class Trainer {
    public enum Outcome: Sendable { case finished, interrupted }

    public let config: RunConfig
    public let model: Model
    public let folder: RunFolder
    public let context: Context
    public private(set) var state = RunState()
    private let dataset: Dataset
    private let optimizer: Optimizer
    private let step: TrainingStep
    /// On devices where reading a result waits.
    private let deviceStep: DeviceStep?
    private let training: Batches
    private let validation: Batches?
    private let metrics: LinesFile<Metrics>
    private let statistics: LinesFile<Statistics>?
    private let lock: RunLock
    /// What a person should know of how the run is continued.
    public private(set) var notes: [String] = []

    /// Prepares a run in `folder`: a new one, or with `resuming` from its newest whole checkpoint.
    /// - Parameters:
    ///   - start: a checkpoint whose weights a new run begins with.
    ///   - allowsOtherText: whether a run may be continued on text that it did not begin with.
    /// - Throws: `ConfigError`, `TextError` or `Failure`.
    public init(
        _ config: RunConfig, dataset: Dataset, on context: Context, folder: RunFolder, resuming: Bool, from start: Checkpoint? = nil,
        allowsOtherText: Bool = false
    ) throws {
        (self.config, self.dataset, self.context, self.folder) = (config, dataset, context, folder)
        lock = try folder.lock()
        model = try Trainer.model(config, tokenizer: dataset.tokenizer)
        let train = config.train, length = model.size.context
        do {
            training = Batches(
                try BatchSampler(
                    dataset.train, context: length, batch: train.batch, accumulation: train.gradAccumulation,
                    seed: UInt64(train.seed), order: config.data.order == .random ? .random : .sequential), on: context)
            // The windows validated on are the same for every seed, so that runs compare.
            validation = try train.evalBatches.map { _ in
                Batches(
                    try BatchSampler(dataset.validation, context: length, batch: train.batch, seed: 0, purpose: .evaluation),
                    on: context)
            }
        } catch let error as TextError {
            // A text long enough to train on and too short to validate on was split wrongly.
            let isSplit = dataset.train.count > length && dataset.validation.count <= length
            throw ConfigError(
                error.description + (isSplit ? "; or keep more of it for validation" : ""),
                at: isSplit ? "data.validation_fraction" : "model.context", file: config.file)
        }
        if resuming {
            folder.sweep()
        } else {
            try RunFolder.writeAtomically(dataset.tokenizer.serialized(), to: folder.tokenizerPath)
        }
        try Trainer.checkMemory(config, model, on: context)
        let saveConfig = { try RunFolder.writeAtomically(Data((config.resolved.text() + "\n").utf8), to: folder.configPath) }
        // From here on the folder is a run: killed at any later moment, it can be continued.
        if !resuming { try saveConfig() }
        model.materialize(on: context, training: true, seed: UInt64(train.seed))
        try context.check()
        do {
            optimizer = try Optimizer(config.plan, schedule: config.schedule, store: model.store, width: model.size.width)
        } catch let error as ConfigError {
            throw error.inFile(config.file)
        }
        step = TrainingStep(model, optimizer, on: context, train)
        deviceStep = context.backend.isAsynchronous ? DeviceStep(model, optimizer, on: context, train) : nil
        if let filled = training.filled {
            notes.append(
                "windows end with their documents: \(Int((filled * 100).rounded())) % of their places hold text, and the rest is computed for nothing"
            )
        }
        let device = context.backend.name == "cpu" ? nil : context.backend.title
        if device == nil, train.precision == .bfloat16 || train.precision == .tf32 {
            notes.append("train.precision \(train.precision.rawValue) is for a GPU; the CPU computes in float32")
        }
        if resuming {
            let (last, damaged) = try Checkpoint.newestWhole(in: folder)
            if let last {
                state = try last.state()
                if let text = state.text, text != dataset.contentHash, !allowsOtherText {
                    throw Failure(
                        "the text of \(dataset.name) is not what \(folder.path) was trained on until now; put it back, or add "
                            + "--data \(config.data.source) to continue on it as it is")
                }
                let threads = (context.backend as? CPUBackend)?.threads
                if last.step > 0, state.device != device {
                    notes.append(
                        "computed on \(state.device ?? "the CPU") before and \(device ?? "the CPU") now, so the last digits differ from "
                            + "an unbroken run")
                } else if let before = state.threads, let threads, before != threads {
                    notes.append(
                        "computed on \(before) thread\(before == 1 ? "" : "s") before and \(threads) now, so the last digits "
                            + "differ from an unbroken run; --threads \(before) continues exactly")
                }
                try last.load(into: model)
                try last.load(into: optimizer)
            }
            // Only now: what does not fit the checkpoint must leave the run as it was.
            for checkpoint in damaged {
                try checkpoint.setAside()
                notes.append("the checkpoint of step \(checkpoint.step) is damaged and set aside; continuing from the one before")
            }
            guard train.steps >= state.step else {
                throw ConfigError(
                    "\(train.steps) steps are fewer than the \(state.step) that the run has done", at: "train.steps", file: config.file)
            }
            try saveConfig()
        }
        // Saved at once: a run that is killed before its first checkpoint must not begin again from random numbers.
        if let start, !resuming {
            try start.load(into: model)
            try Checkpoint.save(model, optimizer, state, in: folder, keep: train.keepCheckpoints)
        }
        let batches = train.evalBatches.map { "\($0) × \(train.batch)" } ?? "all"
        let measured = "\(dataset.contentHash), last \(config.data.validationFraction), \(batches)"
        if state.bestStep != nil, let before = state.validation, before != measured {
            (state.bestStep, state.bestValidationLoss) = (nil, nil)
            notes.append("validated otherwise than before, so the best checkpoint is sought anew")
        }
        (state.threads, state.device) = ((context.backend as? CPUBackend)?.threads, device)
        (state.text, state.validation) = (dataset.contentHash, measured)
        let done = state.step
        metrics = try LinesFile(folder.metricsPath, keepingThrough: done)
        // A run that logs none any more keeps those it has.
        statistics = try train.logStatistics.map { _ in try LinesFile(folder.statisticsPath, keepingThrough: done) }
    }

    /// The model of a config for a tokenizer.
    /// - Throws: `ConfigError` where the config names a number of tokens that the tokenizer does not have.
    public static func model(_ config: RunConfig, tokenizer: any Tokenizer) throws -> Model {
        do {
            if let named = config.model.sizes.vocabSize, named != tokenizer.vocabularySize,
                !config.allowsFewerTokens || named < tokenizer.vocabularySize
            {
                let found = "the config is for \(named) tokens, but "
                let remedy = ", or set model.vocab_size=null for as many as there are"
                if case .bpe(named, _) = config.tokenizer, tokenizer.vocabularySize < named {
                    throw ConfigError(
                        found + "the text is too short for more than \(tokenizer.vocabularySize); train on more of it with "
                            + "--data FILE" + remedy, at: "model.vocab_size")
                }
                throw ConfigError(
                    found + "the \(tokenizer.kind) tokenizer has \(tokenizer.vocabularySize); set data.tokenizer to one that "
                        + "fits, such as {\"type\": \"bpe\", \"vocab_size\": \(named)}" + remedy, at: "model.vocab_size")
            }
            return try Model(config.model, vocabulary: tokenizer.vocabularySize)
        } catch let error as ConfigError {
            throw error.inFile(config.file)
        }
    }

    /// Refuses what certainly does not fit: better told before the first step than killed by the system within it.
    static func checkMemory(_ config: RunConfig, _ model: Model, on context: Context) throws {
        guard let physical = context.backend.memoryByteCount else { return }
        let isCPU = context.backend.name == "cpu"
        let memory = try TrainingMemory(
            config, vocabulary: model.size.vocabulary, on: isCPU ? .cpu : .gpu, activationType: context.activationType)
        let device = isCPU ? "this machine" : context.backend.title
        if let refusal = memory.refusal(memory: physical, device: device, file: config.file) { throw refusal }
    }

    /// Tokens a step.
    public var tokensPerStep: Int { config.train.batch * config.train.gradAccumulation * model.size.context }

    /// Bytes from which the last evaluation's bits per byte were counted.
    public var bytesPerToken: Double { dataset.validationBytesPerToken }

    /// Trains to the end, or until `shouldStop` says so after a step; then saves.
    /// - Throws: `Failure` when a loss is not finite, naming the step and the parameter; the last checkpoint stays.
    public func run(shouldStop: () -> Bool = { false }, on event: (TrainingEvent) -> Void = { _ in }) throws -> Outcome {
        let train = config.train
        let interval = train.checkpointInterval ?? train.evalInterval
        var lastTime = Date(), tokensSince = 0
        while state.step < train.steps {
            let step = state.step
            let isLast = step + 1 == train.steps
            let evaluates = isLast || (step + 1) % train.evalInterval == 0
            let logs = evaluates || (step + 1) % train.logInterval == 0 || step == 0
            let saves = isLast || (step + 1) % interval == 0
            let (loss, norm) = try oneStep(step, reads: logs || saves)
            // What a device that failed computes is zero or worse, and must not be saved.
            try context.check()
            state.step += 1
            state.tokens += tokensPerStep
            tokensSince += tokensPerStep
            let now = Date(), elapsed = now.timeIntervalSince(lastTime)
            var improves = false
            if logs {
                state.seconds += elapsed
                var line = Metrics(step: state.step, tokens: state.tokens, seconds: state.seconds)
                line.trainLoss = loss
                line.lr = optimizer.learningRate(step)
                line.gradNorm = norm
                line.tokensPerSecond = Double(tokensSince) / max(elapsed, 1e-9)
                let evaluation = evaluates ? try evaluate() : nil
                if let evaluation {
                    guard evaluation.loss.isFinite else { throw diverged("validation loss", step) }
                    line.valLoss = evaluation.loss
                    if dataset.validation.isExamples {
                        line.valAccuracy = evaluation.accuracy
                    } else {
                        line.valBitsPerByte = evaluation.bitsPerByte
                    }
                    state.lastValidationLoss = evaluation.loss
                    if evaluation.loss < state.bestValidationLoss ?? .infinity {
                        state.bestValidationLoss = evaluation.loss
                        state.bestStep = state.step
                        improves = true
                    }
                }
                try metrics.append(line)
                event(.step(line, validation: evaluation))
                if evaluates, train.sampleTokens > 0 {
                    let text = try sample()
                    try folder.saveSample(text, step: state.step)
                    event(.sample(text))
                }
                (lastTime, tokensSince) = (Date(), 0)
            }
            let stops = !isLast && shouldStop()
            if stops, !logs, !saves, let deviceStep { _ = try read(deviceStep, step) }
            // The best is saved when it is found, so that it is there whatever the interval.
            if saves || stops || improves {
                guard optimizer.firstNotFinite() == nil else { throw diverged("update", step) }
                if !logs {
                    state.seconds += Date().timeIntervalSince(lastTime)
                    (lastTime, tokensSince) = (Date(), 0)
                }
                try Checkpoint.save(model, optimizer, state, in: folder, keep: train.keepCheckpoints)
                if let last = Checkpoint.all(in: folder).last { event(.saved(last)) }
                // Neither evaluating nor saving is time in training steps.
                lastTime = Date()
            }
            if stops { return .interrupted }
        }
        // A run of no steps still has weights to sample from or to start others from.
        if state.step == 0 { try Checkpoint.save(model, optimizer, state, in: folder, keep: train.keepCheckpoints) }
        return .finished
    }

    /// One optimizer step; the mean loss of its micro-batches and the norm of the gradients.
    /// - Parameter reads: whether they are wanted; else a device that works by itself is not waited for, and they are not numbers.
    private func oneStep(_ step: Int, reads: Bool) throws -> (loss: Double, gradientNorm: Double) {
        let isObserved = config.train.logStatistics.map { step == 0 || (step + 1) % $0 == 0 } ?? false
        let observer = isObserved ? ActivationObserver() : nil
        let counted = training.countedTargets(step: step, micros: config.train.gradAccumulation)
        if let deviceStep, observer == nil {
            deviceStep.run(step, countedTargets: counted, isConstant: training.countsAreConstant) {
                training.fill(step: step, micro: $0, inputs: $1, targets: $2)
            }
            return reads ? try read(deviceStep, step) : (.nan, .nan)
        }
        let (sum, norm) = self.step.gradients(step, countedTargets: counted, observer: observer) { training(step: step, micro: $0) }
        try context.check()
        guard sum.isFinite, norm.isFinite else {
            throw diverged(sum.isFinite ? "gradient" : "loss", step)
        }
        if let observer {
            var line = Statistics(step: step + 1)
            line.activations = observer.entries
            if !observer.experts.isEmpty { line.experts = observer.experts }
            line.add(gradientsOf: model.store)
            try statistics?.append(line)
        }
        self.step.update(step, gradientNorm: norm)
        return (sum, norm)
    }

    private func read(_ deviceStep: DeviceStep, _ step: Int) throws -> (loss: Double, gradientNorm: Double) {
        let (loss, norm, wereFinite) = deviceStep.read()
        try context.check()
        guard wereFinite else {
            let culprit =
                !loss.isFinite ? "loss" : !norm.isFinite ? "gradient" : "loss or gradient of a step since the last that was logged,"
            throw diverged(culprit, step)
        }
        return (loss, norm)
    }

    /// What to say when `what` of a step is not finite: where it began, what is left, what to do.
    private func diverged(_ what: String, _ step: Int) -> Failure {
        let culprit = optimizer.firstNotFinite().map { "first in \($0)" } ?? "largest numbers in \(optimizer.largest)"
        let kept = Checkpoint.all(in: folder).last.map { "; the checkpoint of step \($0.step) is kept" } ?? ""
        return Failure(
            "the \(what) of step \(step + 1) is not finite; \(culprit)\(kept). Lower optimizer.lr, raise schedule.warmup, or "
                + "set optimizer.grad_clip")
    }

    /// The validation loss now.
    public func evaluate() throws -> Evaluation {
        if let validation, let count = config.train.evalBatches {
            return try Evaluator.evaluate(
                model, on: context, validation, count: count, bytesPerToken: dataset.validationBytesPerToken)
        }
        return try Evaluator.evaluate(
            model, on: context, tokens: dataset.validation, bytesPerToken: dataset.validationBytesPerToken)
    }

    private func sample() throws -> String {
        var options = SamplingOptions()
        options.tokens = config.train.sampleTokens
        options.seed = UInt64(config.train.seed)
        let end = config.endToken(of: dataset.tokenizer)
        return try Sampler(model, dataset.tokenizer, on: context, endToken: end).text(prompt: "", options)
    }
}
