import Foundation
import Text

/// What a person sees while a text is read and tokenized: a line on a terminal, otherwise one now and then.
final class PreparationReport {
    private static let secondsBetweenLines = 10.0
    private let progress = ProgressLine()
    private let isTerminal = isatty(2) == 1
    private let interrupt: InterruptFlag
    private var began = Date(), last = Date()
    private var phase = ""

    init(_ interrupt: InterruptFlag = InterruptFlag()) { self.interrupt = interrupt }

    /// Runs `body` with what it is to tell its progress to.
    /// - Throws: `Interrupted` when stopped, after saying how to go on.
    func during<Result>(_ body: (@escaping (PreparationProgress) -> Bool) throws -> Result) throws -> Result {
        defer { progress.clear() }
        do {
            return try body { [self] in take($0) }
        } catch is CancellationError {
            progress.clear()
            Files.tell("stopped; what is tokenized is kept, and the same command goes on from there\n")
            throw Interrupted()
        }
    }

    private func take(_ state: PreparationProgress) -> Bool {
        if isTerminal {
            progress.show(text(state))
        } else if Date().timeIntervalSince(last) >= PreparationReport.secondsBetweenLines {
            last = Date()
            Files.tell(text(state) + "\n")
        }
        return !interrupt.isSet
    }

    private func text(_ state: PreparationProgress) -> String {
        switch state {
        case .reading(let done, let all):
            return line("reading the text: \(done.asBytes) of \(all.asBytes)", "reading", done, all)
        case .learning(let merges, let all):
            return line("learning the vocabulary: \(merges.grouped) of \(all.grouped) merges", "learning", merges, all)
        case .tokenizing(let done, let all, let tokens):
            return line("tokenizing: \(done.asBytes) of \(all.asBytes), \(tokens.grouped) tokens", "tokenizing", done, all)
        }
    }

    private func line(_ text: String, _ phase: String, _ done: Int, _ all: Int) -> String {
        if phase != self.phase { (self.phase, began) = (phase, Date()) }
        let elapsed = Date().timeIntervalSince(began)
        guard done > 0, all > done, elapsed > 2 else { return text }
        return text + ", " + (elapsed / Double(done) * Double(all - done)).asDuration + " left"
    }
}
