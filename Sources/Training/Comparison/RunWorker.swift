import Architectures
import Autograd
import Configuration
import Foundation
import Text

/// Does one run of a comparison to its end: trains or continues it, judges it, and writes down what it came to.
///
/// A worker has a process to itself, so that what the system counts as the process's memory is the run's, and that
/// a crash, or the system's killing it for want of memory, ends this run alone.
public struct RunWorker {
    let comparison: Comparison
    let run: ComparedRun
    let config: RunConfig
    let device: DeviceChoice
    let jobs: Int
    /// Held from before the run's folder is looked at until the worker is gone: of two workers of one run, which a killed
    /// parent and its successor make, only one may create it.
    private let claim: RunLock

    /// - Parameters:
    ///   - label: `variant/seed`, the seed being the run's `train.seed`.
    ///   - jobs: runs at work at once, for the record.
    /// - Throws: `Failure` for a run that the comparison does not have.
    public init(
        _ folder: ComparisonFolder, run label: String, on device: DeviceChoice, jobs: Int, _ registries: Registries = Registries()
    ) throws {
        let comparison = try folder.open(registries)
        guard let planned = comparison.runs.first(where: { $0.label == label }) else {
            let known = comparison.runs.prefix(3).map(\.label).joined(separator: ", ")
            throw Failure("\(folder.path) has no run \(label); its runs are VARIANT/SEED, such as \(known)")
        }
        self.comparison = comparison
        run = folder.run(planned.variant, seedIndex: planned.index)
        config = try planned.variant.config(seedIndex: planned.index, registries)
        (self.device, self.jobs) = (device, jobs)
        claim = try RunWorker.claim(run.folder.path)
        if case .missing = try run.status(config, registries) {
            // Killed before it was a run: there is nothing to continue, and it would be in the way.
            try? FileManager.default.removeItem(atPath: run.folder.path)
            _ = try RunFolder.create(name: config.name, out: run.folder.path)
        }
    }

    /// An earlier worker whose parent was killed stops after its step; until then the run is its own.
    private static func claim(_ path: String) throws -> RunLock {
        try? FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        for _ in 0..<600 {
            if let claim = try? RunLock(file: "\(path).claim", of: path) { return claim }
            Thread.sleep(forTimeInterval: 0.2)
        }
        return try RunLock(file: "\(path).claim", of: path)
    }

    /// Trains to the end and measures, or stops after a step when `shouldStop` says so.
    /// - Throws: what training throws; a failure that would come again is also written down.
    public func work(shouldStop: () -> Bool) throws -> Trainer.Outcome {
        do {
            return try trainAndMeasure(shouldStop)
        } catch is CancellationError {
            return .interrupted
        } catch {
            try? run.save(failure: "\(error)")
            throw error
        }
    }

    private func trainAndMeasure(_ shouldStop: () -> Bool) throws -> Trainer.Outcome {
        let resuming = FileManager.default.fileExists(atPath: run.folder.configPath)
        let dataset = try config.dataset(tokenizer: resuming ? run.folder.loadTokenizer() : nil)
        let context = try device.context(config.train.precision)
        let trainer = try Trainer(config, dataset: dataset, on: context, folder: run.folder, resuming: resuming)
        let before = run.peakMemory
        var peak: Int { max(before, context.peakMemoryBytes) }
        let outcome = try trainer.run(shouldStop: shouldStop) { event in
            if case .saved = event { try? run.save(peakMemory: peak) }
        }
        if outcome == .interrupted { return outcome }
        let peakInTraining = peak
        let judged = try JudgedText(comparison, dataset).evaluate(trainer.model, on: trainer.context, shouldStop: shouldStop)
        guard judged.loss.isFinite else { throw Failure("the validation loss after the last step is not finite") }
        let decoding = try RunWorker.decoding(trainer.model, on: trainer.context)
        let speeds = try run.folder.metrics().compactMap(\.tokensPerSecond).sorted()
        try run.save(
            RunResult(
                steps: trainer.state.step, tokens: trainer.state.tokens, trainSeconds: trainer.state.seconds, valLoss: judged.loss,
                valBitsPerByte: dataset.validation.isExamples ? nil : judged.bitsPerByte, valAccuracy: judged.accuracy,
                valTokens: judged.tokens,
                trainTokensPerSecond: speeds.isEmpty ? nil : speeds[speeds.count / 2],
                decodeTokensPerSecond: decoding?.decodeTokensPerSecond, decodeContext: decoding?.context,
                peakMemoryBytes: peakInTraining, threads: (context.backend as? CPUBackend)?.threads ?? 1, jobs: jobs,
                device: context.backend.name == "cpu" ? nil : context.backend.title))
        // The comparison needs the last weights alone, and there are many runs.
        for old in Checkpoint.all(in: run.folder).dropLast() { try? FileManager.default.removeItem(atPath: old.path) }
        return .finished
    }

    /// Decoding speed of one sequence with half the context in the cache, as `bench --decode` measures it.
    static func decoding(_ model: Model, on context: Context) throws -> DecodeBenchmark? {
        let length = max(1, model.size.context / 2), room = (model.positionLimit ?? .max) - length - 2
        guard room >= 1 else { return nil }
        return try Benchmark.decoding(model, on: context, batch: 1, context: length, steps: min(64, room))
    }
}

/// The validation tokens that all runs of a comparison are judged by: the whole split, or where that is longer than asked
/// for, stretches evenly spread over it. They do not depend on the seed, nor on a variant's context.
struct JudgedText {
    private let stretches: [TokenFile]
    private let bytesPerToken: Double

    /// Windows of the longest context that a stretch is made of: enough that a window's beginning counts for little.
    private static let windowsPerStretch = 8

    init(_ comparison: Comparison, _ dataset: Dataset) throws {
        let tokens = dataset.validation, wanted = comparison.evaluationTokens
        bytesPerToken = dataset.validationBytesPerToken
        guard tokens.count - 1 > wanted, !tokens.isExamples else {
            stretches = [tokens]
            return
        }
        let longest = comparison.variants.map(\.config.model.sizes.context).max() ?? 1
        let length = min(wanted, longest * JudgedText.windowsPerStretch)
        let count = max(1, wanted / length)
        // Targets are one further than inputs, so a stretch has one token more than it predicts.
        let last = tokens.count - 1 - length
        stretches = try (0..<count).map { index in
            let start = count == 1 ? 0 : last / (count - 1) * index
            var part = [Int32](repeating: 0, count: length + 1)
            part.withUnsafeMutableBufferPointer { tokens.copy(from: start, into: $0) }
            return try TokenFile(tokens: part, vocabularySize: tokens.vocabularySize, name: tokens.name)
        }
    }

    /// The mean over every token of every stretch but its first.
    /// - Throws: `CancellationError` when stopped.
    func evaluate(_ model: Model, on context: Context, shouldStop: () -> Bool) throws -> Evaluation {
        var sum = 0.0, correct = 0.0, count = 0
        for stretch in stretches {
            let part = try Evaluator.evaluate(model, on: context, tokens: stretch, bytesPerToken: bytesPerToken) { _, _ in !shouldStop() }
            sum += part.loss * Double(part.tokens)
            correct += part.accuracy * Double(part.tokens)
            count += part.tokens
        }
        return Evaluation(loss: sum / Double(count), tokens: count, bytesPerToken: bytesPerToken, accuracy: correct / Double(count))
    }
}
