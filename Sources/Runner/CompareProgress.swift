import Configuration
import Foundation
import Reports
import Training

/// What a person sees while a comparison goes on.
final class CompareProgress {
    private let json: Bool
    private let line = ProgressLine()
    private var board: RunBoard?
    private var started = Date(), shareAtStart = 0.0
    private var lastLook = Date.distantPast
    /// How wide lines may be.
    private let width = outputWidth

    init(json: Bool) { self.json = json }

    /// Something short that goes on before the runs.
    func note(_ text: String) { line.show(text) }

    func begin(_ board: RunBoard, jobs: Int, each share: String) throws {
        line.clear()
        self.board = board
        (started, shareAtStart) = (Date(), board.shareDone)
        guard !json else { return }
        let comparison = board.comparison, text = comparison.text
        let total = comparison.runs.count, waiting = board.waiting.count
        sayWrapped(
            "comparison: \(board.folder.path), \(count(comparison.variants.count, "variant")) × \(count(comparison.seeds, "seed")) = \(count(total, "run"))"
        )
        sayWrapped(
            "text: \(text.name), \(text.trainingTokens.grouped) training tokens, vocabulary \(text.vocabularySize.grouped) (\(text.tokenizer))"
        )
        sayWrapped("budget: \(comparison.budget?.description ?? "every config as it is")")
        for variant in comparison.variants {
            let steps = variant.config.train.steps, parameters = try comparison.accounting(of: variant).parameters
            sayWrapped("  \(variant.name): \(parameters.grouped) parameters, \(count(steps, "step"))", indent: "    ")
            if let change = variant.change { sayWrapped("    matched: \(change)", indent: "      ") }
        }
        for warning in try comparison.warnings() { sayWrapped("warning: \(warning)") }
        if waiting == 0 {
            let failed = board.statuses.values.filter { if case .failed = $0 { true } else { false } }.count
            sayWrapped(
                "\nnothing to do: all \(count(total, "run")) are done already"
                    + (failed > 0 ? ", \(failed) of them failed; --retry tries those again" : ""))
        } else {
            let kept = total - waiting
            sayWrapped(
                "\ntraining \(count(waiting, "run"))\(kept > 0 ? ", \(kept) done before" : ""): \(jobs) at once, \(share)"
            )
        }
    }

    /// Shows the runs at work; called often.
    func watch(_ labels: [String]) {
        guard let board, Date().timeIntervalSince(lastLook) > 0.5 else { return }
        lastLook = Date()
        let runs = labels.map { label in
            let (metrics, steps) = board.standing(label)
            guard let metrics else { return "\(label) starting" }
            let loss = metrics.trainLoss.map { " loss \($0.fixed(4))" } ?? ""
            return "\(label) step \(metrics.step.grouped)/\(steps.grouped)\(loss)"
        }
        // A line that is broken cannot be written over.
        line.show(String(([timeLeft()] + runs).filter { !$0.isEmpty }.joined(separator: " · ").prefix(width - 1)))
    }

    func ended(_ label: String, _ end: WorkerPool.End) {
        line.clear()
        guard !json, let board else { return }
        let done = board.statuses.values.filter { if case .missing = $0 { false } else if case .started = $0 { false } else { true } }.count
        let place = "[\(done)/\(board.comparison.runs.count)]"
        switch (end, board.statuses[label]) {
        case (.interrupted, _): return
        case (_, .finished(let result)):
            let left = done < board.comparison.runs.count ? timeLeft() : ""
            sayWrapped(
                "\(place) \(label): validation loss \(result.valLoss.fixed(4)), trained in \(result.trainSeconds.asDuration)"
                    + (left.isEmpty ? "" : "; \(left)"))
        case (_, .failed(let message)): sayWrapped("\(place) \(label) failed: \(message)")
        default: sayWrapped("\(place) \(label) ended before it was done")
        }
    }

    /// From the FLOPs done since the start, and those still to do.
    private func timeLeft() -> String {
        guard let board else { return "" }
        let share = board.shareDone, done = share - shareAtStart, elapsed = Date().timeIntervalSince(started)
        guard done > 0.001, elapsed > 1 else { return "" }
        return "\((elapsed / done * (1 - share)).asDuration) left"
    }

    func clear() { line.clear() }

    func stopped(_ results: ComparisonResults, _ folder: ComparisonFolder) {
        guard !json else { return }
        say(
            "\nstopped after \(results.runsFinished) of \(count(results.comparison.runs.count, "run")); continue with the same command, or with\n  ./runner compare \(folder.path)"
        )
    }

    func end(_ table: CompareTable, _ folder: ComparisonFolder, isWritten: Bool, withoutWeights lost: [Comparison.PlannedRun]) {
        say("")
        for line in table.table(nameWidth: max(16, width / 2 - 8)).lines(width: width) { say(line) }
        say("")
        for line in table.failures + table.notes { sayWrapped(line) }
        if let first = lost.first {
            sayWrapped(
                "warning: the weights of \(count(lost.count, "finished run")) are gone: \(lost.map(\.label).joined(separator: ", ")). The "
                    + "results stand, but they can no longer be sampled from or evaluated; to train one again, remove its folder, such as "
                    + folder.run(first.variant, seedIndex: first.index).folder.path)
        }
        if isWritten { sayWrapped("written: \(folder.path)/results.json, results.csv, results.md") }
    }

    private func count(_ number: Int, _ noun: String) -> String { "\(number.grouped) \(noun)\(number == 1 ? "" : "s")" }
    private func sayWrapped(_ text: String, indent: String = "  ") {
        // Leading blanks and line breaks are the text's own.
        let body = text.drop { $0 == " " || $0 == "\n" }, lead = text.prefix(text.count - body.count)
        let room = width - lead.filter { $0 == " " }.count
        say(lead + wrapped(String(body), width: room, indent: indent))
    }
}
