import Autograd
import Foundation

/// Every operation again, in double precision and as plainly as it can be said: what the tests compare with.
/// Arrays are row-major; sizes are given by name.
enum Reference {
    /// y[m, n] = x[m, k] w[n, k]ᵀ + b[n]
    static func linear(_ x: [Double], _ w: [Double], _ b: [Double]? = nil, k: Int) -> [Double] {
        let (m, n) = (x.count / k, w.count / k)
        var y = [Double](repeating: 0, count: m * n)
        for i in 0..<m {
            for j in 0..<n { y[i * n + j] = (b?[j] ?? 0) + (0..<k).reduce(0) { $0 + x[i * k + $1] * w[j * k + $1] } }
        }
        return y
    }

    static func activation(_ kind: Activation, _ x: Double) -> Double {
        switch kind {
        case .relu: max(x, 0)
        case .gelu: x * 0.5 * (1 + erf(x / 2.0.squareRoot()))
        case .geluTanh: 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
        case .relu2: max(x, 0) * max(x, 0)
        case .silu: x / (1 + exp(-x))
        case .sigmoid: 1 / (1 + exp(-x))
        case .tanh: tanh(x)
        }
    }

    /// f(gate)·value over rows [gate, value] of 2·hidden.
    static func gated(_ kind: Activation, _ x: [Double], hidden: Int) -> [Double] {
        (0..<x.count / 2).map { i in
            let row = i / hidden * 2 * hidden + i % hidden
            return activation(kind, x[row]) * x[row + hidden]
        }
    }

    static func layerNorm(_ x: [Double], _ weight: [Double]?, _ bias: [Double]?, columns: Int, epsilon: Double) -> [Double] {
        x.rows(of: columns).flatMap { row in
            let mean = row.reduce(0, +) / Double(columns)
            let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(columns)
            return row.enumerated().map {
                ($1 - mean) / (variance + epsilon).squareRoot() * (weight?[$0] ?? 1) + (bias?[$0] ?? 0)
            }
        }
    }

    static func rmsNorm(
        _ x: [Double], _ weight: [Double]?, offset: Double = 0, columns: Int, epsilon: Double
    ) -> [Double] {
        x.rows(of: columns).flatMap { row in
            let square = row.reduce(0) { $0 + $1 * $1 } / Double(columns)
            let factors = weight.map { $0.map { offset + $0 } } ?? [Double](repeating: 1, count: columns)
            return zip(row, factors).map { x, factor in x / (square + epsilon).squareRoot() * factor }
        }
    }

    /// One head turned: pairs (j, j + rotary/2), or (2j, 2j + 1).
    static func rotated(_ head: [Double], cosines: [Double], sines: [Double], interleaved: Bool) -> [Double] {
        var y = head
        for j in 0..<cosines.count {
            let (a, b) = interleaved ? (2 * j, 2 * j + 1) : (j, j + cosines.count)
            y[a] = head[a] * cosines[j] - head[b] * sines[j]
            y[b] = head[b] * cosines[j] + head[a] * sines[j]
        }
        return y
    }

    /// Sum of logsumexp(z) − z[target] over targets that count, z perhaps softcapped.
    static func crossEntropy(
        _ logits: [Double], targets: [Int32], stride: Int, vocabulary: Int, softcap: Double
    ) -> Double {
        zip(logits.rows(of: stride), targets).reduce(0) { sum, row in
            guard row.1 >= 0 else { return sum }
            let z = row.0.prefix(vocabulary).map { softcap > 0 ? softcap * tanh($0 / softcap) : $0 }
            let largest = z.max() ?? 0
            return sum + largest + log(z.reduce(0) { $0 + exp($1 - largest) }) - z[Int(row.1)]
        }
    }

    /// What dropout multiplies element `index` by.
    static func kept(_ mask: DropoutMask, stream: UInt64, index: UInt64) -> Double {
        let block = Philox(key: mask.key).block(stream: stream, index: index / 4)
        let bits = [block.0, block.1, block.2, block.3][Int(index % 4)]
        return Float(bits >> 8) * 0x1p-24 >= mask.probability ? 1 / (1 - Double(mask.probability)) : 0
    }

    static func dropout(_ x: [Double], _ mask: DropoutMask) -> [Double] {
        x.enumerated().map { $1 * kept(mask, stream: mask.stream, index: mask.offset + UInt64($0)) }
    }
}

extension [Double] {
    func rows(of columns: Int) -> [[Double]] {
        stride(from: 0, to: count, by: columns).map { Array(self[$0..<$0 + columns]) }
    }
}
