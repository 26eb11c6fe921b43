import Training

extension ReportData {
    /// A comparison's folder, finished or not.
    /// - Throws: `Failure` or `ConfigError` where its manifest is damaged.
    init(comparison folder: ComparisonFolder, _ registries: Registries) throws {
        let comparison = try folder.open(registries)
        var statuses: [String: ComparedRun.Status] = [:], runs: [String: [ReportRun]] = [:], problems: [String] = []
        for planned in comparison.runs {
            let run = folder.run(planned.variant, seedIndex: planned.index), label = planned.label
            do {
                statuses[label] = try run.status(planned.variant.config(seedIndex: planned.index, registries), registries)
            } catch {
                problems.append("\(label): \(error)")
            }
            let hasFailed = if case .failed = statuses[label] { true } else { false }
            switch statuses[label] {
            case .missing: problems.append("\(label): not begun")
            case .started:
                problems.append("\(label): begun, not finished; its curve is drawn as far as it goes, its loss is not in the table")
            default: break
            }
            let isBegun = if case .missing = statuses[label] { false } else { statuses[label] != nil }
            runs[planned.variant.name, default: []].append(
                ReportRun(
                    seed: planned.variant.seed(planned.index), folder: run.folder, label: label, hasFailed: hasFailed, isBegun: isBegun,
                    problems: &problems))
        }
        let results = try ComparisonResults(comparison, statuses: statuses)
        let table = CompareTable(results), text = comparison.text
        variants = results.rows.compactMap { row in
            comparison.variants.firstIndex { $0.name == row.name }.map { index in
                let variant = comparison.variants[index]
                return ReportVariant(
                    row: row, config: variant.config, style: SeriesStyle(index: index), change: variant.change, runs: runs[row.name] ?? [])
            }
        }
        (title, baseline, seeds) = (comparison.name, comparison.baseline, comparison.seeds)
        best = results.rows.count > 1 ? results.best : nil
        (textName, floor, notes, warnings) = (text.name, text.floor, table.notes, results.warnings)
        self.problems = table.failures.map { String($0.trimmingPrefix("failed: ")) } + problems
        isComparison = true
        facts = [
            ("text", "\(text.name), \(text.trainingTokens.grouped) training tokens"),
            ("tokenizer", "\(text.tokenizer), vocabulary \(text.vocabularySize.grouped)"),
            ("budget", comparison.budget?.description ?? "every config as it is"),
            ("runs", "\(results.runsFinished) of \(comparison.runs.count) finished"), ("baseline", comparison.baseline),
        ]
    }
}
