import Foundation
import Testing
import Text

@Suite struct DatasetTests {
    static let text = String(repeating: "Once there was a cät, and the cat sat on the mat. 你好 😀\n", count: 40)
    private let nowhere = Locations(data: nil, cache: nil)

    @Test func splitsByCharacters() throws {
        let corpus = try Corpus.generated(name: "g", text: Self.text)
        let scalars = Array(Self.text.unicodeScalars)
        for tokenizer in [TokenizerSpec.char, .byte, .bpe(vocabularySize: 300)] {
            let dataset = try Dataset.prepare(corpus, tokenizer: tokenizer, locations: nowhere)
            let split = Int(0.9 * Double(scalars.count))
            var first = String.UnicodeScalarView(), second = String.UnicodeScalarView()
            first.append(contentsOf: scalars[..<split])
            second.append(contentsOf: scalars[split...])
            #expect(dataset.tokenizer.decode(dataset.train.all()) == String(first))
            #expect(dataset.tokenizer.decode(dataset.validation.all()) == String(second))
            #expect(dataset.validationBytesPerToken == Double(String(second).utf8.count) / Double(dataset.validation.count))
            #expect(dataset.trainBytesPerToken == Double(String(first).utf8.count) / Double(dataset.train.count))
        }
    }

    @Test func byteTokensAreBytesAndCharacterVocabularyIsThatOfAllText() throws {
        let corpus = try Corpus.generated(name: "g", text: "aaaaaaaaab")
        let dataset = try Dataset.prepare(corpus, tokenizer: .char, locations: nowhere)
        #expect(dataset.tokenizer.vocabularySize == 2 && dataset.validation.all() == [1])
        #expect(try Dataset.prepare(corpus, tokenizer: .byte, locations: nowhere).validationBytesPerToken == 1)
    }

    @Test func bpeSeesTheTrainingPartOnly() throws {
        let corpus = try Corpus.generated(name: "g", text: String(repeating: "ab ", count: 300) + String(repeating: "xyz", count: 30))
        let tokenizer = try Dataset.prepare(corpus, tokenizer: .bpe(vocabularySize: 400), locations: nowhere).tokenizer
        #expect((256..<Int32(tokenizer.vocabularySize)).allSatisfy { !tokenizer.bytes(of: $0).contains(UInt8(ascii: "y")) })
    }

    @Test func cachesBesideTheText() throws {
        let folder = try TemporaryFolder()
        let corpus = try Corpus.file(folder.write("text.txt", Self.text))
        let spec = TokenizerSpec.bpe(vocabularySize: 300, pattern: .gpt2)
        let first = try Dataset.prepare(corpus, tokenizer: spec, locations: nowhere)
        // Copies: the files themselves are about to be tampered with.
        let train = first.train.all(), validation = first.validation.all()
        let tokens = try #require(first.folder), name = tokens.split(separator: "/").last.map(String.init) ?? ""
        let names = folder.names(in: ".loom").filter { $0 != name } + folder.names(in: ".loom/" + name).map { "\(name)/\($0)" }
        #expect(names.count == 5)
        // Nothing is read or learned again: what is kept is used, as its age shows.
        func ages() throws -> [Date] {
            try names.map {
                try #require(FileManager.default.attributesOfItem(atPath: folder.path + "/.loom/" + $0)[.modificationDate] as? Date)
            }
        }
        let before = try ages()
        var states: [PreparationProgress] = []
        let again = try Preparing(TextSource(corpus), spec, PreparationOptions(), locations: nowhere) { _ in true }.run()
        #expect(try again.train.all() == train && ages() == before)
        let second = try Dataset.prepare(TextSource(corpus), tokenizer: spec, locations: nowhere) {
            states.append($0)
            return true
        }
        #expect(second.train.all() == train && states.isEmpty)
        #expect(second.tokenizer.serialized() == first.tokenizer.serialized())
        // Everything damaged, everything made again.
        for name in names {
            var data = try #require(FileManager.default.contents(atPath: folder.path + "/.loom/" + name))
            data[data.count - 5] ^= 1
            try data.write(to: URL(fileURLWithPath: folder.path + "/.loom/" + name))
        }
        let third = try Dataset.prepare(corpus, tokenizer: spec, locations: nowhere)
        #expect(third.train.all() == train && third.validation.all() == validation)
        #expect(third.tokenizer.serialized() == first.tokenizer.serialized())
        #expect(try ages() != before)
        // Other text under the same name is other text.
        let changed = try Corpus.file(folder.write("text.txt", Self.text.replacingOccurrences(of: "cat", with: "dog")))
        #expect(try Dataset.prepare(changed, tokenizer: .char, locations: nowhere).train.all() != train)
        // The cache is hidden, so a folder of texts stays the same text.
        #expect(try Corpus.file(folder.path).bytes == changed.bytes)
    }

    @Test func readOnlyFoldersAreLeftAlone() throws {
        let folder = try TemporaryFolder(), cache = try TemporaryFolder()
        let corpus = try Corpus.file(folder.write("text.txt", Self.text))
        chmod(folder.path, 0o555)
        _ = try Dataset.prepare(corpus, tokenizer: .char, locations: Locations(data: nil, cache: cache.path))
        #expect(folder.names() == ["text.txt"])
        let kept = cache.names(in: "tokens")
        #expect(kept.count == 2)
        let uncached = try Dataset.prepare(corpus, tokenizer: .char, cache: false, locations: Locations(data: nil, cache: cache.path))
        #expect(uncached.train.count > 0 && cache.names(in: "tokens") == kept)
        // A cache that cannot be written is no reason to stop.
        chmod(cache.path + "/tokens", 0o555)
        #expect(try Dataset.prepare(corpus, tokenizer: .byte, locations: Locations(data: nil, cache: cache.path)).train.count > 0)
        #expect(cache.names(in: "tokens").count == 2)
        chmod(cache.path + "/tokens", 0o755)
    }

    @Test func aSavedTokenizerCanBeUsedAgain() throws {
        let corpus = try Corpus.generated(name: "g", text: Self.text)
        let tokenizer = try CharTokenizer(text: "abc")
        #expect(throws: TextError.unseenCharacter(scalar: "O", offset: 0)) {
            try Dataset.prepare(corpus, tokenizer: .fixed(tokenizer), locations: nowhere)
        }
        let trained = try BPETokenizer.train(on: "the cat", vocabularySize: 260, pattern: .gpt2)
        let dataset = try Dataset.prepare(corpus, tokenizer: .fixed(trained), locations: nowhere)
        #expect(dataset.tokenizer.vocabularySize == 260)
    }

    @Test func settingsAreChecked() throws {
        let corpus = try Corpus.generated(name: "g", text: "ab")
        for fraction in [0, 1, -1, 2, Double.nan] {
            #expect(throws: TextError.self) {
                try Dataset.prepare(corpus, tokenizer: .char, validationFraction: fraction, locations: nowhere)
            }
        }
        let single = try Corpus.generated(name: "g", text: "a")
        #expect(throws: TextError.tooShort(source: "g", characters: 1, needed: 2)) {
            try Dataset.prepare(single, tokenizer: .char, locations: nowhere)
        }
        #expect(throws: TextError.empty(source: "g")) { try Corpus.generated(name: "g", text: "") }
        #expect(throws: TextError.self) { try Dataset.prepare(corpus, tokenizer: .bpe(vocabularySize: 10), locations: nowhere) }
    }
}
