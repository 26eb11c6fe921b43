import Architectures
import Autograd
import Components
import Foundation
import Text

/// Continues texts with a model.
public final class Sampler {
    private let model: Model
    private let tokenizer: any Tokenizer
    private let context: Context
    private let endToken: Int32?

    /// - Parameter endToken: the token between the documents that the model was trained on: new texts begin behind it, and a text
    ///   ends where it comes.
    public init(_ model: Model, _ tokenizer: any Tokenizer, on context: Context, endToken: Int32? = nil) {
        (self.model, self.tokenizer, self.context, self.endToken) = (model, tokenizer, context, endToken)
    }

    /// One sample as a whole, the prompt left out.
    public func text(prompt: String, _ options: SamplingOptions) throws -> String {
        var text = ""
        try generate(prompt: prompt, options) { _, piece in
            text += piece
            return true
        }
        return text
    }

    /// Continues `prompt` in `options.samples` ways, all from one pass over the prompt.
    /// - Parameter onText: called with the sample's number and its next piece, whole characters only; returns false to
    ///   stop everything.
    /// - Returns: tokens made, over all samples.
    /// - Throws: `Failure` for options out of range, `TextError` for a prompt that the tokenizer cannot read.
    @discardableResult
    public func generate(
        prompt: String, _ options: SamplingOptions, onText: (_ sample: Int, _ piece: String) -> Bool
    ) throws -> Int {
        try options.validate()
        let ids = try tokenizer.encodePrompt(prompt)
        return try generate(ids.isEmpty ? [startToken] : ids, options, { _, _ in true }, onText)
    }

    /// Continues token ids, for models whose tokenizer is elsewhere.
    /// - Parameter onToken: called with the sample's number and its next token; returns false to stop everything.
    /// - Returns: tokens made, over all samples.
    /// - Throws: `Failure` for options out of range, or ids that the model does not have.
    @discardableResult
    public func generate(
        ids: [Int32], _ options: SamplingOptions, onToken: (_ sample: Int, _ id: Int32) -> Bool
    ) throws -> Int {
        try options.validate()
        guard options.stop.isEmpty else { throw Failure("token ids have no text that could stop them; leave --stop out") }
        guard !ids.isEmpty else { throw Failure("no token ids were given; at least one is needed") }
        if let wrong = ids.first(where: { $0 < 0 || $0 >= model.size.vocabulary }) {
            throw Failure("token id \(wrong) is outside of the model's \(model.size.vocabulary) tokens, 0 to \(model.size.vocabulary - 1)")
        }
        return try generate(ids, options, onToken) { _, _ in true }
    }

    /// What an empty prompt stands for: the end of another document, a line break, after which all texts begin, or the first token.
    private var startToken: Int32 { endToken ?? (try? tokenizer.encode("\n"))?.first ?? 0 }

    private func generate(
        _ prompt: [Int32], _ options: SamplingOptions, _ onToken: (Int, Int32) -> Bool, _ onText: (Int, String) -> Bool
    ) throws -> Int {
        guard options.tokens > 0 else { return 0 }
        var samples = (0..<options.samples).map { _ in Sample(prompt, tokenizer, options) }
        let vocabulary = min(model.size.vocabulary, tokenizer.vocabularySize)
        var decoder = Decoder(model, context, options, vocabulary: vocabulary)
        var outcome = DecodeStep.Outcome.logits(decoder.start(prompt))  // [1, V]
        try context.check()
        var made = 0
        for count in 0..<options.tokens {
            var next: [Int32] = []
            for index in samples.indices {
                let token: Int32
                switch outcome {
                case .tokens(let tokens): token = tokens[index]
                case .logits(let all):
                    // The first token of every sample comes from one row; each changes a copy of it.
                    let row = count == 0 ? 0 : index * model.size.vocabulary
                    var own = Array(all[row..<row + vocabulary])
                    token = own.withUnsafeMutableBufferPointer {
                        options.choose($0, seen: samples[index].seen, sample: index, position: count)
                    }
                }
                next.append(token)
                guard !samples[index].isDone else { continue }
                if token == endToken {
                    if let rest = samples[index].finish(), !onText(index, rest) { return made }
                    samples[index].end()
                    continue
                }
                made += 1
                guard onToken(index, token) else { return made }
                if let piece = samples[index].append(token), !onText(index, piece) { return made }
            }
            if samples.allSatisfy(\.isDone) || count == options.tokens - 1 { break }
            outcome = decoder.next(next, draws: samples.indices.map { options.draw(sample: $0, position: count + 1) })
            try context.check()
        }
        for index in samples.indices {
            if let rest = samples[index].finish(), !onText(index, rest) { break }
        }
        return made
    }
}

/// One text in the making.
private struct Sample {
    private(set) var isDone = false
    private(set) var seen: Set<Int32>
    private var decoder: StreamingDecoder
    private let stop: [String]
    private let tracksSeen: Bool
    /// Text that may turn out to be the beginning of a stop.
    private var held = ""

    init(_ prompt: [Int32], _ tokenizer: any Tokenizer, _ options: SamplingOptions) {
        tracksSeen = options.repetitionPenalty != 1
        seen = tracksSeen ? Set(prompt) : []
        // Spaces between words may hang on the token before: what follows the prompt is what decoding all of it adds.
        decoder = StreamingDecoder(tokenizer: tokenizer)
        for id in prompt { _ = decoder.append(id) }
        stop = options.stop
    }

    /// The text that `token` settles; nil when none.
    mutating func append(_ token: Int32) -> String? {
        if tracksSeen { seen.insert(token) }
        held += decoder.append(token)
        return release(keeping: true)
    }

    /// The text is over, whatever tokens are left.
    mutating func end() { isDone = true }

    /// What was still held back when the tokens ran out.
    mutating func finish() -> String? {
        guard !isDone else { return nil }
        held += decoder.finish()
        return release(keeping: false)
    }

    private mutating func release(keeping: Bool) -> String? {
        if let end = stop.compactMap({ held.range(of: $0)?.lowerBound }).min() {
            isDone = true
            let text = String(held[..<end])
            held = ""
            return text.isEmpty ? nil : text
        }
        var kept = 0
        if keeping {
            for text in stop {
                for length in stride(from: min(text.count - 1, held.count), to: kept, by: -1)
                where held.hasSuffix(text.prefix(length)) {
                    kept = length
                    break
                }
            }
        }
        let text = String(held.dropLast(kept))
        held = String(held.suffix(kept))
        return text.isEmpty ? nil : text
    }
}
