import Training

/// What a report tells of: variants with their runs, where they came from makes no difference.
struct ReportData {
    let title: String
    /// The lowest loss first, as in the table.
    let variants: [ReportVariant]
    /// The name of the variant that the others are measured against.
    let baseline: String
    let best: String?
    /// Runs of a variant, as planned.
    let seeds: Int
    /// Short facts for the top of the page, a word and what it is.
    let facts: [(String, String)]
    let textName: String
    let floor: ComparedText.Floor?
    /// What is to be known with the table, from `CompareTable` where there is a comparison.
    let notes: [String]
    let warnings: [String]
    /// What failed, or is damaged or missing: a line each.
    var problems: [String]
    /// Whether runs were made to be compared, on equal terms and judged by the same tokens.
    let isComparison: Bool
}

struct ReportVariant {
    let row: ComparisonRow
    let config: RunConfig
    let style: SeriesStyle
    /// In words, what `--match` changed.
    let change: String?
    let runs: [ReportRun]

    var name: String { row.name }
}

struct ReportRun {
    let seed: Int
    let folder: RunFolder
    /// Lines with a step after the last, and nothing that is not a number.
    let metrics: [Metrics]
    let hasFailed: Bool

    /// Reads a run's metrics; what is wrong with them is told in `problems` and the rest is used.
    init(seed: Int, folder: RunFolder, label: String, hasFailed: Bool, isBegun: Bool, problems: inout [String]) {
        (self.seed, self.folder, self.hasFailed) = (seed, folder, hasFailed)
        let log = folder.readMetrics()
        metrics = log.lines.reduce(into: []) { kept, line in
            guard line.step > kept.last?.step ?? -1, line.tokens >= 0, line.seconds.isFinite else { return }
            kept.append(line)
        }
        guard isBegun, !hasFailed else { return }
        if !log.exists {
            problems.append("\(label): its metrics.jsonl is missing, so it has no curve")
        } else if log.unreadable > 0 {
            let lines = log.unreadable == 1 ? "a line" : "\(log.unreadable) lines"
            problems.append("\(label): \(lines) of its metrics.jsonl cannot be read, and \(log.unreadable == 1 ? "is" : "are") left out")
        } else if metrics.isEmpty {
            problems.append("\(label): its metrics.jsonl is empty, so it has no curve")
        }
    }
}
