import Architectures
import Autograd
import Components
import Foundation

/// Where one head looks: row i holds the weights of token i over the tokens up to it.
public struct AttentionMap: Sendable {
    public let layer: Int, head: Int
    /// [T, T], row by row; zero where a token sees nothing.
    public let weights: [Float]
    public let time: Int

    public init(layer: Int, head: Int, weights: [Float], time: Int) {
        precondition(weights.count == time * time, "a map is square")
        (self.layer, self.head, self.weights, self.time) = (layer, head, weights, time)
    }

    public subscript(query: Int, key: Int) -> Float { weights[query * time + key] }

    /// Mean entropy of a token's weights, in nats: 0 where every token looks at one.
    public var entropy: Double { meanOverTokens { _, _, p in p > 0 ? -p * log(p) : 0 } }
    /// Mean number of positions back that a token looks.
    public var meanDistance: Double { meanOverTokens { query, key, p in p * Double(query - key) } }
    /// Mean weight of the first token, on which heads with nothing to do rest (Xiao et al. 2023, arXiv:2309.17453).
    public var firstTokenShare: Double { meanOverTokens { _, key, p in key == 0 ? p : 0 } }

    private func meanOverTokens(_ figure: (_ query: Int, _ key: Int, _ p: Double) -> Double) -> Double {
        var sum = 0.0
        for query in 0..<time {
            for key in 0...query { sum += figure(query, key, Double(self[query, key])) }
        }
        return sum / Double(max(1, time))
    }
}

/// Looks into a pass over one prompt: attention maps of every head, and what the model would say after every layer.
public final class PromptObserver: PassObserver {
    /// What the model would say next if a layer were its last.
    public struct Lens: Sendable {
        /// nil for the embedding.
        public let layer: Int?
        /// For each position the likeliest tokens, likeliest first.
        public let likeliest: [[(token: Int32, probability: Double)]]
        /// For each position but the last, the probability of the token that follows.
        public let ofNext: [Double]

        package init(layer: Int?, likeliest: [[(token: Int32, probability: Double)]], ofNext: [Double]) {
            (self.layer, self.likeliest, self.ofNext) = (layer, likeliest, ofNext)
        }
    }

    public private(set) var maps: [AttentionMap] = []
    public private(set) var lenses: [Lens] = []
    private let model: Model
    private let ids: [Int32]
    private let wantsMaps: Bool
    /// Tokens to name at each position; nil for no lens.
    private let top: Int?

    private init(_ model: Model, _ ids: [Int32], maps: Bool, top: Int?) {
        (self.model, self.ids, wantsMaps, self.top) = (model, ids, maps, top)
    }

    /// Runs `ids` through a model that has weights.
    /// - Parameters:
    ///   - ids: at least one token and at most the context.
    ///   - maps: whether attention maps are wanted.
    ///   - top: likeliest tokens to name after every layer; nil for no lens.
    public static func look(at model: Model, on context: Context, ids: [Int32], maps: Bool, top: Int?) -> PromptObserver {
        precondition(!ids.isEmpty && ids.count <= model.size.context, "a prompt has 1 to \(model.size.context) tokens")
        let observer = PromptObserver(model, ids, maps: maps, top: top)
        _ = model.hidden(Pass(tokens: context.tensor(ids, [1, ids.count]), observer: observer))
        return observer
    }

    public func attends(_ layer: Int, _ call: AttentionCall) {
        guard wantsMaps else { return }
        for (head, weights) in AttentionMap.weights(call).enumerated() {
            maps.append(AttentionMap(layer: layer, head: head, weights: weights, time: call.queries))
        }
    }

    public func stream(after layer: Int?, _ x: Tensor, end: () -> Tensor) {
        guard let top else { return }
        let logits = model.lens(end()), vocabulary = logits.columns, all = logits.floats
        var likeliest: [[(token: Int32, probability: Double)]] = [], ofNext: [Double] = []
        for position in ids.indices {
            let row = all[position * vocabulary..<(position + 1) * vocabulary].map(Double.init)
            let largest = row.max() ?? 0, total = row.reduce(0) { $0 + exp($1 - largest) }
            let order = row.indices.sorted { (row[$1], $0) < (row[$0], $1) }.prefix(top)
            likeliest.append(order.map { (Int32($0), exp(row[$0] - largest) / total) })
            if position + 1 < ids.count { ofNext.append(exp(row[Int(ids[position + 1])] - largest) / total) }
        }
        lenses.append(Lens(layer: layer, likeliest: likeliest, ofNext: ofNext))
    }
}

extension AttentionMap {
    /// The weights of every query head, [T, T] each, computed anew in float64 from what the layer attends: softmax over the
    /// keys seen of softcap(scale·q·k) − slope·distance.
    package static func weights(_ call: AttentionCall) -> [[Float]] {
        let (time, keys, dim, options) = (call.queries, call.keys, call.query.dim, call.options)
        precondition(call.batch == 1 && time == keys && call.queryPosition == call.keyPosition, "maps are of one whole prompt")
        let q = call.query.tensor.floats, k = call.key.tensor.floats
        let (qStride, kStride, group) = (call.query.tensor.columns, call.key.tensor.columns, call.query.count / call.key.count)
        return (0..<call.query.count).map { head in
            var map = [Float](repeating: 0, count: time * keys)
            for query in 0..<time {
                let first = max(0, query - (options.window ?? query))
                let scores = (first...query).map { key -> Double in
                    let (a, b) = (
                        query * qStride + call.query.offset + head * dim, key * kStride + call.key.offset + head / group * dim
                    )
                    var score = Double(options.scale) * (0..<dim).reduce(0.0) { $0 + Double(q[a + $1]) * Double(k[b + $1]) }
                    let cap = Double(options.softcap)
                    if cap > 0 { score = cap * tanh(score / cap) }
                    return score - Double(options.slopes?[head] ?? 0) * Double(query - key)
                }
                let largest = scores.max() ?? 0, total = scores.reduce(0) { $0 + exp($1 - largest) }
                for (place, score) in scores.enumerated() { map[query * keys + first + place] = Float(exp(score - largest) / total) }
            }
            return map
        }
    }
}
