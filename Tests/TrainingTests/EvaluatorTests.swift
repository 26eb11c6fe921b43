import Architectures
import Autograd
import Components
import Configuration
import Foundation
import Testing
import Text
import Training

/// The loss of a whole text against adding it up token by token.
struct EvaluatorTests {
    static let vocabulary = 13, length = 9
    let context = Context.cpu(threads: 1)
    let model: Model

    init() throws {
        model = try randomModel(
            [
                "context": .int(EvaluatorTests.length), "layers": 2, "width": 16, "attention": ["type": "mha", "heads": 2],
                "head": ["type": "untied", "bias": true],
            ],
            vocabulary: EvaluatorTests.vocabulary, on: context)
    }

    func tokens(_ count: Int) -> [Int32] {
        var draw = Philox(key: 3).sequence(stream: 7)
        return (0..<count).map { _ in Int32(draw.below(EvaluatorTests.vocabulary)) }
    }

    /// −log p of every token but the first, each from the first window that reaches it, one sequence at a time.
    func plain(_ tokens: [Int32], stride: Int, length: Int) -> (loss: Double, accuracy: Double) {
        let last = tokens.count - 1 - length
        var sum = 0.0, hits = 0
        for target in 1..<tokens.count {
            var start = 0
            while start + length < target { start = min(start + stride, last) }
            let window = Array(tokens[start..<target])
            let logits = model.logits(Pass(tokens: context.tensor(window, [1, window.count]))).floats.suffix(EvaluatorTests.vocabulary)
            let row = logits.map { Double($0) }, largest = row.max() ?? 0
            let total = row.reduce(0) { $0 + exp($1 - largest) }
            sum -= row[Int(tokens[target])] - largest - log(total)
            hits += row.firstIndex(of: largest) == Int(tokens[target]) ? 1 : 0
        }
        return (sum / Double(tokens.count - 1), Double(hits) / Double(tokens.count - 1))
    }

    @Test(arguments: [(100, 9), (91, 9), (92, 9), (100, 4), (57, 1), (57, 8), (10, 9), (11, 3)], [1, 3, 8])
    func equalsThePlainSum(size: (count: Int, stride: Int), batch: Int) throws {
        let ids = tokens(size.count)
        let file = try TokenFile(tokens: ids, vocabularySize: EvaluatorTests.vocabulary)
        var progress: [Int] = []
        let found = try Evaluator.evaluate(model, on: context, tokens: file, bytesPerToken: 2.5, stride: size.stride, batch: batch) {
            progress.append($0)
            return $1 == size.count - 1
        }
        let wanted = plain(ids, stride: size.stride, length: EvaluatorTests.length)
        #expect(found.tokens == size.count - 1, "every token but the first counts once")
        #expect(abs(found.loss - wanted.loss) < 1e-5, "found \(found.loss), wanted \(wanted.loss)")
        #expect(found.accuracy == wanted.accuracy)
        #expect(abs(found.perplexity - exp(wanted.loss)) < 1e-4 * exp(wanted.loss))
        #expect(abs((found.bitsPerByte ?? 0) - wanted.loss / log(2) / 2.5) < 1e-5)
        #expect(progress.last == size.count - 1 && progress == progress.sorted())
    }

    @Test(arguments: [2, 3, 9])
    func textShorterThanAWindow(count: Int) throws {
        let ids = tokens(count)
        let found = try Evaluator.evaluate(model, on: context, tokens: TokenFile(tokens: ids, vocabularySize: 13), bytesPerToken: 1)
        #expect(found.tokens == count - 1)
        #expect(abs(found.loss - plain(ids, stride: count - 1, length: count - 1).loss) < 1e-5)
    }

    @Test func tooShortToPredictAnything() throws {
        for ids in [[], [3]] as [[Int32]] {
            let text = message {
                _ = try Evaluator.evaluate(
                    model, on: context, tokens: TokenFile(tokens: ids, vocabularySize: 13, name: "note"), bytesPerToken: 1)
            }
            #expect(text.contains("note: \(ids.count) tokens"), "\(text)")
        }
    }

    @Test func stridesThatCannotBe() throws {
        let file = try TokenFile(tokens: tokens(40), vocabularySize: 13)
        for stride in [0, -3] {
            let text = message { _ = try Evaluator.evaluate(model, on: context, tokens: file, bytesPerToken: 1, stride: stride) }
            #expect(text.contains("stride is \(stride)"), "\(text)")
        }
    }

    @Test func stopping() throws {
        let file = try TokenFile(tokens: tokens(100), vocabularySize: 13)
        #expect(throws: CancellationError.self) {
            try Evaluator.evaluate(model, on: context, tokens: file, bytesPerToken: 1, batch: 1) { done, _ in done < 20 }
        }
    }
}
