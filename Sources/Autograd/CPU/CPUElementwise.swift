import Kernels

extension CPUBackend {
    public func add(_ a: Tensor, _ b: Tensor, into y: Tensor) {
        let (pa, pb, py) = (a.f32, b.f32, y.f32)
        elements(y.count) { loom_add(pa + $0, pb + $0, py + $0, $1) }
    }

    public func multiply(_ a: Tensor, _ b: Tensor, into y: Tensor, accumulate: Bool) {
        let (pa, pb, py) = (a.f32, b.f32, y.f32)
        elements(y.count) {
            if accumulate {
                loom_multiply_accumulate(pa + $0, pb + $0, py + $0, $1)
            } else {
                loom_multiply(pa + $0, pb + $0, py + $0, $1)
            }
        }
    }

    public func scale(_ x: Tensor, by factor: Float, into y: Tensor) {
        let (px, py) = (x.f32, y.f32)
        elements(y.count) { loom_scale(px + $0, factor, py + $0, $1) }
    }

    public func accumulate(_ x: Tensor, scale: Float, into y: Tensor) {
        let (px, py) = (x.f32, y.f32)
        elements(y.count) { loom_accumulate(px + $0, scale, py + $0, $1) }
    }

    public func scaledSum(_ terms: [(x: Tensor, factor: Tensor)], into y: Tensor) {
        let py = y.f32
        let inputs = terms.map { ($0.x.f32, $0.factor.f32.pointee) }
        elements(y.count) { start, count in
            for (index, (px, factor)) in inputs.enumerated() {
                if index == 0 {
                    loom_scale(px + start, factor, py + start, count)
                } else {
                    loom_accumulate(px + start, factor, py + start, count)
                }
            }
        }
    }

    public func accumulateDot(_ x: Tensor, _ y: Tensor, into s: Tensor) {
        let (px, py) = (x.f32, y.f32)
        s.f32.pointee += Float(reduce(x.count) { loom_dot(px + $0, py + $0, $1) })
    }

    public func accumulateScaled(_ x: Tensor, factor: Tensor, into y: Tensor) {
        accumulate(x, scale: factor.f32.pointee, into: y)
    }

    public func activation(_ kind: Activation, _ x: Tensor, into y: Tensor) {
        let (px, py) = (x.f32, y.f32)
        elements(y.count) { loom_activation(kind.rawValue, px + $0, py + $0, $1) }
    }

    public func activationBackward(
        _ kind: Activation, _ x: Tensor, _ dy: Tensor, into dx: Tensor, accumulate: Bool
    ) {
        let (px, pdy, pdx) = (x.f32, dy.f32, dx.f32)
        elements(x.count) {
            loom_activation_backward(kind.rawValue, px + $0, pdy + $0, pdx + $0, $1, accumulate ? 1 : 0)
        }
    }

    public func gated(_ kind: Activation, _ x: Tensor, into y: Tensor) {
        let (px, py, hidden) = (x.f32, y.f32, y.columns)
        rows(y.rows, columns: hidden) { _, range in
            loom_gated(
                kind.rawValue, px + range.lowerBound * 2 * hidden, py + range.lowerBound * hidden, range.count, hidden)
        }
    }

    public func gatedBackward(_ kind: Activation, _ x: Tensor, _ dy: Tensor, into dx: Tensor) {
        let (px, pdy, pdx, hidden) = (x.f32, dy.f32, dx.f32, dy.columns)
        rows(dy.rows, columns: hidden) { _, range in
            loom_gated_backward(
                kind.rawValue, px + range.lowerBound * 2 * hidden, pdy + range.lowerBound * hidden,
                pdx + range.lowerBound * 2 * hidden, range.count, hidden)
        }
    }

    public func softcap(_ x: Tensor, cap: Float, into y: Tensor) {
        let (px, py) = (x.f32, y.f32)
        elements(y.count) { loom_softcap(px + $0, cap, py + $0, $1) }
    }

    public func softcapBackward(_ y: Tensor, _ dy: Tensor, cap: Float, into dx: Tensor, accumulate: Bool) {
        let (py, pdy, pdx) = (y.f32, dy.f32, dx.f32)
        elements(y.count) { loom_softcap_backward(py + $0, pdy + $0, cap, pdx + $0, $1, accumulate ? 1 : 0) }
    }

    public func dropout(_ x: Tensor, _ mask: DropoutMask, into y: Tensor, accumulate: Bool) {
        let (px, py) = (x.f32, y.f32)
        elements(y.count) {
            loom_dropout(
                px + $0, py + $0, $1, mask.offset + UInt64($0), mask.probability, mask.key, mask.stream,
                accumulate ? 1 : 0)
        }
    }

    public func copyColumns(_ x: Tensor, from: Int, to y: Tensor, at: Int, count: Int, accumulate: Bool) {
        let (px, py, sx, sy) = (x.f32 + from, y.f32 + at, x.columns, y.columns)
        rows(x.rows, columns: count) { _, range in
            loom_copy_columns(
                px + range.lowerBound * sx, sx, py + range.lowerBound * sy, sy, range.count, count, accumulate ? 1 : 0)
        }
    }

