/// Which pairs become which tokens, and in what order.
struct MergeRules: Sendable {
    private(set) var ranks: PairTable
    /// The token that the merge of each rank makes.
    private(set) var results: [Int32] = []

    init(minimumCapacity: Int) {
        ranks = PairTable(minimumCapacity: minimumCapacity)
        results.reserveCapacity(minimumCapacity)
    }

    /// Adds the next merge; of the same pair twice the later one counts, as in the `tokenizers` library.
    mutating func append(_ pair: TokenPair, makes token: Int32) {
        ranks.set(pair.key, Int32(results.count))
        results.append(token)
    }

    /// Sets the rank of a pair where the rank is the token itself; `results` must be the numbers in order.
    mutating func set(_ pair: TokenPair, makes token: Int32) {
        while results.count <= Int(token) { results.append(Int32(results.count)) }
        ranks.set(pair.key, token)
    }

    /// The rank of a pair, `Int32.max` where it is not merged.
    @inline(__always)
    func rank(_ left: Int32, _ right: Int32) -> Int32 {
        let rank = ranks[TokenPair(left, right).key]
        return rank < 0 ? Int32.max : rank
    }
}

/// Merges the symbols of one chunk into tokens: always the pair of lowest rank, the leftmost of equal ones first.
struct ChunkMerger {
    /// Up to here looking through all pairs for every merge is faster than keeping a queue.
    private static let shortLength = 48

    private let rules: MergeRules
    /// The symbols of the chunk, to be filled before `merge`.
    var tokens: [Int32] = []
    private var pairRanks: [Int32] = []
    private var previous: [Int32] = []
    private var next: [Int32] = []
    private var queue = PairQueue()

    init(_ rules: MergeRules) { self.rules = rules }

    /// Appends the tokens that `tokens`, fewer than 2^31, become to `output`.
    mutating func merge(into output: inout [Int32]) {
        if tokens.count <= ChunkMerger.shortLength { mergeShort(into: &output) } else { mergeLong(into: &output) }
    }

    private mutating func mergeShort(into output: inout [Int32]) {
        var count = tokens.count
        pairRanks.removeAll(keepingCapacity: true)
        for index in 0..<max(0, count - 1) { pairRanks.append(rules.rank(tokens[index], tokens[index + 1])) }
        tokens.withUnsafeMutableBufferPointer { tokens in
            pairRanks.withUnsafeMutableBufferPointer { pairRanks in
                while count > 1 {
                    var best = Int32.max
                    var at = 0
                    for index in 0..<(count - 1) where pairRanks[index] < best {
                        best = pairRanks[index]
                        at = index
                    }
                    guard best != Int32.max else { break }
                    tokens[at] = rules.results[Int(best)]
                    for index in (at + 1)..<(count - 1) { tokens[index] = tokens[index + 1] }
                    for index in at..<max(at, count - 2) { pairRanks[index] = pairRanks[index + 1] }
                    count -= 1
                    if at > 0 { pairRanks[at - 1] = rules.rank(tokens[at - 1], tokens[at]) }
                    if at + 1 < count { pairRanks[at] = rules.rank(tokens[at], tokens[at + 1]) }
                }
            }
        }
        output.append(contentsOf: tokens[..<count])
    }

    /// A doubly linked list of tokens and a queue of (rank, position): near-linear however long the chunk is.
    private mutating func mergeLong(into output: inout [Int32]) {
        let count = tokens.count
        previous = (0..<count).map { Int32($0 - 1) }
        next = (0..<count).map { $0 + 1 < count ? Int32($0 + 1) : -1 }
        queue.begin(length: count, ranks: rules.results.count)
        for index in 0..<(count - 1) { enqueue(index) }
        while let (rank, place) = queue.pop() {
            let at = Int(place)
            // The pair may be gone since it was queued; its rank names it, so looking it up again tells.
            guard tokens[at] >= 0, next[at] >= 0 else { continue }
            let right = Int(next[at])
            guard rules.rank(tokens[at], tokens[right]) == rank else { continue }
            tokens[at] = rules.results[Int(rank)]
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
        let rank = rules.rank(tokens[at], tokens[Int(next[at])])
        if rank != Int32.max { queue.push(rank: rank, place: Int32(at)) }
    }
}
