/// Which tokenizer a text is to be encoded with.
public enum TokenizerSpec: Sendable {
    /// Characters, those of the whole text.
    case char
    /// Bytes.
    case byte
    /// Byte pairs, learned from the training part.
    case bpe(vocabularySize: Int, pattern: SplitPattern = .gpt4)
    /// The tokenizer of a file or folder; `pattern` is for formats that do not say how text is cut.
    case file(path: String, pattern: String?)
    /// A tokenizer that there is already, such as that of an earlier run.
    case fixed(any Tokenizer)
}
