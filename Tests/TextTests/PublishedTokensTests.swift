import Formats
import Foundation
import Testing
import Text

/// Folders of tokens that nanoGPT and llm.c prepared.
struct PublishedTokensTests {
    let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder() }

    static func bytes(_ tokens: [Int], wide: Bool = false) -> [UInt8] {
        tokens.flatMap { token in (0..<(wide ? 4 : 2)).map { UInt8(truncatingIfNeeded: token >> (8 * $0)) } }
    }

    /// A shard as llm.c writes it.
    static func shard(_ tokens: [Int], wide: Bool = false, version: Int? = nil, count: Int? = nil) -> [UInt8] {
        var header = [wide ? 20_240_801 : 20_240_520, version ?? (wide ? 7 : 1), count ?? tokens.count]
        header += [Int](repeating: 0, count: 256 - header.count)
        return bytes(header, wide: true) + bytes(tokens, wide: wide)
    }

    func write(_ files: [String: [UInt8]]) throws -> String {
        let path = "\(folder.path)/\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        for (name, bytes) in files { try Data(bytes).write(to: URL(fileURLWithPath: "\(path)/\(name)")) }
        return path
    }

    static func tokens(_ count: Int, below bound: Int = 256, seed: Int) -> [Int] {
        (0..<count).map { ($0 * 7919 + seed * 104_729 + $0 * $0 % 31) % bound }
    }

    func refusal(_ path: String, _ spec: TokenizerSpec = .byte) -> String {
        do {
            _ = try PublishedTokens.dataset(path, tokenizer: spec)
            return "it was read"
        } catch {
            return "\(error)"
        }
    }

    @Test func nanoGPT() throws {
        let train = PublishedTokensTests.tokens(1000, seed: 1), val = PublishedTokensTests.tokens(300, seed: 2)
        let path = try write(["train.bin": PublishedTokensTests.bytes(train), "val.bin": PublishedTokensTests.bytes(val)])
        #expect(PublishedTokens.exists(path) && !PublishedTokens.exists(folder.path) && !PublishedTokens.exists("\(path)/train.bin"))
        let dataset = try PublishedTokens.dataset(path, tokenizer: .byte)
        #expect(dataset.train.all() == train.map(Int32.init) && dataset.validation.all() == val.map(Int32.init))
        #expect(dataset.trainBytesPerToken == 1 && dataset.tokenizer.kind == "byte")
        #expect(try PublishedTokens.dataset(path, tokenizer: .byte).contentHash == dataset.contentHash)
        let other = try write(["train.bin": PublishedTokensTests.bytes(train.reversed()), "val.bin": PublishedTokensTests.bytes(val)])
        #expect(try PublishedTokens.dataset(other, tokenizer: .byte).contentHash != dataset.contentHash)
    }

    /// nanoGPT's characters come in with the tokens.
    @Test func characters() throws {
        let text = Array("hello world, how are you? "), alphabet = Set(text).sorted()
        let ids = text.map { alphabet.firstIndex(of: $0) ?? 0 }
        let itos: PickleValue = .dictionary(
            alphabet.enumerated().map { PickleValue.Pair(key: .int($0), value: .string(String($1))) })
        let meta: PickleValue = .dictionary([PickleValue.Pair(key: .string("itos"), value: itos)])
        let path = try write([
            "train.bin": PublishedTokensTests.bytes(ids), "val.bin": PublishedTokensTests.bytes(ids), "meta.pkl": meta.pickled,
        ])
        let dataset = try PublishedTokens.dataset(path, tokenizer: .char)
        #expect(dataset.tokenizer.decode(dataset.train.all()) == String(text))
        #expect(try dataset.tokenizer.encode("how").map { alphabet[Int($0)] } == Array("how"))
    }

    /// Several shards are one text, wherever a window falls.
    @Test(arguments: [false, true])
    func shards(wide: Bool) throws {
        let sizes = [1, 100, 0, 37, 2, 60], bound = wide ? 100_000 : 256
        let all = sizes.enumerated().map { PublishedTokensTests.tokens($1, below: bound, seed: $0) }
        var files = ["x_val_000000.bin": PublishedTokensTests.shard(PublishedTokensTests.tokens(90, below: bound, seed: 9), wide: wide)]
        for (index, tokens) in all.enumerated() { files["x_train_00000\(index).bin"] = PublishedTokensTests.shard(tokens, wide: wide) }
        let path = try write(files), whole = all.flatMap { $0 }.map(Int32.init)
        let tokenizer: TokenizerSpec = wide ? .fixed(Many()) : .byte
        let train = try PublishedTokens.dataset(path, tokenizer: tokenizer).train
        #expect(train.count == 200 && train.all() == whole && (0..<200).allSatisfy { train[$0] == whole[$0] })
        for start in 0..<200 {
            var window = [Int32](repeating: -1, count: min(71, 200 - start))
            window.withUnsafeMutableBufferPointer { train.copy(from: start, into: $0) }
            #expect(window == Array(whole[start..<start + window.count]))
        }
    }

    @Test func wrongFiles() throws {
        typealias Tests = PublishedTokensTests
        let good = Tests.bytes([1, 2, 3])
        func with(_ train: [UInt8]) throws -> String { refusal(try write(["train.bin": train, "val.bin": good])) }
        #expect(try with([1, 2, 3]).contains("3 bytes are no whole number of tokens"))
        #expect(try with([]).contains("it is empty"))
        #expect(try with(Tests.bytes([1, 300])).contains("it has token 300, but the tokenizer 256"))
        #expect(try with(Tests.shard([1, 2], version: 3)).contains("version 3 of llm.c's tokens"))
        #expect(try with(Tests.shard([1, 2], count: 4_000_000_000)).contains("speaks of 4000000000 tokens"))
        let path = try write(["train.bin": good, "val.bin": good])
        #expect(
            refusal(path, .char).contains("the one that made the tokens")
                && refusal(path, .bpe(vocabularySize: 300)).contains("the one that made the tokens"))
        let damaged = try write(["train.bin": good, "val.bin": good, "meta.pkl": [0x80, 2, 1, 2, 3]])
        #expect(refusal(damaged, .char).contains("meta.pkl"))
        // Weights without a tokenizer are trained on tokens all the same; only of bytes nothing can be said.
        let bare = try PublishedTokens.dataset(path, tokenizer: .fixed(IdTokenizer(vocabularySize: 9)))
        #expect(bare.train.all() == [1, 2, 3] && bare.validationBytesPerToken == 0)
        #expect(refusal(path, .fixed(IdTokenizer(vocabularySize: 3))).contains("it has token 3"))
    }

    /// A tokenizer of many tokens, each a letter.
    struct Many: Tokenizer {
        let kind = "many", vocabularySize = 100_000
        func encode(utf8: UnsafeBufferPointer<UInt8>) throws -> [Int32] { utf8.map { Int32($0) } }
        func bytes(of id: Int32) -> [UInt8] { [97] }
        func serialized() -> Data { Data() }
    }
}
