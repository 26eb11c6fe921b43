import Configuration
import Foundation

/// Measures how long a training step of each variant takes here, for budgets of seconds.
///
/// The steps that fit are settled before training: a schedule must know its end, and a run that is continued must come to
/// the same end. What the runs then really took is in the results.
enum StepClock {
    /// Steps of a first look, and how long the measurement after it is to take.
    private static let firstSteps = 3, secondsToMeasure = 1.0

    /// Seconds a step, by variant: the mean over about a second of steps.
    /// - Throws: `ConfigError`.
    static func measure(
        _ variants: [Variant], vocabulary: Int, threads: Int?, progress: (String) -> Void
    ) throws -> [String: Double] {
        var seconds: [String: Double] = [:]
        for (index, variant) in variants.enumerated() {
            progress("measuring a step of \(variant.name) (\(index + 1) of \(variants.count))")
            func time(_ steps: Int) throws -> [Double] {
                try Benchmark.training(variant.config, vocabulary: vocabulary, steps: steps, threads: threads).stepSeconds
            }
            let first = try time(firstSteps).min() ?? 1
            let steps = Int(max(Double(firstSteps), min(2000, secondsToMeasure / max(first, 1e-6))))
            let measured = try time(steps)
            seconds[variant.name] = measured.reduce(0, +) / Double(measured.count)
        }
        return seconds
    }
}

extension Comparison {
    /// Settles the steps of variants that have none yet, measuring where the budget is in seconds.
    /// - Throws: `ConfigError` where not one step fits.
    public mutating func settleSteps(
        threads: Int?, _ registries: Registries = Registries(), progress: (String) -> Void = { _ in }
    ) throws {
        let open = variants.filter { !$0.hasSteps }
        guard !open.isEmpty else { return }
        let seconds =
            budget?.unit == .seconds
            ? try StepClock.measure(open, vocabulary: text.vocabularySize, threads: threads, progress: progress) : [:]
        try setSteps(registries) { seconds[$0.name] }
    }
}
