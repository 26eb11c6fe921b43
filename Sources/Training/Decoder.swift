import Architectures
import Autograd
import Components

/// What comes after the tokens so far, with a cache or without one.
///
/// Past the context, positions without an end go on, every layer seeing at most the context; a model with learned
/// positions slides: the last `context` tokens are computed anew for every token, as nothing cached keeps its position.
struct Decoder {
    private let model: Model
    private let context: Context
    private let usesCache: Bool
    private let cacheType: DType
    private let wanted: DecodeStep.Wanted
    private let most: Int
    private var cache: KVCache?
    /// Single tokens through the cache, from the second on.
    private var step: DecodeStep?
    /// The tokens of each sequence so far, where they may be needed again.
    private var sequences: [[Int32]] = []

    /// - Parameter vocabulary: tokens that are chosen from.
    init(_ model: Model, _ context: Context, _ options: SamplingOptions, vocabulary: Int) {
        (self.model, self.context, most) = (model, context, options.tokens)
        // Where nothing else is asked of the logits, they can stay where they are.
        wanted = options.repetitionPenalty == 1 ? .token(of: vocabulary, options.sampling) : .logits
        (usesCache, cacheType) = (options.usesCache, options.cacheType)
    }

    /// Logits [V] after the prompt.
    mutating func start(_ prompt: [Int32]) -> [Float] {
        sequences = [prompt]
        let limit = model.positionLimit ?? .max
        guard usesCache, prompt.count <= limit else { return full() }
        let cache = model.cache(batch: 1, type: cacheType, on: context)
        self.cache = cache
        // In pieces, so that a long prompt takes memory for a piece and not for itself.
        var logits: [Float] = []
        for start in Swift.stride(from: 0, to: prompt.count, by: 512) {
            let piece = Array(prompt[start..<min(prompt.count, start + 512)])
            let pass = Pass(tokens: context.tensor(piece, [1, piece.count]), start: cache.position, cache: cache)
            logits = model.lastLogits(pass).floats
            cache.advance(by: piece.count)
        }
        return logits
    }

    /// Takes one token a sequence, and a number to draw with, and gives what comes after it: logits [B, V] in one array, or the next
    /// token of each.
    mutating func next(_ tokens: [Int32], draws: [Double]) -> DecodeStep.Outcome {
        if sequences.count == 1, tokens.count > 1 {
            sequences = Array(repeating: sequences[0], count: tokens.count)
            cache = cache?.repeated(tokens.count)
        }
        let keepsTokens = cache == nil || model.positionLimit != nil
        if keepsTokens {
            for index in tokens.indices { sequences[index].append(tokens[index]) }
        }
        guard let cache, cache.position < model.positionLimit ?? .max else {
            (self.cache, step) = (nil, nil)
            return .logits(full())
        }
        let step = step ?? DecodeStep(model, cache, on: context, wanted, most: most)
        self.step = step
        // The likeliest token needs none, and logits that are fetched are drawn from on the host.
        guard case .token(_, .some) = wanted else { return step(tokens) }
        return step(tokens, draws: draws)
    }

    /// The last tokens computed as a whole.
    private func full() -> [Float] {
        let length = min(sequences[0].count, model.positionLimit ?? .max)
        let tokens = sequences.flatMap { $0.suffix(length) }
        return model.lastLogits(Pass(tokens: context.tensor(tokens, [sequences.count, length]))).floats
    }
}
