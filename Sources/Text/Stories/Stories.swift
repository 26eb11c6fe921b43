import Autograd
import Dispatch
import Foundation

/// The built-in corpus: short English stories from a probabilistic grammar, any number of them, the same for a seed
/// everywhere and always.
///
/// People walk about, give, trade, hide, find, and count things, and are asked about it, so that predicting the text
/// well needs recall over tens to hundreds of characters. As the grammar can also *score* a text, the corpus's entropy
/// is known exactly: no model, however large, can do better on average than ``score(_:)`` says.
///
/// The text is ASCII. Every story starts with a title line ("# The Red Kite") and ends with an empty line.
public struct Stories: Sendable {
    /// Goes up when the text that belongs to a seed changes; part of the names of caches.
    public static let version = 1

    /// Every character that the stories are made of, in order of code.
    public static let alphabet = "\n !\"#'(),.:?ABCDEFGHIJKLMNOPRSTUWYabcdefghijklmnopqrstuvwxyz"

    /// How probable a text is under the grammar that writes the stories.
    public struct Score: Sendable, Equatable {
        /// Negative log-probability of the whole stories in the text, in nats.
        public let nats: Double
        /// Characters (which are bytes, the text being ASCII) of those stories, separators included.
        public let characters: Int
        /// Number of whole stories scored.
        public let stories: Int

        /// The floor for a model's loss on this text, in nats per character.
        public var natsPerCharacter: Double { nats / Double(characters) }
        /// The same in bits per byte.
        public var bitsPerByte: Double { nats / Double(characters) / M_LN2 }
    }

    /// Why a text has no score.
    public enum ScoreError: Error, Equatable, CustomStringConvertible {
        /// The grammar cannot produce the text: the first `offset` bytes are right, what follows is not.
        case impossible(offset: Int)
        /// The text does not contain a whole story, from title to empty line.
        case noWholeStory
        /// Two derivations fit at `offset`: a fault of the grammar, not of the text.
        case ambiguous(offset: Int)

        public var description: String {
            switch self {
            case .impossible(let offset):
                "not a text of the stories corpus, version \(Stories.version): byte \(offset) is none that could follow"
            case .noWholeStory: "there is no whole story in the text, from its title line to the empty line after it"
            case .ambiguous(let offset): "the stories grammar is ambiguous at byte \(offset)"
            }
        }
    }

    private let philox: Philox

    /// The stories that belong to `seed`.
    public init(seed: UInt64) {
        philox = Philox(seed: seed, domain: .corpus)
    }

    /// Story `number` of this seed, with the empty line that ends it.
    public func story(_ number: Int) -> String { String(decoding: generate(number).bytes, as: UTF8.self) }

    /// Whole stories from number `first` on, as few as make at least `characters` characters (which are bytes).
    public func text(characters: Int, first: Int = 0) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(max(characters, 0) + 1024)
        var next = first
        while bytes.count < characters {
            // A few more stories than will be needed at the average length, so that one round is most often enough.
            let count = min((characters - bytes.count) / 600 + 16, 1 << 14)
            let from = next
            let stories = concurrently(count) { generate(from &+ $0).bytes }
            for story in stories where bytes.count < characters { bytes += story }
            next &+= count
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// A story's bytes and its negative log-probability in nats.
    package func generate(_ number: Int) -> Generator {
        var teller = Teller(chooser: Generator(numbers: philox.sequence(stream: UInt64(bitPattern: Int64(number)))))
        teller.tell()
        return teller.chooser
    }

    /// Negative log-probability of the stories in `text`, under the grammar and not under one seed.
    ///
    /// The text may be a slice out of a longer one: what stands before the first title line is skipped, and so is
    /// what follows the last empty line. Everything between must be whole stories.
    ///
    /// - Throws: `ScoreError` with the byte offset at which the text stops being one that the grammar produces.
    public static func score(_ text: String) throws -> Score {
        let bytes = Array(text.utf8)
        let bounds = wholeStories(bytes)
        guard !bounds.isEmpty else { throw ScoreError.noWholeStory }
        let results = concurrently(bounds.count) { index -> Result<Double, ScoreError> in
            Result { () throws(ScoreError) in try score(story: bytes[bounds[index]]) }
        }
        var nats = 0.0, characters = 0
        for (result, range) in zip(results, bounds) {
            nats += try result.get()
            characters += range.count
        }
        return Score(nats: nats, characters: characters, stories: bounds.count)
    }

    private static func score(story: ArraySlice<UInt8>) throws(ScoreError) -> Double {
        var teller = Teller(chooser: Scorer(text: story))
        do {
            try teller.tell()
        } catch {
            throw error.ambiguous ? .ambiguous(offset: error.offset) : .impossible(offset: error.offset)
        }
        guard teller.chooser.position == story.endIndex else { throw .impossible(offset: teller.chooser.position) }
        return teller.chooser.nats
    }

    /// The ranges of the stories in `bytes`, separators included, from the first title line to the last empty line.
    private static func wholeStories(_ bytes: [UInt8]) -> [Range<Int>] {
        let newline = UInt8(ascii: "\n")
        var result: [Range<Int>] = []
        var index = 0
        while index < bytes.count, bytes[index] != UInt8(ascii: "#") || (index > 0 && bytes[index - 1] != newline) {
            index += 1
        }
        var start = index
        while index + 1 < bytes.count {
            if bytes[index] == newline, bytes[index + 1] == newline {
                index += 2
                result.append(start..<index)
                start = index
            } else {
                index += 1
            }
        }
        return result
    }
}

/// The results of `body` for 0 ..< `count`, in order, on all cores.
private func concurrently<Result: Sendable>(_ count: Int, _ body: @Sendable (Int) -> Result) -> [Result] {
    let share = 64
    return [Result](unsafeUninitializedCapacity: count) { buffer, initialized in
        // Every index is written by exactly one iteration.
        nonisolated(unsafe) let base = buffer
        DispatchQueue.concurrentPerform(iterations: (count + share - 1) / share) { part in
            for index in (part * share)..<min((part + 1) * share, count) {
                base.initializeElement(at: index, to: body(index))
            }
        }
        initialized = count
    }
}
