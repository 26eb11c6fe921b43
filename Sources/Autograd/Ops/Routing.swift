import Foundation

/// Where the rows of a mixture of experts go.
public struct Routing {
    /// By expert, the rows that it gets, in order.
    public let rows: [[Int32]]
    /// By expert, where each of its rows' weights stands in `weights`.
    public let places: [[Int32]]
    /// [N·k + 1, 1]: the chosen experts' probabilities, those of a row adding up to one; the last is zero, for rows that only pad.
    public let weights: Tensor
    /// E/k · Σ fₑ·Pₑ, one element: one where experts are chosen alike, E/k where the same ones always are. f is the share of rows that
    /// choose an expert, P its mean probability (Fedus et al. 2021, arXiv:2101.03961).
    public let balance: Tensor
    /// Each expert's share of all choices.
    public let shares: [Float]
}

extension Tensor {
    /// Top-k routing of rows by their logits [.., E]: the k likeliest experts of each, their probabilities renormalized to one (Jiang et
    /// al. 2024, arXiv:2401.04088). Ties go to the lower expert.
    ///
    /// Choosing is done on the host, as where a row goes decides what is computed next.
    public func routed(top k: Int) -> Routing {
        let (n, experts) = (rows, columns)
        precondition(k >= 1 && k <= experts, "\(k) of \(experts) experts")
        guard !(context.backend is ShapeBackend) else { return spread(top: k) }
        let logits = floats
        var probabilities = [Float](repeating: 0, count: n * experts), weights = [Float](repeating: 0, count: n * k)
        var chosen = [Int](repeating: 0, count: n * k), means = [Double](repeating: 0, count: experts)
        var byExpert = [[Int32]](repeating: [], count: experts), places = byExpert
        for row in 0..<n {
            let own = logits[row * experts..<(row + 1) * experts], largest = own.max() ?? 0
            let powers = own.map { exp(Double($0 - largest)) }, total = powers.reduce(0, +)
            for expert in 0..<experts {
                let probability = powers[expert] / total
                probabilities[row * experts + expert] = Float(probability)
                means[expert] += probability / Double(max(n, 1))
            }
            let best = (0..<experts).sorted { (powers[$0], $1) > (powers[$1], $0) }.prefix(k)
            let sum = best.reduce(0) { $0 + powers[$1] }
            for (slot, expert) in best.enumerated() {
                let place = row * k + slot
                (chosen[place], weights[place]) = (expert, Float(powers[expert] / sum))
                byExpert[expert].append(Int32(row))
                places[expert].append(Int32(place))
            }
        }
        let fractions = byExpert.map { Double($0.count) / Double(max(n, 1)) }
        let factor = Double(experts) / Double(k)
        let result = context.tensor(weights + [0], [n * k + 1, 1])
        let balance = context.tensor([Float(factor * zip(fractions, means).reduce(0) { $0 + $1.0 * $1.1 })], [1])
        result.recordBackward(from: [self]) { [gradient, context, shape] dy in
            // Renormalized probabilities are a softmax over the chosen ones alone.
            let upstream = dy.floats
            var d = [Float](repeating: 0, count: n * experts)
            for row in 0..<n {
                let mean = (0..<k).reduce(Float(0)) { $0 + weights[row * k + $1] * upstream[row * k + $1] }
                for place in row * k..<(row + 1) * k { d[row * experts + chosen[place]] = weights[place] * (upstream[place] - mean) }
            }
            gradient?.accumulate(context.tensor(d, shape))
        }
        balance.recordBackward(from: [self]) { [gradient, context, shape] dy in
            // By way of P alone: how often an expert was chosen has no derivative.
            let scale = Float(factor / Double(max(n, 1))) * dy.item
            var d = [Float](repeating: 0, count: n * experts)
            for row in 0..<n {
                let range = row * experts..<(row + 1) * experts
                let mean = zip(probabilities[range], fractions).reduce(Float(0)) { $0 + $1.0 * Float($1.1) }
                for expert in 0..<experts {
                    d[row * experts + expert] = scale * probabilities[row * experts + expert] * (Float(fractions[expert]) - mean)
                }
            }
            gradient?.accumulate(context.tensor(d, shape))
        }
        let all = Float(max(n * k, 1))
        return Routing(rows: byExpert, places: places, weights: result, balance: balance, shares: byExpert.map { Float($0.count) / all })
    }

    /// Routing over shapes, where there is nothing to choose by: rows spread alike, as training means them to.
    private func spread(top k: Int) -> Routing {
        let (n, experts) = (rows, columns)
        let lists = (0..<experts).map { [Int32](repeating: 0, count: (n * k + experts - 1 - $0) / experts) }
        let weights = context.empty([n * k + 1, 1]), balance = context.empty([1])
        for made in [weights, balance] {
            made.recordBackward(from: [self]) { [gradient, context, shape] _ in gradient?.accumulate(context.empty(shape)) }
        }
        return Routing(
            rows: lists, places: lists, weights: weights, balance: balance, shares: lists.map { Float($0.count) / Float(max(n * k, 1)) })
    }

    /// Puts parts' rows back where they came from, rows that meet added up: y [rows, C] with y[ids[i]] += part[i].
    public static func scattered(_ parts: [(rows: Tensor, ids: Tensor)], to rows: Int, width: Int, on context: Context) -> Tensor {
        // Added up in float32, whatever the parts are.
        let total = context.zeros([rows, width]), type = parts.first?.rows.dtype ?? .float32
        for part in parts { context.backend.scatterAdd(part.rows, part.ids, into: total) }
        let y = type == .float32 ? total : total.converted(to: type)
        y.recordBackward(from: parts.map(\.rows)) { [parts = parts.map { ($0.rows.gradient, $0.rows.shape, $0.ids) }, type] dy in
            for (gradient, shape, ids) in parts {
                guard let gradient else { continue }
                let d = context.empty(shape, type)
                context.backend.gather(dy, ids, into: d)
                gradient.accumulate(d)
            }
        }
        return y
    }
}
