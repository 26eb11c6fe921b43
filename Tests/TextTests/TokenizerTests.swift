import Foundation
import Testing
import Text

@Suite struct TokenizerTests {
    @Test func characters() throws {
        let tokenizer = try CharTokenizer(text: "hello wörld 😀\n")
        #expect(tokenizer.vocabularySize == 11)
        #expect(tokenizer.scalars == tokenizer.scalars.sorted())
        #expect(try tokenizer.encode("\n hw") == [0, 1, 4, 8])
        #expect(tokenizer.decode(try tokenizer.encode("low 😀 ö")) == "low 😀 ö")
        #expect(tokenizer.decode([0, 99, -1, 1]) == "\n ")
    }

    @Test func aCharacterIsAScalar() throws {
        // One grapheme, two scalars.
        #expect(try CharTokenizer(text: "e\u{301}").vocabularySize == 2)
        #expect(try CharTokenizer(text: "\r\n").encode("\r\n") == [1, 0])
    }

    @Test func unseenCharacterIsNamed() throws {
        let tokenizer = try CharTokenizer(text: "abcö")
        let error = #expect(throws: TextError.self) { try tokenizer.encode("aöbéc") }
        #expect(error == .unseenCharacter(scalar: "é", offset: 3))
        #expect(error?.description.contains("'é' (U+00E9) at offset 3") == true)
        #expect(throws: TextError.unseenCharacter(scalar: "\n", offset: 1)) { try tokenizer.encode("a\n") }
        #expect(throws: TextError.empty(source: "text for a character vocabulary")) { try CharTokenizer(text: "") }
        #expect(throws: TextError.notUTF8(source: "text to encode", byteOffset: 1)) {
            try [UInt8]([0x61, 0xFF]).withUnsafeBufferPointer { try tokenizer.encode(utf8: $0) }
        }
    }

    @Test func bytes() throws {
        #expect(try ByteTokenizer().encode("é") == [0xC3, 0xA9])
        #expect(ByteTokenizer().decode([0xC3, 0xA9, 256, -1]) == "é")
        #expect(ByteTokenizer().decode([0x61, 0xC3]) == "a\u{FFFD}")
    }

    @Test func savingAndLoading() throws {
        let text = "the cat and the hat, the mat and that. 你好 é"
        let tokenizers: [any Tokenizer] = [
            try CharTokenizer(text: text), ByteTokenizer(), try BPETokenizer.train(on: text, vocabularySize: 270, pattern: .gpt4),
        ]
        for tokenizer in tokenizers {
            let data = tokenizer.serialized()
            let loaded = try Tokenizers.load(data)
            #expect(loaded.kind == tokenizer.kind && loaded.vocabularySize == tokenizer.vocabularySize)
            #expect(try loaded.encode(text) == tokenizer.encode(text))
            #expect(loaded.serialized() == data)
        }
        #expect(
            String(decoding: try CharTokenizer(text: "ba").serialized(), as: UTF8.self)
                == #"{"codePoints":[97,98],"kind":"char","version":1}"#)
    }

    @Test(arguments: [
        "", "{}", "[]", #"{"kind":"char","version":1}"#, #"{"kind":"char","version":2,"codePoints":[1]}"#,
        #"{"kind":"char","version":1,"codePoints":[2,1]}"#, #"{"kind":"char","version":1,"codePoints":[55296]}"#,
        #"{"kind":"words","version":1}"#, #"{"kind":"bpe","version":1,"merges":[]}"#,
        #"{"kind":"bpe","version":1,"pattern":"gpt2","merges":[1]}"#, #"{"kind":"bpe","version":1,"pattern":"gpt2","merges":[1,256]}"#,
        #"{"kind":"bpe","version":1,"pattern":"gpt2","merges":[-1,5]}"#, #"{"kind":"bpe","version":1,"pattern":"gpt2","merges":[1,2,1,2]}"#,
    ])
    func damagedTokenizersAreRefused(json: String) {
        let error = #expect(throws: TextError.self) { try Tokenizers.load(Data(json.utf8)) }
        guard case .damagedTokenizer = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test func mergesOfMergesDoNotExplode() {
        // Each merge doubles the token before: 2^60 bytes if it were allowed.
        let merges = [TokenPair(97, 97)] + (256..<316).map { (last: Int32) in TokenPair(last, last) }
        #expect(throws: TextError.self) { try BPETokenizer(merges: merges, pattern: .gpt2) }
    }

    @Test func mutatedTokenizersNeverCrash() throws {
        var noise = Noise(seed: 11)
        let sources = [
            try CharTokenizer(text: "hello, 你好").serialized(),
            try BPETokenizer.train(on: "banana bandana ananas", vocabularySize: 264, pattern: .gpt2).serialized(),
        ]
        for round in 0..<3000 {
            var data = sources[round % 2]
            for _ in 0...(noise.next() % 4) {
                let at = Int(noise.next() % UInt64(data.count))
                switch noise.next() % 3 {
                case 0: data[at] = UInt8(truncatingIfNeeded: noise.next())
                case 1: data[at] = UInt8(ascii: "0") + UInt8(noise.next() % 10)
                default: data.removeSubrange(at..<min(data.count, at + 3))
                }
                if data.isEmpty { break }
            }
            if let tokenizer = try? Tokenizers.load(data) {
                _ = try? tokenizer.encode("a banana, hello")
                _ = tokenizer.decode([0, 97, 256, 260, 1 << 20, -5])
            }
        }
    }

    @Test func streamingGivesWhatDecodingGives() throws {
        var noise = Noise(seed: 3)
        let tokenizer = ByteTokenizer()
        let pieces: [[UInt8]] =
            ["a", "é", "你", "😀"].map { Array($0.utf8) } + [
                [0xE4], [0xBD], [0xF0, 0x9F], [0xFF], [0xC0, 0x80], [0xED, 0xA0], [0xF4, 0x90],
            ]
        for _ in 0..<3000 {
            let ids = (0..<Int(noise.next() % 12)).flatMap { _ in pieces[Int(noise.next() % UInt64(pieces.count))] }.map { Int32($0) }
            var decoder = StreamingDecoder(tokenizer: tokenizer)
            let streamed = ids.map { decoder.append($0) }.joined() + decoder.finish()
            #expect(Array(streamed.unicodeScalars) == Array(tokenizer.decode(ids).unicodeScalars))
        }
        var decoder = StreamingDecoder(tokenizer: tokenizer)
        #expect([0xF0, 0x9F, 0x98, 0x80, 0x61].map { decoder.append($0) } == ["", "", "", "😀", "a"])
        #expect(decoder.finish() == "")
    }

    @Test func decodingUTF8ByHandAgreesWithTheStandardLibrary() {
        var noise = Noise(seed: 8)
        let interesting: [UInt8] = [
            0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC1, 0xC2, 0xDF, 0xE0, 0xE7, 0xED, 0xEF, 0xF0, 0xF3, 0xF4, 0xF5,
        ]
        for _ in 0..<20000 {
            let bytes = (0..<4).map { _ in interesting[Int(noise.next() % UInt64(interesting.count))] }
            let valid = String(validating: bytes, as: UTF8.self)
            bytes.withUnsafeBufferPointer { #expect((UTF8Scalars.firstMalformedOffset(in: $0) == nil) == (valid != nil)) }
            guard let valid else { continue }
            var index = 0
            for scalar in valid.unicodeScalars {
                let (value, length) = bytes.withUnsafeBufferPointer { UTF8Scalars.decode($0.baseAddress!, at: index, end: 4) }
                #expect(value == scalar.value)
                index += length
            }
        }
    }
}
