import Autograd
import Foundation

/// Attention in double precision, one query at a time and over its visible keys alone.
struct Attention64 {
    var batch = 1, queries: Int, keys: Int, heads: Int, keyHeads: Int, dim: Int
    /// Where queries, keys and values begin in a row, and how long the rows are.
    var offsets = (q: 0, k: 0, v: 0), strides: (q: Int, k: Int, v: Int)
    var queryPosition = 0, keyPosition = 0, firstExample = 0
    var window: Int?
    var scale: Double, softcap = 0.0
    var slopes: [Double]?
    var dropout: DropoutMask?

    /// [B, T, H·D]
    func callAsFunction(_ q: [Double], _ k: [Double], _ v: [Double]) -> [Double] {
        var y: [Double] = []
        y.reserveCapacity(batch * queries * heads * dim)
        for b in 0..<batch {
            for t in 0..<queries {
                for h in 0..<heads { y += head(q, k, v, b: b, t: t, h: h) }
            }
        }
        return y
    }

    private func head(_ q: [Double], _ k: [Double], _ v: [Double], b: Int, t: Int, h: Int) -> [Double] {
        let position = queryPosition + t, group = h / (heads / keyHeads)
        let first = max(0, position - (window ?? position)), seen = max(first - keyPosition, 0)..<min(keys, position + 1 - keyPosition)
        let queryAt = (b * queries + t) * strides.q + offsets.q + h * dim
        let scores = seen.map { s in
            let keyAt = (b * keys + s) * strides.k + offsets.k + group * dim
            var dot = 0.0
            for d in 0..<dim { dot += q[queryAt + d] * k[keyAt + d] }
            let scaled = softcap > 0 ? softcap * tanh(scale * dot / softcap) : scale * dot
            return scaled - (slopes?[h] ?? 0) * Double(position - keyPosition - s)
        }
        let largest = scores.max() ?? 0
        let exponentials = scores.map { exp($0 - largest) }, total = exponentials.reduce(0, +)
        var y = [Double](repeating: 0, count: dim)
        for (s, e) in zip(seen, exponentials) {
            let weight = e / total * kept(b: b, h: h, t: t, key: keyPosition + s)
            let valueAt = (b * keys + s) * strides.v + offsets.v + group * dim
            for d in 0..<dim { y[d] += weight * v[valueAt + d] }
        }
        return y
    }

    /// Weights are numbered by (example, head, query) · 2³² + key position.
    private func kept(b: Int, h: Int, t: Int, key: Int) -> Double {
        guard let dropout else { return 1 }
        let row = UInt64(((firstExample + b) * heads + h) * queries + t)
        return Reference.kept(dropout, stream: dropout.stream, index: row << 32 + UInt64(key))
    }
}