    public func scaleRows(_ x: Tensor, by s: Tensor, into y: Tensor, accumulate: Bool) {
        let (px, ps, py, columns) = (x.f32, s.f32, y.f32, x.columns)
        rows(x.rows, columns: columns) { _, range in
            let start = range.lowerBound
            loom_scale_rows(px + start * columns, ps + start, py + start * columns, range.count, columns, accumulate ? 1 : 0)
        }
    }

    public func rowDots(_ a: Tensor, _ b: Tensor, into y: Tensor, accumulate: Bool) {
        let (pa, pb, py, columns) = (a.f32, b.f32, y.f32, a.columns)
        rows(a.rows, columns: columns) { _, range in
            let start = range.lowerBound
            loom_row_dots(pa + start * columns, pb + start * columns, py + start, range.count, columns, accumulate ? 1 : 0)
        }
    }

    public func shift(_ x: Tensor, first: Tensor?, into y: Tensor, reverse: Bool, accumulate: Bool) {
        let (batch, time, width) = (x.shape[0], x.shape[1], x.shape[2])
        let (px, py) = (x.f32, y.f32), edge = first?.f32
        func put(_ source: UnsafePointer<Float>?, _ target: UnsafeMutablePointer<Float>, _ count: Int) {
            guard count > 0 else { return }
            if let source {
                loom_copy_columns(source, count, target, count, 1, count, accumulate ? 1 : 0)
            } else if !accumulate {
                loom_fill(target, 0, count)
            }
        }
        rows(batch, columns: time * width) { _, range in
            for b in range {
                let (source, target) = (px + b * time * width, py + b * time * width)
                if reverse {
                    put(source + width, target, (time - 1) * width)
                    put(nil, target + (time - 1) * width, width)
                } else {
                    put(source, target + width, (time - 1) * width)
                    put(edge.map { UnsafePointer($0 + b * width) }, target, width)
                }
            }
        }
    }

    public func columnSums(_ x: Tensor, addedTo y: Tensor) {
        let (px, py, rows, stride) = (x.f32, y.f32, x.rows, x.columns)
        split(stride, grain: max(16, CPUBackend.grain / max(rows, 1))) { _, range in
            loom_column_sums(px + range.lowerBound, rows, range.count, stride, py + range.lowerBound)
        }
    }

    public func gather(_ table: Tensor, _ ids: Tensor, into y: Tensor) {
        let (pt, pi, py, columns) = (table.f32, ids.i32, y.f32, table.columns)
        rows(ids.count, columns: columns) { _, range in
            loom_gather(pt, pi + range.lowerBound, py + range.lowerBound * columns, range.count, columns)
        }
    }

    public func scatterAdd(_ dy: Tensor, _ ids: Tensor, into table: Tensor) {
        let (pd, pi, pt, columns, count) = (dy.f32, ids.i32, table.f32, table.columns, ids.count)
        split(columns, grain: max(16, CPUBackend.grain / max(count, 1))) { _, range in
            loom_scatter_add(pd, pi, pt, count, columns, range.lowerBound, range.upperBound)
        }
    }

    public func crossEntropy(
        _ logits: Tensor, targets: Tensor, vocabulary: Int, softcap: Float, losses: Tensor, gradientScale: Float?,
        hits: Tensor?
    ) {
        let (pz, pt, pl, stride, ph) = (logits.f32, targets.i32, losses.f32, logits.columns, hits?.i32)
        rows(logits.rows, columns: stride) { _, range in
            let start = range.lowerBound
            loom_cross_entropy(
                pz + start * stride, stride, pt + start, range.count, vocabulary, softcap, pl + start,
                gradientScale == nil ? 0 : 1, gradientScale ?? 0, ph.map { $0 + start })
        }
    }

    public func sum(_ x: Tensor, scale: Float, into y: Tensor) {
        let px = x.f32
        y.f32.pointee = Float(reduce(x.count) { loom_sum(px + $0, $1) } * Double(scale))
    }

    public func sumOfSquares(_ x: Tensor) -> Double {
        let px = x.f32
        return reduce(x.count) { loom_sum_squares(px + $0, $1) }
    }

    public func firstNotFinite(_ x: Tensor) -> Int? {
        let index = loom_first_not_finite(x.f32, x.count)
        return index < 0 ? nil : index
    }

    /// Sums `body(start, count)` over fixed blocks in their order, so that the result does not depend on threads.
    func reduce(_ count: Int, _ body: (Int, Int) -> Double) -> Double {
        let block = 1 << 16, blocks = (count + block - 1) / block
        guard blocks > 1 else { return body(0, count) }
        return withUnsafeTemporaryAllocation(of: Double.self, capacity: blocks) { partial in
            let sums = UnsafeMutablePointer(partial.baseAddress!)
            split(blocks, grain: 1) { _, range in
                for index in range { sums[index] = body(index * block, min(block, count - index * block)) }
            }
            return partial.reduce(0, +)
        }
    }
}
