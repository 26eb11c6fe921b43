import Kernels

/// Queries a strip of scores holds. A strip is [queries × visible keys], so memory grows with T and not with T².
private let stripRows = 64

extension CPUBackend {
    public func attention(_ call: AttentionCall, output: Tensor, lse: Tensor) {
        let layout = Layout(call)
        let (q, k, v) = (layout.pointer(call.query), layout.pointer(call.key), layout.pointer(call.value))
        let (out, logs) = (output.f32, lse.f32)
        let strips = layout.strips, units = call.batch * layout.heads * strips
        let tasks = units * layout.work > CPUBackend.grain ? min(threads, units) : 1
        let size = stripRows * layout.widestStrip + productScratch
        let memory = workspace(tasks * size)
        parallel(tasks) { task in
            let scratch = memory + task * size
            let scores = scratch + productScratch
            for unit in share(units, of: call.batch * layout.heads, task, tasks) {
                let (b, h, strip) = (unit / strips / layout.heads, unit / strips % layout.heads, unit % strips)
                let rows = layout.rows(strip), keys = layout.keys(rows)
                var shape = layout.strip(call, batch: b, head: h, rows: rows, keys: keys)
                let group = h / layout.group
                let queryRow = q + (b * layout.queries + rows.lowerBound) * layout.qStride + h * layout.dim
                let keyRow = k + (b * layout.keyCount + keys.lowerBound) * layout.kStride + group * layout.dim
                let valueRow = v + (b * layout.keyCount + keys.lowerBound) * layout.vStride + group * layout.dim
                let diagonal = shape.query_position - shape.key_position
                product(
                    .lowerResult(diagonal), transposeB: true, m: rows.count, n: keys.count, k: layout.dim, queryRow,
                    layout.qStride, keyRow, layout.kStride, scores, keys.count, scratch)
                loom_attention_softmax(
                    &shape, scores, logs + (b * layout.heads + h) * layout.queries + rows.lowerBound)
                product(
                    .lowerFactor(diagonal), m: rows.count, n: layout.dim, k: keys.count, scores, keys.count, valueRow,
                    layout.vStride, out + (b * layout.queries + rows.lowerBound) * layout.outStride + h * layout.dim,
                    layout.outStride, scratch)
            }
        }
    }

    public func attentionBackward(
        _ call: AttentionCall, output: Tensor, lse: Tensor, dOutput: Tensor, dQuery: HeadGradient?,
        dKey: HeadGradient?, dValue: HeadGradient?
    ) {
        let layout = Layout(call)
        let (q, k, v) = (layout.pointer(call.query), layout.pointer(call.key), layout.pointer(call.value))
        let (out, logs, dOut) = (output.f32, lse.f32, dOutput.f32)
        let dq = dQuery.map { layout.pointer($0.heads) }, dk = dKey.map { layout.pointer($0.heads) }
        let dv = dValue.map { layout.pointer($0.heads) }
        // One unit is a key head with all its query heads: nobody else adds to its keys and values.
        let units = call.batch * layout.keyHeads
        let tasks = units * layout.strips * layout.work > CPUBackend.grain ? min(threads, units) : 1
        let size = 2 * stripRows * layout.widestStrip + stripRows + productScratch
        let memory = workspace(tasks * size)
        let dim = layout.dim
        parallel(tasks) { task in
            let scratch = memory + task * size
            let scores = scratch + productScratch
            let dScores = scores + stripRows * layout.widestStrip
            let delta = dScores + stripRows * layout.widestStrip
            for unit in share(units, of: units, task, tasks) {
                let (b, group) = (unit / layout.keyHeads, unit % layout.keyHeads)
                for (gradient, pointer, stride) in [(dKey, dk, layout.kStride), (dValue, dv, layout.vStride)] {
                    guard let gradient, let pointer, !gradient.accumulate else { continue }
                    let start = pointer + b * layout.keyCount * stride + group * dim
                    loom_fill_rows(start, 0, layout.keyCount, dim, stride)
                }
                for h in group * layout.group..<(group + 1) * layout.group {
                    for strip in 0..<layout.strips {
                        let rows = layout.rows(strip), keys = layout.keys(rows)
                        var shape = layout.strip(call, batch: b, head: h, rows: rows, keys: keys)
                        let queryAt = (b * layout.queries + rows.lowerBound) * layout.qStride + h * dim
                        let keyAt = (b * layout.keyCount + keys.lowerBound) * layout.kStride + group * dim
                        let valueAt = (b * layout.keyCount + keys.lowerBound) * layout.vStride + group * dim
                        let outAt = (b * layout.queries + rows.lowerBound) * layout.outStride + h * dim
                        loom_attention_delta(dOut + outAt, out + outAt, rows.count, dim, layout.outStride, delta)
                        let diagonal = shape.query_position - shape.key_position
                        product(
                            .lowerResult(diagonal), transposeB: true, m: rows.count, n: keys.count, k: dim, q + queryAt,
                            layout.qStride, k + keyAt, layout.kStride, scores, keys.count, scratch)
                        product(
                            .lowerResult(diagonal), transposeB: true, m: rows.count, n: keys.count, k: dim, dOut + outAt,
                            layout.outStride, v + valueAt, layout.vStride, dScores, keys.count, scratch)
                        loom_attention_softmax_backward(
                            &shape, scores, dScores,
                            logs + (b * layout.heads + h) * layout.queries + rows.lowerBound, delta)
                        if let dv {
                            product(
                                .lowerFactor(diagonal), transposeA: true, m: keys.count, n: dim, k: rows.count, scores,
                                keys.count, dOut + outAt, layout.outStride, beta: 1, dv + valueAt, layout.vStride, scratch)
                        }
                        if let dk {
                            product(
                                .lowerFactor(diagonal), transposeA: true, m: keys.count, n: dim, k: rows.count, dScores,
                                keys.count, q + queryAt, layout.qStride, beta: 1, dk + keyAt, layout.kStride, scratch)
                        }
                        if let dq {
                            product(
                                .lowerFactor(diagonal), m: rows.count, n: dim, k: keys.count, dScores, keys.count,
                                k + keyAt, layout.kStride, beta: dQuery?.accumulate == true ? 1 : 0, dq + queryAt,
                                layout.qStride, scratch)
                        }
                    }
                }
            }
        }
    }

