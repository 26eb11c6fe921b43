import Autograd
import Foundation
import Testing

/// Attention in every form against double precision: groupings, windows, caps, slopes, dropout, sizes, offsets.
struct AttentionTests {
    struct Form: Sendable, CustomTestStringConvertible {
        var time = 7, keys: Int?
        var heads = 2, keyHeads = 2, dim = 4, batch = 2
        var window: Int?
        var softcap: Float = 0
        var slopes: [Float]?
        var dropout = false
        var queryPosition = 0, keyPosition = 0, firstExample = 0
        var packed = false

        var testDescription: String {
            var words = ["T\(time)", "H\(heads)/\(keyHeads)", "D\(dim)", "B\(batch)"]
            if let keys { words.append("S\(keys) q\(queryPosition) k\(keyPosition)") }
            if let window { words.append("window \(window)") }
            if softcap > 0 { words.append("softcap \(softcap)") }
            if slopes != nil { words.append("slopes") }
            if dropout { words.append("dropout from example \(firstExample)") }
            if packed { words.append("packed") }
            return words.joined(separator: " ")
        }

        var mask: DropoutMask? { dropout ? DropoutMask(probability: 0.3, key: 77, stream: 5) : nil }
        var scale: Float { 1 / Float(dim).squareRoot() }
        /// Columns of queries, keys and values.
        var widths: (q: Int, kv: Int) { (heads * dim, keyHeads * dim) }

        var shapes: [[Int]] {
            let (q, kv) = widths, keys = keys ?? time
            return packed ? [[batch, time, q + 2 * kv + 3]] : [[batch, time, q], [batch, keys, kv], [batch, keys, kv]]
        }

        func call(_ x: [Tensor]) -> AttentionCall {
            let (q, kv) = widths
            var call = AttentionCall(
                query: Heads(x[0], count: heads, dim: dim),
                key: Heads(packed ? x[0] : x[1], offset: packed ? q : 0, count: keyHeads, dim: dim),
                value: Heads(packed ? x[0] : x[2], offset: packed ? q + kv : 0, count: keyHeads, dim: dim),
                options: AttentionOptions(window: window, scale: scale, softcap: softcap, slopes: slopes, dropout: mask))
            call.queryPosition = queryPosition
            call.keyPosition = keyPosition
            call.firstExample = firstExample
            return call
        }

        func reference(_ x: [[Double]]) -> [Double] {
            let (q, kv) = widths, row = q + 2 * kv + 3
            let plain = Attention64(
                batch: batch, queries: time, keys: keys ?? time, heads: heads, keyHeads: keyHeads, dim: dim,
                offsets: packed ? (0, q, q + kv) : (0, 0, 0), strides: packed ? (row, row, row) : (q, kv, kv),
                queryPosition: queryPosition, keyPosition: keyPosition, firstExample: firstExample, window: window,
                scale: Double(scale), softcap: Double(softcap), slopes: slopes?.map(Double.init), dropout: mask)
            return packed ? plain(x[0], x[0], x[0]) : plain(x[0], x[1], x[2])
        }

        var operation: OperationCase {
            OperationCase("attention \(testDescription)", shapes) {
                attention(call($1))
            } reference: {
                reference($0)
            }
        }
    }

