/// The pairs of a chunk in the order that they are merged in: by rank, those of one rank from left to right.
///
/// A heap of all pairs jumps about in memory, which a chunk of a million letters has far too much of for the caches. But ranks
/// are few, and the places of one rank come nearly in order. So long chunks have a list of places for every rank, and a heap
/// only of the ranks that have any.
package struct PairQueue {
    private struct List {
        var places: [Int32] = []
        var next = 0
        /// Whether places have been taken from it; until then they may come in any order.
        var hasBegun = false
        var isSorted = true
    }

    /// Up to here one heap stays in the caches.
    private static let shortLength = 4096

    private var usesLists = false
    private var lists: [List] = []
    /// Lists that no rank has.
    private var vacant: [Int32] = []
    /// The list of each rank, -1 for none.
    private var numbers: [Int32] = []
    private var ranks = BinaryHeap<Int32>()
    /// Ranks and places of short chunks, and those that come too late for their list.
    private var entries = BinaryHeap<UInt64>()

    package init() {}

    /// Makes an emptied queue ready for a chunk.
    package mutating func begin(length: Int, ranks count: Int) {
        usesLists = length > PairQueue.shortLength
        if usesLists, numbers.count < count { numbers = Array(repeating: -1, count: count) }
    }

    package mutating func push(rank: Int32, place: Int32) {
        guard usesLists else { return entries.push(PairQueue.key(rank, place)) }
        if numbers[Int(rank)] < 0 {
            if vacant.isEmpty {
                vacant.append(Int32(lists.count))
                lists.append(List())
            }
            numbers[Int(rank)] = vacant.removeLast()
            ranks.push(rank)
        }
        let number = Int(numbers[Int(rank)])
        if let last = lists[number].places.last, place < last {
            if lists[number].hasBegun { return entries.push(PairQueue.key(rank, place)) }
            lists[number].isSorted = false
        }
        lists[number].places.append(place)
    }

    /// Takes the first.
    package mutating func pop() -> (rank: Int32, place: Int32)? {
        while let rank = ranks.first {
            let number = Int(numbers[Int(rank)])
            let next = lists[number].next
            guard next < lists[number].places.count else {
                _ = ranks.pop()
                numbers[Int(rank)] = -1
                // Room for many places is not kept for a rank that may have few.
                lists[number] = List()
                vacant.append(Int32(number))
                continue
            }
            if !lists[number].hasBegun {
                lists[number].hasBegun = true
                if !lists[number].isSorted { lists[number].places.sort() }
            }
            let place = lists[number].places[next]
            if let entry = entries.first, entry < PairQueue.key(rank, place) { break }
            lists[number].next = next + 1
            return (rank, place)
        }
        return entries.pop().map { (Int32(truncatingIfNeeded: $0 >> 32), Int32(truncatingIfNeeded: $0)) }
    }

    private static func key(_ rank: Int32, _ place: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: rank)) << 32 | UInt64(UInt32(bitPattern: place))
    }
}
