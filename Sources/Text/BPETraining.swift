import Foundation

extension BPETokenizer {
    /// Learns merges from `text` until the vocabulary has `vocabularySize` tokens, or no pair is left to merge.
    ///
    /// Each step merges the most frequent pair; of equally frequent ones, the pair of smallest ids. The result depends on
    /// the text alone, not on the number of threads.
    public static func train(
        on text: UnsafeBufferPointer<UInt8>, vocabularySize: Int, pattern: SplitPattern, threads: Int? = nil,
        progress: (_ merges: Int) throws -> Void = { _ in }
    ) throws -> BPETokenizer {
        try train(
            on: text, documents: [0..<text.count], vocabularySize: vocabularySize, pattern: pattern, threads: threads, progress: progress)
    }

    /// Learns merges from stretches of `text`, none of which goes over into the next; see the other form.
    static func train(
        on text: UnsafeBufferPointer<UInt8>, documents: [Range<Int>], vocabularySize: Int, pattern: SplitPattern, threads: Int? = nil,
        progress: (_ merges: Int) throws -> Void = { _ in }
    ) throws -> BPETokenizer {
        guard vocabularySize >= 256, vocabularySize <= 1 << 24 else {
            throw TextError.invalidSetting(
                name: "the vocabulary size of a bpe tokenizer", value: "\(vocabularySize)",
                requirement: "256 (the bytes) to 16777216")
        }
        let chunks = ChunkCounts(
            text, documents, pattern: pattern, threads: threads ?? ProcessInfo.processInfo.activeProcessorCount)
        guard chunks.distinctBytes < Int(Int32.max) else {
            throw TextError.invalidSetting(
                name: "the text for bpe training", value: "\(chunks.distinctBytes) bytes of different words",
                requirement: "below 2147483648; train the tokenizer on a part of it")
        }
        var trainer = BPETrainer(chunks, text: text)
        return try BPETokenizer(merges: try trainer.merges(upTo: vocabularySize - 256, progress), pattern: pattern)
    }

    /// Learns merges from `text`; see the other form.
    public static func train(on text: String, vocabularySize: Int, pattern: SplitPattern) throws -> BPETokenizer {
        var text = text
        return try text.withUTF8 { try train(on: $0, vocabularySize: vocabularySize, pattern: pattern) }
    }
}

/// How often each different chunk of a text occurs.
private struct ChunkCounts {
    private(set) var ranges: [Range<Int>] = []
    private(set) var counts: [Int] = []

    var distinctBytes: Int { ranges.reduce(0) { $0 + $1.count } }

    init(_ text: UnsafeBufferPointer<UInt8>, _ documents: [Range<Int>], pattern: SplitPattern, threads: Int) {
        let threads = min(threads, 1 + text.count / 200_000)
        let pieces =
            documents.count == 1
            ? ChunkScanner.pieces(of: text, atMost: threads).map { [$0][...] } : DocumentGroups.of(documents, threads: threads)
        var partial = [(ChunkTable, [Int])?](repeating: nil, count: pieces.count)
        partial.withUnsafeMutableBufferPointer { partial in
            // Every thread reads the text and writes one element of its own.
            nonisolated(unsafe) let (partial, text) = (partial, text)
            DispatchQueue.concurrentPerform(iterations: pieces.count) { piece in
                var table = ChunkTable(text)
                var counts: [Int] = []
                for document in pieces[piece] {
                    var scanner = ChunkScanner(UnsafeBufferPointer(rebasing: text[document]), pattern: pattern)
                    let offset = document.lowerBound
                    while let range = scanner.next() {
                        let (number, isNew) = table.number(of: range.lowerBound + offset..<range.upperBound + offset)
                        if isNew { counts.append(1) } else { counts[number] += 1 }
                    }
                }
                partial[piece] = (table, counts)
            }
        }
        var all = ChunkTable(text)
        for case let (table, tableCounts)? in partial {
            for (range, count) in zip(table.ranges, tableCounts) {
                let (number, isNew) = all.number(of: range)
                if isNew { counts.append(count) } else { counts[number] += count }
            }
        }
        ranges = all.ranges
    }
}

/// The merge loop. All different chunks lie one after another in one array as linked lists of tokens; every pair knows
/// its count and the places where it was seen, so a merge touches only the places it changes.
private struct BPETrainer {
    private struct Candidate: Comparable {
        let count: Int
        let key: UInt64

