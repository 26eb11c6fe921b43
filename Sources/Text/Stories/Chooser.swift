import Autograd
import Foundation

/// One way in which a decision of the story grammar can go: the text that it puts next, how often, and what it means.
package struct Alternative<Value> {
    package let text: String
    /// Relative frequency; 0 makes the alternative impossible.
    package let weight: Int
    package let value: Value

    package init(_ text: String, _ weight: Int, _ value: Value) {
        self.text = text
        self.weight = weight
        self.value = value
    }
}

/// What runs the story grammar: every random decision of the grammar goes through `choose`.
///
/// The grammar is one program with several uses. A `Generator` draws an alternative and writes its text; a `Scorer`
/// reads the text at hand to learn which alternative was taken. The two agree exactly because of one rule that the
/// grammar keeps: **at every decision no alternative's text is a prefix of another's**, so that at most one of them
/// can stand at any place of any text, every text has at most one derivation, and its probability is the product of
/// the decisions' probabilities. (The tests check the rule at every decision of many stories.)
package protocol Chooser {
    /// `Never` for choosers that cannot fail, so that generating needs no error handling.
    associatedtype Failure: Error
    /// Bytes of the present story so far; the grammar ends long stories by it.
    var length: Int { get }
    /// Text that follows from what was decided before: it costs nothing.
    mutating func write(_ text: String) throws(Failure)
    /// Takes one of `alternatives`, of which at least one has a positive weight.
    mutating func choose<Value>(_ alternatives: [Alternative<Value>]) throws(Failure) -> Value
}

/// -log of the probability that one alternative of `weight` is taken when all weights add up to `total`, in nats.
func surprise(_ weight: Int, of total: Int) -> Double {
    weight == total ? 0 : log(Double(total) / Double(weight))
}

/// Samples: writes a story and keeps what its decisions cost.
package struct Generator: Chooser {
    package private(set) var bytes: [UInt8] = []
    /// Sum over the decisions of -log p, in nats.
    package private(set) var nats = 0.0
    private var numbers: Philox.Sequence

    package var length: Int { bytes.count }

    package init(numbers: Philox.Sequence) {
        self.numbers = numbers
        bytes.reserveCapacity(1024)
    }

    package mutating func write(_ text: String) { bytes.append(contentsOf: text.utf8) }

    package mutating func choose<Value>(_ alternatives: [Alternative<Value>]) -> Value {
        var total = 0
        for alternative in alternatives { total += alternative.weight }
        var rest = numbers.below(total)
        var taken = 0
        while rest >= alternatives[taken].weight {
            rest -= alternatives[taken].weight
            taken += 1
        }
        nats += surprise(alternatives[taken].weight, of: total)
        write(alternatives[taken].text)
        return alternatives[taken].value
    }
}

/// Reads one story and adds up what its decisions cost.
struct Scorer: Chooser {
    /// Where reading failed: a byte offset into the scorer's text, and whether the grammar itself was at fault.
    struct Mismatch: Error {
        let offset: Int
        let ambiguous: Bool
    }

    /// Sum over the decisions of -log p, in nats.
    private(set) var nats = 0.0
    private(set) var position: Int
    private let text: ArraySlice<UInt8>
    private let start: Int

    var length: Int { position - start }

    /// A scorer of the story that starts at the start of `text`; offsets are those of the slice's base.
    init(text: ArraySlice<UInt8>) {
        self.text = text
        start = text.startIndex
        position = text.startIndex
    }

    /// How many bytes of `expected` stand at the present position.
    private func matched(_ expected: String) -> Int {
        var count = 0
        for byte in expected.utf8 {
            let index = position + count
            guard index < text.endIndex, text[index] == byte else { break }
            count += 1
        }
        return count
    }

    mutating func write(_ expected: String) throws(Mismatch) {
        let count = matched(expected)
        position += count
        guard count == expected.utf8.count else { throw Mismatch(offset: position, ambiguous: false) }
    }

    mutating func choose<Value>(_ alternatives: [Alternative<Value>]) throws(Mismatch) -> Value {
        var total = 0, furthest = 0
        var taken: Int?
        for (index, alternative) in alternatives.enumerated() where alternative.weight > 0 {
            total += alternative.weight
            let count = matched(alternative.text)
            furthest = max(furthest, count)
            guard count == alternative.text.utf8.count else { continue }
            // Two readings would make the sum below only a bound, so a slip of the grammar must not go unnoticed.
            guard taken == nil else { throw Mismatch(offset: position, ambiguous: true) }
            taken = index
        }
        guard let taken else { throw Mismatch(offset: position + furthest, ambiguous: false) }
        nats += surprise(alternatives[taken].weight, of: total)
        position += alternatives[taken].text.utf8.count
        return alternatives[taken].value
    }
}
