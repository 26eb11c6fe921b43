import Formats
import Foundation
import Testing
import Text

/// Damaged files through the readers: an error or a tokenizer, but no crash and no waiting. LOOM_FUZZ=100000 does more.
@Suite struct TokenizerFuzzTests {
    private static let rounds = ProcessInfo.processInfo.environment["LOOM_FUZZ"].flatMap { Int($0) } ?? 3000

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
            let took = processorTime {
                do {
                    let tokenizer: any Tokenizer
                    switch round % 5 {
                    case 0: tokenizer = try RankFile.read(mutated(rankFile, &random), pattern: "o200k", specials: nil)
                    case 1:
                        let pair = round % 20 < 10 ? bytes : words
                        let vocabulary = round % 10 == 1 ? mutated(pair.vocabulary, &random) : pair.vocabulary
                        let merges = round % 10 == 1 ? pair.merges : mutated(pair.merges, &random)
                        tokenizer = try VocabularyFiles.read(vocabulary: FlatJSON(vocabulary).root, merges: merges, pattern: nil)
                    case 2: tokenizer = try Tokenizers.characters(meta: Pickle.read(Data(mutated(meta, &random)), name: "meta.pkl"))
                    default: tokenizer = try Tokenizers.load(Data(mutated(seeds[round / 5 % seeds.count], &random)))
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
            print("\(TokenizerFuzzTests.rounds) files, \(opened) read \(openedOf), slowest \(slowest) s \(slowestOf), peak \(peak()) MB")
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

    /// Seconds of this thread's own work: a machine that is busy with others is no hang.
    private func processorTime(_ work: () -> Void) -> Double {
        func now() -> Double {
            var time = timespec()
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
            return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
        }
        let start = now()
        work()
        return now() - start
    }

    private func peak() -> Int {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM") }
        return (line?.split { !$0.isNumber }.first.flatMap { Int($0) } ?? 0) / 1024
    }

    /// One to a few changes: bytes, numbers, stretches removed, doubled, or taken from elsewhere in the file.
    private func mutated(_ bytes: [UInt8], _ random: inout TestRandom) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            guard bytes.count > 2 else { return bytes }
            let at = Int.random(in: 0..<bytes.count, using: &random)
            let length = min(bytes.count - at, Int.random(in: 1...24, using: &random))
            switch Int.random(in: 0..<8, using: &random) {
            case 0: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: bytes[at] = UInt8.random(in: .min ... .max, using: &random)
            case 2: bytes.removeSubrange(at..<at + length)
            case 3: bytes.insert(contentsOf: bytes[at..<at + length], at: Int.random(in: 0...bytes.count, using: &random))
            case 4: if Int.random(in: 0..<4, using: &random) == 0 { bytes.removeSubrange(at...) }
            case 5:
                let number = ["-1", "99999999999999999999", "1e308", "2147483648", "4294967296", "0", "null", "true", "[]", "{}", "\"\""]
                bytes.replaceSubrange(at..<at + length, with: Array((number.randomElement(using: &random) ?? "").utf8))
            case 6:
                // A number where a number is.
                if let digit = bytes[at...].firstIndex(where: { $0 >= 0x30 && $0 <= 0x39 }) {
                    bytes[digit] = UInt8.random(in: 0x30...0x39, using: &random)
                }
            default:
                let words = ["false", "true", "\"First\"", "\"Always\"", "\\ud800", "\"MergedWithNext\"", "<0x41>", "▁", " "]
                bytes.insert(contentsOf: Array((words.randomElement(using: &random) ?? "").utf8), at: at)
            }
        }
        return bytes
    }
}
