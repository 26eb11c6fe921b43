import Configuration
import Foundation

/// Measures how long a training step of each variant takes here, for budgets of seconds.
///
/// The steps that fit are settled before training: a schedule must know its end, and a run that is continued must come to
/// the same end. What the runs then really took is in the results.
enum StepClock {
    /// Steps of a first look; how long the rounds after it are to take for each variant, and how many there are.
    private static let firstSteps = 3, secondsToMeasure = 2.0, rounds = 5

    /// Seconds a step, by variant: the median of rounds in which every variant has its turn, so that what else the machine
    /// does meanwhile falls on all of them.
    /// - Throws: `ConfigError`.
    static func measure(
        _ variants: [Variant], vocabulary: Int, on device: DeviceChoice, progress: (String) -> Void
    ) throws -> [String: Double] {
        var steps: [String: Int] = [:], means: [String: [Double]] = [:]
        for round in 0..<rounds {
            progress("measuring how long steps take, round \(round + 1) of \(rounds)")
            for variant in variants {
                func time(_ steps: Int) throws -> [Double] {
                    let context = try device.context(variant.config.train.precision)
                    return try Benchmark.training(variant.config, vocabulary: vocabulary, steps: steps, on: context).stepSeconds
                }
                if steps[variant.name] == nil {
                    let first = try time(firstSteps).min() ?? 1
                    steps[variant.name] = Int(max(1, min(400, secondsToMeasure / Double(rounds) / max(first, 1e-6))))
                }
                let measured = try time(steps[variant.name] ?? 1)
                means[variant.name, default: []].append(measured.reduce(0, +) / Double(measured.count))
            }
        }
        return means.mapValues { $0.sorted()[$0.count / 2] }
    }
}

extension Comparison {
    /// Settles the steps of variants that have none yet, measuring where the budget is in seconds.
    /// - Throws: `ConfigError` where not one step fits.
    public mutating func settleSteps(
        on device: DeviceChoice, _ registries: Registries = Registries(), progress: (String) -> Void = { _ in }
    ) throws {
        let open = variants.filter { !$0.hasSteps }
        guard !open.isEmpty else { return }
        let seconds =
            budget?.unit == .seconds
            ? try StepClock.measure(open, vocabulary: text.vocabularySize, on: device, progress: progress) : [:]
        try setSteps(registries) { seconds[$0.name] }
    }
}
