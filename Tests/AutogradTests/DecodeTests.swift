import Autograd
import Testing

/// One query against a ring of keys and values equals the last row of attention over the same keys in order.
struct DecodeTests {
    struct Form: Sendable, CustomTestStringConvertible {
        var position: Int, capacity: Int
        var heads = 4, keyHeads = 2, dim = 8, batch = 2
        var softcap: Float = 0
        var slopes: [Float]?
        var offset = 0
        var testDescription: String {
            "position \(position) in a ring of \(capacity), H\(heads)/\(keyHeads), D\(dim), softcap \(softcap), offset \(offset)"
                + (slopes == nil ? "" : ", slopes")
        }
    }

    static let forms = [
        Form(position: 0, capacity: 1), Form(position: 0, capacity: 5), Form(position: 4, capacity: 5),
        Form(position: 5, capacity: 5), Form(position: 13, capacity: 5), Form(position: 9, capacity: 1),
        Form(position: 12, capacity: 7, heads: 4, keyHeads: 4), Form(position: 12, capacity: 7, heads: 4, keyHeads: 1),
        Form(position: 100, capacity: 67, dim: 80), Form(position: 3, capacity: 9, dim: 1),
        Form(position: 12, capacity: 7, softcap: 2), Form(position: 12, capacity: 7, slopes: [0.5, 0.25, 0.1, 0.05]),
        Form(position: 12, capacity: 7, softcap: 1, slopes: [0.5, 0.25, 0.1, 0.05], offset: 9),
        Form(position: 400, capacity: 300, dim: 64, batch: 3),
    ]

    @Test(arguments: forms, [1, 2])
    func ring(_ form: Form, threads: Int) {
        let (H, K, D, B) = (form.heads, form.keyHeads, form.dim, form.batch)
        let context = TestDevice.context(threads: threads), kept = min(form.position + 1, form.capacity)
        let row = K * D, stride = H * D + form.offset
        // Slot p mod capacity holds position p; rubbish in the others must not be read.
        var keys = [Float](repeating: .nan, count: B * form.capacity * row), values = keys
        let query = random(B * stride, stream: 1), k = random(B * kept * row, stream: 2), v = random(B * kept * row, stream: 3)
        for b in 0..<B {
            for i in 0..<kept {
                let slot = (b * form.capacity + (form.position + 1 - kept + i) % form.capacity) * row
                for c in 0..<row {
                    keys[slot + c] = k[(b * kept + i) * row + c]
                    values[slot + c] = v[(b * kept + i) * row + c]
                }
            }
        }
        let found = attentionDecode(
            DecodeCall(
                query: Heads(context.tensor(query, [B, 1, stride]), offset: form.offset, count: H, dim: D),
                keys: context.tensor(keys, [B, form.capacity, row]), values: context.tensor(values, [B, form.capacity, row]),
                count: kept, newest: form.position % form.capacity,
                options: AttentionOptions(scale: 0.4, softcap: form.softcap, slopes: form.slopes)))
        let wanted = Attention64(
            batch: B, queries: 1, keys: kept, heads: H, keyHeads: K, dim: D, offsets: (form.offset, 0, 0),
            strides: (stride, row, row), queryPosition: form.position, keyPosition: form.position + 1 - kept,
            scale: 0.4, softcap: Double(form.softcap), slopes: form.slopes?.map(Double.init)
        )(query.map(Double.init), k.map(Double.init), v.map(Double.init))
        #expect(found.shape == [B, 1, H * D])
        expectClose(found.floats, wanted, 1e-5, "decode at \(form)")
    }
}
