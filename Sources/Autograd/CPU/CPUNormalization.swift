import Kernels

extension CPUBackend {
    public func layerNorm(
        _ x: Tensor, weight: Tensor?, bias: Tensor?, epsilon: Float, into y: Tensor, mean: Tensor, rstd: Tensor
    ) {
        let (px, pw, pb, py, pm, pr) = (x.f32, weight?.f32, bias?.f32, y.f32, mean.f32, rstd.f32)
        let columns = x.columns
        rows(x.rows, columns: columns) { _, range in
            let start = range.lowerBound
            loom_layernorm(
                px + start * columns, pw, pb, py + start * columns, pm + start, pr + start, range.count, columns, epsilon)
        }
    }

    public func layerNormBackward(
        _ x: Tensor, weight: Tensor?, mean: Tensor, rstd: Tensor, dy: Tensor, dx: Tensor?, accumulate: Bool,
        dweight: Tensor?, dbias: Tensor?
    ) {
        let (px, pw, pm, pr, pdy) = (x.f32, weight?.f32, mean.f32, rstd.f32, dy.f32)
        let columns = x.columns
        let pdx = dx?.f32
        withPartialSums(dweight, dbias, rows: x.rows, columns: columns) { range, dw, db in
            let start = range.lowerBound
            loom_layernorm_backward(
                px + start * columns, pw, pm + start, pr + start, pdy + start * columns, pdx.map { $0 + start * columns },
                accumulate ? 1 : 0, dw, db, range.count, columns)
        }
    }

    public func rmsNorm(
        _ x: Tensor, weight: Tensor?, offset: Float, epsilon: Float, into y: Tensor, rstd: Tensor
    ) {
        let (px, pw, py, pr, columns) = (x.f32, weight?.f32, y.f32, rstd.f32, x.columns)
        rows(x.rows, columns: columns) { _, range in
            let start = range.lowerBound
            loom_rmsnorm(
                px + start * columns, pw, offset, py + start * columns, pr + start, range.count, columns, epsilon)
        }
    }

    public func rmsNormBackward(
        _ x: Tensor, weight: Tensor?, offset: Float, rstd: Tensor, dy: Tensor, dx: Tensor?, accumulate: Bool,
        dweight: Tensor?
    ) {
        let (px, pw, pr, pdy, columns) = (x.f32, weight?.f32, rstd.f32, dy.f32, x.columns)
        let pdx = dx?.f32
        withPartialSums(dweight, nil, rows: x.rows, columns: columns) { range, dw, _ in
            let start = range.lowerBound
            loom_rmsnorm_backward(
                px + start * columns, pw, offset, pr + start, pdy + start * columns, pdx.map { $0 + start * columns },
                accumulate ? 1 : 0, dw, range.count, columns)
        }
    }

    public func prepareHeads(_ heads: HeadPreparation, into y: Tensor, rstd: Tensor?) {
        let (px, py, pr) = (heads.input.tensor.f32 + heads.input.offset, y.f32, rstd?.f32)
        let stride = heads.input.tensor.columns, count = heads.input.count
        rows(heads.input.tensor.rows, columns: y.columns) { _, range in
            let start = range.lowerBound
            var call = kernelCall(heads, rows: range)
            loom_heads_forward(&call, px + start * stride, py + start * y.columns, pr.map { $0 + start * count })
        }
    }

    public func prepareHeadsBackward(
        _ heads: HeadPreparation, rstd: Tensor?, dy: Tensor, dx: Tensor?, accumulate: Bool, dweight: Tensor?
    ) {
        let stride = heads.input.tensor.columns, count = heads.input.count
        let (px, pr, pdy) = (heads.input.tensor.f32 + heads.input.offset, rstd?.f32, dy.f32)
        guard let pdx = dx.map({ $0.f32 + heads.input.offset }) else { return }
        withPartialSums(dweight, nil, rows: dy.rows, columns: dy.columns, sums: heads.input.dim) { range, dw, _ in
            let start = range.lowerBound
            var call = kernelCall(heads, rows: range)
            loom_heads_backward(
                &call, px + start * stride, pr.map { $0 + start * count }, pdy + start * dy.columns,
                pdx + start * stride, accumulate ? 1 : 0, dw)
        }
    }

    private func kernelCall(_ heads: HeadPreparation, rows: Range<Int>) -> loom_heads {
        let input = heads.input
        return loom_heads(
            rows: rows.count, heads: input.count, dim: input.dim, in_stride: input.tensor.columns,
            out_stride: input.count * input.dim, normalize: heads.normalize == nil ? 0 : 1,
            epsilon: heads.normalize ?? 0, weight: heads.weight.map { UnsafePointer($0.f32) }, weight_offset: 0,
            rotary: heads.rotary?.rotary ?? 0, interleaved: heads.rotary?.interleaved == true ? 1 : 0,
            cosines: heads.rotary.map { UnsafePointer($0.cosines.f32) },
            sines: heads.rotary.map { UnsafePointer($0.sines.f32) },
            positions: heads.positions.map { UnsafePointer($0.i32 + rows.lowerBound) }, scale: heads.scale)
    }

    /// Splits rows over threads, each adding parameter gradients to sums of its own, which are then added in order.
    private func withPartialSums(
        _ first: Tensor?, _ second: Tensor?, rows count: Int, columns: Int, sums: Int? = nil,
        _ body: (Range<Int>, UnsafeMutablePointer<Float>?, UnsafeMutablePointer<Float>?) -> Void
    ) {
        let width = sums ?? columns
        let p1 = first?.f32, p2 = second?.f32
        let tasks = max(1, min(threads, count / max(1, CPUBackend.grain / max(1, columns))))
        guard tasks > 1, p1 != nil || p2 != nil else {
            rows(count, columns: columns) { _, range in body(range, p1, p2) }
            return
        }
        let partial = workspace(2 * tasks * width)
        loom_fill(partial, 0, 2 * tasks * width)
        rows(count, columns: columns) { task, range in
            body(range, p1 == nil ? nil : partial + task * width, p2 == nil ? nil : partial + (tasks + task) * width)
        }
        for task in 0..<tasks {
            if let p1 { loom_accumulate(partial + task * width, 1, p1, width) }
            if let p2 { loom_accumulate(partial + (tasks + task) * width, 1, p2, width) }
        }
    }
}
