import Architectures
import Configuration
import Foundation

/// One variant's line of a comparison's table.
public struct ComparisonRow: Sendable {
    public let name: String
    public let isBaseline: Bool
    /// Over the seeds that finished; nil where none did.
    public let loss: Estimate?
    public let bitsPerByte: Double?
    public let accuracy: Double?
    /// Against the baseline, paired by seed; nil for the baseline itself and where no pair finished.
    public let difference: PairedDifference?
    /// Against the variant of the lowest mean loss.
    public let differenceToBest: PairedDifference?
    /// Nats a token above the text's own entropy, where that is known.
    public let aboveFloor: Double?
    public let parameters: Int, flopsPerToken: Int, kvBytesPerToken: Int, kvBytes: Int
    /// Training steps, tokens and FLOPs of one run.
    public let steps: Int, tokens: Int, flops: Double
    /// Medians over the runs.
    public let trainTokensPerSecond: Double?, decodeTokensPerSecond: Double?, trainSeconds: Double?
    /// The most of any run.
    public let peakMemoryBytes: Int?
    public let seedsFinished: Int
    /// What became of the seeds that failed, by `train.seed`.
    public let failures: [(seed: Int, message: String)]
    /// Whether differences say anything: not where a budget of seconds was missed.
    public internal(set) var isJudged = true
}

extension ComparisonRow {
    /// Whether the difference to the best is no larger than chance makes it.
    public var isWithinNoiseOfBest: Bool { isJudged && differenceToBest.map { [.noise, .identical].contains($0.verdict) } ?? false }

    /// Whether too few seeds are in common with the best to tell.
    public var isUnjudgedAgainstBest: Bool { differenceToBest.map { !isJudged || $0.verdict == .unknown } ?? false }

    /// A row of runs that belong to no comparison: what only a comparison measures is not known of them.
    /// - Parameters:
    ///   - losses: the last validation loss by seed; `bitsPerByte` likewise.
    ///   - tokensPerSecond: while training, a run each.
    public init(
        name: String, config: RunConfig, costs: Accounting, losses: [Int: Double], bitsPerByte: [Double], tokensPerSecond: [Double],
        trainSeconds: [Double], floor: Double?, baseline: [Int: Double]?, best: [Int: Double]?
    ) {
        self.name = name
        isBaseline = baseline == nil
        let loss = Estimate(losses.sorted { $0.key < $1.key }.map(\.value))
        self.loss = loss
        (self.bitsPerByte, accuracy) = (Estimate(bitsPerByte)?.mean, nil)
        difference = baseline.flatMap { PairedDifference(losses, minus: $0) }
        differenceToBest = best.flatMap { PairedDifference(losses, minus: $0) }
        aboveFloor = floor.flatMap { floor in loss.map { $0.mean - floor } }
        (parameters, flopsPerToken) = (costs.parameters, costs.flopsPerToken)
        (kvBytesPerToken, kvBytes) = (costs.kvBytesPerToken, costs.kvBytesAtContext)
        steps = config.train.steps
        tokens = config.train.batch * config.train.gradAccumulation * config.model.sizes.context * config.train.steps
        flops = Double(tokens) * Double(costs.flopsPerToken)
        (trainTokensPerSecond, decodeTokensPerSecond) = (median(tokensPerSecond), nil)
        (self.trainSeconds, peakMemoryBytes) = (median(trainSeconds), nil)
        (seedsFinished, failures) = (losses.count, [])
    }
}

/// What a comparison has come to so far.
public struct ComparisonResults {
    public let comparison: Comparison
    /// By mean loss, the lowest first; what has none is last.
    public let rows: [ComparisonRow]
    public let warnings: [String]
    /// How many runs each of the threads and jobs were: more than one kind makes speeds incomparable.
    public let conditions: [(threads: Int, jobs: Int)]
    public let runsFinished: Int
    public let runsFailed: Int

