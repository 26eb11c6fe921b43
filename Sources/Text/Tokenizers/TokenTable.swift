/// The tokens of a vocabulary as bytes: found by their bytes, and their bytes by their id. Ids may have gaps.
struct TokenTable: Sendable {
    /// The bytes of all entries joined; entry e is `ends[e - 1] ..< ends[e]`.
    private(set) var bytes: [UInt8] = []
    private var ends: [Int] = []
    private var ids: [Int32] = []
    private var slots: [Int32]
    /// The entry of each id, -1 where an id is not given.
    private var entries: [Int32] = []

    /// How many tokens there are.
    var count: Int { ids.count }
    /// The largest id and one.
    var idLimit: Int { entries.count }

    init(minimumCapacity: Int = 256) {
        var capacity = 512
        while capacity < minimumCapacity * 2 { capacity *= 2 }
        slots = Array(repeating: -1, count: capacity)
        ends.reserveCapacity(minimumCapacity)
        ids.reserveCapacity(minimumCapacity)
        entries.reserveCapacity(minimumCapacity)
    }

    /// Ids so far beyond the number of tokens are a damaged file's; each takes memory.
    static func isAbsurd(id: Int, tokens: Int) -> Bool { id < 0 || id > 8 * tokens + 65_536 }

    /// Adds a token; false where its bytes or its id are there already. The id must not be negative.
    mutating func insert(_ token: some Collection<UInt8>, id: Int32) -> Bool {
        let start = bytes.count
        bytes.append(contentsOf: token)
        let (position, known) = bytes.withUnsafeBufferPointer { all in
            find(UnsafeBufferPointer(rebasing: all[start...]))
        }
        guard known == nil, Int(id) >= entries.count || entries[Int(id)] < 0 else {
            bytes.removeSubrange(start...)
            return false
        }
        while entries.count <= Int(id) { entries.append(-1) }
        slots[position] = Int32(ids.count)
        entries[Int(id)] = Int32(ids.count)
        ids.append(id)
        ends.append(bytes.count)
        if ids.count * 2 > slots.count { grow() }
        return true
    }

    /// The id of the token of these bytes.
    @inline(__always)
    func id(of token: UnsafeBufferPointer<UInt8>) -> Int32? { find(token).entry.map { ids[Int($0)] } }

    func id(of token: some Collection<UInt8>) -> Int32? {
        token.withContiguousStorageIfAvailable { id(of: $0) } ?? Array(token).withUnsafeBufferPointer { id(of: $0) }
    }

    /// Where in `bytes` the token is; nil for an id that is not given.
    @inline(__always)
    func range(of id: Int32) -> Range<Int>? {
        guard id >= 0, Int(id) < entries.count, entries[Int(id)] >= 0 else { return nil }
        let entry = Int(entries[Int(id)])
        return (entry == 0 ? 0 : ends[entry - 1])..<ends[entry]
    }

    func token(_ id: Int32) -> ArraySlice<UInt8>? { range(of: id).map { bytes[$0] } }

    private func find(_ token: UnsafeBufferPointer<UInt8>) -> (slot: Int, entry: Int32?) {
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: ContentHash.fold(UnsafeRawBufferPointer(token), seed: 0)) & mask
        while slots[slot] >= 0 {
            let entry = Int(slots[slot])
            let start = entry == 0 ? 0 : ends[entry - 1]
            if ends[entry] - start == token.count {
                var same = true
                for index in 0..<token.count where bytes[start + index] != token[index] {
                    same = false
                    break
                }
                if same { return (slot, slots[slot]) }
            }
            slot = (slot + 1) & mask
        }
        return (slot, nil)
    }

    private mutating func grow() {
        slots = Array(repeating: -1, count: slots.count * 2)
        let mask = slots.count - 1
        bytes.withUnsafeBytes { all in
            for entry in ids.indices {
                let token = UnsafeRawBufferPointer(rebasing: all[(entry == 0 ? 0 : ends[entry - 1])..<ends[entry]])
                var slot = Int(truncatingIfNeeded: ContentHash.fold(token, seed: 0)) & mask
                while slots[slot] >= 0 { slot = (slot + 1) & mask }
                slots[slot] = Int32(entry)
            }
        }
    }
}
