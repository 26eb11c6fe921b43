import Architectures
import Autograd
import Components
import Text

extension Evaluator {
    /// Asks a model multiple-choice questions by the log-likelihood that it gives each choice after the context.
    ///
    /// Context and choice are encoded apart, the context as a prompt is. Of what is longer than the model's context the beginning is left out.
    /// - Parameters:
    ///   - batch: sequences computed at once.
    ///   - progress: called with questions done and questions in all; returns false to stop.
    /// - Throws: `Failure` for a choice that alone does not fit the context or that has no token, `TextError` for text that the tokenizer does not
    ///   know, `CancellationError` when stopped.
    public static func evaluate(
        _ model: Model, on context: Context, _ questions: [MultipleChoice], tokenizer: any Tokenizer, batch: Int = 8,
        progress: (Int, Int) -> Bool = { _, _ in true }
    ) throws -> ChoiceScore {
        var score = ChoiceScore(), waiting: [Ending] = []
        var likelihoods = questions.map { [Double](repeating: 0, count: $0.choices.count) }
        func compute() {
            for (ending, value) in zip(waiting, logLikelihoods(model, on: context, waiting)) {
                likelihoods[ending.question][ending.choice] = value
            }
            waiting = []
        }
        for (index, question) in questions.enumerated() {
            let before = try tokenizer.encodePrompt(question.context)
            guard !before.isEmpty else { throw Failure("question \(index + 1): its context comes to no token") }
            var isShortened = false
            for choice in question.choices.indices {
                let ending = try tokenizer.encode(question.continuation(choice))
                guard !ending.isEmpty else { throw Failure("question \(index + 1): choice \(choice) comes to no token") }
                guard ending.count <= model.size.context else {
                    throw Failure(
                        "question \(index + 1): choice \(choice) is \(ending.count) tokens, more than the model's context of \(model.size.context)"
                    )
                }
                // The last token is predicted and never read.
                let kept = min(before.count, model.size.context + 1 - ending.count)
                isShortened = isShortened || kept < before.count
                waiting.append(Ending(question: index, choice: choice, tokens: before.suffix(kept) + ending, length: ending.count))
                if waiting.count == batch { compute() }
            }
            if isShortened { score.shortened += 1 }
            guard progress(index + 1, questions.count) else { throw CancellationError() }
        }
        compute()
        for (question, values) in zip(questions, likelihoods) {
            let byLength = zip(values, question.choices).map { $0 / Double($1.unicodeScalars.count) }
            score.questions += 1
            if values.placeOfMost == question.answer { score.correct += 1 }
            if byLength.placeOfMost == question.answer { score.correctByLength += 1 }
            score.chance += 1 / Double(question.choices.count) / Double(questions.count)
        }
        return score
    }

    /// A context and one of its choices.
    private struct Ending {
        let question: Int, choice: Int
        let tokens: [Int32]
        /// Tokens of the choice.
        let length: Int
    }

    private static func logLikelihoods(_ model: Model, on context: Context, _ endings: [Ending]) -> [Double] {
        guard let time = endings.map(\.tokens.count).max().map({ $0 - 1 }) else { return [] }
        var inputs = [Int32](repeating: 0, count: endings.count * time), rows: [Int] = [], targets: [Int32] = []
        for (place, ending) in endings.enumerated() {
            // What lies after the end is seen by nothing that counts.
            for (offset, token) in ending.tokens.dropLast().enumerated() { inputs[place * time + offset] = token }
            for offset in ending.tokens.count - ending.length..<ending.tokens.count {
                rows.append(place * time + offset - 1)
                targets.append(ending.tokens[offset])
            }
        }
        let losses = model.losses(Pass(tokens: context.tensor(inputs, [endings.count, time])), at: rows, targets: targets)
        var first = 0
        return endings.map { ending in
            defer { first += ending.length }
            return -losses[first..<first + ending.length].reduce(0) { $0 + Double($1) }
        }
    }
}

extension [Double] {
    /// The first place of the largest.
    fileprivate var placeOfMost: Int? { indices.max { (self[$0], $1) < (self[$1], $0) } }
}
