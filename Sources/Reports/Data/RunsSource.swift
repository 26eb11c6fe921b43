import Architectures
import Configuration
import Foundation
import Training

extension ReportData {
    /// Runs that somebody trained one by one. Those that differ only in their seed are one variant.
    /// - Throws: `Failure` where none of them can be read.
    init(runs paths: [String], _ registries: Registries) throws {
        var groups: [RunGroup] = [], problems: [String] = []
        for path in paths {
            let label = URL(fileURLWithPath: path).lastPathComponent
            do {
                let folder = try RunFolder.open(path)
                let config = try RunConfig(path: folder.configPath, registries: registries)
                let run = ReportRun(
                    seed: config.train.seed, folder: folder, label: label, hasFailed: false, isBegun: true, problems: &problems)
                if let index = groups.firstIndex(where: { $0.holds(config) }) {
                    groups[index].runs.append(run)
                } else {
                    let model = try Trainer.model(config, tokenizer: folder.loadTokenizer())
                    groups.append(RunGroup(name: label, config: config, costs: model.accounting, runs: [run]))
                }
            } catch {
                problems.append("\(label): \(error)")
            }
        }
        guard !groups.isEmpty else { throw Failure(problems.first ?? "there is no run to report on") }
        for index in groups.indices {
            // The config's name, unless that is another's too.
            let name = groups[index].config.name
            if groups.filter({ $0.config.name == name }).count == 1 { groups[index].name = name }
            let place = groups[..<index].filter { $0.name == groups[index].name }.count
            if place > 0 { groups[index].name += " (\(place + 1))" }
        }
        let first = groups[0]
        let settings = groups.map(\.textSettings), areAlike = settings.allSatisfy { $0 == settings[0] }
        var warnings: [String] = []
        if !areAlike {
            warnings.append(
                "the runs have other texts or tokenizers, or were validated otherwise: their losses do not compare, and no difference is shown"
            )
        }
        if Set(groups.map { $0.config.train.steps }).count > 1 || Set(groups.map(\.tokensPerStep)).count > 1 {
            warnings.append("the runs train on other amounts of text")
        }
        let best = areAlike ? groups.filter { !$0.losses.isEmpty }.min { $0.meanLoss < $1.meanLoss } : nil
        let floor = areAlike ? first.floor : nil
        variants = groups.enumerated().map { index, group in
            let isFirst = index == 0
            let row = ComparisonRow(
                name: group.name, config: group.config, costs: group.costs, losses: group.losses,
                bitsPerByte: group.last.compactMap(\.valBitsPerByte), tokensPerSecond: group.speeds,
                trainSeconds: group.runs.compactMap { $0.metrics.last?.seconds }, floor: floor?.natsPerToken,
                baseline: isFirst ? nil : areAlike ? first.losses : [:],
                best: best.flatMap { $0.name == group.name ? nil : $0.losses })
            return ReportVariant(row: row, config: group.config, style: SeriesStyle(index: index), change: nil, runs: group.runs)
        }.sorted { ($0.row.loss?.mean ?? .infinity) < ($1.row.loss?.mean ?? .infinity) }
        title = groups.count == 1 ? first.name : groups.map(\.name).joined(separator: ", ").shortenedInTheMiddle(to: 80)
        (baseline, self.best, seeds) = (first.name, groups.count > 1 ? best?.name : nil, groups.map(\.runs.count).max() ?? 1)
        (textName, self.floor, self.warnings, self.problems) = (first.config.data.source, floor, warnings, problems)
        isComparison = false
        notes = [
            "val loss: the last that each run logged, nats a token, over \(first.evaluated) of its validation text\(seeds > 1 ? "; mean over seeds, ± the 95 % interval (Student's t)" : "").",
            "These runs were trained one by one. ./runner compare trains variants on equal terms, judges all by the same tokens, and measures decoding and memory.",
        ]
        facts = [
            ("text", first.config.data.source), ("runs", "\(groups.reduce(0) { $0 + $1.runs.count })"), ("baseline", first.name),
        ]
    }
}

/// Runs of one config with several seeds.
private struct RunGroup {
    var name: String
    let config: RunConfig
    let costs: Accounting
    var runs: [ReportRun]

    func holds(_ other: RunConfig) -> Bool {
        func settings(_ config: RunConfig) -> [String: JSON] {
            config.resolved.flattened().filter { !["name", "description", "train.seed"].contains($0.key) }
        }
        return settings(config) == settings(other) && !runs.contains { $0.seed == other.train.seed }
    }

    var tokensPerStep: Int { config.train.batch * config.train.gradAccumulation * config.model.sizes.context }

    /// The last validation of each run that had one.
    var last: [Metrics] { runs.compactMap { $0.metrics.last { $0.valLoss != nil } } }

    var losses: [Int: Double] {
        Dictionary(
            runs.compactMap { run in run.metrics.last { $0.valLoss != nil }?.valLoss.map { (run.seed, $0) } },
            uniquingKeysWith: { first, _ in first })
    }

    var meanLoss: Double { Estimate(Array(losses.values))?.mean ?? .infinity }

    /// The median of each run.
    var speeds: [Double] {
        runs.compactMap { run in
            let speeds = run.metrics.compactMap(\.tokensPerSecond).sorted()
            return speeds.isEmpty ? nil : speeds[speeds.count / 2]
        }
    }

    /// What a validation loss is the mean of.
    var evaluated: String { config.train.evalBatches.map { "\($0) random batches" } ?? "the whole" }

    /// The settings without which losses mean the same thing.
    var textSettings: [String: JSON] {
        var settings = (config.resolved["data"] ?? [:]).flattened()
        settings["order"] = nil
        settings["eval_batches"] = config.resolved[path: "train.eval_batches"]
        return settings
    }

    /// The text's entropy, where the text can be made again.
    var floor: ComparedText.Floor? {
        guard config.data.source == "stories", let run = runs.first, let tokenizer = try? run.folder.loadTokenizer(),
            let dataset = try? config.dataset(tokenizer: tokenizer), let floor = EntropyFloor(config, dataset)
        else { return nil }
        return ComparedText.Floor(natsPerToken: floor.natsPerToken, bitsPerByte: floor.bitsPerByte)
    }
}
