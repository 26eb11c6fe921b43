import Configuration
import Foundation

/// A question with several endings, of which one is right, as HellaSwag (Zellers et al. 2019, arXiv:1905.07830) and ARC
/// (Clark et al. 2018, arXiv:1803.05457) ask them.
public struct MultipleChoice: Sendable, Equatable {
    public let context: String
    public let choices: [String]
    /// The right one's place in `choices`.
    public let answer: Int

    /// The questions of a JSON Lines file: an object a line with `context`, `choices`, and `answer`, the place of the right
    /// choice counted from 0 or its text. Other keys are left alone; empty lines are skipped.
    /// - Throws: `Failure` that names the line.
    public static func read(_ path: String) throws -> [MultipleChoice] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw Failure("\(path): there is no such file, or it cannot be read")
        }
        var all: [MultipleChoice] = []
        for (index, line) in data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            guard line.contains(where: { $0 > 32 }) else { continue }
            do {
                all.append(try MultipleChoice(JSON(parsing: Data(line))))
            } catch {
                throw Failure("\(path), line \(index + 1): \(error)")
            }
        }
        guard !all.isEmpty else { throw Failure("\(path): there is no question in it") }
        return all
    }

    /// A question as a line of such a file has it.
    /// - Throws: `Failure` that says what is wrong with it.
    public init(_ json: JSON) throws {
        guard case .object = json else {
            throw Failure("expected an object with \"context\", \"choices\" and \"answer\"")
        }
        guard let context = json["context"]?.stringValue else { throw Failure("\"context\" is missing, or not a string") }
        guard !context.isEmpty else { throw Failure("\"context\" is empty, and a model needs something to go on from") }
        guard case .array(let values)? = json["choices"] else { throw Failure("\"choices\" is missing, or not an array") }
        let choices = values.compactMap(\.stringValue)
        guard choices.count == values.count, choices.count > 1, choices.allSatisfy({ !$0.isEmpty }) else {
            throw Failure("\"choices\" must be two strings or more, none of them empty")
        }
        let answer: Int? =
            switch json["answer"] {
            case .int(let place)?: place
            case .string(let text)?: choices.firstIndex(of: text)
            default: nil
            }
        guard let answer, choices.indices.contains(answer) else {
            throw Failure("\"answer\" must be the place of the right choice, 0 to \(choices.count - 1), or its text")
        }
        (self.context, self.choices, self.answer) = (context, choices, answer)
    }

    /// A choice as it follows the context: after a space, unless one of them brings white space along.
    public func continuation(_ choice: Int) -> String {
        let text = choices[choice]
        let isApart = context.last?.isWhitespace == true || text.first?.isWhitespace == true
        return isApart ? text : " " + text
    }
}

/// How often a model finds the right choice the likeliest.
public struct ChoiceScore: Sendable, Equatable {
    public var questions = 0
    /// By the log-likelihood of the whole choice.
    public var correct = 0
    /// By the log-likelihood a character (Unicode scalar), which is fair to longer choices.
    public var correctByLength = 0
    /// What guessing gets, on average.
    public var chance = 0.0
    /// Questions whose context lost its beginning, since they were longer than the model's context.
    public var shortened = 0

    public init() {}

    public var accuracy: Double { Double(correct) / Double(max(questions, 1)) }
    public var accuracyByLength: Double { Double(correctByLength) / Double(max(questions, 1)) }

    /// The standard error of a share of these questions.
    public func error(_ share: Double) -> Double { (share * (1 - share) / Double(max(questions, 1))).squareRoot() }
}
