import Architectures
import Autograd
import Components
import Configuration
import Foundation
import Testing
import Text
import Training

/// Multiple-choice questions: what their files may say, and log-likelihoods against a plain softmax, one sequence at a time.
struct MultipleChoiceTests {
    static let length = 48
    let context = Context.cpu(threads: 1)
    let model: Model
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        model = try randomModel(
            [
                "context": .int(MultipleChoiceTests.length), "layers": 2, "width": 16, "attention": ["type": "mha", "heads": 2],
                "head": ["type": "untied", "softcap": 5],
            ],
            vocabulary: 256, on: context)
    }

    /// log p of the bytes of `ending` after those of `before`.
    func logLikelihood(_ before: String, _ ending: String) -> Double {
        let tokens = Array((before + ending).utf8).suffix(MultipleChoiceTests.length + 1).map { Int32($0) }
        let logits = model.logits(Pass(tokens: context.tensor(Array(tokens.dropLast()), [1, tokens.count - 1]))).floats
        return (tokens.count - ending.utf8.count..<tokens.count).reduce(0) { sum, place in
            let row = logits[(place - 1) * 256..<place * 256].map { Double($0) }, largest = row.max() ?? 0
            return sum + row[Int(tokens[place])] - largest - log(row.reduce(0) { $0 + exp($1 - largest) })
        }
    }

    func questions() throws -> [MultipleChoice] {
        var draw = Philox(key: 5).sequence(stream: 1)
        func word(_ count: Int) -> String { String((0..<count).map { _ in Character(Unicode.Scalar(UInt8(97 + draw.below(26)))) }) }
        let lines = (0..<40).map { index -> String in
            let choices = (0..<2 + index % 4).map { _ in word(1 + Int(draw.below(9))) }
            let json: JSON = [
                "context": .string(word(index % 10 == 9 ? 60 : 3 + index % 7)), "choices": .array(choices.map { .string($0) }),
                "answer": index % 2 == 0 ? .int(index % choices.count) : .string(choices[index % choices.count]), "id": .int(index),
            ]
            return json.text(pretty: false)
        }
        return try MultipleChoice.read(folder.write("questions.jsonl", lines.joined(separator: "\n\n") + "\n"))
    }

    @Test(arguments: [1, 3, 8, 1000])
    func equalsThePlainSoftmax(batch: Int) throws {
        let questions = try questions()
        var wanted = ChoiceScore(), seen: [Int] = []
        for question in questions {
            let sums = question.choices.map { logLikelihood(question.context, " " + $0) }
            let means = zip(sums, question.choices).map { $0 / Double($1.count) }
            wanted.questions += 1
            if sums.firstIndex(of: sums.max() ?? 0) == question.answer { wanted.correct += 1 }
            if means.firstIndex(of: means.max() ?? 0) == question.answer { wanted.correctByLength += 1 }
            if question.context.count + 1 + question.choices.map(\.count).max()! > MultipleChoiceTests.length + 1 { wanted.shortened += 1 }
        }
        let found = try Evaluator.evaluate(model, on: context, questions, tokenizer: ByteTokenizer(), batch: batch) { done, all in
            seen.append(done)
            return all == 40
        }
        #expect(found.questions == 40 && found.correct == wanted.correct && found.correctByLength == wanted.correctByLength)
        #expect(found.shortened == wanted.shortened && found.shortened > 0 && seen == Array(1...40))
        #expect(abs(found.chance - (1 / 2.0 + 1 / 3.0 + 1 / 4.0 + 1 / 5.0) / 4) < 1e-12)
        #expect(found.correct != found.correctByLength || found.correct > 0, "the two are different measures")
    }

    @Test func stops() throws {
        let questions = try questions()
        #expect(throws: CancellationError.self) {
            try Evaluator.evaluate(model, on: context, questions, tokenizer: ByteTokenizer()) { done, _ in done < 3 }
        }
    }

    @Test func joins() throws {
        func continuation(_ context: String, _ choice: String) throws -> String {
            try MultipleChoice(["context": .string(context), "choices": [.string(choice), "b"], "answer": 0]).continuation(0)
        }
        #expect(try continuation("a", "b") == " b" && continuation("a ", "b") == "b" && continuation("a", "\nb") == "\nb")
    }

    @Test(arguments: [
        ("{\"context\": \"a\"", "line 2: "),
        ("[1]", "expected an object"),
        (#"{"choices": ["a", "b"], "answer": 0}"#, "\"context\" is missing"),
        (#"{"context": "", "choices": ["a", "b"], "answer": 0}"#, "\"context\" is empty"),
        (#"{"context": "a", "answer": 0}"#, "\"choices\" is missing"),
        (#"{"context": "a", "choices": ["a"], "answer": 0}"#, "two strings or more"),
        (#"{"context": "a", "choices": ["a", ""], "answer": 0}"#, "two strings or more"),
        (#"{"context": "a", "choices": ["a", 3], "answer": 0}"#, "two strings or more"),
        (#"{"context": "a", "choices": ["a", "b"], "answer": 2}"#, "0 to 1"),
        (#"{"context": "a", "choices": ["a", "b"], "answer": -1}"#, "0 to 1"),
        (#"{"context": "a", "choices": ["a", "b"]}"#, "\"answer\" must be"),
        (#"{"context": "a", "choices": ["a", "b"], "answer": "c"}"#, "\"answer\" must be"),
    ])
    func wrongFiles(line: String, words: String) throws {
        let good = #"{"context": "a", "choices": ["a", "b"], "answer": 1}"#
        let path = try folder.write("wrong.jsonl", "\(good)\n\(line)\n")
        do {
            _ = try MultipleChoice.read(path)
            Issue.record("it was read")
        } catch {
            #expect("\(error)".contains(words) && "\(error)".contains("line 2: ") && !"\(error)".contains("\n"), "\(error)")
        }
    }

    @Test func wrongQuestions() throws {
        #expect(throws: Failure.self) { try MultipleChoice.read(folder.path + "/nowhere") }
        #expect(throws: Failure.self) { try MultipleChoice.read(folder.write("empty.jsonl", "\n \n")) }
        let long = try MultipleChoice(["context": "a", "choices": [.string(String(repeating: "b", count: 60)), "c"], "answer": 0])
        #expect(throws: Failure.self) { try Evaluator.evaluate(model, on: context, [long], tokenizer: ByteTokenizer()) }
    }
}
