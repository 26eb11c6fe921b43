/// The bytes that each token decodes to.
struct TokenTexts: Sendable {
    private var bytes: [UInt8] = []
    private var ends: [Int] = []

    var count: Int { ends.count }

    /// Adds the text of the next id.
    mutating func append(_ text: some Collection<UInt8>) {
        bytes.append(contentsOf: text)
        ends.append(bytes.count)
    }

    subscript(id: Int32) -> ArraySlice<UInt8> {
        guard id >= 0, Int(id) < ends.count else { return [] }
        return bytes[(id == 0 ? 0 : ends[Int(id) - 1])..<ends[Int(id)]]
    }
}

/// What is taken from a text that is decoded: tokenizers that put a space before the first word take it away, and those whose
/// tokens end words have no space behind the last.
public struct LeadingStrip: Sendable, Equatable {
    /// The byte to be taken away.
    let byte: UInt8
    /// As many of them at most.
    var count: Int
    /// Whether only the first token loses them.
    let fromFirstTokenOnly: Bool
    /// Whether the byte at the end of a token is only written when another token follows.
    var holdsEnds = false
    private var isHeld = false

    init(byte: UInt8, count: Int, fromFirstTokenOnly: Bool, holdsEnds: Bool = false) {
        (self.byte, self.count, self.fromFirstTokenOnly, self.holdsEnds) = (byte, count, fromFirstTokenOnly, holdsEnds)
    }

    /// What is left of the next token's bytes.
    mutating func apply(_ token: some Collection<UInt8>) -> [UInt8] {
        var rest = Array(token)
        if holdsEnds {
            guard !rest.isEmpty else { return [] }
            if isHeld { rest.insert(byte, at: 0) }
            isHeld = rest.last == byte
            return isHeld ? rest.dropLast() : rest
        }
        if fromFirstTokenOnly {
            // All of them, wherever they stand: so the `tokenizers` library has it.
            if count > 0 { rest.removeAll { $0 == byte } }
            count = 0
            return rest
        }
        while count > 0, let first = rest.first {
            guard first == byte else {
                count = 0
                break
            }
            rest.removeFirst()
            count -= 1
        }
        return rest
    }
}
