import Configuration

/// How text is cut into chunks before byte pairs are merged; no token ever crosses the edge of a chunk.
///
/// The scanners give the same chunks as the regular expressions of published tokenizers, written out by hand: a regular
/// expression engine with Unicode classes is far slower.
public enum SplitPattern: String, Sendable, Codable, OptionEnum {
    /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
    case gpt2
    /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`
    ///
    /// As Hugging Face's copies of GPT-4's tokenizer and Llama 3's have it.
    case gpt4
    /// The same with `\p{N}{1,2}`, as nanochat has it.
    case nanochat
    /// The same with `\p{N}`: one digit a chunk, as Qwen 2 has it.
    case qwen2
    /// tiktoken's cl100k_base: `gpt4`, but white space that ends the text is one chunk, line breaks or not (`\s++$`).
    case cl100k
    /// tiktoken's o200k_base: words are cut before capitals and keep their contractions.
    case o200k

    /// The expression in the form that tokenizer.json files have it, which engines of every kind read alike.
    public var expression: String {
        let contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
        func family(_ digits: String) -> String {
            contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|"# + digits + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
        }
        switch self {
        case .gpt2: return #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
        case .gpt4: return family(#"\p{N}{1,3}"#)
        case .nanochat: return family(#"\p{N}{1,2}"#)
        case .qwen2: return family(#"\p{N}"#)
        case .cl100k:
            return #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+\z|\s*[\r\n]|\s+(?!\S)|\s"#
        case .o200k:
            let upper = #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#, lower = #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#
            return #"[^\r\n\p{L}\p{N}]?"# + upper + "*" + lower + "+" + contractions + "?|"
                + #"[^\r\n\p{L}\p{N}]?"# + upper + "+" + lower + "*" + contractions + "?|"
                + #"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
        }
    }

    /// The pattern that cuts all text as `expression` does, if it is one that is known in this very spelling or a few others.
    ///
    /// Possessive repetitions and `[\r\n]+` for `[\r\n]` make no difference where the known expressions have them.
    package init?(expression: String) {
        var plain = expression
        for (long, short) in [
            ("++", "+"), ("?+", "?"), ("*+", "*"), (",3}+", ",3}"), (",2}+", ",2}"), (#"\s*[\r\n]+"#, #"\s*[\r\n]"#),
            ("|'t|'re|'ve|'m|'ll|'d)", "|~)"),
            (#"[\p{L}]"#, #"\p{L}"#), (#"[\p{N}]"#, #"\p{N}"#), (#"\s+$"#, #"\s+\z"#), ("'(?i:[sdmt]|ll|ve|re)", "(?i:'s|~)"),
            ("'(?:[sdmt]|ll|ve|re)", "'s|'t|'re|'ve|'m|'ll|'d"),
        ] {
            plain = plain.replacing(long, with: short)
        }
        // The last alternative meets one character of white space at most: those before it take longer runs.
        if plain.hasSuffix(#"(?!\S)|\s"#) { plain += "+" }
        // GPT-2's cuts white space at the end of a text in one chunk either way.
        plain = plain.replacing(#"\p{N}]+|\s+\z|\s+(?!"#, with: #"\p{N}]+|\s+(?!"#)
        switch plain {
        case #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#: self = .gpt2
        case SplitPattern.family(#"\p{N}{1,3}"#, ""): self = .gpt4
        case SplitPattern.family(#"\p{N}{1,2}"#, ""): self = .nanochat
        case SplitPattern.family(#"\p{N}"#, ""): self = .qwen2
        case SplitPattern.family(#"\p{N}{1,3}"#, #"\s+\z|"#): self = .cl100k
        default:
            guard expression == SplitPattern.o200k.expression else { return nil }
            self = .o200k
        }
    }

    private static func family(_ digits: String, _ end: String) -> String {
        #"(?i:'s|~)|[^\r\n\p{L}\p{N}]?\p{L}+|"# + digits + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|"# + end + #"\s*[\r\n]|\s+(?!\S)|\s+"#
    }

    /// The chunks of `text`, whose UTF-8 joined is the text again.
    public func split(_ text: String) -> [String] {
        var text = text
        return text.withUTF8 { buffer in
            var scanner = ChunkScanner(buffer, pattern: self)
            var chunks: [String] = []
            while let range = scanner.next() {
                chunks.append(String(decoding: UnsafeBufferPointer(rebasing: buffer[range]), as: UTF8.self))
            }
            return chunks
        }
    }
}
