import Autograd
import Foundation
import Testing
import Text

@Suite struct StoriesTests {
    let stories = Stories(seed: 7)

    // MARK: Scoring is exact

    @Test func scoringGivesWhatGeneratingRecorded() throws {
        for number in 0..<400 {
            let generated = stories.generate(number)
            let text = String(decoding: generated.bytes, as: UTF8.self)
            let score = try Stories.score(text)
            #expect(abs(score.nats - generated.nats) <= 1e-9 * generated.nats)
            #expect(score.characters == text.utf8.count)
            #expect(score.stories == 1)
        }
    }

    @Test func scoreOfATextIsTheSumOverItsStories() throws {
        let text = stories.text(characters: 100_000)
        let score = try Stories.score(text)
        var nats = 0.0
        for number in 0..<score.stories { nats += stories.generate(number).nats }
        #expect(abs(score.nats - nats) <= 1e-9 * nats)
        #expect(score.characters == text.utf8.count)
        #expect(abs(score.bitsPerByte * log(2) - score.natsPerCharacter) < 1e-12)
    }

    /// No alternative's text is a prefix of another's at any decision: then no text has two derivations.
    @Test func everyDecisionIsPrefixFree() {
        for number in 0..<200 {
            let numbers = Philox(seed: 99, domain: .corpus).sequence(stream: UInt64(number))
            var teller = Teller(chooser: Auditor(inner: Generator(numbers: numbers)))
            teller.tell()
            #expect(teller.chooser.faults.isEmpty, "story \(number): \(teller.chooser.faults)")
        }
    }

    /// All ways in which a story can begin: their probabilities add up to 1, and no two are compatible.
    @Test func probabilitiesOfAllContinuationsSumToOne() throws {
        check(Explorer.leaves(after: [], depth: 4))
        for number in 0..<6 {
            let numbers = Philox(seed: 5, domain: .corpus).sequence(stream: UInt64(number))
            var teller = Teller(chooser: Auditor(inner: Generator(numbers: numbers)))
            teller.tell()
            let path = teller.chooser.path
            for start in stride(from: 4, to: path.count - 1, by: 7) {
                check(Explorer.leaves(after: Array(path[..<start]), depth: 2))
            }
        }

        func check(_ leaves: [(text: String, probability: Double)]) {
            let total = leaves.reduce(0) { $0 + $1.probability }
            #expect(abs(total - 1) < 1e-9)
            let sorted = leaves.map { Array($0.text.utf8) }.sorted { $0.lexicographicallyPrecedes($1) }
            for (one, two) in zip(sorted, sorted.dropFirst()) { #expect(!two.starts(with: one)) }
        }
    }

    // MARK: What is not a story

    @Test func anImpossibleCharacterIsFoundWhereItIs() {
        for number in 0..<10 {
            let bytes = Array(stories.story(number).utf8)
            for position in 2..<(bytes.count - 2) {
                var changed = bytes
                changed[position] = UInt8(ascii: "~")
                #expect(throws: Stories.ScoreError.impossible(offset: position)) {
                    try Stories.score(String(decoding: changed, as: UTF8.self))
                }
            }
        }
    }

