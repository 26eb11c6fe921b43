import Architectures
import Autograd
import Configuration
import Foundation
import Testing
import Text
import Training

/// How tokens are chosen, by statistics over a model that gives the same logits whatever went before.
struct ChoiceTests {
    static let letters = Array("abcdefgh")
    static let logits: [Float] = [1.5, 0.5, 2, -1, 0.5, 0, -0.5, 1]
    let context = Context.cpu(threads: 1)

    /// All weights zero, so that the head's bias is what is left.
    func sampler(_ logits: [Float] = logits) throws -> Sampler {
        let tokenizer = try CharTokenizer(text: String(ChoiceTests.letters.prefix(logits.count)))
        let json: JSON = ["context": 8, "layers": 1, "width": 8, "attention": ["heads": 1], "head": ["type": "untied", "bias": true]]
        let model = try Model(ModelConfig(json), vocabulary: logits.count)
        model.materialize(on: context, training: false)
        for parameter in model.store.parameters {
            let value = try #require(parameter.value)
            context.backend.fill(value, 0)
            if parameter.name == "head.bias" { logits.withUnsafeBytes { context.backend.upload($0, to: value) } }
        }
        return Sampler(model, tokenizer, on: context)
    }

    /// How often each letter comes first in 10000 samples.
    func counts(prompt: String = "a", _ change: (inout SamplingOptions) -> Void) throws -> [Int] {
        var options = SamplingOptions(), counts = Array(repeating: 0, count: 8)
        (options.tokens, options.temperature, options.seed, options.samples) = (1, 1, 21, 10_000)
        change(&options)
        try sampler().generate(prompt: prompt, options) { _, piece in
            for letter in piece { counts[ChoiceTests.letters.firstIndex(of: letter) ?? 0] += 1 }
            return true
        }
        return counts
    }

    /// Pearson's χ² of counts with `weights` as they should be; nothing where the weight is zero.
    func expectDistribution(_ counts: [Int], _ weights: [Double], sourceLocation: SourceLocation = #_sourceLocation) {
        let total = weights.reduce(0, +), all = Double(counts.reduce(0, +))
        #expect(all == 10_000, sourceLocation: sourceLocation)
        var distance = 0.0
        for (count, weight) in zip(counts, weights) {
            if weight == 0 {
                #expect(count == 0, "a token that was left out came \(count) times", sourceLocation: sourceLocation)
            } else {
                let wanted = all * weight / total
                distance += (Double(count) - wanted) * (Double(count) - wanted) / wanted
            }
        }
        // Seven degrees of freedom at most: chance exceeds 24.3 once in a thousand.
        #expect(distance < 24.3, "χ² is \(distance): \(counts), weights \(weights)", sourceLocation: sourceLocation)
    }

    func softmax(_ logits: [Float], temperature: Double = 1) -> [Double] { logits.map { exp(Double($0) / temperature) } }

    @Test(arguments: [0.25, 0.8, 1, 3])
    func temperature(temperature: Double) throws {
        expectDistribution(try counts { $0.temperature = temperature }, softmax(ChoiceTests.logits, temperature: temperature))
    }

    @Test func aTinyTemperatureIsGreedy() throws {
        #expect(try counts { $0.temperature = 1e-6 }[2] == 10_000)
        #expect(try counts { $0.temperature = 1e-300 }[2] == 10_000)
        #expect(try counts { ($0.greedy, $0.samples) = (true, 100) }[2] == 100)
        #expect(try counts { ($0.topK, $0.samples) = (1, 100) }[2] == 100)
    }

    @Test func topK() throws {
        var weights = softmax(ChoiceTests.logits)
        expectDistribution(try counts { $0.topK = 8 }, weights)
        expectDistribution(try counts { $0.topK = 1000 }, weights)
        // b and e are alike; the one with the lower number is kept.
        for out in [3, 4, 5, 6] { weights[out] = 0 }
        expectDistribution(try counts { $0.topK = 4 }, weights)
    }

    /// c has 41 %, a 25 %, h 15 %: half takes two, two thirds three.
    @Test func topP() throws {
        let all = softmax(ChoiceTests.logits)
        func kept(_ letters: [Int]) -> [Double] { all.indices.map { letters.contains($0) ? all[$0] : 0 } }
        expectDistribution(try counts { $0.topP = 1 }, all)
        expectDistribution(try counts { $0.topP = 0.3 }, kept([2]))
        expectDistribution(try counts { $0.topP = 0.5 }, kept([2, 0]))
        expectDistribution(try counts { $0.topP = 0.68 }, kept([2, 0, 7]))
        expectDistribution(try counts { $0.topP = 1e-9 }, kept([2]))
        // Of what top-k leaves: c has 62 % of c and a.
        expectDistribution(try counts { ($0.topK, $0.topP) = (2, 0.6) }, kept([2]))
        expectDistribution(try counts { ($0.topK, $0.topP) = (2, 0.7) }, kept([2, 0]))
        // Temperature comes before top-p: nearly flat, c alone is not half.
        expectDistribution(
            try counts { ($0.temperature, $0.topP) = (50, 0.14) },
            softmax(ChoiceTests.logits, temperature: 50).enumerated().map { [0, 2].contains($0.offset) ? $0.element : 0 })
    }

    /// Logits of tokens that occurred are divided where positive and multiplied where negative.
    @Test func repetitionPenalty() throws {
        var changed = ChoiceTests.logits
        (changed[2], changed[3]) = (1, -2)
        expectDistribution(try counts(prompt: "cdcc") { $0.repetitionPenalty = 2 }, softmax(changed))
        (changed[2], changed[3]) = (4, -0.5)
        expectDistribution(try counts(prompt: "cd") { $0.repetitionPenalty = 0.5 }, softmax(changed))
    }

    /// Tokens made count as seen, too: the likeliest comes once, then the next.
    @Test func penaltyOfTokensMade() throws {
        var options = SamplingOptions()
        (options.tokens, options.greedy, options.repetitionPenalty) = (12, true, 100)
        let sampler = try sampler([8, 7, 6, 5, 4, 3, 2, 1])
        #expect(try sampler.text(prompt: "h", options) == "abcdefgaaaaa")
        options.repetitionPenalty = 1
        #expect(try sampler.text(prompt: "h", options) == "aaaaaaaaaaaa")
    }

    /// Draws at one position say nothing of those at the next.
    @Test func positionsAreIndependent() throws {
        var options = SamplingOptions(), pairs = Array(repeating: 0, count: 4)
        (options.tokens, options.temperature, options.samples, options.seed) = (2, 1, 5000, 3)
        var texts = Array(repeating: "", count: options.samples)
        try sampler([0, 0]).generate(prompt: "a", options) {
            texts[$0] += $1
            return true
        }
        for text in texts { pairs[["aa", "ab", "ba", "bb"].firstIndex(of: text) ?? 0] += 1 }
        let distance = pairs.reduce(0.0) { $0 + (Double($1) - 1250) * (Double($1) - 1250) / 1250 }
        #expect(distance < 16.3, "pairs \(pairs)")
    }

    @Test func logitsThatAreNoNumbers() throws {
        var options = SamplingOptions()
        (options.tokens, options.samples) = (3, 2)
        for bad in [[Float.nan, 1, 2], [.infinity, 1, 2], [-.infinity, -.infinity, -.infinity], [Float.nan, .nan, .nan]] {
            for topK in [nil, 2] {
                options.topK = topK
                #expect(
                    try sampler(bad).text(
                        prompt: "a",
                        {
                            var o = options; o.samples = 1; return o
                        }()
                    ).count == 3)
            }
        }
    }
}
