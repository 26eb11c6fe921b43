import Architectures
import Autograd
import Components
import Configuration
import Testing

/// Compares decoding with a cache, chunk by chunk, with one pass over all tokens.
struct Decoding {
    let context: Context
    let model: Model
    let vocabulary: Int
    let batch: Int
    let tokens: [Int32]  // [batch, time]
    let time: Int
    /// Logits of one full pass: [batch, time, V].
    let wanted: [Float]

    /// - Parameter long: a model with the same weights that sees `time` tokens at once and, where positions have no end,
    ///   as far back as the cache does.
    init(_ json: JSON, long: JSON, time: Int, batch: Int, on context: Context) throws {
        (self.context, self.time, self.batch) = (context, time, batch)
        model = try randomModel(json, on: context)
        vocabulary = model.size.vocabulary
        tokens = randomTokens(batch * time, vocabulary: vocabulary)
        wanted = try randomModel(long, on: context).logits(Pass(tokens: context.tensor(tokens, [batch, time]))).floats
    }

    /// The largest difference relative to the largest logit, tokens going in as `chunks` long pieces, ones after that.
    func worst(_ chunks: [Int], sequences: Int) -> Float? {
        let cache = model.cache(batch: sequences, on: context)
        var found = [Float](repeating: .nan, count: sequences * time * vocabulary)
        var start = 0, pieces = chunks[...]
        while start < time {
            let count = min(pieces.popFirst() ?? 1, time - start)
            let part = (0..<sequences).flatMap { tokens[($0 * time + start)..<($0 * time + start + count)] }
            let logits = model.logits(
                Pass(tokens: context.tensor(part, [sequences, count]), start: start, cache: cache)
            ).floats
            cache.advance(by: count)
            for b in 0..<sequences {
                for i in 0..<count * vocabulary {
                    found[(b * time + start) * vocabulary + i] = logits[b * count * vocabulary + i]
                }
            }
            start += count
        }
        return distance(found, Array(wanted.prefix(sequences * time * vocabulary)))
    }
}
