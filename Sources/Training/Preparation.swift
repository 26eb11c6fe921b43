import Autograd
import Configuration
import Foundation
import Text

extension RunConfig {
    /// Loads, tokenizes and splits the config's text.
    /// - Parameters:
    ///   - tokenizer: the tokenizer of an earlier run, instead of the config's.
    ///   - folder: where tokens and tokenizer are to be kept, instead of the cache.
    ///   - progress: called now and then; stops when it returns false.
    /// - Throws: `TextError`, `ConfigError` where the text does not fit the config, `CancellationError` when stopped.
    public func dataset(
        tokenizer fixed: (any Tokenizer)? = nil, keptIn folder: String? = nil,
        progress: @escaping (PreparationProgress) -> Bool = { _ in true }
    ) throws -> Dataset {
        if let task = SyntheticTask.named(data.source) {
            do {
                return try Dataset.examples(
                    of: task, context: model.sizes.context, seed: UInt64(data.seed), characters: data.characters,
                    validationFraction: data.validationFraction, tokenizer: fixed)
            } catch let error as TextError {
                throw ConfigError(error.description, at: "data", file: file)
            }
        }
        if !Corpus.knownNames.contains(data.source) {
            if TokenFolder.exists(data.source) {
                return try TokenFolder.dataset(data.source, tokenizer: fixed, documents: data.documents)
            }
            if PublishedTokens.exists(data.source) {
                return try PublishedTokens.dataset(
                    data.source, tokenizer: fixed.map { .fixed($0) } ?? tokenizer, documents: data.documents,
                    endToken: data.endTokenName)
            }
        }
        // Before anything is downloaded for nothing.
        let spec: TokenizerSpec = fixed.map { .fixed($0) } ?? tokenizer
        if case .fixed(is IdTokenizer) = spec { throw TextError.noTokenizer }
        var options = PreparationOptions()
        options.validationFraction = data.validationFraction
        (options.documents, options.endToken, options.folder) = (data.documents, data.endTokenName, folder)
        return try Dataset.prepare(text(), tokenizer: spec, options, progress: progress)
    }

    /// All of another text, or of the config's, as the training part of a dataset.
    /// - Throws: as `dataset`.
    public func whole(
        _ source: String, tokenizer: any Tokenizer, progress: @escaping (PreparationProgress) -> Bool = { _ in true }
    ) throws -> Dataset {
        guard !(tokenizer is IdTokenizer) else { throw TextError.noTokenizer }
        var options = PreparationOptions()
        options.validationFraction = nil
        (options.documents, options.endToken) = (data.documents, data.endTokenName)
        return try Dataset.prepare(text(source), tokenizer: .fixed(tokenizer), options, progress: progress)
    }

    /// The token that stands between the documents of the config's text; nil where nothing does.
    func endToken(of tokenizer: any Tokenizer) -> Int32? {
        guard data.documents != .joined || tokenizer is DelimitedTokenizer else { return nil }
        return tokenizer.endToken(named: data.endTokenName)
    }

    /// The config's text or another, nothing of it read yet.
    private func text(_ other: String? = nil) throws -> TextSource {
        guard other ?? data.source != "-" else {
            throw ConfigError("standard input is read once, before training; give it with --data -", at: "data.source", file: file)
        }
        do {
            return try TextSource.load(
                other ?? data.source, format: data.textFormat, seed: UInt64(data.seed), characters: data.characters)
        } catch let error as TextError {
            switch error {
            case .missing where other == nil, .unknownCorpus where other == nil:
                throw ConfigError(error.description, at: "data.source", file: file)
            default: throw error
            }
        }
    }
}

/// The lowest loss that any model can reach on average, where the text's own probabilities are known.
public struct EntropyFloor: Sendable {
    public let bitsPerByte: Double
    /// Nats a token of the dataset's tokenizer.
    public let natsPerToken: Double

    /// The floor of a generated corpus' validation text; nil for text that somebody wrote.
    public init?(_ config: RunConfig, _ dataset: Dataset) {
        guard config.data.source == "stories", config.data.documents == .joined else { return nil }
        let tokens = [Int32](unsafeUninitializedCapacity: dataset.validation.count) { buffer, count in
            dataset.validation.copy(from: 0, into: UnsafeMutableBufferPointer(rebasing: buffer[0..<dataset.validation.count]))
            count = dataset.validation.count
        }
        guard let score = try? Stories.score(dataset.tokenizer.decode(tokens)) else { return nil }
        bitsPerByte = score.bitsPerByte
        natsPerToken = score.bitsPerByte * log(2) * dataset.validationBytesPerToken
    }
}

extension Context {
    /// Bytes of the device's memory taken at most: of the process on the CPU, of tensors on a GPU.
    public var peakMemoryBytes: Int { backend.name == "cpu" ? peakResidentBytes() : pool.peakBytesReserved }
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
