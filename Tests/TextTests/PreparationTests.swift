import Foundation
import Testing
import Text

@Suite struct PreparationTests {
    let folder: TemporaryFolder
    private let nowhere = Locations(data: nil, cache: nil)
    init() throws { folder = try TemporaryFolder() }

    static let documents = (0..<200).map { "Document \($0): the cät sat on \($0 * 7) mats.\nAnd a second line, 你好.\n" }

    func prepare(
        _ path: String, _ spec: TokenizerSpec, _ options: PreparationOptions = PreparationOptions(), blockSize: Int = 300,
        shardTokens: Int = 500, format: TextSource.Format = TextSource.Format(),
        progress: @escaping (PreparationProgress) -> Bool = { _ in true }
    ) throws -> Dataset {
        try Preparing(
            TextSource(path: path, format: format), spec, options, locations: nowhere, blockSize: blockSize, shardTokens: shardTokens,
            progress: progress
        ).run()
    }

    func jsonl(_ name: String = "d.jsonl") throws -> String {
        try folder.write(
            name,
            String(decoding: Self.documents.flatMap { try JSONSerialization.data(withJSONObject: ["text": $0]) + [0x0A] }, as: UTF8.self))
    }

    static func message(_ body: () throws -> Void) -> String {
        do {
            try body()
            return ""
        } catch { return "\(error)" }
    }

