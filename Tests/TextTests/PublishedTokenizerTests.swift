import Foundation
import TestSupport
import Testing
import Text

@Suite struct PublishedTokenizerTests {
    @Test func idsAreTheReferences() throws {
        let fixtures = try TokenizerFixtures.load()
        #expect(fixtures.cases.count >= 22)
        for item in fixtures.cases {
            let tokenizer = try TokenizerFixtures.open(item.file, pattern: item.pattern)
            for (text, ids) in zip(fixtures.texts, item.ids) {
                #expect(try tokenizer.encode(text) == ids, "\(item.file): \(text.debugDescription)")
            }
            for (text, ids) in zip(fixtures.specialTexts, item.specialIds ?? []) {
                #expect(try tokenizer.encode(text) == ids, "\(item.file): \(text.debugDescription)")
            }
            if let ids = item.templateIds { #expect(try tokenizer.encodeWithTemplate("Hello") == ids, "\(item.file)") }
        }
    }

    /// Where bytes are not UTF-8 the reference puts one U+FFFD for each byte of a run, Loom for what is wrong only.
    @Test func decodesAsTheReferences() throws {
        let fixtures = try TokenizerFixtures.load()
        for item in fixtures.cases {
            let tokenizer = try TokenizerFixtures.open(item.file, pattern: item.pattern)
            for (ids, text) in zip(item.ids + (item.specialIds ?? []), item.decoded ?? []) where !text.contains("\u{FFFD}") {
                #expect(Array(tokenizer.decode(ids).utf8) == Array(text.utf8), "\(item.file): \(ids)")
                var stream = StreamingDecoder(tokenizer: tokenizer)
                #expect(Array((ids.map { stream.append($0) }.joined() + stream.finish()).utf8) == Array(text.utf8))
            }
        }
    }

    @Test func aSavedOneIsTheSame() throws {
        let fixtures = try TokenizerFixtures.load()
        for item in fixtures.cases {
            let tokenizer = try TokenizerFixtures.open(item.file, pattern: item.pattern)
            let again = try #require(Tokenizers.load(tokenizer.serialized()) as? PublishedTokenizer)
            #expect(again.serialized() == tokenizer.serialized())
            for text in fixtures.texts.prefix(30) { #expect(try again.encode(text) == tokenizer.encode(text), "\(item.file)") }
        }
    }

    @Test(arguments: ["gpt2.tiktoken", "o200k.tiktoken", "gpt4.tiktoken", "own"]) func everyFormatIsReadBackTheSame(file: String) throws {
        let folder = try TemporaryFolder()
        let fixtures = try TokenizerFixtures.load()
        let tokenizer: any Tokenizer =
            try file == "own"
            ? BPETokenizer.train(on: fixtures.texts.joined(), vocabularySize: 400, pattern: .gpt4)
            : TokenizerFixtures.open(file, pattern: String(file.dropLast(9)))
        for format in TokenizerFormat.allCases {
            let path = "\(folder.path)/\(format.rawValue)"
            let written = try Tokenizers.write(tokenizer, as: format, to: path)
            let needsPattern = format == .gpt2 || format == .tiktoken
            let pattern = (tokenizer as? PublishedTokenizer)?.pattern ?? (tokenizer as? BPETokenizer)?.pattern
            let again = try Tokenizers.open(written[0], pattern: needsPattern ? pattern?.rawValue : nil)
            for text in fixtures.texts {
                #expect(try again.encode(text) == tokenizer.encode(text), "\(file) as \(format): \(text.debugDescription)")
            }
        }
    }

    /// What a format has no words for is not left out without a word.
    @Test func whatAFormatCannotSayIsRefused() throws {
        let folder = try TemporaryFolder()
        for (file, part) in [
            ("gpt2.json", "the added token"), ("llama2.json", "bytes, merges"), ("qwen2.json", "bytes, merges"),
            ("llama3.json", "bytes, merges"), ("gpt1.json", "bytes, merges"), ("clip.json", "bytes, merges"),
        ] {
            let tokenizer = try TokenizerFixtures.open(file)
            for format in [TokenizerFormat.gpt2, .tiktoken] {
                let error = #expect(throws: TextError.self) { try Tokenizers.write(tokenizer, as: format, to: folder.path + "/out") }
                #expect(error?.description.contains(part) == true, "\(error?.description ?? "nothing")")
            }
            try Tokenizers.write(tokenizer, as: .hf, to: folder.path + "/" + file)
            #expect(try TextFile.bytes(of: folder.path + "/" + file) == TokenizerFixtures.bytes(file))
        }
    }

    @Test func threadsMakeNoDifference() throws {
        let text = Array(try TokenizerFixtures.load().texts.joined(separator: "\nZ <|endoftext|>").utf8)
        let long = Array(repeatElement(text, count: 40).joined())
        for file in ["gpt2.json", "llama3.json", "qwen2.json", "llama2.json", "gpt1.json", "pieces.json", "unknowns.json"] {
            let tokenizer = try TokenizerFixtures.open(file)
            let (one, many) = try long.withUnsafeBufferPointer {
                (try tokenizer.encode(utf8: $0, specials: nil, threads: 1), try tokenizer.encode(utf8: $0, specials: nil, threads: 4))
            }
            #expect(one == many, "\(file)")
        }
    }

    @Test func specialTokensAreWhatIsAskedFor() throws {
        let ranks = try RankFile.read(TokenizerFixtures.bytes("gpt4.tiktoken"), pattern: "gpt4", specials: ["<|end|>": 600, "<|x|>": 601])
        let text = "a<|end|>b<|x|>"
        let plain = try ranks.encode(text)
        #expect(try ranks.encode(text, specials: .plain) == plain)
        #expect(!plain.contains(600))
        #expect(try ranks.encode(text, specials: .allowed) == ranks.encode("a") + [600] + ranks.encode("b") + [601])
        #expect(throws: TextError.forbiddenSpecialToken(token: "<|end|>", offset: 1)) { try ranks.encode(text, specials: .forbidden) }
        #expect(throws: TextError.forbiddenSpecialToken(token: "<|x|>", offset: 9)) { try ranks.encode(text, specials: .only(["<|end|>"])) }
        #expect(ranks.decode([600, 97, 601]) == "<|end|>" + ranks.decode([97]) + "<|x|>")
        #expect(ranks.decode([600, 97, 601], skippingSpecials: true) == ranks.decode([97]))
        #expect(ranks.vocabularySize == 602)
    }

    @Test func bytesThatAreNoTextComeThrough() throws {
        for file in ["gpt2.json", "llama3.json", "llama2.json", "deepseek.json"] {
            let tokenizer = try TokenizerFixtures.open(file)
            var random = TestRandom(state: 7)
            for _ in 0..<200 {
                let bytes = (0..<Int.random(in: 1...40, using: &random)).map { _ in UInt8.random(in: .min ... .max, using: &random) }
                let ids = try bytes.withUnsafeBufferPointer { try tokenizer.encode(utf8: $0) }
                #expect(
                    ids.flatMap { tokenizer.bytes(of: $0) }.drop { $0 == 0x20 }.elementsEqual(bytes.drop { $0 == 0x20 }),
                    "\(file): \(bytes)")
            }
        }
    }

    @Test func promptsStartAsTheTemplateSays() throws {
        let tokenizer = try TokenizerFixtures.open("llama2.json")
        let start = try #require(tokenizer.specialTokens["<s>"])
        #expect(try tokenizer.encodePrompt("Hi") == [start] + tokenizer.encode("Hi"))
        #expect(try tokenizer.encodePrompt("<s>Hi") == tokenizer.encode("<s>Hi"))
        // What continues a prompt keeps the space that a text's start would lose.
        let ids = try tokenizer.encode("word")
        var stream = StreamingDecoder(tokenizer: tokenizer, continuing: true)
        #expect(ids.map { stream.append($0) }.joined() + stream.finish() == " word")
        #expect(tokenizer.decode(ids) == "word")
    }

    @Test func aMillionLettersAreOnePiece() throws {
        let tokenizer = try TokenizerFixtures.open("gpt2.tiktoken", pattern: "gpt2")
        let text = String(repeating: "abcdefghij", count: 100_000)
        var count = 0
        let took = try processorSeconds { count = try tokenizer.encode(text).count }
        #expect(count > 100_000)
        // Trying every pair for every merge would take hours.
        #expect(took < 20)
    }

    @Test func trainingMergesAsRustbpeDoes() throws {
        struct Training: Decodable {
            let text: String, pattern: String, tokens: [[UInt8]]
        }
        let expected = try JSONDecoder().decode(Training.self, from: Data(TokenizerFixtures.bytes("training.json")))
        let tokenizer = try BPETokenizer.train(
            on: expected.text, vocabularySize: expected.tokens.count, pattern: #require(SplitPattern(rawValue: expected.pattern)))
        #expect((0..<Int32(tokenizer.vocabularySize)).map { tokenizer.bytes(of: $0) } == expected.tokens)
    }

    /// Only where the published files are at hand.
    @Test(.enabled(if: FileManager.default.fileExists(atPath: realGPT2 + "/vocab.bpe"))) func gpt2sOwnFiles() throws {
        let tokenizer = try #require(Tokenizers.open(PublishedTokenizerTests.realGPT2) as? PublishedTokenizer)
        #expect(tokenizer.vocabularySize == 50257)
        #expect(try tokenizer.encode("Hello, world") == [15496, 11, 995])
        #expect(try tokenizer.encode("<|endoftext|>") == [50256])
        #expect(try tokenizer.encode("<|endoftext|>", specials: .plain) == [27, 91, 437, 1659, 5239, 91, 29])
        let folder = try TemporaryFolder()
        try Tokenizers.write(tokenizer, as: .gpt2, to: folder.path)
        let merges = try TextFile.bytes(of: "\(folder.path)/merges.txt"),
            own = try TextFile.bytes(of: PublishedTokenizerTests.realGPT2 + "/vocab.bpe")
        #expect(merges == own)
    }

    static let realGPT2 = (ProcessInfo.processInfo.environment["LOOM_DATA"] ?? "") + "/gpt2-bpe"
}