    public func attentionDecode(_ call: DecodeCall, output: Tensor) {
        let call = call.settled
        let query = call.query, heads = query.count, dim = query.dim
        let (q, out) = (query.tensor.f32 + query.offset, output.f32)
        let group = heads / (call.keys.columns / dim)
        let batch = query.tensor.shape[0], qStride = query.tensor.columns
        let units = batch * heads
        let tasks = units * call.count * dim > 4 * CPUBackend.grain ? min(threads, units) : 1
        let size = (min(heads, (units + tasks - 1) / tasks)) * call.count
        let memory = workspace(tasks * size)
        parallel(tasks) { task in
            // Neighbours: heads of one sequence read the ring together.
            var unit = units * task / tasks
            let end = units * (task + 1) / tasks
            while unit < end {
                let (b, first) = (unit / heads, unit % heads), last = min(heads, first + end - unit)
                var ring = ringOf(call, batch: b)
                withUnsafePointer(to: &ring) { ring in
                    var decode = loom_decode(
                        ring: ring, count: call.count, newest: call.newest, dim: dim, group: group, scale: call.options.scale,
                        softcap: call.options.softcap)
                    loom_attention_decode(
                        &decode, q + b * qStride, call.options.slopes, first, last, memory + task * size, out + b * heads * dim)
                }
                unit += last - first
            }
        }
    }
}

/// A task's units of work: neighbours where every task gets whole `groups` of them, so that a thread stays with the rows
/// it has in its cache from the operation before; else every `tasks`-th, since later strips are longer.
private func share(_ units: Int, of groups: Int, _ task: Int, _ tasks: Int) -> StrideTo<Int> {
    guard groups % tasks == 0 else { return stride(from: task, to: units, by: tasks) }
    return stride(from: units / tasks * task, to: units / tasks * (task + 1), by: 1)
}

/// What of an attention's product need not be computed, since a query sees no later key: row i of the scores, or of the
/// factor a as it is stored, ends at column i + the number given.
private enum Triangle { case lowerResult(Int), lowerFactor(Int) }