    /// Read in small blocks into small shards, a text has the tokens that it has in memory.
    @Test(arguments: [TokenizerSpec.char, .byte, .bpe(vocabularySize: 400), .bpe(vocabularySize: 350, pattern: .gpt2)])
    func streamedIsTheSame(spec: TokenizerSpec) throws {
        let text = Self.documents.joined()
        let path = try folder.write("t.txt", text)
        let whole = try Dataset.prepare(Corpus.generated(name: "t", text: text), tokenizer: spec, locations: nowhere)
        let streamed = try prepare(path, spec)
        #expect(streamed.tokenizer.serialized() == whole.tokenizer.serialized())
        #expect(streamed.train.all() == whole.train.all() && streamed.validation.all() == whole.validation.all())
        #expect(streamed.trainBytesPerToken == whole.trainBytesPerToken)
        #expect(streamed.validationBytesPerToken == whole.validationBytesPerToken)
        #expect(streamed.contentHash == whole.contentHash, "the same text in a file and in memory")
        let files = try FileManager.default.contentsOfDirectory(atPath: #require(streamed.folder))
        #expect(files.count { $0.hasPrefix("train-") } > 3)
        // Found again, in shards.
        #expect(try prepare(path, spec).train.all() == whole.train.all())
    }

    /// An end token before the first document, between them, and behind the last of each part; no document is cut.
    @Test(arguments: [TokenizerSpec.char, .byte, .bpe(vocabularySize: 400)]) func documentsAreSeparated(spec: TokenizerSpec) throws {
        var options = PreparationOptions()
        options.documents = .separated
        let data = try prepare(jsonl(), spec, options)
        let end = try #require(data.endToken)
        #expect(Int(end) == data.tokenizer.vocabularySize - 1)
        if case .bpe(let size, _) = spec { #expect(data.tokenizer.vocabularySize == size) }
        var all: [String] = []
        for (tokens, count) in [(data.train, data.documents?.train), (data.validation, data.documents?.validation)] {
            let ids = tokens.all()
            #expect(ids.first == end && ids.last == end)
            let parts = ids.split(separator: end).map { data.tokenizer.decode(Array($0)) }
            #expect(parts.count == count)
            all += parts
        }
        #expect(all == Self.documents)
        // The training part ends with the document that holds the last of nine tenths of all characters.
        let characters = Self.documents.map(\.unicodeScalars.count), wanted = Int(0.9 * Double(characters.reduce(0, +)))
        let first = try #require(characters.indices.first { characters[...$0].reduce(0, +) >= wanted })
        #expect(data.documents?.train == first + 1)
        let bytes = Self.documents[...first].reduce(0) { $0 + $1.utf8.count }
        #expect(abs(data.trainBytesPerToken * Double(data.train.count) - Double(bytes)) < 0.01)
        // The tokenizer is read back with its end token.
        let again = try Tokenizers.load(data.tokenizer.serialized())
        #expect(again.endToken(named: nil) == end && again.vocabularySize == data.tokenizer.vocabularySize)
        #expect(again.decode([end]) == "<|endoftext|>")
    }

    @Test func thereIsAlwaysADocumentForValidation() throws {
        var options = PreparationOptions()
        options.documents = .separated
        let path = try folder.write(
            "two.jsonl", "{\"text\": \"a\"}\n{\"text\": \"\(String(repeating: "long ", count: 100))\"}\n{\"text\":\"\"}\n")
        let data = try prepare(path, .byte, options)
        #expect(data.train.all() == [256, 97, 256] && data.documents?.validation == 1)
        // One alone is cut.
        let one = try prepare(folder.write("one.txt", "0123456789"), .byte, options)
        #expect(one.train.all() == [256] + (48...56).map { Int32($0) } && one.validation.all() == [256, 57, 256])
    }

    /// Stopped after any block and begun again, the shards are those of an unbroken run; nothing is tokenized twice.
    @Test func goesOnWhereItStopped() throws {
        var options = PreparationOptions()
        options.documents = .separated
        let path = try jsonl(), unbroken = try prepare(path, .byte, options)
        func files(_ folder: String) throws -> [String: Data] {
            let names = try FileManager.default.contentsOfDirectory(atPath: folder)
            return try Dictionary(uniqueKeysWithValues: names.map { ($0, try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\($0)"))) })
        }
        let wanted = try files(#require(unbroken.folder)).filter { $0.key.hasSuffix(".tokens") }
        #expect(wanted.count > 10)
        options.folder = folder.path + "/out"
        // Stopped before the first token, and half written by a process that is no more.
        #expect(throws: CancellationError.self) {
            try prepare(path, .byte, options) { if case .tokenizing = $0 { false } else { true } }
        }
        try FileManager.default.removeItem(atPath: folder.path + "/out/manifest")
        try folder.write("out/manifest.999999999-1.tmp", "half")
        var stops = 0, most = 0
        while true {
            var blocks = 0
            do {
                let data = try prepare(path, .byte, options) { state in
                    guard case .tokenizing(_, _, let tokens) = state else { return true }
                    blocks += 1
                    most = max(most, tokens)
                    return blocks < 7
                }
                #expect(data.train.all() == unbroken.train.all() && data.validation.all() == unbroken.validation.all())
                break
            } catch is CancellationError {
                stops += 1
                #expect(stops < 100, "it never ends")
                if stops == 100 { return }
                #expect(throws: TextError.self) { try TokenFolder.dataset(folder.path + "/out", documents: .separated) }
            }
        }
        #expect(stops > 3 && most == unbroken.train.count + unbroken.validation.count)
        #expect(try files(folder.path + "/out").filter { $0.key.hasSuffix(".tokens") } == wanted)
        #expect(folder.names(in: "out").count == wanted.count + 2, "a manifest, a tokenizer, and nothing half written")
        // What is done is a source of its own.
        #expect(TokenFolder.exists(folder.path + "/out"))
        let data = try TokenFolder.dataset(folder.path + "/out", documents: .isolated)
        #expect(data.train.all() == unbroken.train.all() && data.train.isIsolated && data.endToken == 256)
        #expect(data.validationBytesPerToken == unbroken.validationBytesPerToken && data.contentHash == unbroken.contentHash)
        // Other tokens do not go into the same folder.
        options.validationFraction = 0.5
        #expect(Self.message { _ = try prepare(path, .byte, options) }.contains("something else is there"))
    }

    @Test func damageIsNoticed() throws {
        let path = try folder.write("t.txt", Self.documents.joined())
        var options = PreparationOptions()
        options.folder = folder.path + "/out"
        let whole = try prepare(path, .byte, options), train = whole.train.all()
        let out = folder.path + "/out", names = try FileManager.default.contentsOfDirectory(atPath: out)
        for name in names {
            let url = URL(fileURLWithPath: "\(out)/\(name)"), good = try Data(contentsOf: url)
            var bad = good
            bad[bad.count / 2] ^= 4
            try bad.write(to: url)
            #expect(throws: TextError.self, "\(name)") { try TokenFolder.dataset(out, documents: .joined) }
            try good.write(to: url)
        }
        // One shard in another's place: each is whole, together they are not the text.
        let shards = names.filter { $0.hasPrefix("train-") }.sorted()
        let (first, second) = (
            try Data(contentsOf: URL(fileURLWithPath: "\(out)/\(shards[0])")),
            try Data(contentsOf: URL(fileURLWithPath: "\(out)/\(shards[1])"))
        )
        try second.write(to: URL(fileURLWithPath: "\(out)/\(shards[0])"))
        #expect(Self.message { _ = try TokenFolder.dataset(out, documents: .joined) }.contains("not the one that the manifest"))
        // Preparing again mends it.
        #expect(try prepare(path, .byte, options).train.all() == train)
        #expect(try Data(contentsOf: URL(fileURLWithPath: "\(out)/\(shards[0])")) == first)
        #expect(Self.message { _ = try TokenFolder.dataset(out, documents: .separated) }.contains("without a token between documents"))
        let tokenizer = URL(fileURLWithPath: "\(out)/tokenizer"), saved = try Data(contentsOf: tokenizer)
        try DelimitedTokenizer(ByteTokenizer()).serialized().write(to: tokenizer)
        #expect(Self.message { _ = try TokenFolder.dataset(out, documents: .joined) }.contains("not the one that made its tokens"))
        try FileManager.default.removeItem(at: tokenizer)
        #expect(TokenFolder.exists(out) && Self.message { _ = try TokenFolder.dataset(out, documents: .joined) } != "")
        #expect(try prepare(path, .byte, options).train.all() == train)
        #expect(try Data(contentsOf: tokenizer) == saved)
        let other = try CharTokenizer(text: "ab")
        #expect(Self.message { _ = try TokenFolder.dataset(out, tokenizer: other, documents: .joined) }.contains("another tokenizer"))
    }

    /// A file that is written to while it is read belongs to no one text.
    @Test func changesAreNoticed() throws {
        let text = Self.documents.joined(), path = try folder.write("t.txt", text)
        var blocks = 0
        let found = Self.message {
            _ = try prepare(path, .byte) { state in
                if case .tokenizing = state { blocks += 1 }
                if blocks == 4 { _ = try? folder.write("t.txt", String(text.prefix(900))) }
                return true
            }
        }
        #expect(found.contains("t.txt: changed while it was read"))
        // As it was, it is read as it is.
        try folder.write("t.txt", text)
        let again = try prepare(path, .byte)
        #expect(again.train.count + again.validation.count == text.utf8.count)
    }

    /// A document that ends where a block begins belongs to the part that had it.
    @Test func documentsThatEndAtTheEdgeOfABlock() throws {
        var format = TextSource.Format(), options = PreparationOptions()
        format.documentBreak = "<|end|>"
        options.documents = .separated
        for length in 290...310 {
            let path = try folder.write("edge.txt", String(repeating: "x", count: length) + "<|end|>second document here")
            let data = try prepare(path, .byte, options, format: format)
            #expect(data.documents?.train == 1 && data.documents?.validation == 1)
            #expect(data.train.count == length + 2 && data.validation.count == 22 && data.validation.all().first == 256)
        }
    }

    /// The name decides how a file is read, so it decides what is kept for it.
    @Test func namesAreAPartOfTheText() throws {
        let lines = "{\"title\": \"a\", \"body\": \"b\"}\n{\"title\": \"c\", \"body\": \"d\"}\n"
        #expect(try prepare(folder.write("l.txt", lines), .byte).train.count > 10)
        #expect(Self.message { _ = try prepare(folder.write("l.jsonl", lines), .byte) }.contains("no field \"text\""))
    }

    @Test func manySmallFiles() throws {
        for number in 0..<500 { try folder.write("many/\(number).txt", "file \(number)\n") }
        let start = Date()
        let data = try Dataset.prepare(TextSource(path: folder.path + "/many"), tokenizer: .byte, locations: nowhere)
        #expect(data.train.count > 3000 && Date().timeIntervalSince(start) < 60)
    }

    /// Where tokens are to be kept and cannot be, that is an error.
    @Test func whatIsAskedToBeKeptMustBe() throws {
        let path = try folder.write("t.txt", Self.documents.joined())
        var options = PreparationOptions()
        options.folder = folder.path + "/out"
        var blocks = 0
        let found = Self.message {
            _ = try prepare(path, .byte, options) { state in
                if case .tokenizing = state { blocks += 1 }
                // What would be the next shard's place is taken.
                if blocks == 1 {
                    for number in 0..<99 { _ = try? folder.write("out/train-000\(number < 10 ? "0" : "")\(number).tokens/x", "in the way") }
                }
                return true
            }
        }
        #expect(found.contains("cannot be written"), "\(found)")
    }

    /// Manifests that somebody changed, with a seal that fits: an error or other tokens, but no crash.
    @Test func changedManifestsDoNoHarm() throws {
        let path = try folder.write("t.txt", Self.documents.joined())
        var options = PreparationOptions()
        options.folder = folder.path + "/out"
        _ = try? prepare(path, .byte, options) { if case .tokenizing(_, _, let tokens) = $0 { tokens < 3000 } else { true } }
        let manifest = URL(fileURLWithPath: folder.path + "/out/manifest"), good = try Data(contentsOf: manifest)
        let line = try #require(good.firstIndex(of: 0x0A)), content = Array(good[(line + 1)...])
        var random = TestRandom(state: 9), opened = 0
        for round in 0..<400 {
            var changed = content
            let at = Int.random(in: 0..<changed.count, using: &random)
            if Bool.random(using: &random) {
                changed[at] = UInt8.random(in: 0x20...0x7E, using: &random)
            } else {
                let digits = changed.indices.filter { (0x30...0x39).contains(changed[$0]) }
                let digit = try #require(digits.randomElement(using: &random))
                changed.replaceSubrange(
                    digit...digit, with: Array(["9223372036854775807", "-1", "99999999"].randomElement(using: &random)?.utf8 ?? "".utf8))
            }
            try Data(Array("\(ContentHash(changed))\n".utf8) + changed).write(to: manifest)
            do {
                _ = try TokenFolder.dataset(folder.path + "/out", documents: .joined)
                opened += 1
            } catch is TextError {}
            if round % 10 == 0 { do { _ = try prepare(path, .byte, options) } catch is TextError {} }
            try good.write(to: manifest)
        }
        #expect(opened < 400)
    }

    @Test func learningIsFromAPartOfALargeText() throws {
        var options = PreparationOptions()
        options.usesCache = false
        let common = ["first", "second", "third", "last"].flatMap { word in (0..<500).map { "\(word)\($0 % 7)\n" } }.joined()
        let words = String(repeating: "zebra\n", count: 70) + common
        let source = try TextSource(path: folder.write("t.txt", words))
        let data = try Preparing(
            source, .bpe(vocabularySize: 300), options, locations: nowhere, blockSize: 500, mostTrainingBytes: 4000,
            progress: { _ in true }
        ).run()
        func known(_ data: Dataset) -> [String] {
            (256..<Int32(data.tokenizer.vocabularySize)).map { String(decoding: data.tokenizer.bytes(of: $0), as: UTF8.self) }
        }
        // Words from everywhere are learned, but for what stands only in a block that is not read.
        for word in ["first", "second", "third", "last"] { #expect(known(data).contains(word), "\(word)") }
        let whole = try Preparing(source, .bpe(vocabularySize: 300), options, locations: nowhere, progress: { _ in true })
            .run()
        #expect(known(whole).contains("zebra") && !known(data).contains("zebra"))
    }

    @Test func endTokensOfPublishedTokenizers() throws {
        let gpt2 = try Tokenizers.load(Data(TokenizerFixtures.bytes("gpt2.json")))
        var options = PreparationOptions()
        options.documents = .separated
        let path = try folder.write("d.jsonl", "{\"text\": \"one <|endoftext|> two\"}\n{\"text\": \"three\"}\n{\"text\": \"four\"}")
        let data = try prepare(path, .fixed(gpt2), options), end = try #require(data.endToken)
        #expect(gpt2.decode([end]) == "<|endoftext|>" && data.tokenizer.vocabularySize == gpt2.vocabularySize)
        // The words of the token in a text are words.
        #expect(data.train.all().count { $0 == end } == data.documents.map { $0.train + 1 })
        #expect(data.tokenizer.decode(data.train.all()).contains("one <|endoftext|> two"))
        options.endToken = "<|none|>"
        #expect(
            Self.message { _ = try prepare(path, .fixed(gpt2), options) }.contains(
                "data.end_token is <|none|>, but must be a special token of the tokenizer, such as"))
    }
}
