import Foundation
import TestSupport
import Testing
import Text

private let gpt2Merges = ProcessInfo.processInfo.environment["LOOM_DATA"].map { $0 + "/gpt2-bpe/vocab.bpe" }

@Suite struct BPETests {
    @Test func trainingMergesTheMostFrequentPairFirst() throws {
        // After "aa", "aa"+"a" and "a"+"b" occur twice each; the tie goes to the pair of smaller ids.
        let tokenizer = try BPETokenizer.train(on: "aaabdaaabac", vocabularySize: 259, pattern: .gpt2)
        #expect(tokenizer.merges == [TokenPair(97, 97), TokenPair(97, 98), TokenPair(256, 257)])
        #expect(tokenizer.bytes(of: 258) == Array("aaab".utf8))
        #expect(try tokenizer.encode("aaabdaaabac") == [258, 100, 258, 97, 99])
    }

    @Test(arguments: SplitPattern.allCases) func trainingAgreesWithCountingAgainEachTime(pattern: SplitPattern) throws {
        var noise = Noise(seed: 21)
        let words = ["aa", "aaa", "ab", "abab", "the", "then", "he", "é", "你好", "\n", "  ", "12"]
        let text = (0..<400).map { _ in words[Int(noise.next() % UInt64(words.count))] + (noise.next() % 3 == 0 ? " " : "") }.joined()
        let tokenizer = try BPETokenizer.train(on: text, vocabularySize: 330, pattern: pattern)

        var chunks: [[Int32]] = pattern.split(text).map { $0.utf8.map { Int32($0) } }
        for (rank, merge) in tokenizer.merges.enumerated() {
            var counts: [TokenPair: Int] = [:]
            for chunk in chunks { for (a, b) in zip(chunk, chunk.dropFirst()) { counts[TokenPair(a, b), default: 0] += 1 } }
            let best = counts.max { $0.value != $1.value ? $0.value < $1.value : $0.key.key > $1.key.key }
            #expect(best?.key == merge, "rank \(rank)")
            chunks = chunks.map { BPETests.merging($0, merge, into: Int32(256 + rank)) }
        }
        #expect(try tokenizer.encode(text) == chunks.flatMap { $0 })
    }

    private static func merging(_ chunk: [Int32], _ pair: TokenPair, into token: Int32) -> [Int32] {
        var result: [Int32] = []
        var index = 0
        while index < chunk.count {
            if index + 1 < chunk.count, chunk[index] == pair.left, chunk[index + 1] == pair.right {
                result.append(token)
                index += 2
            } else {
                result.append(chunk[index])
                index += 1
            }
        }
        return result
    }

    @Test func trainingStopsWhenThereIsNothingToMerge() throws {
        #expect(try BPETokenizer.train(on: "ab", vocabularySize: 1000, pattern: .gpt4).vocabularySize == 257)
        #expect(try BPETokenizer.train(on: "", vocabularySize: 1000, pattern: .gpt4).vocabularySize == 256)
        let error = #expect(throws: TextError.self) { try BPETokenizer.train(on: "ab", vocabularySize: 255, pattern: .gpt4) }
        #expect(error?.description.contains("255") == true && error?.description.contains("256") == true)
    }

    @Test func shortAndLongChunksMergeAlike() throws {
        // The same letters in one chunk that goes through the queue and in small ones that do not have to agree,
        // so compare with the definition instead: the lowest rank first, everywhere from the left.
        var noise = Noise(seed: 2)
        let text = String(decoding: (0..<300).map { _ in UInt8(97 + noise.next() % 3) }, as: UTF8.self)
        let tokenizer = try BPETokenizer.train(on: text, vocabularySize: 300, pattern: .gpt2)
        for length in [1, 2, 3, 47, 48, 49, 64, 65, 200, 300] {
            let part = String(text.prefix(length))
            var expected = part.utf8.map { Int32($0) }
            for (rank, merge) in tokenizer.merges.enumerated() { expected = BPETests.merging(expected, merge, into: Int32(256 + rank)) }
            #expect(try tokenizer.encode(part) == expected)
        }
    }

    @Test func anyBytesComeBack() throws {
        let tokenizer = try BPETokenizer.train(on: "the theme of them then", vocabularySize: 280, pattern: .gpt4)
        var noise = Noise(seed: 4)
        for _ in 0..<500 {
            let bytes = (0..<Int(noise.next() % 80)).map { _ in UInt8(truncatingIfNeeded: noise.next()) }
            let ids = try bytes.withUnsafeBufferPointer { try tokenizer.encode(utf8: $0) }
            #expect(ids.flatMap { tokenizer.bytes(of: $0) } == bytes)
        }
        #expect(tokenizer.decode([97, 100_000, -1, 98]) == "ab")
    }

    @Test func aMillionLettersInOneChunk() throws {
        var noise = Noise(seed: 6)
        let letters = (0..<1_000_000).map { _ in UInt8(97 + noise.next() % 26) }
        let took = try processorSeconds {
            let tokenizer = try letters.withUnsafeBufferPointer { try BPETokenizer.train(on: $0, vocabularySize: 600, pattern: .gpt4) }
            let ids = try letters.withUnsafeBufferPointer { try tokenizer.encode(utf8: $0) }
            #expect(tokenizer.vocabularySize == 600 && ids.count < 700_000)
            #expect(ids.flatMap { tokenizer.bytes(of: $0) } == letters)
            let same = String(repeating: "a", count: 1_000_000)
            let doubling = try BPETokenizer.train(on: same, vocabularySize: 600, pattern: .gpt4)
            #expect(doubling.decode(try doubling.encode(same)) == same)
        }
        #expect(took < 60)
    }

    /// Ids as `tiktoken` gives them for GPT-2, single bytes renumbered.
    @Test(.enabled(if: gpt2Merges.map { FileManager.default.fileExists(atPath: $0) } ?? false, "needs LOOM_DATA with gpt2-bpe"))
    func gpt2() throws {
        let path = try #require(gpt2Merges)
        let tokenizer = try BPETokenizer(vocabBPE: #require(FileManager.default.contents(atPath: path)))
        #expect(tokenizer.vocabularySize == 50256)
        let cases: [(String, [Int32])] = [
            ("Hello, world! It's 2024.", [15496, 44, 995, 33, 632, 338, 48609, 46]),
            (
                "The quick brown fox jumps over the lazy dog.\n\n   Done",
                [464, 2068, 7586, 21831, 18045, 625, 262, 16931, 3290, 46, 628, 32, 32, 24429]
            ),
            (
                "na\u{EF}ve caf\u{E9} \u{4F60}\u{597D} \u{1F600} 'll",
                [2616, 38776, 40304, 32, 19526, 160, 25001, 189, 30325, 128, 705, 297]
            ),
            (" antidisestablishmentarianism", [1885, 29207, 44390, 3699, 1042]),
        ]
        for (text, ids) in cases {
            #expect(try tokenizer.encode(text) == ids)
            #expect(tokenizer.decode(ids) == text)
        }
    }

    @Test func damagedMergeListsAreRefused() {
        #expect(throws: TextError.self) { try BPETokenizer(vocabBPE: Data("#version: 0.2\nab c\n".utf8)) }
        #expect(throws: TextError.self) { try BPETokenizer(vocabBPE: Data("#version: 0.2\na b c\n".utf8)) }
        #expect((try? BPETokenizer(vocabBPE: Data("#version: 0.2\nĠ t\nĠt h\n".utf8)))?.bytes(of: 257) == Array(" th".utf8))
    }
}
