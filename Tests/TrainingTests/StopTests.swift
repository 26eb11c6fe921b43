import Architectures
import Autograd
import Configuration
import Foundation
import Testing
import Text
import Training

/// Texts that end a sample, wherever tokens begin and end.
struct StopTests {
    let context = Context.cpu(threads: 1)

    func sampler(_ tokenizer: any Tokenizer, logits: [Int: Float] = [:], others: Float = 0) throws -> Sampler {
        let json: JSON = ["context": 8, "layers": 1, "width": 8, "attention": ["heads": 1], "head": ["type": "untied", "bias": true]]
        let model = try Model(ModelConfig(json), vocabulary: tokenizer.vocabularySize)
        model.materialize(on: context, training: false)
        for parameter in model.store.parameters {
            let value = try #require(parameter.value)
            context.backend.fill(value, 0)
            guard parameter.name == "head.bias" else { continue }
            let bias = (0..<parameter.count).map { logits[$0] ?? others }
            bias.withUnsafeBytes { context.backend.upload($0, to: value) }
        }
        return Sampler(model, tokenizer, on: context)
    }

    /// The likeliest letter once, then the next: "abcdefg", and "a" from there on.
    func alphabet(_ stop: [String], tokens: Int = 10) throws -> (text: String, made: Int) {
        var options = SamplingOptions(), text = ""
        (options.tokens, options.greedy, options.repetitionPenalty, options.stop) = (tokens, true, 100, stop)
        let sampler = try sampler(
            CharTokenizer(text: "abcdefgh"), logits: Dictionary(uniqueKeysWithValues: (0..<8).map { ($0, Float(8 - $0)) }))
        let made = try sampler.generate(prompt: "h", options) {
            text += $1
            return true
        }
        return (text, made)
    }

    @Test(arguments: [
        ([], "abcdefgaaa", 10), (["c"], "ab", 3), (["cde"], "ab", 5), (["a"], "", 1), (["ab"], "", 2), (["gaaa"], "abcdef", 10),
        (["gaaaa"], "abcdefgaaa", 10), (["x", "fg"], "abcde", 7), (["efg", "cd"], "ab", 4), (["bcdefga", "de"], "abc", 5),
        (["ac", "aaa"], "abcdefg", 10), (["abd", "bce", "cd"], "ab", 4),
    ])
    func stops(stop: [String], text: String, made: Int) throws {
        let found = try alphabet(stop)
        #expect(found.text == text && found.made == made, "stop \(stop): \(found)")
    }

    /// Where the tokens run out, text that might have become a stop is given out after all.
    @Test func theEndReleasesWhatWasHeld() throws {
        #expect(try alphabet(["defx"], tokens: 6).text == "abcdef")
        #expect(try alphabet(["abcdefg"], tokens: 6).text == "abcdef")
        #expect(try alphabet(["abcdefg"], tokens: 7).text == "")
    }

    /// Text that cannot become a stop any more is not held back.
    @Test func piecesComeAsSoonAsTheyCan() throws {
        var options = SamplingOptions(), pieces: [String] = []
        (options.tokens, options.greedy, options.repetitionPenalty, options.stop) = (7, true, 100, ["bcx"])
        let sampler = try sampler(
            CharTokenizer(text: "abcdefgh"), logits: Dictionary(uniqueKeysWithValues: (0..<8).map { ($0, Float(8 - $0)) }))
        try sampler.generate(prompt: "h", options) {
            pieces.append($1)
            return true
        }
        #expect(pieces == ["a", "bcd", "e", "f", "g"])
    }

    /// Many samples at once, each up to its own stop: what it would be without, cut before the first stop.
    @Test(arguments: [["ab"], ["b"], ["aab", "ca"], ["abc", "bca", "cab"], ["é"], ["éa", "bé"]])
    func everySampleIsCutAtItsFirstStop(stop: [String]) throws {
        // é is two tokens, so stops go across tokens inside of a character, too.
        let sampler = try sampler(ByteTokenizer(), logits: [0x61: 1, 0x62: 1, 0x63: 1, 0xC3: 2, 0xA9: 2], others: -100)
        var options = SamplingOptions()
        (options.tokens, options.samples, options.seed, options.temperature) = (40, 50, 8, 1)
        func texts(_ stop: [String]) throws -> [String] {
            options.stop = stop
            var texts = Array(repeating: "", count: options.samples)
            try sampler.generate(prompt: "a", options) {
                texts[$0] += $1
                return true
            }
            return texts
        }
        let whole = try texts([]), cut = try texts(stop)
        #expect(whole.contains { $0.contains("é") })
        var stopped = 0
        for (text, found) in zip(whole, cut) {
            let wanted = stop.compactMap { text.range(of: $0)?.lowerBound }.min().map { String(text[..<$0]) }
            // The first stop that is complete ends the text; one that begins earlier may have come later.
            #expect(text.hasPrefix(found), "\(found) is no beginning of \(text)")
            #expect(!stop.contains { found.contains($0) }, "\(found) has a stop in it")
            if stop.count == 1 { #expect(found == wanted ?? text, "of \(text)") }
            if wanted != nil { stopped += 1 }
        }
        #expect(stopped > 5, "the test needs texts with stops in them, found \(stopped)")
    }
}
