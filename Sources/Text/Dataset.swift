import Foundation

/// A corpus made ready: tokenized, and split into a training and a validation part.
public struct Dataset: Sendable {
    /// Raised when tokenizing or training changes, so that what was kept from before is not used.
    private static let cacheVersion = 1

    /// The name of the corpus.
    public let name: String
    /// A hash of the whole text, to know it again.
    public let contentHash: String
    /// The first part of the text.
    public let train: TokenFile
    /// The rest of the text.
    public let validation: TokenFile
    /// What made the tokens.
    public let tokenizer: any Tokenizer
    /// Bytes of training text per token.
    public let trainBytesPerToken: Double
    /// Bytes of validation text per token: loss in nats / ln 2 / this is bits per byte.
    public let validationBytesPerToken: Double

    /// Tokenizes and splits `corpus`.
    ///
    /// The training part is the first ⌊(1 − `validationFraction`) · n⌋ of n characters, as Python's `int(0.9 * len(text))`.
    /// A char vocabulary is that of the whole text; bpe is trained on the training part alone. With `cache` the result
    /// is kept beside the text or in the user's cache and found there the next time.
    public static func prepare(
        _ corpus: Corpus, tokenizer spec: TokenizerSpec, validationFraction: Double = 0.1, cache usesCache: Bool = true,
        locations: Locations = Locations()
    ) throws -> Dataset {
        guard validationFraction > 0, validationFraction < 1 else {
            throw TextError.invalidSetting(
                name: "the validation fraction", value: "\(validationFraction)", requirement: "between 0 and 1")
        }
        let cache = usesCache ? DatasetCache(for: corpus, locations: locations) : nil
        return try corpus.bytes.withUnsafeBufferPointer { text in
            let characters = UTF8Scalars.count(in: text)
            let trainCharacters = Int((1 - validationFraction) * Double(characters))
            guard trainCharacters >= 1, trainCharacters < characters else {
                let needed = max(2, (1 / (1 - validationFraction)).rounded(.up))
                throw TextError.tooShort(source: corpus.name, characters: characters, needed: Int(exactly: needed) ?? .max)
            }
            let split = UTF8Scalars.byteOffset(ofScalar: trainCharacters, in: text)
            let trainText = UnsafeBufferPointer(rebasing: text[..<split])
            let validationText = UnsafeBufferPointer(rebasing: text[split...])
            let hash = ContentHash(UnsafeRawBufferPointer(text)).description
            let key = "v\(cacheVersion)-\(hash)-\(split)"
            let tokenizer = try makeTokenizer(spec, text: text, trainText: trainText, key: key, cache: cache)

            // Named by the tokenizer itself and not by how it came to be, so that tokens and tokenizer always fit together.
            let tokenizerKey = "\(tokenizer.kind)\(tokenizer.vocabularySize)-\(ContentHash(tokenizer.serialized()))"
            func tokens(_ part: String, _ text: UnsafeBufferPointer<UInt8>) throws -> TokenFile {
                let title = "\(corpus.name) (\(part))"
                let size = tokenizer.vocabularySize
                guard let cache else {
                    return try TokenFile(tokens: tokenizer.encode(utf8: text), vocabularySize: size, name: title)
                }
                return try cache.tokens("\(key)-\(tokenizerKey)-\(part)", called: title, vocabularySize: size) {
                    try tokenizer.encode(utf8: text)
                }
            }
            let train = try tokens("train", trainText), validation = try tokens("validation", validationText)
            return Dataset(
                name: corpus.name, contentHash: hash, train: train, validation: validation, tokenizer: tokenizer,
                trainBytesPerToken: Double(trainText.count) / Double(max(train.count, 1)),
                validationBytesPerToken: Double(validationText.count) / Double(max(validation.count, 1)))
        }
    }

    private static func makeTokenizer(
        _ spec: TokenizerSpec, text: UnsafeBufferPointer<UInt8>, trainText: UnsafeBufferPointer<UInt8>, key: String,
        cache: DatasetCache?
    ) throws -> any Tokenizer {
        switch spec {
        case .char: return try CharTokenizer(utf8: text)
        case .byte: return ByteTokenizer()
        case .fixed(let tokenizer): return tokenizer
        case .file(let path, let pattern):
            guard !path.isEmpty else {
                throw TextError.invalidSetting(
                    name: "data.tokenizer.path", value: "empty", requirement: "the path of a tokenizer, such as gpt2/tokenizer.json")
            }
            return try Tokenizers.open(path, pattern: pattern)
        case .bpe(let vocabularySize, let pattern):
            func train() throws -> any Tokenizer {
                try BPETokenizer.train(on: trainText, vocabularySize: vocabularySize, pattern: pattern)
            }
            guard let cache else { return try train() }
            return try cache.tokenizer("\(key)-bpe\(vocabularySize)-\(pattern.rawValue)", make: train)
        }
    }
}
