/// How rows are cut into chunks whose sums are added up in order: their number depends on sizes alone.
private struct RowChunks {
    let size: Int, count: Int

    init(rows: Int, most: Int = 256) {
        size = max(64, (rows + most - 1) / most)
        count = max(1, (rows + size - 1) / size)
    }

    /// A block for each chunk and 32 columns.
    func geometry(columns: Int) -> LaunchGeometry {
        LaunchGeometry(blocks: ((max(columns, 1) + 31) / 32, count, 1), threads: LaunchGeometry.threads)
    }
}

extension CUDABackend {
    // MARK: Rows and columns

    public func copyColumns(_ x: Tensor, from: Int, to y: Tensor, at: Int, count: Int, accumulate: Bool) {
        func start(_ tensor: Tensor, _ column: Int) -> KernelArray {
            KernelArray(tensor.deviceAddress + DeviceAddress(column * tensor.dtype.size), tensor.dtype)
        }
        run(
            .columns, "copy_columns", elements(x.rows * count), start(x, from), Int64(x.columns), start(y, at), Int64(y.columns),
            Int64(x.rows), Int64(count), flag(accumulate))
    }

    public func scaleRows(_ x: Tensor, by s: Tensor, into y: Tensor, accumulate: Bool) {
        run(.columns, "scale_rows", elements(x.count), x.array, s.array, y.array, Int64(x.rows), Int64(x.columns), flag(accumulate))
    }

    public func rowDots(_ a: Tensor, _ b: Tensor, into y: Tensor, accumulate: Bool) {
        run(
            .columns, "row_dots", .rows(a.rows, columns: a.columns), a.array, b.array, y.array, Int64(a.rows), Int64(a.columns),
            flag(accumulate))
    }

    public func shift(_ x: Tensor, first: Tensor?, into y: Tensor, reverse: Bool, accumulate: Bool) {
        run(
            .columns, "shift", elements(x.count), x.array, first?.array ?? .none, y.array, Int64(x.shape[0]), Int64(x.shape[1]),
            Int64(x.shape[2]), flag(reverse), flag(accumulate))
    }

    public func columnSums(_ x: Tensor, addedTo y: Tensor) {
        let chunks = RowChunks(rows: x.rows), partial = x.context.empty([chunks.count, x.columns])
        run(
            .columns, "column_sums", chunks.geometry(columns: x.columns), x.array, Int64(x.rows), Int64(x.columns), Int64(chunks.size),
            partial.deviceAddress)
        finishColumns(partial, into: y)
    }

    /// y[c] += Σ partial[chunk, c]
    private func finishColumns(_ partial: Tensor, into y: Tensor) {
        inFloat32(y) { y in
            run(
                .columns, "finish_columns", elements(partial.columns), partial.deviceAddress, Int64(partial.shape[0]),
                Int64(partial.columns), y.deviceAddress)
        }
    }

    // MARK: Normalization

    public func layerNorm(
        _ x: Tensor, weight: Tensor?, bias: Tensor?, epsilon: Float, into y: Tensor, mean: Tensor, rstd: Tensor
    ) {
        norm(x, weight, bias, 0, epsilon, y, mean: mean, rstd)
    }

    public func rmsNorm(_ x: Tensor, weight: Tensor?, offset: Float, epsilon: Float, into y: Tensor, rstd: Tensor) {
        norm(x, weight, nil, offset, epsilon, y, mean: nil, rstd)
    }

    private func norm(
        _ x: Tensor, _ weight: Tensor?, _ bias: Tensor?, _ offset: Float, _ epsilon: Float, _ y: Tensor, mean: Tensor?, _ rstd: Tensor
    ) {
        let geometry = LaunchGeometry.rows(x.rows, columns: x.columns, perThread: 16)
        let (w, b, m) = (weight?.deviceAddress ?? 0, bias?.deviceAddress ?? 0, mean?.deviceAddress ?? 0)
        if let sum = takeSum(for: x) {
            run(
                .normalization, "norm_forward_add", geometry, sum.a, sum.b, x.array, w, b, offset, epsilon, y.array, m, rstd.deviceAddress,
                Int64(x.rows), Int64(x.columns), flag(mean != nil))
        } else {
            run(
                .normalization, "norm_forward", geometry, x.array, w, b, offset, epsilon, y.array, m, rstd.deviceAddress, Int64(x.rows),
                Int64(x.columns), flag(mean != nil))
        }
    }

