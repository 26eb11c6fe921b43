import Configuration
import Foundation

extension Comparison {
    /// What a reader must know before believing the numbers: where variants had more of something than their budget, or
    /// its absence, makes equal.
    /// - Throws: `ConfigError`, as making the models does.
    public func warnings() throws -> [String] {
        guard let base = variants.first(where: { $0.name == baseline }) else { return [] }
        let others = variants.filter { $0.name != baseline }
        var warnings: [String] = []

        let target = Double(try accounting(of: base).parameters)
        let unlike = try others.compactMap { variant -> String? in
            let share = Double(try accounting(of: variant).parameters) / target - 1
            return abs(share) > Comparison.parameterTolerance ? "\(variant.name) \(String(format: "%+.1f %%", share * 100))" : nil
        }
        if !unlike.isEmpty {
            let share = Int(Comparison.parameterTolerance * 100)
            warnings.append(
                "parameters differ from the baseline's by more than \(share) %: \(unlike.joined(separator: ", ")); "
                    + "--match parameters makes them equal")
        }

        func tokens(_ variant: Variant) -> Double { Double(variant.tokensPerStep) * Double(variant.config.train.steps) }
        // Of equal FLOPs or seconds, unequal tokens are the point.
        if budget == nil || budget?.unit == .steps {
            let uneven = others.filter { tokens($0) != tokens(base) }
                .map { "\($0.name) \(String(format: "%+.1f %%", (tokens($0) / tokens(base) - 1) * 100))" }
            if !uneven.isEmpty {
                warnings.append(
                    "variants train on other amounts of text than the baseline: \(uneven.joined(separator: ", ")); "
                        + "--budget tokens=N makes them equal")
            }
        }

        // A batch follows from these alone.
        let settings = ["model.context", "train.batch", "train.grad_accumulation", "train.seed", "data.order"]
        let differing = settings.filter { path in
            others.contains { $0.config.resolved[path: path] != base.config.resolved[path: path] }
        }
        if !differing.isEmpty {
            warnings.append(
                "the variants of a seed do not see the same batches, since \(differing.joined(separator: ", ")) "
                    + "\(differing.count == 1 ? "differs" : "differ") between them; pairs are then less alike and intervals wider")
        }
        return warnings
    }
}