    static let groupings: [Form] = [(4, 4), (4, 2), (4, 1), (6, 3), (1, 1)].flatMap { heads, keyHeads in
        [Form(heads: heads, keyHeads: keyHeads), Form(heads: heads, keyHeads: keyHeads, packed: true)]
    }
    static let windows: [Form] = [0, 1, 3, 6, 7, 40].flatMap { window in
        [Form(window: window), Form(heads: 4, keyHeads: 2, window: window, packed: true)]
    }
    static let scores: [Form] = [
        Form(softcap: 0.7), Form(softcap: 5, packed: true), Form(slopes: [0.5, 0.0625]),
        Form(time: 9, heads: 3, keyHeads: 1, window: 4, softcap: 2, slopes: [0.3, 0.1, 0.02]),
        Form(dropout: true), Form(dropout: true, firstExample: 3),
        Form(time: 9, heads: 4, keyHeads: 2, window: 3, softcap: 2, slopes: [0.4, 0.3, 0.2, 0.1], dropout: true, packed: true),
    ]
    static let offsets: [Form] = [
        // The newest queries of a longer sequence; keys that begin late; queries that see nothing of the newest keys.
        Form(time: 3, keys: 10, queryPosition: 7), Form(time: 4, keys: 9, queryPosition: 25, keyPosition: 20),
        Form(time: 4, keys: 9, window: 3, queryPosition: 25, keyPosition: 20), Form(time: 2, keys: 8, queryPosition: 3),
        Form(time: 1, keys: 6, window: 2, queryPosition: 5),
        Form(time: 3, keys: 8, slopes: [0.5, 0.1], dropout: true, queryPosition: 15, keyPosition: 10),
        Form(time: 70, keys: 90, heads: 2, keyHeads: 1, window: 10, queryPosition: 20),
    ]
    static let sizes: [Form] = [1, 7, 65, 130].flatMap { time in
        [1, 20, 64, 80].map { Form(time: time, dim: $0, batch: 1) }
    }
    static let longStrips: [Form] = [
        Form(time: 130, heads: 4, keyHeads: 2, batch: 1, packed: true), Form(time: 130, batch: 1, window: 3),
        Form(time: 130, batch: 1, window: 0), Form(time: 129, batch: 1, window: 70, softcap: 3, slopes: [0.1, 0.01]),
        Form(time: 65, batch: 2, dropout: true), Form(time: 64, batch: 1), Form(time: 128, batch: 1, window: 64),
    ]

    @Test(arguments: groupings + windows + scores + offsets)
    func forms(_ form: Form) { check(form.operation) }

    @Test(arguments: sizes + longStrips)
    func sizesAroundTheStrip(_ form: Form) { check(form.operation, samples: 5) }

    /// Large scores: softmax must not overflow, and one key takes all the weight.
    @Test func largeScores() {
        let context = TestDevice.context(threads: 1)
        let q = context.tensor([50, 50, 50, 50] as [Float], [1, 4, 1]).requireGradient()
        let k = context.tensor([50, -50, 100, 0] as [Float], [1, 4, 1]).requireGradient()
        let v = context.tensor([1, 2, 3, 4] as [Float], [1, 4, 1]).requireGradient()
        context.recording {
            let y = attention(
                AttentionCall(
                    query: Heads(q, count: 1, dim: 1), key: Heads(k, count: 1, dim: 1), value: Heads(v, count: 1, dim: 1),
                    options: AttentionOptions(scale: 1)))
            #expect(y.floats == [1, 1, 3, 3])
            y.sum().backward()
        }
        #expect(v.gradient?.tensor?.floats == [2, 0, 2, 0])
        #expect(q.gradient?.tensor?.floats == [0, 0, 0, 0])
        #expect(k.gradient?.tensor?.floats == [0, 0, 0, 0])
    }

    /// A tensor may attend to itself: the same columns are queries, keys and values.
    @Test(arguments: [(heads: 1, keyHeads: 1), (heads: 2, keyHeads: 2), (heads: 4, keyHeads: 1), (heads: 4, keyHeads: 2)])
    func overlappingColumns(heads: Int, keyHeads: Int) {
        let (time, dim) = (6, 3), width = heads * dim
        let plain = Attention64(
            batch: 2, queries: time, keys: time, heads: heads, keyHeads: keyHeads, dim: dim,
            strides: (width, width, width), scale: 0.6)
        check(
            OperationCase("attention of one tensor to itself, \(heads)/\(keyHeads)", [[2, time, width]]) { _, x in
                attention(
                    AttentionCall(
                        query: Heads(x[0], count: heads, dim: dim), key: Heads(x[0], count: keyHeads, dim: dim),
                        value: Heads(x[0], count: keyHeads, dim: dim), options: AttentionOptions(scale: 0.6)))
            } reference: {
                plain($0[0], $0[0], $0[0])
            })
    }
}
