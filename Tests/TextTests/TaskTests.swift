import Autograd
import Foundation
import Testing
import Text

/// Synthetic tasks: every answer follows from what stands before it, checked here by solving each anew.
struct TaskTests {
    static let names = ["copying", "selective-copy", "induction", "recall", "holders", "parity", "counting"]

    /// The validation examples of a task: the text, and for each place whether it is an answer.
    static func examples(_ name: String, context: Int, seed: UInt64 = 3) throws -> [(text: [Character], isAnswer: [Bool])] {
        let task = try #require(SyntheticTask.named(name))
        let data = try Dataset.examples(of: task, context: context, seed: seed, characters: 40 * (context + 1), validationFraction: 0.5)
        let length = context + 1
        return (0..<data.validation.count / length).map { index in
            var inputs = [Int32](repeating: 0, count: context), targets = inputs
            inputs.withUnsafeMutableBufferPointer { inputs in
                targets.withUnsafeMutableBufferPointer { data.validation.copyWindow(start: index * length, into: inputs, targets: $0) }
            }
            let text = data.tokenizer.decode(inputs + [data.validation[index * length + context]])
            return (Array(text), [false] + targets.map { $0 >= 0 })
        }
    }

    /// The answers that a task's question calls for, found from the text before the bar alone and the questions behind it.
    static func solve(_ name: String, _ before: [Character], _ behind: [Character]) -> [Character] {
        let said = before.filter { $0 != "." }
        switch name {
        case "copying", "selective-copy": return said
        case "induction":
            return stride(from: 0, to: behind.count, by: 2).map { question in
                before[(before.firstIndex(of: behind[question]) ?? 0) + 1]
            }
        case "recall":
            return stride(from: 0, to: behind.count, by: 2).map { question in
                said[(stride(from: 0, to: said.count, by: 2).first { said[$0] == behind[question] } ?? 0) + 1]
            }
        case "holders":
            return stride(from: 0, to: behind.count, by: 2).map { question in
                said[Array(stride(from: 0, to: said.count, by: 2)).last { said[$0 + 1] == behind[question] } ?? 0]
            }
        case "parity": return said.indices.map { said[...$0].count { $0 == "1" } % 2 == 1 ? "1" : "0" }
        default:
            return stride(from: 0, to: behind.count, by: 3).flatMap { question in
                let count = said.count { $0 == behind[question] }
                return Array("\(count / 10)\(count % 10)")
            }
        }
    }

    @Test func thereAreSeven() { #expect(SyntheticTask.all.map(\.name).sorted() == TaskTests.names.sorted()) }

    @Test(arguments: names, [16, 17, 64, 255, 256, 400])
    func answersFollow(name: String, context: Int) throws {
        let examples = try TaskTests.examples(name, context: context)
        #expect(examples.count == 20)
        for (text, isAnswer) in examples {
            #expect(text.count == context + 1)
            let bar = try #require(text.firstIndex(of: "|"))
            let behind = Array(text[(bar + 1)...])
            #expect(!isAnswer[...bar].contains(true), "an answer before the question: \(String(text))")
            let answers = zip(behind, isAnswer[(bar + 1)...]).filter(\.1).map(\.0)
            #expect(answers == TaskTests.solve(name, Array(text[..<bar]), behind), "\(String(text))")
            #expect(!answers.isEmpty)
        }
        #expect(Set(examples.map { String($0.text) }).count > 15, "examples differ")
    }

    @Test(arguments: names) func theSeedDecides(name: String) throws {
        func texts(_ seed: UInt64) throws -> [String] { try TaskTests.examples(name, context: 32, seed: seed).map { String($0.text) } }
        #expect(try texts(1) == texts(1))
        #expect(try texts(1) != texts(2))
    }

    /// Batches begin at examples, and of their targets only answers count.
    @Test(arguments: [BatchSampler.Order.random, .sequential]) func batches(order: BatchSampler.Order) throws {
        let task = try #require(SyntheticTask.named("copying"))
        let data = try Dataset.examples(of: task, context: 20, seed: 1, characters: 2100, validationFraction: 0.1)
        #expect(data.train.count == 90 * 21 && data.validation.count == 10 * 21)
        let sampler = try BatchSampler(data.train, context: 20, batch: 4, seed: 5, order: order)
        #expect(sampler.countedTargets(step: 3) == 4 * 10 && sampler.countedTargets(step: 3, rows: 8) == 8 * 10)
        for step in 0..<30 {
            for row in 0..<4 { #expect(sampler.start(step: step, row: row) % 21 == 0) }
            var inputs = [Int32](repeating: 0, count: 80), targets = inputs
            inputs.withUnsafeMutableBufferPointer { inputs in
                targets.withUnsafeMutableBufferPointer { sampler.batch(step: step, into: inputs, targets: $0) }
            }
            #expect(targets.count { $0 >= 0 } == 40)
            // Said again ten tokens and the bar later.
            for place in targets.indices where targets[place] >= 0 { #expect(targets[place] == inputs[place - 10]) }
        }
        let windows = try data.validation.stridedWindows(context: 20, stride: 20)
        #expect(windows.map(\.start) == (0..<10).map { $0 * 21 } && windows.allSatisfy { $0.countedFrom == 0 })
    }

    @Test func whatDoesNotFit() throws {
        let task = try #require(SyntheticTask.named("holders"))
        #expect(throws: TextError.self) {
            try Dataset.examples(of: task, context: 15, seed: 0, characters: 10_000, validationFraction: 0.1)
        }
        #expect(throws: TextError.self) {
            try Dataset.examples(of: task, context: 256, seed: 0, characters: 300, validationFraction: 0.1)
        }
        #expect(SyntheticTask.named("copy") == nil)
        #expect(throws: TextError.unknownCorpus(name: "copyin", nearest: "copying", known: Corpus.knownNames)) {
            try Corpus.load(source: "copyin")
        }
    }
}
