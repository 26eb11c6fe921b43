import Configuration
import Foundation
import Text

extension RunConfig {
    /// Loads, tokenizes and splits the config's text.
    /// - Parameter tokenizer: the tokenizer of an earlier run, instead of the config's.
    /// - Throws: `TextError`, or `ConfigError` where the text does not fit the config.
    public func dataset(tokenizer fixed: (any Tokenizer)? = nil) throws -> Dataset {
        if let task = SyntheticTask.named(data.source) {
            do {
                return try Dataset.examples(
                    of: task, context: model.sizes.context, seed: UInt64(data.seed), characters: data.characters,
                    validationFraction: data.validationFraction, tokenizer: fixed)
            } catch let error as TextError {
                throw ConfigError(error.description, at: "data", file: file)
            }
        }
        if !Corpus.knownNames.contains(data.source), PublishedTokens.exists(data.source) {
            return try PublishedTokens.dataset(data.source, tokenizer: fixed.map { .fixed($0) } ?? tokenizer)
        }
        let corpus: Corpus
        do {
            corpus = try Corpus.load(source: data.source, seed: UInt64(data.seed), characters: data.characters)
        } catch let error as TextError {
            switch error {
            case .missing, .unknownCorpus: throw ConfigError(error.description, at: "data.source", file: file)
            default: throw error
            }
        }
        return try Dataset.prepare(
            corpus, tokenizer: fixed.map { .fixed($0) } ?? tokenizer, validationFraction: data.validationFraction)
    }
}

/// The lowest loss that any model can reach on average, where the text's own probabilities are known.
public struct EntropyFloor: Sendable {
    public let bitsPerByte: Double
    /// Nats a token of the dataset's tokenizer.
    public let natsPerToken: Double

    /// The floor of a generated corpus' validation text; nil for text that somebody wrote.
    public init?(_ config: RunConfig, _ dataset: Dataset) {
        guard config.data.source == "stories" else { return nil }
        let tokens = [Int32](unsafeUninitializedCapacity: dataset.validation.count) { buffer, count in
            dataset.validation.copy(from: 0, into: UnsafeMutableBufferPointer(rebasing: buffer[0..<dataset.validation.count]))
            count = dataset.validation.count
        }
        guard let score = try? Stories.score(dataset.tokenizer.decode(tokens)) else { return nil }
        bitsPerByte = score.bitsPerByte
        natsPerToken = score.bitsPerByte * log(2) * dataset.validationBytesPerToken
    }
}

/// Bytes of memory this process has had at most, as the system counts them.
public func peakResidentBytes() -> Int {
    var usage = rusage()
    #if os(Linux)
        // The Linux headers give the constant an enumeration's type and the function an integer's.
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss * 1024
    #else
        getrusage(RUSAGE_SELF, &usage)
        return usage.ru_maxrss
    #endif
}
