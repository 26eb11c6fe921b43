import Configuration
import Foundation
import Training

/// A comparison's results for people: the table, and what has to be said with it.
package struct CompareTable {
    private let results: ComparisonResults

    package init(_ results: ComparisonResults) { self.results = results }

    /// The column of what is measured beside the loss is bits per byte of a text, or the accuracy of a task's answers.
    static func head(isTask: Bool) -> [String] {
        [
            "", "val loss", "difference", "p", "verdict", isTask ? "accuracy" : "bits/byte", "above floor", "parameters",
            "FLOPs/token", "train tok/s", "decode tok/s", "KV/token", "KV full", "peak memory",
        ]
    }

    /// - Parameter nameWidth: longer names lose their middle, since variants of a grid begin alike.
    package func table(nameWidth: Int = .max) -> TextTable {
        let rows = results.rows.map { row in
            var name = row.name.shortenedInTheMiddle(to: nameWidth)
            name = (row.name == results.best ? "* " : "  ") + name
            if row.seedsFinished < results.comparison.seeds { name += " (\(row.seedsFinished) of \(results.comparison.seeds))" }
            return [name] + CompareTable.cells(row)
        }
        return TextTable(head: CompareTable.head(isTask: results.comparison.text.isTask), rows: rows)
    }

    /// A row without its name.
    static func cells(_ row: ComparisonRow) -> [String] {
        let difference = row.difference
        return [
            row.loss.map { CompareTable.loss($0.mean) + CompareTable.spread($0.halfWidth) } ?? "none",
            row.isBaseline
                ? "baseline"
                : difference.map { $0.mean.signedFixed(4) + CompareTable.spread($0.interval == nil ? nil : $0.estimate.halfWidth) }
                    ?? "",
            difference?.pValue.map(CompareTable.p) ?? "", CompareTable.verdict(row) ?? "",
            row.bitsPerByte?.fixed(4) ?? row.accuracy.map { ($0 * 100).fixed(1) + " %" } ?? "", row.aboveFloor.map(CompareTable.loss) ?? "",
            row.parameters.grouped,
            Double(row.flopsPerToken).shortened, row.trainTokensPerSecond.map(\.grouped) ?? "",
            row.decodeTokensPerSecond.map(\.grouped) ?? "", row.kvBytesPerToken.asBytes, row.kvBytes.asBytes,
            row.peakMemoryBytes.map(\.asBytes) ?? "",
        ]
    }

    static func loss(_ value: Double) -> String { value.fixed(4) }
    static func spread(_ value: Double?) -> String { value.map { " ± \($0.fixed(4))" } ?? "" }
    static func p(_ value: Double) -> String { value < 0.001 ? "<0.001" : value.fixed(3) }

    /// What can be said of a row's difference to the baseline; nil where there is none.
    static func verdict(_ row: ComparisonRow) -> String? {
        row.difference.map { row.isJudged ? words($0.verdict) : "not judged" }
    }

    private static func words(_ verdict: PairedDifference.Verdict) -> String {
        switch verdict {
        case .lower: "better"
        case .higher: "worse"
        case .noise: "within noise"
        case .identical: "identical"
        case .unknown: "unknown"
        }
    }

    /// A variant that lost seeds is not called the best, though its mean may be lower.
    static func restriction(_ rows: [ComparisonRow], _ best: String) -> String {
        guard let mean = rows.first(where: { $0.name == best })?.loss?.mean else { return "" }
        return rows.contains { ($0.loss?.mean ?? .infinity) < mean } ? " of those whose seeds all finished" : ""
    }

    /// What is to be known with the table, a sentence or two each.
    package var notes: [String] {
        let comparison = results.comparison, text = comparison.text
        var notes: [String] = []
        if let best = results.best, results.rows.count > 1 {
            let near = results.rows.filter(\.isWithinNoiseOfBest), unjudged = results.unjudgedAgainstBest
            let has = "* \(best) has the lowest loss" + CompareTable.restriction(results.rows, best)
            let others = results.rows.filter { $0.name != best && $0.loss != nil }
            if others.isEmpty {
                notes.append("* \(best) is the only variant with a result.")
            } else if results.hasUnequalTimes {
                notes.append("\(has), but training took unequal times, so that says little: see the warning.")
            } else if comparison.seeds < 2 {
                notes.append("\(has); with one seed nothing says how much of that is chance: use --seeds 3 or more.")
            } else if near.isEmpty, unjudged.isEmpty {
                notes.append("\(has), and every other differs from it by more than noise.")
            } else {
                let names = near.map { row in row.name + (row.differenceToBest?.pValue.map { " (p \(CompareTable.p($0)))" } ?? "") }
                let parts =
                    (near.isEmpty ? [] : ["within noise of it: \(names.joined(separator: ", "))"])
                    + (unjudged.isEmpty ? [] : ["too few seeds in common with it to judge: \(unjudged.joined(separator: ", "))"])
                notes.append("\(has); \(parts.joined(separator: "; ")).")
            }
        }
        let finished = results.rows.compactMap { $0.seedsFinished > 0 ? $0.seedsFinished : nil }
        let isWhole = finished.allSatisfy { $0 == comparison.seeds }
        let seeds =
            comparison.seeds == 1
            ? "one seed"
            : (isWhole ? "\(comparison.seeds) seeds" : "the seeds that finished, of \(comparison.seeds)")
                + ", ± the 95 % interval of the mean (Student's t)"
        notes.append(
            "val loss: nats (natural logarithm; lower is better) a\(text.isTask ? "n answer" : " token") after the last step, over the same \(results.judgedTokens.grouped) validation \(text.isTask ? "answers" : "tokens") of \(text.name) "
                + "for all; mean of \(seeds).")
        if results.rows.count > 1, comparison.seeds > 1 {
            let sharesSeeds = Set(comparison.variants.map { $0.seed(0) }).count == 1
            notes.append(
                "difference: to \(comparison.baseline), \(sharesSeeds ? "paired by seed" : "paired in the order of the seeds, which are not the same"); p of the paired t test, \"within noise\" where it is 0.05 or more."
                    + (results.rows.count > 2
                        ? " One true equal in twenty is called different by chance, so with \(results.rows.count - 1) differences be wary of a p just below 0.05."
                        : ""))
        }
        if let floor = text.floor {
            notes.append(
                "floor: \(floor.natsPerToken.fixed(4)) nats a token, \(floor.bitsPerByte.fixed(4)) bits a byte: the entropy of the whole validation text."
            )
        }
        let conditions = results.conditions.map {
            "\($0.threads) thread\($0.threads == 1 ? "" : "s")" + ($0.jobs > 1 ? ", \($0.jobs) runs at once" : "")
        }
        if let first = conditions.first {
            notes.append(
                conditions.count == 1
                    ? "speeds and memory: measured in these runs, \(first); decoding one sequence with half the context in the cache; KV in float32."
                    : "speeds do not compare: runs were made under unlike conditions (\(conditions.joined(separator: "; "))).")
        }
        return notes + results.warnings.map { "warning: \($0)" }
    }

    /// The runs that failed, a line for each reason of a variant.
    package var failures: [String] {
        results.rows.flatMap { row in
            var reasons: [(message: String, seeds: [Int])] = []
            for failure in row.failures {
                if let index = reasons.firstIndex(where: { $0.message == failure.message }) {
                    reasons[index].seeds.append(failure.seed)
                } else {
                    reasons.append((failure.message, [failure.seed]))
                }
            }
            return reasons.map { message, seeds in
                "failed: \(row.name), seed\(seeds.count == 1 ? "" : "s") \(seeds.map(String.init).joined(separator: ", ")): \(message)"
            }
        }
    }

    /// The whole of results.md.
    package var markdown: String {
        let comparison = results.comparison
        var text = "# \(comparison.name)\n\n" + table().markdown + "\n" + notes.map { "- \($0)\n" }.joined()
        text += failures.map { "- \($0)\n" }.joined()
        for variant in comparison.variants { if let change = variant.change { text += "- \(variant.name): \(change)\n" } }
        return text
    }
}
