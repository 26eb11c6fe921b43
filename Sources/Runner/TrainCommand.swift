import Architectures
import Autograd
import Configuration
import Foundation
import Reports
import Text
import Training

/// Trains a config, or continues a run.
enum TrainCommand: Command {
    static let name = "train"
    static let summary = "Train a model from a config, with progress, checkpoints and metrics."
    static let usage = "CONFIG [--set KEY.PATH=VALUE …] [--out DIR]   or   RUN --resume   or   [CONFIG] --from RUN"
    static let example = "./runner train configs/gqa-rope.json --set model.attention.kv_heads=1 --out runs/one-head"
    static let flags = [
        Flag.set, Flag.seed, Flag.data,
        Flag("--out", "DIR", "the run's folder; by default runs/NAME, never one that is there"),
        Flag("--from", "RUN", "begin with a run's weights and tokenizer (fine-tuning); without a CONFIG with its settings too"),
        Flag.checkpoint,
        Flag("--resume", "continue the run from its last checkpoint, exactly as if it had not stopped"),
        Flag.device, Flag.threads, Flag.json,
    ]

    static func run(_ arguments: Arguments, _ registries: Registries) throws {
        let resuming = arguments.has("--resume")
        guard !(resuming && arguments.has("--from")) else {
            throw UsageError("train: --from begins a new run and --resume continues one; use one of them")
        }
        let base = try arguments.string("--from").map { try StartingPoint($0, checkpoint: arguments.string("--checkpoint")) }
        guard base != nil || !arguments.has("--checkpoint") else {
            throw UsageError("train: --checkpoint says which weights --from takes; without it there is nothing to choose")
        }
        let isAlone = base != nil && arguments.positions.isEmpty
        let source = try isAlone ? base?.folder.configPath ?? "" : arguments.exactly(1, "one config (or one run, with --resume)")[0]
        let overrides = try arguments.overrides()
        let device = try arguments.device()
        let (config, existing, changes) =
            resuming
            ? try continued(source, overrides, arguments, registries)
            : (try base?.config(source, overrides, registries) ?? fresh(source, overrides, registries), nil, [])
        // Before the text is prepared, which may take long: a device that is not there should be said at once.
        let context = try device.context(config.train.precision)
        let interrupt = InterruptFlag(), tokenizer = try existing?.loadTokenizer() ?? base?.folder.loadTokenizer()
        let dataset = try PreparationReport(interrupt).during {
            try config.dataset(tokenizer: tokenizer, progress: $0)
        }
        // Found before a folder is made; what is found later removes it again.
        let model = try Trainer.model(config, tokenizer: dataset.tokenizer)
        try base?.checkFit(model)
        let folder = try existing ?? RunFolder.create(name: config.name, out: arguments.string("--out"))
        let trainer: Trainer
        do {
            trainer = try Trainer(
                config, dataset: dataset, on: context, folder: folder, resuming: resuming, from: base?.checkpoint,
                allowsOtherText: arguments.has("--data") || changes.contains { $0.path.hasPrefix("data.") })
        } catch {
            if existing == nil { try? FileManager.default.removeItem(atPath: folder.path) }
            throw error
        }
        let report = TrainingReport(
            trainer, config, dataset, json: arguments.has("--json"), resumeFlags: arguments.string("--threads").map { " --threads \($0)" })
        report.begin(on: context, changes: changes.map(\.line))
        let outcome = try trainer.run(shouldStop: { interrupt.isSet }, on: report.take)
        report.end(outcome)
        if outcome == .interrupted { throw Interrupted() }
    }

    private static func fresh(_ path: String, _ overrides: [String], _ registries: Registries) throws -> RunConfig {
        if RunFolder.exists(path) {
            throw UsageError("train: \(path) is a run already; add --resume to continue it, or name a config to start anew")
        }
        return try RunConfig(path: path, overrides: overrides, registries: registries)
    }

    /// The run to continue: the folder itself, or the one a config would have been trained in.
    private static func continued(
        _ source: String, _ overrides: [String], _ arguments: Arguments, _ registries: Registries
    ) throws -> (RunConfig, RunFolder?, [(path: String, line: String)]) {
        let path: String
        if RunFolder.exists(source) {
            guard !arguments.has("--out") else {
                throw UsageError(
                    "train: \(source) is continued where it is; --out is for a new run, or with a config to say which run is meant")
            }
            path = source
        } else if source.hasSuffix(".json") {
            let name = try RunConfig(path: source, registries: registries).name
            path = arguments.string("--out") ?? "runs/\(name)"
        } else {
            path = source
        }
        let folder = try RunFolder.open(path)
        let config = try RunConfig(path: folder.configPath, overrides: overrides, registries: registries)
        let changes = try config.changes(since: try RunConfig(path: folder.configPath, registries: registries))
        return (config, folder, changes)
    }
}

