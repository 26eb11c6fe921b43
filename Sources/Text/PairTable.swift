/// Two neighbouring tokens.
public struct TokenPair: Hashable, Sendable {
    public let left: Int32
    public let right: Int32

    public init(_ left: Int32, _ right: Int32) {
        (self.left, self.right) = (left, right)
    }

    /// Both in one number, ordered by left and then right.
    @inline(__always)
    package var key: UInt64 { UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right)) }

    @inline(__always)
    init(key: UInt64) {
        self.init(Int32(bitPattern: UInt32(truncatingIfNeeded: key >> 32)), Int32(bitPattern: UInt32(truncatingIfNeeded: key)))
    }
}

/// A hash table from pair keys to numbers, much faster to ask than a `Dictionary`: open addressing, one probe mostly.
struct PairTable: Sendable {
    private static let vacant = UInt64.max

    private var keys: [UInt64]
    private var values: [Int32]
    private(set) var count = 0

    init(minimumCapacity: Int = 16) {
        var capacity = 32
        while capacity < minimumCapacity * 2 { capacity *= 2 }
        keys = Array(repeating: PairTable.vacant, count: capacity)
        values = Array(repeating: -1, count: capacity)
    }

    @inline(__always)
    private func slot(of key: UInt64) -> Int {
        let mask = keys.count - 1
        var slot = Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 32) & mask
        while keys[slot] != key && keys[slot] != PairTable.vacant { slot = (slot + 1) & mask }
        return slot
    }

    /// The number of `key`, or -1.
    @inline(__always)
    subscript(key: UInt64) -> Int32 { values[slot(of: key)] }

    /// Gives `key` a number if it has none; returns the number it has.
    mutating func insert(_ key: UInt64, _ value: Int32) -> Int32 {
        var position = slot(of: key)
        if keys[position] == key { return values[position] }
        if (count + 1) * 2 > keys.count {
            grow()
            position = slot(of: key)
        }
        keys[position] = key
        values[position] = value
        count += 1
        return value
    }

    /// Calls `body` with every key and its number, in no order that means anything.
    func forEach(_ body: (UInt64, Int32) -> Void) {
        for (slot, key) in keys.enumerated() where key != PairTable.vacant { body(key, values[slot]) }
    }

    /// Gives `key` this number, whether it had one or not.
    mutating func set(_ key: UInt64, _ value: Int32) {
        if insert(key, value) != value { values[slot(of: key)] = value }
    }

    private mutating func grow() {
        let (oldKeys, oldValues) = (keys, values)
        keys = Array(repeating: PairTable.vacant, count: oldKeys.count * 2)
        values = Array(repeating: -1, count: oldKeys.count * 2)
        for (index, key) in oldKeys.enumerated() where key != PairTable.vacant {
            let position = slot(of: key)
            keys[position] = key
            values[position] = oldValues[index]
        }
    }
}

/// Numbers the different chunks of one text 0, 1, 2 ... in order of appearance; chunks are kept as ranges of the text.
struct ChunkTable {
    private let text: UnsafeBufferPointer<UInt8>
    private var slots: [Int32]
    private var hashes: [UInt64] = []
    private(set) var ranges: [Range<Int>] = []

    init(_ text: UnsafeBufferPointer<UInt8>) {
        self.text = text
        slots = Array(repeating: -1, count: 1024)
    }

    /// The number of the chunk at `range`, and whether it was not seen before.
    mutating func number(of range: Range<Int>) -> (number: Int, isNew: Bool) {
        let chunk = UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: text[range]))
        let hash = ContentHash.fold(chunk, seed: 0)
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: hash) & mask
        while slots[slot] >= 0 {
            let number = Int(slots[slot])
            if hashes[number] == hash, equal(ranges[number], range) { return (number, false) }
            slot = (slot + 1) & mask
        }
        let number = ranges.count
        slots[slot] = Int32(number)
        hashes.append(hash)
        ranges.append(range)
        if ranges.count * 2 > slots.count { grow() }
        return (number, true)
    }

    private func equal(_ a: Range<Int>, _ b: Range<Int>) -> Bool {
        guard a.count == b.count else { return false }
        for offset in 0..<a.count where text[a.lowerBound + offset] != text[b.lowerBound + offset] { return false }
        return true
    }

    private mutating func grow() {
        slots = Array(repeating: -1, count: slots.count * 2)
        let mask = slots.count - 1
        for (number, hash) in hashes.enumerated() {
            var slot = Int(truncatingIfNeeded: hash) & mask
            while slots[slot] >= 0 { slot = (slot + 1) & mask }
            slots[slot] = Int32(number)
        }
    }
}

/// A priority queue: the smallest element comes out first.
struct BinaryHeap<Element: Comparable> {
    private var elements: [Element] = []

    var isEmpty: Bool { elements.isEmpty }
    /// The smallest.
    var first: Element? { elements.first }

    mutating func push(_ element: Element) {
        elements.append(element)
        var child = elements.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard element < elements[parent] else { break }
            elements[child] = elements[parent]
            child = parent
        }
        elements[child] = element
    }

    mutating func pop() -> Element? {
        guard let smallest = elements.first, let last = elements.popLast() else { return nil }
        guard !elements.isEmpty else { return smallest }
        var parent = 0
        while true {
            var child = parent * 2 + 1
            guard child < elements.count else { break }
            if child + 1 < elements.count, elements[child + 1] < elements[child] { child += 1 }
            guard elements[child] < last else { break }
            elements[parent] = elements[child]
            parent = child
        }
        elements[parent] = last
        return smallest
    }
}
