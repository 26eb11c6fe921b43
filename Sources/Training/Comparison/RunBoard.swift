import Configuration
import Foundation

/// Where all runs of a comparison stand, and how much work is left.
public final class RunBoard {
    public let comparison: Comparison
    public let folder: ComparisonFolder
    public private(set) var statuses: [String: ComparedRun.Status] = [:]
    /// The runs to be done, in order; does not change as they are.
    public let waiting: [Comparison.PlannedRun]
    /// Training FLOPs of a run, by label: what tells how long one takes beside another.
    private let work: [String: Double]
    private let runs: [String: ComparedRun]
    private let registries: Registries
    private let configs: [String: RunConfig]

    /// Looks at every run's folder.
    /// - Parameter retrying: whether runs that failed before are to be done again.
    /// - Throws: `Failure` for a run of another config in the place of one of these.
    public init(
        _ comparison: Comparison, in folder: ComparisonFolder, retrying: Bool, _ registries: Registries = Registries()
    ) throws {
        (self.comparison, self.folder, self.registries) = (comparison, folder, registries)
        var statuses: [String: ComparedRun.Status] = [:], work: [String: Double] = [:]
        var runs: [String: ComparedRun] = [:], configs: [String: RunConfig] = [:]
        let flops = try Dictionary(
            uniqueKeysWithValues: comparison.variants.map { ($0.name, Double(try comparison.accounting(of: $0).flopsPerToken)) })
        for planned in comparison.runs {
            let run = folder.run(planned.variant, seedIndex: planned.index)
            let config = try planned.variant.config(seedIndex: planned.index, registries)
            if retrying { run.forgetFailure() }
            statuses[planned.label] = try run.status(config, registries)
            (runs[planned.label], configs[planned.label]) = (run, config)
            work[planned.label] =
                Double(planned.variant.tokensPerStep) * Double(config.train.steps) * (flops[planned.variant.name] ?? 0)
        }
        (self.statuses, self.work, self.runs, self.configs) = (statuses, work, runs, configs)
        waiting = comparison.runs.filter { run in
            switch statuses[run.label] {
            case .missing, .started, nil: true
            case .finished, .failed: false
            }
        }
    }

    /// Takes in how a run ended.
    public func update(_ label: String, _ end: WorkerPool.End) throws {
        guard let run = runs[label], let config = configs[label] else { return }
        let found = try run.status(config, registries)
        switch (end, found) {
        case (.failed(let message), .missing), (.failed(let message), .started): statuses[label] = .failed(message)
        default: statuses[label] = found
        }
    }

    /// Runs that are finished and whose last checkpoint somebody has removed since.
    public var withoutWeights: [Comparison.PlannedRun] {
        comparison.runs.filter { planned in
            guard case .finished(let result) = statuses[planned.label], let run = runs[planned.label] else { return false }
            return Checkpoint.all(in: run.folder).last.map { $0.step != result.steps || !$0.hasWeights } ?? true
        }
    }

    /// Steps done and steps in all of a run, with its last logged metrics.
    public func standing(_ label: String) -> (metrics: Metrics?, steps: Int) {
        (runs[label]?.lastMetrics, configs[label]?.train.steps ?? 0)
    }

    /// The share of the comparison's training that is done, by FLOPs.
    public var shareDone: Double {
        let all = work.values.reduce(0, +)
        guard all > 0 else { return 1 }
        return comparison.runs.reduce(0) { sum, run in
            let own = work[run.label] ?? 0
            switch statuses[run.label] {
            case .finished, .failed: return sum + own
            case .missing, .started, nil:
                let (metrics, steps) = standing(run.label)
                return sum + own * Double(metrics?.step ?? 0) / Double(max(steps, 1))
            }
        } / all
    }
}