/// What a person sees of a training run.
private final class TrainingReport {
    private let trainer: Trainer, config: RunConfig, dataset: Dataset, json: Bool
    /// Flags without which continuing would not be exact.
    private let resumeFlags: String
    private let progress = ProgressLine()
    private let started = Date(), startStep: Int
    private lazy var floor = EntropyFloor(config, dataset)

    init(_ trainer: Trainer, _ config: RunConfig, _ dataset: Dataset, json: Bool, resumeFlags: String?) {
        (self.trainer, self.config, self.dataset, self.json) = (trainer, config, dataset, json)
        self.resumeFlags = resumeFlags ?? ""
        startStep = trainer.state.step
    }

    func begin(on context: Context, changes: [String]) {
        guard !json else { return }
        let size = trainer.model.size, accounting = trainer.model.accounting
        say(
            "\(config.name): \(size.layers) layers of width \(size.width), context \(size.context), \(accounting.parameters.grouped) parameters"
        )
        say(
            "text: \(dataset.name), \(dataset.train.count.grouped) training tokens, vocabulary \(dataset.tokenizer.vocabularySize.grouped) (\(dataset.tokenizer.kind))"
        )
        if let floor {
            say(
                "floor: \(floor.natsPerToken.fixed(4)) nats/token, \(floor.bitsPerByte.fixed(4)) bits/byte: the text's own entropy; no model can do better"
            )
        }
        say(
            "run: \(trainer.folder.path), \(config.train.steps.grouped) steps of \(trainer.tokensPerStep.grouped) tokens on \(context.title)"
        )
        if startStep > 0 { say("continuing after step \(startStep.grouped)") }
        for note in trainer.notes + changes.map({ "changed: \($0)" }) { say("note: \(note)") }
        let measure = dataset.validation.isExamples ? "accuracy" : "bits/byte"
        say("\n    step   train loss     val loss\(measure.leftPadded(to: 13))   tokens/s   time left")
    }

    func take(_ event: TrainingEvent) {
        switch event {
        case .step(let metrics, let validation):
            if json {
                if let data = try? JSONEncoder.lines.encode(metrics) { emit(String(decoding: data, as: UTF8.self) + "\n") }
                return
            }
            let line = text(metrics)
            if validation != nil || metrics.step == startStep + 1 {
                progress.clear()
                emit(line + "\n")
            } else {
                progress.show(line)
            }
        case .sample(let text):
            guard !json else { return }
            progress.clear()
            emit(text.split(separator: "\n", omittingEmptySubsequences: false).map { "  │ \($0)\n" }.joined())
        case .saved:
            break
        }
    }

    private func text(_ metrics: Metrics) -> String {
        let done = metrics.step - startStep, left = config.train.steps - metrics.step
        let remaining = done > 0 ? Date().timeIntervalSince(started) / Double(done) * Double(left) : 0
        let fields = [
            metrics.step.grouped.leftPadded(to: 8), (metrics.trainLoss?.fixed(4) ?? "").leftPadded(to: 13),
            (metrics.valLoss?.fixed(4) ?? "").leftPadded(to: 13),
            (metrics.valBitsPerByte?.fixed(4) ?? metrics.valAccuracy.map { ($0 * 100).fixed(1) + " %" } ?? "").leftPadded(to: 13),
            (metrics.tokensPerSecond.map { $0.grouped } ?? "").leftPadded(to: 11),
            (left == 0 || done < 2 ? "" : remaining.asDuration).leftPadded(to: 12),
        ]
        var line = fields.joined()
        while line.last == " " { line.removeLast() }
        return line
    }

    func end(_ outcome: Trainer.Outcome) {
        progress.clear()
        guard !json else { return }
        let path = trainer.folder.path
        switch outcome {
        case .interrupted:
            say("\nstopped after step \(trainer.state.step.grouped) and saved; continue with")
            say("  ./runner train \(path) --resume\(resumeFlags)")
        case .finished:
            let time = trainer.state.seconds.asDuration
            say("\ntrained \(trainer.state.step.grouped) steps in \(time), peak memory \(trainer.context.peakMemoryBytes.asBytes)")
            if let best = trainer.state.bestValidationLoss, let step = trainer.state.bestStep {
                say("best validation loss \(best.fixed(4)) at step \(step.grouped)")
            }
            say("next: ./runner sample \(path)")
        }
    }
}

extension JSONEncoder {
    /// One object a line, keys sorted.
    static var lines: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }
}