    @Test func aWrongWordIsFoundInTheMiddleOfAText() throws {
        let text = stories.text(characters: 20_000)
        let lead = try #require(
            text.range(of: "At the end of the day, ", range: text.index(text.startIndex, offsetBy: 9000)..<text.endIndex))
        let changed = text.replacingCharacters(in: lead, with: "At the end of the year, ")
        let offset = text.utf8.distance(from: text.startIndex, to: lead.lowerBound) + "At the end of the ".utf8.count
        #expect(throws: Stories.ScoreError.impossible(offset: offset)) { try Stories.score(changed) }
    }

    /// The grammar knows the answers: a wrong one is not a text of probability above zero.
    @Test func aWrongAnswerIsImpossible() throws {
        var tried = 0
        for number in 0..<200 {
            let story = stories.story(number)
            guard let answer = story.range(of: "? He was at the ") else { continue }
            let wrong = story.replacingCharacters(in: answer, with: "? He was in the ")
            #expect(throws: Stories.ScoreError.self) { try Stories.score(wrong) }
            tried += 1
        }
        #expect(tried > 5)
    }

    @Test func aTextWithoutAWholeStoryIsRefused() {
        for text in ["", "\n", "\n\n", "# The Red Kite\nIt was", "was a girl.\n\n# The Red", String(stories.story(1).dropLast())] {
            #expect(throws: Stories.ScoreError.noWholeStory) { try Stories.score(text) }
        }
    }

    @Test func aSliceIsScoredWithoutItsCutEnds() throws {
        let five = (0..<5).map { stories.story($0) }
        let text = five.joined(), first = five[0].utf8.count, last = five[4].utf8.count
        let inner = try Stories.score(five[1...3].joined())
        for start in [1, 2, 5, 40, 200, first - 3, first - 2, first - 1, first] {
            for end in [1, 2, 3, 100, last - 3, last - 1, last] {
                #expect(try Stories.score(String(text.dropFirst(start).dropLast(end))) == inner)
            }
        }
    }

    // MARK: Determinism

    @Test func aStoryDoesNotDependOnTheLengthAskedFor() {
        let long = stories.text(characters: 60_000)
        let short = stories.text(characters: 5_000)
        #expect(long.hasPrefix(short))
        #expect(short.utf8.count >= 5_000 && short.utf8.count < 6_500)
        var joined = "", number = 0
        while joined.utf8.count < 60_000 {
            joined += stories.story(number)
            number += 1
        }
        #expect(joined == long)
        #expect(stories.text(characters: 3_000, first: 9).hasPrefix(stories.story(9) + stories.story(10)))
        #expect(stories.text(characters: 0).isEmpty && stories.text(characters: -5).isEmpty)
        #expect(Stories(seed: 8).story(0) != stories.story(0))
        #expect(stories.story(-1) != stories.story(1))
    }

    /// A different hash means that `Stories.version` must go up, and then this number changes with it.
    @Test func theCorpusIsTheOneOfItsVersion() {
        let text = Stories(seed: 1).text(characters: 50_000)
        #expect(Stories.version == 1)
        #expect(Philox.stream(named: text) == 16_086_757_457_838_577_269)
    }

    // MARK: The text

    @Test func textKeepsToItsAlphabetAndVocabulary() {
        let text = stories.text(characters: 400_000)
        #expect(Set(text) == Set(Stories.alphabet))
        #expect(text.utf8.count == text.count)
        #expect(Set(text.split { !$0.isLetter }.map { $0.lowercased() }).count < 450)
        for wrong in ["  ", " \n", "\n ", " .", " ,", "..", ",,", "( ", " )", "\"\"", "\n\n\n"] {
            #expect(!text.contains(wrong), "contains \(wrong.debugDescription)")
        }
    }

    @Test func storiesAreSoundAsText() throws {
        var lengths: [Int] = []
        for number in 0..<1500 {
            let story = stories.story(number)
            lengths.append(story.utf8.count)
            var depth = 0
            for byte in story.utf8 {
                if byte == UInt8(ascii: "(") { depth += 1 }
                if byte == UInt8(ascii: ")") { depth -= 1 }
                #expect((0...3).contains(depth))
            }
            #expect(depth == 0)
            #expect(story.utf8.filter { $0 == UInt8(ascii: "\"") }.count.isMultiple(of: 2))
            #expect(story.hasPrefix("# ") && story.hasSuffix(".\n\n"))
            let words = story.lowercased().split { !$0.isLetter }.map(String.init)
            for (article, next) in zip(words, words.dropFirst()) where article == "a" || article == "an" {
                let vowel = "aeiou".contains(next.prefix(1)) || next == "honest"
                #expect(vowel == (article == "an"), "\(article) \(next)")
            }
        }
        lengths.sort()
        #expect(lengths[0] >= 300)
        #expect(lengths[lengths.count * 99 / 100] <= 920)
    }

    /// Every sentence of many stories, understood by an independent reader that checks each answer and each sum.
    @Test func storiesAreTrue() {
        var questions = 0
        for number in 0..<600 {
            var reader = StoryReader()
            reader.read(stories.story(number))
            #expect(reader.faults.isEmpty, "story \(number): \(reader.faults)\n\(stories.story(number))")
            questions += reader.questions
        }
        #expect(questions > 1200)
    }

    @Test func theFloorIsInItsRange() throws {
        let score = try Stories.score(stories.text(characters: 300_000))
        #expect(score.natsPerCharacter > 0.1 && score.natsPerCharacter < 0.3)
    }
}

// MARK: - Choosers for tests

/// Generates, and looks whether some alternative's text is a prefix of another's.
private struct Auditor: Chooser {
    typealias Failure = Never

    var inner: Generator
    var faults: [String] = []
    var path: [Int] = []
    var length: Int { inner.length }

    mutating func write(_ text: String) { inner.write(text) }

    mutating func choose<Value>(_ alternatives: [Alternative<Value>]) -> Value {
        let texts = alternatives.filter { $0.weight > 0 }.map { Array($0.text.utf8) }
            .sorted { $0.lexicographicallyPrecedes($1) }
        // In sorted order a text's extensions follow right on it.
        for (one, two) in zip(texts, texts.dropFirst()) where two.starts(with: one) {
            faults.append("\(String(decoding: one, as: UTF8.self)) | \(String(decoding: two, as: UTF8.self))")
        }
        if alternatives.contains(where: { $0.weight < 0 }) { faults.append("negative weight") }
        let index = inner.choose(alternatives.indices.map { Alternative(alternatives[$0].text, alternatives[$0].weight, $0) })
        path.append(index)
        return alternatives[index].value
    }
}

/// Follows a path of decisions and stops at the first one after it.
private struct Explorer: Chooser {
    struct Fork: Error { let weights: [Int] }
    typealias Failure = Fork

    var path: ArraySlice<Int>
    var text = ""
    var length: Int { text.utf8.count }

    mutating func write(_ text: String) { self.text += text }

    mutating func choose<Value>(_ alternatives: [Alternative<Value>]) throws(Fork) -> Value {
        guard let index = path.popFirst() else { throw Fork(weights: alternatives.map(\.weight)) }
        text += alternatives[index].text
        return alternatives[index].value
    }

    /// All texts that `depth` decisions after `path` can lead to, with their probabilities given `path`.
    static func leaves(after path: [Int], depth: Int) -> [(text: String, probability: Double)] {
        var teller = Teller(chooser: Explorer(path: path[...]))
        do {
            try teller.tell()
        } catch {
            guard depth > 0 else { return [(teller.chooser.text, 1)] }
            let total = error.weights.reduce(0, +)
            var result: [(text: String, probability: Double)] = []
            for (index, weight) in error.weights.enumerated() where weight > 0 {
                for leaf in leaves(after: path + [index], depth: depth - 1) {
                    result.append((leaf.text, leaf.probability * Double(weight) / Double(total)))
                }
            }
            return result
        }
        return [(teller.chooser.text, 1)]
    }
}
