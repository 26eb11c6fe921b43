import Autograd
import Testing

/// What a decoded token needs besides products and attention, as devices do it that have nothing better.
struct DecodeStepTests {
    @Test(arguments: [(0, 3), (4, 3), (6, 1), (1, 9), (13, 20)], [DType.float32, .bfloat16, .int8])
    func ringsHoldTheLast(_ form: (start: Int, tokens: Int), type: DType) {
        let context = Context.cpu(threads: 1), (batch, capacity, heads, dim) = (2, 7, 2, 4), width = heads * dim
        func ring() -> Tensor {
            let ring = Tensor.storage([batch, capacity, width], type, group: dim, on: context)
            let nines = context.tensor([Float](repeating: 9, count: ring.count), [batch * capacity, width])
            if type == .float32 { context.backend.copy(nines, to: ring) } else { context.backend.compress(nines, into: ring) }
            return ring
        }
        let values = (0..<batch * form.tokens * 3 * width).map { Float($0 % 61 - 30) }
        let packed = context.tensor(values, [batch, form.tokens, 3 * width]), first = max(0, form.tokens - capacity)
        func append(position: Tensor?) -> [[Float]] {
            let call = RingAppend(
                key: Heads(packed, offset: width, count: heads, dim: dim), value: Heads(packed, offset: 2 * width, count: heads, dim: dim),
                keys: ring(), values: ring(), first: first, start: position == nil ? form.start : 5000, position: position)
            context.backend.append(call)
            return [call.keys, call.values].map { ring in
                guard type != .float32 else { return ring.floats }
                let wide = context.empty([batch * capacity, width])
                context.backend.expand(ring, into: wide)
                return wide.floats
            }
        }
        let found = append(position: nil)
        #expect(append(position: context.int64(form.start)) == found)
        for (offset, ring) in zip([width, 2 * width], found) {
            for b in 0..<batch {
                for slot in 0..<capacity {
                    let token = (first..<form.tokens).first { (form.start + $0) % capacity == slot }
                    for c in 0..<width {
                        let wanted = token.map { values[(b * form.tokens + $0) * 3 * width + offset + c] } ?? 9
                        // int8 has 127 steps up to the largest of a head, which is 30 at most.
                        #expect(abs(ring[(b * capacity + slot) * width + c] - wanted) <= (type == .int8 ? 0.12 : 0))
                    }
                }
            }
        }
    }

    @Test func theLikeliestIsTheFirstOfTheLargest() {
        let context = Context.cpu(threads: 1), ids = context.empty([4], .int32)
        let logits = context.tensor(
            [1, 3, 3, 9, .nan, 3, 5, 9, -5, -.infinity, -4, 9, 2, .nan, 7, 9], [4, 4])
        context.backend.likeliest(logits, of: 3, into: ids)
        #expect(ids.int32s == [1, 0, 2, 2])
        context.backend.likeliest(logits, of: 4, into: ids)
        #expect(ids.int32s == [3, 0, 3, 3])
    }

    @Test func positionsAdvance() {
        let context = Context.cpu(threads: 1), position = context.int64(1 << 32), rows = context.empty([3], .int32)
        context.backend.advance(position, by: 5, rows: rows)
        #expect(position.int32s == [5, 1] && rows.int32s == [5, 5, 5])
    }

    @Test func pinsAreCounted() {
        let context = Context.cpu(threads: 1)
        _ = context.empty([1000])
        #expect(context.pool.bytesReserved > 0)
        var pins = [context.pool.pin(), context.pool.pin()]
        pins.removeLast()
        context.pool.trim()
        #expect(context.pool.bytesReserved > 0)
        pins.removeLast()
        context.pool.trim()
        #expect(context.pool.bytesReserved == 0)
    }
}
