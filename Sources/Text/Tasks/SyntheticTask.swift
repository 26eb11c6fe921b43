import Autograd

/// A task whose examples are made and not written: what comes before in an example tells its answers exactly, so a model
/// that has what the task needs gets them all right, and one that has not is no better than guessing.
///
/// An example fills the context: its parts grow with it, and with them the distance over which something is recalled.
/// Only answers count, in training as in validation.
public struct SyntheticTask: Sendable {
    /// As `data.source` names it.
    public let name: String
    public let summary: String
    /// Every symbol that an example may hold; the vocabulary is these, whatever occurs in a text.
    let alphabet: [Unicode.Scalar]
    /// The shortest context that an example fits.
    let minimumContext: Int
    /// Writes an example for a context of so many tokens. The number of answers must depend on the context alone.
    let write: @Sendable (_ context: Int, inout Philox.Sequence, inout ExampleWriter) -> Void

    /// The task that is called `name`.
    public static func named(_ name: String) -> SyntheticTask? { all.first { $0.name == name } }
}

/// One example in the making: symbols, and which of them are answers.
struct ExampleWriter {
    private(set) var symbols: [Unicode.Scalar] = []
    private(set) var isAnswer: [Bool] = []

    mutating func write(_ symbol: Unicode.Scalar, isAnswer answer: Bool = false) {
        symbols.append(symbol)
        isAnswer.append(answer)
    }

    mutating func write(_ text: [Unicode.Scalar], isAnswer answer: Bool = false) {
        for symbol in text { write(symbol, isAnswer: answer) }
    }

    /// The example at exactly `length` symbols, filled up in front with what means nothing.
    func padded(to length: Int) -> (symbols: [Unicode.Scalar], isAnswer: [Bool]) {
        precondition(symbols.count <= length, "an example of \(symbols.count) symbols does not fit \(length)")
        let missing = length - symbols.count
        return (
            [Unicode.Scalar](repeating: SyntheticTask.blank, count: missing) + symbols,
            [Bool](repeating: false, count: missing) + isAnswer
        )
    }
}

extension SyntheticTask {
    static let blank: Unicode.Scalar = "."

    /// The token of each symbol, by code point.
    /// - Throws: `TextError` where a symbol is not one token of `tokenizer`.
    fileprivate func ids(of tokenizer: any Tokenizer) throws -> [Int32] {
        var ids = [Int32](repeating: 0, count: Int(alphabet.map(\.value).max() ?? 0) + 1)
        for symbol in alphabet {
            let tokens = try tokenizer.encode(String(Character(symbol)))
            guard tokens.count == 1 else {
                throw TextError.invalidSetting(
                    name: "the tokenizer of \(name)", value: tokenizer.kind,
                    requirement: "one with a token for each of its symbols, such as char")
            }
            ids[Int(symbol.value)] = tokens[0]
        }
        return ids
    }
}

/// The examples that a token file is made of, where it is made of examples: all equally long, some tokens of each being
/// answers.
struct Examples: Sendable {
    /// Tokens of each.
    let length: Int
    /// Answers of each.
    let answers: Int
    /// For every token of the file.
    let isAnswer: [Bool]

    /// Leaves of `targets`, the tokens from `start` + 1 on, only answers.
    func mask(_ targets: UnsafeMutableBufferPointer<Int32>, start: Int) {
        for index in targets.indices where !isAnswer[start + 1 + index] { targets[index] = -1 }
    }
}

extension Dataset {
    /// Examples of `task` for a context of `context` tokens: as many as about `characters` symbols hold, the last
    /// `validationFraction` of them for validation.
    /// - Throws: `TextError` for a context too short for the task, or too few symbols for an example of each kind.
    public static func examples(
        of task: SyntheticTask, context: Int, seed: UInt64, characters: Int, validationFraction: Double,
        tokenizer fixed: (any Tokenizer)? = nil
    ) throws -> Dataset {
        guard context >= task.minimumContext else {
            throw TextError.invalidSetting(
                name: "the context for \(task.name)", value: "\(context)", requirement: "at least \(task.minimumContext)")
        }
        let length = context + 1, count = characters / length
        let trainCount = Int((1 - validationFraction) * Double(count))
        guard trainCount >= 1, trainCount < count else {
            let needed = (Double(length) * max(2, 1 / (1 - validationFraction))).rounded(.up)
            throw TextError.tooShort(source: task.name, characters: characters, needed: Int(exactly: needed) ?? .max)
        }
        let tokenizer = try fixed ?? CharTokenizer(text: String(String.UnicodeScalarView(task.alphabet)))
        let ids = try task.ids(of: tokenizer), philox = Philox(seed: seed, domain: .task)
        func part(_ range: Range<Int>, _ title: String) throws -> TokenFile {
            var tokens: [Int32] = [], isAnswer: [Bool] = []
            tokens.reserveCapacity(range.count * length)
            isAnswer.reserveCapacity(range.count * length)
            for index in range {
                // An example depends on its number alone, so more of them are the same ones and others behind.
                var random = philox.sequence(stream: UInt64(index)), writer = ExampleWriter()
                task.write(context, &random, &writer)
                let example = writer.padded(to: length)
                for symbol in example.symbols { tokens.append(ids[Int(symbol.value)]) }
                isAnswer.append(contentsOf: example.isAnswer)
            }
            let answers = isAnswer[..<length].count { $0 }
            precondition(answers * range.count == isAnswer.count { $0 }, "\(task.name) has examples with other numbers of answers")
            return try TokenFile(
                tokens: tokens, vocabularySize: tokenizer.vocabularySize, name: "\(task.name) (\(title))",
                examples: Examples(length: length, answers: answers, isAnswer: isAnswer))
        }
        return Dataset(
            name: task.name, contentHash: "\(task.name)-\(context)-\(seed)-\(characters)", train: try part(0..<trainCount, "train"),
            validation: try part(trainCount..<count, "validation"), tokenizer: tokenizer, trainBytesPerToken: 1,
            validationBytesPerToken: 1)
    }
}
