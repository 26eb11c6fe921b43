import Autograd
import Foundation
import Testing

/// Each operation's values and gradients against the double-precision reference.
struct OperationTests {
    @Test(arguments: [
        (m: 1, n: 5, k: 3), (m: 3, n: 17, k: 33), (m: 8, n: 64, k: 20), (m: 9, n: 7, k: 5), (m: 70, n: 33, k: 48),
        (m: 4, n: 300, k: 512), (m: 80, n: 64, k: 48),
    ])
    func linear(m: Int, n: Int, k: Int) {
        check(
            OperationCase("linear \(m)×\(k)→\(n)", [[m, k], [n, k]]) {
                $1[0].linear($1[1])
            } reference: {
                Reference.linear($0[0], $0[1], k: k)
            })
        check(
            OperationCase("linear with bias \(m)×\(k)→\(n)", [[1, m, k], [n, k], [n]]) {
                $1[0].linear($1[1], bias: $1[2])
            } reference: {
                Reference.linear($0[0], $0[1], $0[2], k: k)
            })
    }

    static let pointwise: [OperationCase] = [
        OperationCase("a + b", [[5, 7], [5, 7]]) {
            $1[0] + $1[1]
        } reference: {
            zip($0[0], $0[1]).map(+)
        },
        OperationCase("a·b", [[5, 7], [5, 7]]) {
            $1[0] * $1[1]
        } reference: {
            zip($0[0], $0[1]).map(*)
        },
        OperationCase("x + x", [[37]]) {
            $1[0] + $1[0]
        } reference: {
            $0[0].map { 2 * $0 }
        },
        OperationCase("x·x", [[37]]) {
            $1[0] * $1[0]
        } reference: {
            $0[0].map { $0 * $0 }
        },
        OperationCase("−2.5·x", [[3, 11]]) {
            $1[0] * -2.5
        } reference: {
            $0[0].map { -2.5 * $0 }
        },
        OperationCase("Σ 0.3·x", [[4, 9]]) {
            $1[0].sum(scale: 0.3)
        } reference: {
            [$0[0].reduce(0, +) * 0.3]
        },
        OperationCase("Σ over blocks", [[70_000]]) {
            $1[0].sum()
        } reference: {
            [$0[0].reduce(0, +)]
        },
        OperationCase("mix of one", [[6], [1]]) {
            Tensor.mix([($1[0], $1[1])])
        } reference: { x in
            x[0].map { $0 * x[1][0] }
        },
        OperationCase("mix of three", [[2, 6], [2, 6], [2, 6], [1], [1], [1]]) {
            Tensor.mix([($1[0], $1[3]), ($1[1], $1[4]), ($1[2], $1[5])])
        } reference: { x in
            (0..<12).map { x[0][$0] * x[3][0] + x[1][$0] * x[4][0] + x[2][$0] * x[5][0] }
        },
        OperationCase("mix of x with itself", [[6], [1]]) {
            Tensor.mix([($1[0], $1[1]), ($1[0], $1[1])])
        } reference: { x in
            x[0].map { 2 * $0 * x[1][0] }
        },
        OperationCase("softcap 2", [[5, 9]]) {
            $1[0].softcapped(2)
        } reference: {
            $0[0].map { 2 * tanh($0 / 2) }
        },
        OperationCase("reshaped", [[4, 6]]) {
            $1[0].reshaped([3, 8]).reshaped([24])
        } reference: {
            $0[0]
        },
        OperationCase("columns", [[3, 10]]) {
            $1[0].columns(4..<7)
        } reference: {
            $0[0].rows(of: 10).flatMap { $0[4..<7] }
        },
        OperationCase("columns that overlap", [[3, 10]]) {
            $1[0].columns(0..<6) * $1[0].columns(4..<10)
        } reference: {
            $0[0].rows(of: 10).flatMap { row in (0..<6).map { row[$0] * row[$0 + 4] } }
        },
        OperationCase("columns apart", [[3, 10]]) {
            $1[0].columns(7..<9) * $1[0].columns(1..<3)
        } reference: {
            $0[0].rows(of: 10).flatMap { row in (0..<2).map { row[$0 + 7] * row[$0 + 1] } }
        },
        OperationCase("columns, then all", [[3, 4]]) {
            let apart = $1[0].columns(1..<3)
            return ($1[0] * 2).columns(0..<2) * apart
        } reference: {
            $0[0].rows(of: 4).flatMap { [2 * $0[0] * $0[1], 2 * $0[1] * $0[2]] }
        },
        OperationCase("scaled rows", [[2, 3, 5], [2, 3]]) {
            $1[0].scaledRows(by: $1[1])
        } reference: { x in
            x[0].enumerated().map { $0.element * x[1][$0.offset / 5] }
        },
        OperationCase("shifted in time", [[2, 3, 4]]) {
            $1[0].shiftedInTime()
        } reference: { x in
            (0..<24).map { $0 % 12 < 4 ? 0 : x[0][$0 - 4] }
        },
        OperationCase("shifted in time, T = 1", [[2, 1, 4]]) {
            $1[0].shiftedInTime()
        } reference: { x in
            x[0].map { _ in 0 }
        },
        OperationCase("dropout", [[9, 31]]) {
            $1[0].dropout(DropoutMask(probability: 0.4, key: 11, stream: 3, offset: 5))
        } reference: {
            Reference.dropout($0[0], DropoutMask(probability: 0.4, key: 11, stream: 3, offset: 5))
        },
        OperationCase("rows at repeated ids", [[6, 5]]) {
            $1[0].rows(at: $0.tensor([0, 2, 2, 5, 2, 0] as [Int32], [2, 3]))
        } reference: { x in
            [0, 2, 2, 5, 2, 0].flatMap { x[0].rows(of: 5)[$0] }
        },
        OperationCase("residual chain", [[3, 4], [4, 4]]) { _, x in
            (0..<3).reduce(x[0]) { y, _ in y + y.linear(x[1]).activation(.tanh) }
        } reference: { x in
            (0..<3).reduce(x[0]) { y, _ in zip(y, Reference.linear(y, x[1], k: 4)).map { $0 + tanh($1) } }
        },
    ]

