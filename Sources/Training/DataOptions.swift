import Configuration
import Text

/// The `data` section, without its tokenizer.
public struct DataOptions: OptionGroup {
    public var source = "stories"
    public var characters = 4_000_000
    public var seed = 0
    public var validationFraction = 0.1
    public var order = Order.random
    public var format = TextSource.Format.Kind.auto
    public var textField = "text"
    public var documents = Documents.joined
    public var documentBreak = ""
    public var endToken = ""
    public init() {}

    /// How batches are drawn from the text.
    public enum Order: String, OptionEnum { case random, sequential }

    public static var options: [Option<Self>] {
        [
            Option(
                "source", \.source,
                help:
                    "\(Corpus.knownNames.joined(separator: ", ")), or a path: a file or folder of UTF-8 text or JSON Lines, gzip or not, a folder of tokens (train.bin and val.bin, or made by prepare)"
            ),
            Option("characters", \.characters, .within(1000...1_000_000_000), help: "length of generated text"),
            Option("seed", \.seed, .atLeast(0), help: "seed of generated text"),
            Option(
                "validation_fraction", \.validationFraction,
                Bounds(minimum: 0, maximum: 1, exclusiveMinimum: true, exclusiveMaximum: true),
                help: "share of the text kept for validation, at its end"),
            Option("order", \.order, help: "training windows at random places, or one after another"),
            Option("format", \.format, help: "how files are read: as text, as JSON Lines (jsonl), or as they look (auto)"),
            Option("text_field", \.textField, help: "the member of a line of JSON that is its text"),
            Option(
                "documents", \.documents,
                help:
                    "files and lines of JSON: joined by line breaks; separated by an end token; aligned, windows beginning at documents; isolated, windows ending with them too"
            ),
            Option("document_break", \.documentBreak, help: "what stands between documents in a file of text, such as <|endoftext|>"),
            Option("end_token", \.endToken, help: "name of the token between documents; empty for the tokenizer's own, or <|endoftext|>"),
        ]
    }

    /// The name of the token between documents, where one is named.
    var endTokenName: String? { endToken.isEmpty ? nil : endToken }

    var textFormat: TextSource.Format {
        var format = TextSource.Format()
        (format.kind, format.textField, format.documentBreak) = (self.format, textField, documentBreak)
        return format
    }
}