    public func layerNormBackward(
        _ x: Tensor, weight: Tensor?, mean: Tensor, rstd: Tensor, dy: Tensor, dx: Tensor?, accumulate: Bool, dweight: Tensor?,
        dbias: Tensor?
    ) {
        normBackward(x, weight, 0, mean: mean, rstd, dy, dx, accumulate, dweight, dbias)
    }

    public func rmsNormBackward(
        _ x: Tensor, weight: Tensor?, offset: Float, rstd: Tensor, dy: Tensor, dx: Tensor?, accumulate: Bool, dweight: Tensor?
    ) {
        normBackward(x, weight, offset, mean: nil, rstd, dy, dx, accumulate, dweight, nil)
    }

    private func normBackward(
        _ x: Tensor, _ weight: Tensor?, _ offset: Float, mean: Tensor?, _ rstd: Tensor, _ dy: Tensor, _ dx: Tensor?, _ accumulate: Bool,
        _ dweight: Tensor?, _ dbias: Tensor?
    ) {
        // Before dx, which may be dy.
        if dweight != nil || dbias != nil {
            let chunks = RowChunks(rows: x.rows)
            let weights = dweight.map { _ in x.context.empty([chunks.count, x.columns]) }
            let biases = dbias.map { _ in x.context.empty([chunks.count, x.columns]) }
            run(
                .normalization, "norm_parameters", chunks.geometry(columns: x.columns), x.array, mean?.deviceAddress ?? 0,
                rstd.deviceAddress, dy.array, Int64(x.rows), Int64(x.columns), Int64(chunks.size), weights?.deviceAddress ?? 0,
                biases?.deviceAddress ?? 0)
            if let weights, let dweight { finishColumns(weights, into: dweight) }
            if let biases, let dbias { finishColumns(biases, into: dbias) }
        }
        guard let dx else { return }
        run(
            .normalization, "norm_backward", .rows(x.rows, columns: x.columns, perThread: 16), x.array, weight?.deviceAddress ?? 0, offset,
            mean?.deviceAddress ?? 0, rstd.deviceAddress, dy.array, dx.array, Int64(x.rows), Int64(x.columns), flag(accumulate))
    }

    // MARK: Heads

    public func prepareHeads(_ heads: HeadPreparation, into y: Tensor, rstd: Tensor?) {
        run(
            .heads, "heads_forward", elements(heads.input.tensor.rows * heads.input.count * 32), KernelHeads(heads, outStride: y.columns),
            heads.input.array, y.array, rstd?.deviceAddress ?? 0)
    }

    public func prepareHeadsBackward(
        _ heads: HeadPreparation, rstd: Tensor?, dy: Tensor, dx: Tensor?, accumulate: Bool, dweight: Tensor?
    ) {
        let call = KernelHeads(heads, outStride: dy.columns), input = heads.input
        if let dweight, let rstd {
            let chunks = RowChunks(rows: dy.rows, most: 512), partial = dy.context.empty([chunks.count, input.dim])
            run(
                .heads, "heads_weight", LaunchGeometry(blocks: (chunks.count, 1, 1), threads: LaunchGeometry.threads), call, input.array,
                rstd.deviceAddress, dy.array, Int64(chunks.size), partial.deviceAddress)
            finishColumns(partial, into: dweight)
        }
        guard let dx else { return }
        let target = KernelArray(dx.deviceAddress + DeviceAddress(input.offset * dx.dtype.size), dx.dtype)
        run(
            .heads, "heads_backward", elements(dy.rows * input.count * 32), call, input.array, rstd?.deviceAddress ?? 0, dy.array, target,
            flag(accumulate))
    }
}