    @Test(arguments: pointwise)
    func pointwiseAndRows(_ test: OperationCase) { check(test) }

    @Test(arguments: Activation.allCases)
    func activations(_ kind: Activation) {
        check(
            OperationCase("\(kind)", [[7, 13]]) {
                $1[0].activation(kind)
            } reference: {
                $0[0].map { Reference.activation(kind, $0) }
            })
        check(
            OperationCase("gated \(kind)", [[5, 14]]) {
                $1[0].gated(kind)
            } reference: {
                Reference.gated(kind, $0[0], hidden: 7)
            })
    }

    /// Far out, functions must go to their limits and not to NaN.
    @Test(arguments: Activation.allCases)
    func activationsFarOut(_ kind: Activation) {
        let values: [Float] = [-1e4, -120, -30, -9, -1e-6, 0, 1e-6, 9, 30, 120, 1e4]
        let context = TestDevice.context(threads: 1), x = context.tensor(values, [values.count])
        for (value, found) in zip(values, x.activation(kind).floats) {
            let wanted = Reference.activation(kind, Double(value))
            #expect(abs(Double(found) - wanted) <= max(1e-6, 1e-6 * abs(wanted)), "\(kind)(\(value)) is \(found), wanted \(wanted)")
        }
    }

    @Test(arguments: [(rows: 1, columns: 1), (rows: 5, columns: 20), (rows: 64, columns: 300)])
    func norms(rows: Int, columns: Int) {
        let epsilon = 1e-5
        func layerNorm(_ name: String, _ weight: Int?, _ bias: Int?, _ shapes: [[Int]]) {
            check(
                OperationCase("layernorm \(name) \(rows)×\(columns)", [[rows, columns]] + shapes) { _, x in
                    x[0].layerNorm(weight: weight.map { x[$0] }, bias: bias.map { x[$0] }, epsilon: Float(epsilon))
                } reference: { x in
                    Reference.layerNorm(x[0], weight.map { x[$0] }, bias.map { x[$0] }, columns: columns, epsilon: epsilon)
                })
        }
        layerNorm("plain", nil, nil, [])
        layerNorm("with weight", 1, nil, [[columns]])
        layerNorm("with weight and bias", 1, 2, [[columns], [columns]])
        check(
            OperationCase("rmsnorm plain \(rows)×\(columns)", [[rows, columns]]) {
                $1[0].rmsNorm(epsilon: Float(epsilon))
            } reference: {
                Reference.rmsNorm($0[0], nil, columns: columns, epsilon: epsilon)
            })
        for offset in [0.0, 1.0] {
            check(
                OperationCase("rmsnorm with weight, offset \(offset), \(rows)×\(columns)", [[rows, columns], [columns]]) {
                    $1[0].rmsNorm(weight: $1[1], offset: Float(offset), epsilon: Float(epsilon))
                } reference: {
                    Reference.rmsNorm($0[0], $0[1], offset: offset, columns: columns, epsilon: epsilon)
                })
        }
    }
}
