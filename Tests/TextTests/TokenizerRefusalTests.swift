import Foundation
import Testing
import Text

/// What a file says and Loom does not do is refused by name, and damage is told in one line.
@Suite struct TokenizerRefusalTests {
    /// Changes to a good tokenizer.json, and what the error names.
    static let changes: [(old: String, new: String, names: String)] = [
        (#""truncation": null"#, #""truncation": {"max_length": 5}"#, "truncation"),
        (#""padding": null"#, #""padding": {}"#, "padding"),
        (#""version": "1.0""#, #""version": "1.0", "surprise": 1"#, "surprise"),
        (#""normalizer": null"#, #""normalizer": {"type": "Precompiled", "precompiled_charsmap": "AA"}"#, "Precompiled"),
        (#""normalizer": null"#, #""normalizer": {"type": "NFC", "extra": 1}"#, "extra"),
        (
            #""type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}, "post"#,
            #""type": "UnicodeScripts"}, "post"#, "UnicodeScripts"
        ),
        (#""dropout": null"#, #""dropout": 0.1"#, "dropout"),
        (#""end_of_word_suffix": null"#, #""end_of_word_suffix": 7"#, "end_of_word_suffix"),
        (#""continuing_subword_prefix": null"#, #""continuing_subword_prefix": "@@""#, "continuing_subword_prefix"),
        (#""end_of_word_suffix": null"#, #""end_of_word_suffix": "…""#, "alphabet"),
        (#""decoder": {"type": "ByteLevel""#, #""decoder": {"type": "BPEDecoder""#, "add_prefix_space"),
        (#""normalizer": null"#, #""normalizer": {"type": "BertNormalizer", "strip_accents": 1}"#, "strip_accents"),
        (#""normalizer": null"#, #""normalizer": {"type": "BertNormalizer", "accents": true}"#, "accents"),
        (#""type": "BPE""#, #""type": "Unigram""#, "Unigram"),
        (#""post_processor": null"#, #""post_processor": {"type": "Odd"}"#, "Odd"),
        (#""decoder": {"type": "ByteLevel""#, #""decoder": {"type": "CTC""#, "CTC"),
        (#""special": true"#, #""special": true, "color": 1"#, "color"),
        (#""special": true"#, #""special": 3"#, "special"),
        (#""merges": ["#, #""merges": ["zzz yyy", "#, "merge 0"),
        (#""!": "#, #""!": 1.5, "?": "#, "vocabulary"),
        (#""!": "#, #""!": 99999999, "\u0001": "#, "99999999"),
    ]

    @Test(arguments: changes) func isRefusedByName(old: String, new: String, names: String) throws {
        let good = try compact()
        let bad = good.replacing(old, with: new, maxReplacements: 1)
        #expect(bad != good, "\(old) is not in the file")
        let error = #expect(throws: TextError.self) { try Tokenizers.load(Data(bad.utf8)) }
        #expect(error?.description.contains(names) == true, "\(error?.description ?? "nothing")")
        #expect(error?.description.contains("\n") == false)
    }

    /// A few bytes that double a text again and again.
    @Test func normalizersThatNeverEnd() throws {
        let step = #"{"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}"#
        let steps = Array(repeating: step, count: 40).joined(separator: ", ")
        let bad = try compact().replacing(
            #""normalizer": null"#, with: #""normalizer": {"type": "Sequence", "normalizers": [\#(steps)]}"#, maxReplacements: 1)
        let error = #expect(throws: TextError.self) { _ = try Tokenizers.load(Data(bad.utf8)).encode("a") }
        #expect(error?.description.contains("64 times as long") == true, "\(error?.description ?? "nothing")")
    }

    /// The fixture with one space behind colons and commas, as Python writes JSON.
    private func compact() throws -> String {
        let text = String(decoding: try TokenizerFixtures.bytes("gpt2.json"), as: UTF8.self)
        _ = try Tokenizers.load(Data(text.utf8))
        return text
    }

    static let patterns: [(String, String)] = [
        (#"\p{Han}+"#, #"\p{Han}"#), (#"(?<name>a)"#, "(?<"), (#"a(?<=ab)"#, "lookbehind"), (#"\bword"#, #"\b"#), (#"(a)\1"#, #"\1"#),
        (#"[a&&b]"#, "&&"), (#"[[:alpha:]]"#, "class in a class"), ("a*", "empty text"), ("(a", "not closed"), ("a)", "unmatched"),
        ("a**", "repetition"), ("(a?)+", "may be empty"), ("^a", "^"), (#"\p{N}{1,3}+"#, "behind a count"), ("a{5,2}", "count"), ("[", "["),
        (String(repeating: "(", count: 100), "nested"), ("(a{1000}){1000}", "steps"),
    ]

    @Test(arguments: patterns) func patternsAreRefusedByName(pattern: String, names: String) {
        let error = #expect(throws: TextError.self) { try SplitRegex(pattern, dialect: .huggingFace) }
        #expect(error?.description.contains(names) == true, "\(error?.description ?? "nothing")")
    }

    @Test func filesThatAreNoTokenizer() throws {
        let folder = try TemporaryFolder()
        func message(_ name: String, _ content: String) throws -> String {
            try Files.writeAtomically(Array(content.utf8), to: "\(folder.path)/\(name)")
            do {
                _ = try Tokenizers.open("\(folder.path)/\(name)")
                return "no error"
            } catch { return "\(error)" }
        }
        #expect(try message("a", "just some text that is no tokenizer\n").contains("neither tokenizer.json"))
        #expect(try message("b", "IQ== 0\nIg== 1\n").contains("split pattern"))
        #expect(try message("c", "{\"a\": 0}").contains("vocab.bpe or merges.txt"))
        #expect(try message("d", "#version: 0.2\na b\n").contains("encoder.json or vocab.json"))
        #expect(try message("e", "{\"a\": [1, 2").contains("not valid JSON"))
        #expect(try message("f", "").contains("neither"))
        #expect(throws: TextError.self) { try Tokenizers.open(folder.path + "/none") }
        // CLIP's pair: word ends, but bytes.
        try Files.writeAtomically(Array("#version: 0.2\na b</w>\n".utf8), to: "\(folder.path)/merges.txt")
        #expect(try message("vocab.json", #"{"a": 0, "b</w>": 1, "ab</w>": 2, "Ġ": 3}"#).contains("tokenizer.json can be read"))
        try Files.writeAtomically(Array("#version: 0.2\na b</w>\n".utf8), to: "\(folder.path)/merges.txt")
        #expect(try message("vocab.json", #"{"<unk>": 5, "a": 0, "b</w>": 1}"#).contains("merge 0"))
        #expect(try message("vocab.json", #"{"<unk>": 5, "a": 0, "b</w>": 1, "ab</w>": 2}"#) == "no error")
        let path = folder.path + "/vocab.json"
        let pattern = #expect(throws: TextError.self) { try Tokenizers.open(path, pattern: "gpt4") }
        #expect(pattern?.description.contains("leave the pattern out") == true)
        for name in ["vocab.json", "merges.txt"] { try FileManager.default.removeItem(atPath: "\(folder.path)/\(name)") }
        let error = #expect(throws: TextError.self) { try Tokenizers.open(folder.path) }
        #expect(error?.description.contains("has none of tokenizer.json") == true)
    }
}
