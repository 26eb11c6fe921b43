import Foundation
import Testing
import Text

/// Tokenizers by words, as GPT-1 has them: BERT's normalizer and cuts, ends of words marked.
@Suite struct WordTokenizerTests {
    /// What the reference does with every character there is, as ranges.
    private struct Classes: Decodable {
        let removed: [[UInt32]], spaces: [[UInt32]], accents: [[UInt32]], ideographs: [[UInt32]], punctuation: [[UInt32]]
    }

    @Test func everyCharacterIsWhatItIsToTheReference() throws {
        let expected = try JSONDecoder().decode(Classes.self, from: Data(TokenizerFixtures.bytes("characters.json")))
        let clean = BertNormalizer(cleans: true), strip = BertNormalizer(stripsAccents: true)
        let space = BertNormalizer(spacesIdeographs: true)
        var found = [String: [[UInt32]]]()
        func add(_ name: String, _ value: UInt32) {
            var ranges = found[name] ?? []
            if let last = ranges.indices.last, ranges[last][1] == value - 1 {
                ranges[last][1] = value
            } else {
                ranges.append([value, value])
            }
            found[name] = ranges
        }
        for value in UInt32(0)..<0x110000 {
            guard let scalar = Unicode.Scalar(value) else { continue }
            let bytes = Array(UTF8.encode(scalar) ?? .init())
            let cleaned = try clean.apply(bytes)
            if cleaned.isEmpty { add("removed", value) }
            if cleaned == [0x20] { add("spaces", value) }
            if try strip.apply(bytes).isEmpty { add("accents", value) }
            if try space.apply(bytes) != bytes { add("ideographs", value) }
            if BertNormalizer.isPunctuation(value) { add("punctuation", value) }
        }
        // Where the ranges differ is what helps to find why.
        func same(_ name: String, _ reference: [[UInt32]]) {
            let ours = found[name] ?? []
            let differing = zip(ours, reference).first { $0 != $1 }
            #expect(ours == reference, "\(name): first at \(differing.map { "\($0)" } ?? "the end")")
        }
        same("removed", expected.removed)
        same("spaces", expected.spaces)
        same("accents", expected.accents)
        same("ideographs", expected.ideographs)
        same("punctuation", expected.punctuation)
    }

    @Test func theLastWordHasNoSpaceBehindIt() throws {
        let tokenizer = try TokenizerFixtures.open("gpt1.json")
        let ids = try tokenizer.encode("hello\n the The")
        #expect(tokenizer.decode(ids) == "hello the the")
        #expect(tokenizer.decode([]) == "")
        // Piece by piece a space is held until something follows.
        var stream = StreamingDecoder(tokenizer: tokenizer)
        var text = ""
        for id in ids {
            text += stream.append(id)
            #expect(text.last != " ")
        }
        #expect(text + stream.finish() == "hello the the")
        #expect(ids.last.map { tokenizer.decodePiece($0).last } == " ")
    }

    /// Bytes that are not UTF-8 become unknown one by one, and do no harm.
    @Test func malformedBytesAreUnknown() throws {
        let tokenizer = try TokenizerFixtures.open("gpt1.json")
        let unknown = try #require(tokenizer.specialTokens["<unk>"])
        let text: [UInt8] = [0xFF, 0x20, 0xC3, 0x20, 0xE4, 0xBD]
        let ids = try text.withUnsafeBufferPointer { try tokenizer.encode(utf8: $0) }
        #expect(ids == [unknown, unknown, unknown, unknown])
    }
}