/// c = op(a)·op(b) + beta·c by our own kernel, on the calling thread.
@inline(__always)
private func product(
    _ triangle: Triangle, transposeA: Bool = false, transposeB: Bool = false, m: Int, n: Int, k: Int,
    _ a: UnsafePointer<Float>, _ lda: Int, _ b: UnsafePointer<Float>, _ ldb: Int, beta: Float = 0,
    _ c: UnsafeMutablePointer<Float>, _ ldc: Int, _ scratch: UnsafeMutablePointer<Float>
) {
    let (lower, diagonal) =
        switch triangle {
        case .lowerResult(let diagonal): (LOOM_LOWER_C, diagonal)
        case .lowerFactor(let diagonal): (LOOM_LOWER_A, diagonal)
        }
    var call = loom_product_call(
        transpose_a: transposeA ? 1 : 0, transpose_b: transposeB ? 1 : 0, m: m, n: n, k: k, alpha: 1, beta: beta, a: a,
        a_stride: lda, b: b, b_stride: ldb, c: c, c_stride: ldc, bias: nil, lower: Int32(lower), diagonal: diagonal)
    loom_product(&call, scratch)
}

/// One sequence's ring of one key/value head.
private func ringOf(_ call: DecodeCall, batch: Int) -> loom_ring {
    let (keys, values, dim) = (call.keys, call.values, call.query.dim)
    let capacity = keys.shape[1], size = keys.dtype.size, start = batch * capacity * keys.columns * size
    let kvHeads = keys.columns / dim
    func scales(_ tensor: Tensor) -> UnsafePointer<Float>? {
        tensor.scales.map { UnsafePointer($0.values.f32 + batch * capacity * kvHeads) }
    }
    let type =
        switch keys.dtype {
        case .int8: LOOM_INT8
        case .bfloat16: LOOM_BFLOAT16
        default: LOOM_FLOAT32
        }
    return loom_ring(
        type: Int32(type), keys: UnsafeRawPointer(keys.address + start), values: UnsafeRawPointer(values.address + start),
        stride: keys.columns, key_scales: scales(keys), value_scales: scales(values), scale_stride: kvHeads)
}

/// Sizes and strides of one attention, and how its queries fall into strips.
private struct Layout {
    let heads, keyHeads, group, dim, queries, keyCount, qStride, kStride, vStride, outStride, strips: Int
    let window, queryPosition, keyPosition: Int

    init(_ call: AttentionCall) {
        heads = call.query.count
        keyHeads = call.key.count
        group = heads / keyHeads
        dim = call.query.dim
        queries = call.queries
        keyCount = call.keys
        qStride = call.query.tensor.columns
        kStride = call.key.tensor.columns
        vStride = call.value.tensor.columns
        outStride = heads * dim
        strips = (queries + stripRows - 1) / stripRows
        queryPosition = call.queryPosition
        keyPosition = call.keyPosition
        window = call.options.window ?? Int(Int32.max)
    }

    func pointer(_ heads: Heads) -> UnsafeMutablePointer<Float> { heads.tensor.f32 + heads.offset }

    func rows(_ strip: Int) -> Range<Int> { strip * stripRows..<min(queries, (strip + 1) * stripRows) }

    /// The keys, counted from `keyPosition`, that at least one of the queries sees.
    func keys(_ rows: Range<Int>) -> Range<Int> {
        let first = max(0, queryPosition + rows.lowerBound - window - keyPosition)
        let last = min(keyCount, queryPosition + rows.upperBound - keyPosition)
        return first..<max(first, last)
    }

    var widestStrip: Int { (0..<strips).map { keys(rows($0)).count }.max() ?? 0 }
    /// Multiplications a strip needs, roughly, to judge whether threads pay.
    var work: Int { min(queries, stripRows) * widestStrip * dim / 16 }

    func strip(_ call: AttentionCall, batch: Int, head: Int, rows: Range<Int>, keys: Range<Int>) -> loom_strip {
        let options = call.options
        return loom_strip(
            rows: rows.count, keys: keys.count, stride: keys.count, query_position: queryPosition + rows.lowerBound,
            key_position: keyPosition + keys.lowerBound, window: window, scale: options.scale,
            softcap: options.softcap, slope: options.slopes?[head] ?? 0, dropout: options.dropout?.probability ?? 0,
            dropout_key: options.dropout?.key ?? 0, dropout_stream: options.dropout?.stream ?? 0,
            dropout_row: UInt64(((call.firstExample + batch) * heads + head) * queries + rows.lowerBound))
    }
}
