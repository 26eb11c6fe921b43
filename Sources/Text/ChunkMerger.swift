/// Merges the bytes of one chunk into tokens: always the pair of lowest rank, the leftmost of equal ones first.
struct ChunkMerger {
    /// Up to here looking through all pairs for every merge is faster than keeping a queue.
    private static let shortLength = 48

    private let ranks: PairTable
    private var tokens: [Int32] = []
    private var pairRanks: [Int32] = []
    private var previous: [Int32] = []
    private var next: [Int32] = []
    private var queue = BinaryHeap<UInt64>()

    init(ranks: PairTable) { self.ranks = ranks }

    /// Appends the tokens of `chunk`, which must be shorter than 2^31 bytes, to `output`.
    mutating func merge(_ chunk: UnsafeBufferPointer<UInt8>, into output: inout [Int32]) {
        if chunk.count <= ChunkMerger.shortLength {
            mergeShort(chunk, into: &output)
        } else {
            mergeLong(chunk, into: &output)
        }
    }

    @inline(__always)
    private func rank(_ left: Int32, _ right: Int32) -> Int32 {
        let rank = ranks[TokenPair(left, right).key]
        return rank < 0 ? Int32.max : rank
    }

    private mutating func mergeShort(_ chunk: UnsafeBufferPointer<UInt8>, into output: inout [Int32]) {
        tokens.removeAll(keepingCapacity: true)
        pairRanks.removeAll(keepingCapacity: true)
        for byte in chunk { tokens.append(Int32(byte)) }
        var count = tokens.count
        for index in 0..<max(0, count - 1) { pairRanks.append(rank(tokens[index], tokens[index + 1])) }
        while count > 1 {
            var best = Int32.max
            var at = 0
            for index in 0..<(count - 1) where pairRanks[index] < best {
                best = pairRanks[index]
                at = index
            }
            guard best != Int32.max else { break }
            tokens[at] = 256 + best
            for index in (at + 1)..<(count - 1) { tokens[index] = tokens[index + 1] }
            for index in at..<max(at, count - 2) { pairRanks[index] = pairRanks[index + 1] }
            count -= 1
            if at > 0 { pairRanks[at - 1] = rank(tokens[at - 1], tokens[at]) }
            if at + 1 < count { pairRanks[at] = rank(tokens[at], tokens[at + 1]) }
        }
        output.append(contentsOf: tokens[..<count])
    }

    /// A doubly linked list of tokens and a queue of (rank, position): near-linear however long the chunk is.
    private mutating func mergeLong(_ chunk: UnsafeBufferPointer<UInt8>, into output: inout [Int32]) {
        let count = chunk.count
        tokens.removeAll(keepingCapacity: true)
        for byte in chunk { tokens.append(Int32(byte)) }
        previous = (0..<count).map { Int32($0 - 1) }
        next = (0..<count).map { $0 + 1 < count ? Int32($0 + 1) : -1 }
        queue.removeAll()
        for index in 0..<(count - 1) { enqueue(index) }
        while let entry = queue.pop() {
            let rank = Int32(truncatingIfNeeded: entry >> 32), at = Int(entry & 0xFFFF_FFFF)
            // The pair may be gone since it was queued; its rank names it, so looking it up again tells.
            guard tokens[at] >= 0, next[at] >= 0 else { continue }
            let right = Int(next[at])
            guard self.rank(tokens[at], tokens[right]) == rank else { continue }
            tokens[at] = 256 + rank
            tokens[right] = -1
            next[at] = next[right]
            if next[right] >= 0 { previous[Int(next[right])] = Int32(at) }
            enqueue(at)
            if previous[at] >= 0 { enqueue(Int(previous[at])) }
        }
        for token in tokens where token >= 0 { output.append(token) }
    }

    private mutating func enqueue(_ at: Int) {
        guard next[at] >= 0 else { return }
        let rank = rank(tokens[at], tokens[Int(next[at])])
        if rank != Int32.max { queue.push(UInt64(rank) << 32 | UInt64(at)) }
    }
}
