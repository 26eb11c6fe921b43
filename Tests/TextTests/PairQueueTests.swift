import Testing
import Text

@Suite struct PairQueueTests {
    /// In whatever order pairs come, before and between taking some, the smallest rank and then the leftmost place comes out.
    @Test(arguments: [100, 100_000]) func theSmallestComesOut(length: Int) {
        var random = TestRandom(state: 3)
        var queue = PairQueue()
        for round in 0..<60 {
            queue.begin(length: length, ranks: 40)
            var expected: [(rank: Int32, place: Int32)] = []
            func push() {
                let entry = (rank: Int32.random(in: 0..<40, using: &random), place: Int32.random(in: 0..<500, using: &random))
                queue.push(rank: entry.rank, place: entry.place)
                expected.append(entry)
            }
            for _ in 0..<Int.random(in: 0..<300, using: &random) { push() }
            while let smallest = expected.min(by: <) {
                let found = queue.pop()
                #expect(found.map { $0 == smallest } == true, "round \(round): \(String(describing: found)), not \(smallest)")
                guard found != nil else { break }
                if let at = expected.firstIndex(where: { $0 == smallest }) { expected.remove(at: at) }
                // Fewer than are taken, so that it ends.
                if Int.random(in: 0..<3, using: &random) == 0 { push() }
            }
            #expect(queue.pop() == nil)
        }
    }

    /// A long chunk becomes what trying every pair for every merge makes of it.
    @Test func longChunksMergeAsShortOnes() throws {
        let tokenizer = try TokenizerFixtures.open("gpt2.tiktoken", pattern: "gpt2")
        let ids = Dictionary(uniqueKeysWithValues: (0..<Int32(tokenizer.vocabularySize)).map { (tokenizer.bytes(of: $0), $0) })
        var random = TestRandom(state: 8)
        for letters in ["etaoinshrdlu", "ab", "e"] {
            var text: [UInt8] = []
            for _ in 0..<5000 { text.append(Array(letters.utf8).randomElement(using: &random) ?? 0) }
            var symbols = text.compactMap { ids[[$0]] }
            func rank(_ at: Int) -> Int32 { ids[tokenizer.bytes(of: symbols[at]) + tokenizer.bytes(of: symbols[at + 1])] ?? .max }
            var ranks = (0..<symbols.count - 1).map { rank($0) }
            while let best = ranks.min(), best != .max, let at = ranks.firstIndex(of: best) {
                symbols[at] = best
                symbols.remove(at: at + 1)
                ranks.remove(at: at)
                if at > 0 { ranks[at - 1] = rank(at - 1) }
                if at < ranks.count { ranks[at] = rank(at) }
            }
            #expect(try text.withUnsafeBufferPointer { try tokenizer.encode(utf8: $0) } == symbols, "\(letters)")
        }
    }
}