        /// The one to merge first is the smallest: the highest count, then the smallest pair.
        static func < (a: Candidate, b: Candidate) -> Bool { a.count != b.count ? a.count > b.count : a.key < b.key }
    }

    private var tokens: [Int32] = []
    private var previous: [Int32] = []
    private var next: [Int32] = []
    private var chunkOf: [Int32] = []
    private let chunkCounts: [Int]
    private var tokenLengths = [Int](repeating: 1, count: 256)

    private var pairNumbers = PairTable(minimumCapacity: 1 << 12)
    private var pairCounts: [Int] = []
    private var places: [[Int32]] = []
    private var queue = BinaryHeap<Candidate>()
    /// The pairs that a merge made or made more of, to be queued when it is through.
    private var grown: [UInt64] = []

    init(_ chunks: ChunkCounts, text: UnsafeBufferPointer<UInt8>) {
        chunkCounts = chunks.counts
        let total = chunks.distinctBytes
        tokens.reserveCapacity(total)
        previous.reserveCapacity(total)
        next.reserveCapacity(total)
        chunkOf.reserveCapacity(total)
        for (number, range) in chunks.ranges.enumerated() {
            for index in range {
                let place = Int32(tokens.count)
                tokens.append(Int32(text[index]))
                previous.append(index == range.lowerBound ? -1 : place - 1)
                next.append(index + 1 == range.upperBound ? -1 : place + 1)
                chunkOf.append(Int32(number))
            }
        }
        for place in tokens.indices where next[place] >= 0 {
            add(TokenPair(tokens[place], tokens[place + 1]).key, at: place)
        }
    }

    mutating func merges(upTo limit: Int, _ progress: (Int) throws -> Void) rethrows -> [TokenPair] {
        var merges: [TokenPair] = []
        queueGrown()
        while merges.count < limit, let best = queue.pop() {
            let number = Int(pairNumbers[best.key])
            // After the merge that makes it a pair only gets rarer, so an outdated entry stands too early, never too late.
            if pairCounts[number] != best.count {
                if pairCounts[number] > 0 { queue.push(Candidate(count: pairCounts[number], key: best.key)) }
                continue
            }
            let pair = TokenPair(key: best.key)
            let length = tokenLengths[Int(pair.left)] + tokenLengths[Int(pair.right)]
            guard length <= BPETokenizer.longestToken else { continue }
            merge(pair, number: number, into: Int32(256 + merges.count))
            merges.append(pair)
            tokenLengths.append(length)
            queueGrown()
            if merges.count & 63 == 0 { try progress(merges.count) }
        }
        return merges
    }

    private mutating func merge(_ pair: TokenPair, number: Int, into token: Int32) {
        let occurrences = places[number]
        places[number] = []
        for place in occurrences {
            let at = Int(place)
            guard tokens[at] == pair.left, next[at] >= 0, tokens[Int(next[at])] == pair.right else { continue }
            let right = Int(next[at])
            let before = Int(previous[at]), after = Int(next[right])
            if before >= 0 { remove(TokenPair(tokens[before], pair.left).key, at: at) }
            if after >= 0 { remove(TokenPair(pair.right, tokens[after]).key, at: at) }
            tokens[at] = token
            tokens[right] = -1
            next[at] = Int32(after)
            if after >= 0 {
                previous[after] = Int32(at)
                add(TokenPair(token, tokens[after]).key, at: at)
            }
            if before >= 0 { add(TokenPair(tokens[before], token).key, at: before) }
        }
        pairCounts[number] = 0
    }

    private mutating func add(_ key: UInt64, at place: Int) {
        let fresh = Int32(pairCounts.count)
        let number = Int(pairNumbers.insert(key, fresh))
        if number == fresh {
            pairCounts.append(0)
            places.append([])
            grown.append(key)
        }
        pairCounts[number] += chunkCounts[Int(chunkOf[place])]
        places[number].append(Int32(place))
    }

    private mutating func remove(_ key: UInt64, at place: Int) {
        pairCounts[Int(pairNumbers[key])] -= chunkCounts[Int(chunkOf[place])]
    }

    private mutating func queueGrown() {
        for key in grown where pairCounts[Int(pairNumbers[key])] > 0 {
            queue.push(Candidate(count: pairCounts[Int(pairNumbers[key])], key: key))
        }
        grown.removeAll(keepingCapacity: true)
    }
}
