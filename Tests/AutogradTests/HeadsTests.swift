import Autograd
import Foundation
import Testing

/// Query and key heads on their way to attention: norm, rotation, scale, out of a wider tensor.
struct HeadsTests {
    struct Preparation: Sendable, CustomTestStringConvertible {
        var name: String
        var normalize = false, weight = false
        var rotary = 0, interleaved = false
        var scale: Float = 1
        var dim = 8, offset = 0, columns = 24
        var testDescription: String { name }
    }

    static let preparations = [
        Preparation(name: "scale", scale: 1.2),
        Preparation(name: "norm", normalize: true),
        Preparation(name: "norm and weight", normalize: true, weight: true),
        Preparation(name: "halves", rotary: 8),
        Preparation(name: "interleaved", rotary: 8, interleaved: true),
        Preparation(name: "part of halves", rotary: 4),
        Preparation(name: "part interleaved", rotary: 4, interleaved: true),
        Preparation(
            name: "all at once", normalize: true, weight: true, rotary: 8, interleaved: false, scale: 0.7),
        Preparation(
            name: "all at once, inside a packed row", normalize: true, weight: true, rotary: 6, interleaved: true,
            scale: 1.3, offset: 5, columns: 40),
        Preparation(name: "wide heads at an offset", normalize: true, rotary: 20, dim: 20, offset: 3, columns: 70),
        Preparation(name: "head of 80", normalize: true, weight: true, rotary: 80, dim: 80, columns: 240),
        Preparation(name: "a very wide head", normalize: true, weight: true, rotary: 600, dim: 600, columns: 1800),
    ]

    static let batch = 2, time = 5, heads = 3
    /// Positions out of order: row r of the table for token r.
    static let positions: [Int32] = [0, 3, 1, 4, 2, 2, 0, 1, 4, 3]

    @Test(arguments: preparations)
    func prepared(_ p: Preparation) {
        let half = p.rotary / 2, epsilon = 1e-5
        let angles = (0..<HeadsTests.time * half).map { 0.3 * Double($0 / max(half, 1)) * pow(0.8, Double($0 % max(half, 1))) }
        let shapes = [[HeadsTests.batch, HeadsTests.time, p.columns]] + (p.weight ? [[p.dim]] : [])
        check(
            OperationCase("heads: \(p.name)", shapes) { context, x in
                let table = RotaryTable(
                    cosines: context.tensor(angles.map { Float(cos($0)) }, [HeadsTests.time, half]),
                    sines: context.tensor(angles.map { Float(sin($0)) }, [HeadsTests.time, half]),
                    rotary: p.rotary, interleaved: p.interleaved)
                return Heads(x[0], offset: p.offset, count: HeadsTests.heads, dim: p.dim).prepared(
                    normalize: p.normalize ? Float(epsilon) : nil, weight: p.weight ? x[1] : nil,
                    rotary: half > 0 ? table : nil,
                    positions: half > 0 ? context.tensor(HeadsTests.positions, [HeadsTests.positions.count]) : nil,
                    scale: p.scale
                ).tensor
            } reference: { x in
                x[0].rows(of: p.columns).enumerated().flatMap { row, values in
                    (0..<HeadsTests.heads).flatMap { h in
                        var head = Array(values[(p.offset + h * p.dim)..<(p.offset + (h + 1) * p.dim)])
                        if p.normalize {
                            head = Reference.rmsNorm(head, p.weight ? x[1] : nil, columns: p.dim, epsilon: epsilon)
                        }
                        let at = Int(HeadsTests.positions[row]) * half
                        let turn = angles[at..<at + half]
                        return Reference.rotated(
                            head, cosines: turn.map { cos($0) }, sines: turn.map { sin($0) }, interleaved: p.interleaved
                        ).map { $0 * Double(p.scale) }
                    }
                }
            })
    }

    /// Queries and keys prepared out of one packed tensor whose value columns nobody else reads: the gradient of the
    /// columns in between must be zero and not what was in memory before.
    @Test func packedColumnsNobodyReadsGetZero() {
        let context = Context.cpu(threads: 1)
        for _ in 0..<3 {
            // Rubbish of the gradient's size, given back to the pool, which hands it out again.
            context.backend.fill(context.empty([2, 3, 20]), .nan)
            let x = context.tensor(random(120, stream: 0), [2, 3, 20]).requireGradient()
            context.recording {
                let q = Heads(x, offset: 12, count: 2, dim: 4).prepared(scale: 2).tensor
                let k = Heads(x, offset: 0, count: 1, dim: 4).prepared(scale: 3).tensor
                (q.sum() + k.sum()).backward()
            }
            let row = [Float](repeating: 3, count: 4) + [Float](repeating: 0, count: 8) + [Float](repeating: 2, count: 8)
            #expect(x.gradient?.tensor?.floats == (0..<6).flatMap { _ in row })
        }
    }
}
