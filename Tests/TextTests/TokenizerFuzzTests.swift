import Formats
import Foundation
import TestSupport
import Testing
import Text

/// Damaged files through the readers: an error or a tokenizer, but no crash and no waiting. LOOM_FUZZ=100000 does more.
@Suite struct TokenizerFuzzTests {
    private static let rounds = Fuzz.rounds

    @Test func mutatedFilesDoNoHarm() throws {
        var seeds = try ["gpt2", "llama2", "llama3", "gemma", "unknowns", "deepseek", "gpt1", "clip", "pieces"].map {
            try TokenizerFixtures.bytes($0 + ".json")
        }
        let ranks = try RankFile.read(TokenizerFixtures.bytes("gpt4.tiktoken"), pattern: "gpt4", specials: ["<|end|>": 700])
        seeds.append(Array(ranks.serialized()))
        seeds.append(Array(try BPETokenizer.train(on: "some words and some more words", vocabularySize: 270, pattern: .gpt4).serialized()))
        let rankFile = try TokenizerFixtures.bytes("o200k.tiktoken")
        let bytes = try ByteLevelParts(TokenizerFixtures.open("gpt2.tiktoken", pattern: "gpt2")).pair
        let words = try (vocabulary: TokenizerFixtures.bytes("gpt1/vocab.json"), merges: TokenizerFixtures.bytes("gpt1/merges.txt"))
        let meta = try TextFile.bytes(of: TokenizerFixtures.folder + "/../interop/nanogpt/source/meta.pkl")
        let names = ["ranks", "pairs", "meta.pkl", "tokenizer.json", "tokenizer.json"]
        var slowestOf: [String: Double] = [:], openedOf: [String: Int] = [:]
        let text = Array("Hello wörld 123 ▁ <s> <|endoftext|>\n\n  你好'll".utf8) + [0xFF, 0xE4, 0xBD]
        var random = TestRandom(state: 11)
        var slowest = 0.0, opened = 0
        for round in 0..<TokenizerFuzzTests.rounds {
            let took = processorSeconds {
                do {
                    let tokenizer: any Tokenizer
                    switch round % 5 {
                    case 0: tokenizer = try RankFile.read(Fuzz.mutated(rankFile, &random), pattern: "o200k", specials: nil)
                    case 1:
                        let pair = round % 20 < 10 ? bytes : words
                        let vocabulary = round % 10 == 1 ? Fuzz.mutated(pair.vocabulary, &random) : pair.vocabulary
                        let merges = round % 10 == 1 ? pair.merges : Fuzz.mutated(pair.merges, &random)
                        tokenizer = try VocabularyFiles.read(vocabulary: FlatJSON(vocabulary).root, merges: merges, pattern: nil)
                    case 2: tokenizer = try Tokenizers.characters(meta: Pickle.read(Data(Fuzz.mutated(meta, &random)), name: "meta.pkl"))
                    default: tokenizer = try Tokenizers.load(Data(Fuzz.mutated(seeds[round / 5 % seeds.count], &random)))
                    }
                    opened += 1
                    openedOf[names[round % 5], default: 0] += 1
                    let ids = try text.withUnsafeBufferPointer { try tokenizer.encode(utf8: $0) }
                    _ = tokenizer.decode(ids)
                    _ = try tokenizer.encodePrompt("")
                } catch is TextError {
                } catch is FormatError where round % 5 == 2 {
                } catch { Issue.record("\(error) is no TextError") }
            }
            slowest = max(slowest, took)
            slowestOf[names[round % 5]] = max(slowestOf[names[round % 5]] ?? 0, took)
            #expect(took < 1, "file \(round) takes \(took) s")
        }
        #expect(opened > TokenizerFuzzTests.rounds / 50, "only \(opened) were read at all")
        if TokenizerFuzzTests.rounds > 3000 {
            print(
                "\(TokenizerFuzzTests.rounds) files, \(opened) read \(openedOf), slowest \(slowest) s \(slowestOf), peak \(residentPeak() >> 20) MiB"
            )
        }
    }

    @Test func mutatedPatternsDoNoHarm() throws {
        var random = TestRandom(state: 5)
        let pieces =
            SplitPattern.allCases.map { Array($0.expression.unicodeScalars) } + [
                Array("(?>a|b)*+[^\\s]{2,3}?(?=x)(?<!y)\\x{41}".unicodeScalars)
            ]
        let text = Array("Hello wörld 123  aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n'll".utf8)
        for _ in 0..<TokenizerFuzzTests.rounds {
            var pattern = pieces.randomElement(using: &random) ?? []
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let other = pieces.randomElement(using: &random) ?? []
                let at = Int.random(in: 0..<pattern.count, using: &random), from = Int.random(in: 0..<other.count, using: &random)
                pattern.replaceSubrange(
                    at..<min(pattern.count, at + Int.random(in: 0...5, using: &random)),
                    with: other[from..<min(other.count, from + Int.random(in: 0...8, using: &random))])
                if pattern.isEmpty { pattern = ["a"] }
            }
            var expression = String.UnicodeScalarView()
            expression.append(contentsOf: pattern)
            do {
                let regex = try SplitRegex(String(expression), dialect: .tiktoken)
                let parts = try text.withUnsafeBufferPointer { try regex.cut($0) }
                #expect(parts.reduce(0) { $0 + $1.count } == text.count)
            } catch is TextError {}
        }
    }
}