    /// - Parameter statuses: by `Comparison.PlannedRun.label`.
    public init(_ comparison: Comparison, statuses: [String: ComparedRun.Status]) throws {
        self.comparison = comparison
        var results: [String: [Int: RunResult]] = [:], failures: [String: [(seed: Int, message: String)]] = [:]
        for run in comparison.runs {
            switch statuses[run.label] {
            case .finished(let result): results[run.variant.name, default: [:]][run.index] = result
            case .failed(let message): failures[run.variant.name, default: []].append((run.variant.seed(run.index), message))
            case .missing, .started, nil: break
            }
        }
        func losses(_ name: String) -> [Int: Double] { (results[name] ?? [:]).mapValues(\.valLoss) }
        func mean(_ name: String) -> Double { Estimate(Array(losses(name).values))?.mean ?? .infinity }
        // A variant that lost seeds may owe its mean to that: it is the best only where nothing is whole.
        let best = comparison.variants.map(\.name)
            .filter { !losses($0).isEmpty }
            .min { (losses($0).count < comparison.seeds ? 1 : 0, mean($0)) < (losses($1).count < comparison.seeds ? 1 : 0, mean($1)) }
        var rows: [ComparisonRow] = try comparison.variants.map { variant -> ComparisonRow in
            let name = variant.name, own = results[name] ?? [:], costs = try comparison.accounting(of: variant)
            let ordered = own.sorted { $0.key < $1.key }.map(\.value)
            let loss = Estimate(ordered.map(\.valLoss))
            let tokens = variant.tokensPerStep * variant.config.train.steps
            return ComparisonRow(
                name: name, isBaseline: name == comparison.baseline, loss: loss,
                bitsPerByte: Estimate(ordered.compactMap(\.valBitsPerByte))?.mean, accuracy: Estimate(ordered.map(\.valAccuracy))?.mean,
                difference: name == comparison.baseline
                    ? nil : PairedDifference(losses(name), minus: losses(comparison.baseline)),
                differenceToBest: best.flatMap { $0 == name ? nil : PairedDifference(losses(name), minus: losses($0)) },
                aboveFloor: comparison.text.floor.flatMap { floor in loss.map { $0.mean - floor.natsPerToken } },
                parameters: costs.parameters, flopsPerToken: costs.flopsPerToken, kvBytesPerToken: costs.kvBytesPerToken,
                kvBytes: costs.kvBytesAtContext, steps: variant.config.train.steps, tokens: tokens,
                flops: Double(tokens) * Double(costs.flopsPerToken),
                trainTokensPerSecond: median(ordered.compactMap(\.trainTokensPerSecond)),
                decodeTokensPerSecond: median(ordered.compactMap(\.decodeTokensPerSecond)),
                trainSeconds: median(ordered.map(\.trainSeconds)), peakMemoryBytes: ordered.map(\.peakMemoryBytes).max(),
                seedsFinished: own.count, failures: failures[name] ?? [])
        }.sorted { ($0.loss?.mean ?? .infinity, $0.name) < ($1.loss?.mean ?? .infinity, $1.name) }
        let unequal = !ComparisonResults.timesOff(comparison, rows).isEmpty
        for index in rows.indices where unequal { rows[index].isJudged = false }
        (self.rows, self.best, hasUnequalTimes) = (rows, best, unequal)
        let all = results.values.flatMap(\.values)
        // Of a task's examples all are judged, for few of their tokens count: its answers.
        let text = comparison.text, answers = text.isTask ? all.first?.valTokens : nil
        judgedTokens = answers ?? (text.isTask ? text.validationTokens : min(comparison.evaluationTokens, text.validationTokens - 1))
        conditions = Set(all.map { [$0.threads, $0.jobs] }).sorted { $0.lexicographicallyPrecedes($1) }.map { ($0[0], $0[1]) }
        runsFinished = all.count
        runsFailed = failures.values.reduce(0) { $0 + $1.count }
        warnings = try comparison.warnings() + ComparisonResults.timeWarning(comparison, rows)
    }

    /// Whether a budget of seconds was missed so far that losses do not compare.
    public let hasUnequalTimes: Bool

    private static func timesOff(_ comparison: Comparison, _ rows: [ComparisonRow]) -> [(name: String, seconds: Double)] {
        guard let budget = comparison.budget, budget.unit == .seconds else { return [] }
        return rows.compactMap { row in row.trainSeconds.map { (row.name, $0) } }
            .filter { abs($0.1 / budget.amount - 1) > secondsTolerance }
    }

    /// A budget of seconds is kept by steps, and a machine may have been slower, or busier, than when they were measured.
    private static func timeWarning(_ comparison: Comparison, _ rows: [ComparisonRow]) -> [String] {
        let off = timesOff(comparison, rows)
        guard let budget = comparison.budget, !off.isEmpty else { return [] }
        let words = off.map { String(format: "%@ %.1f s", $0.name, $0.seconds) }.joined(separator: ", ")
        return [
            "training took other times than the budget of \(budget.amount) s by more than \(Int(secondsTolerance * 100)) %: \(words); "
                + "the machine was busier than when steps were measured, so nothing is judged: use --budget steps or flops, or a quiet machine"
        ]
    }

    private static let secondsTolerance = 0.1

    /// The variant of the lowest mean loss, one that lost no seeds before one that did.
    public let best: String?

    /// The variants whose difference to the best is no larger than chance makes it.
    public var withinNoiseOfBest: [String] { rows.filter(\.isWithinNoiseOfBest).map(\.name) }

    /// The variants with too few pairs of seeds to be told from the best or not.
    public var unjudgedAgainstBest: [String] { rows.filter(\.isUnjudgedAgainstBest).map(\.name) }

    public var isComplete: Bool { runsFinished + runsFailed == comparison.runs.count }

    /// Validation tokens that losses are means of; of a task, its answers.
    public let judgedTokens: Int
}

private func median(_ values: [Double]) -> Double? {
    guard !values.isEmpty else { return nil }
    let sorted = values.sorted(), middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
