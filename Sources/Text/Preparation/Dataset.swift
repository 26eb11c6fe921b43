/// A text made ready: tokenized, and split into a training and a validation part.
public struct Dataset: Sendable {
    /// The name of the text.
    public let name: String
    /// A hash of the whole text, to know it again.
    public let contentHash: String
    /// The first part of the text.
    public let train: TokenFile
    /// The rest of the text.
    public let validation: TokenFile
    /// What made the tokens.
    public let tokenizer: any Tokenizer
    /// The token between documents, where they are separated.
    public var endToken: Int32?
    /// Bytes of training text per token; 0 for tokens whose text nobody knows.
    public let trainBytesPerToken: Double
    /// Bytes of validation text per token: loss in nats / ln 2 / this is bits per byte.
    public let validationBytesPerToken: Double
    /// Documents of the training and the validation part, where they were counted.
    public var documents: (train: Int, validation: Int)?
    /// The folder that the tokens are kept in, where they are.
    public var folder: String?

    /// Tokenizes and splits `corpus`; see the other form.
    public static func prepare(
        _ corpus: Corpus, tokenizer spec: TokenizerSpec, validationFraction: Double = 0.1, cache usesCache: Bool = true,
        locations: Locations = Locations()
    ) throws -> Dataset {
        var options = PreparationOptions()
        (options.validationFraction, options.usesCache) = (validationFraction, usesCache)
        return try prepare(TextSource(corpus), tokenizer: spec, options, locations: locations)
    }
}
