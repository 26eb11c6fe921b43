extension CUDABackend {
    /// One launch for all parameters; a block takes a share of one.
    public func adamW(_ updates: [AdamWUpdate], clip: GradientClip?) {
        guard let context = updates.first?.p.context else { return }
        let table = updates.map { KernelUpdate($0) }
        var chunks: [KernelChunk] = []
        for (which, update) in updates.enumerated() {
            for start in stride(from: 0, to: update.p.count, by: KernelChunk.size) {
                let count = min(KernelChunk.size, update.p.count - start)
                chunks.append(KernelChunk(start: Int64(start), which: Int32(which), count: Int32(count)))
            }
        }
        guard !chunks.isEmpty else { return }
        let updates = uploaded(table, on: context), shares = uploaded(chunks, on: context)
        run(
            .optimizers, "adamw", LaunchGeometry(blocks: (chunks.count, 1, 1), threads: LaunchGeometry.threads), updates.deviceAddress,
            shares.deviceAddress, clip?.squares.deviceAddress ?? 0, clip?.limit ?? 0)
    }

    public func clip(_ x: Tensor, by clip: GradientClip) {
        guard clip.limit > 0 else { return }
        run(.optimizers, "clip", elements(x.count), x.array, Int64(x.count), clip.squares.deviceAddress, clip.limit)
    }

    /// Structs in memory of the device.
    private func uploaded<Value: BitwiseCopyable>(_ values: [Value], on context: Context) -> Tensor {
        let tensor = context.empty([(values.count * MemoryLayout<Value>.stride + 3) / 4], .int32)
        values.withUnsafeBytes { upload($0, to: tensor) }
        return tensor
    }

    public func sgd(
        _ p: Tensor, _ g: Tensor, _ buffer: Tensor, gradientScale: Float, lr: Float, momentum: Float, decay: Float, nesterov: Bool
    ) {
        run(
            .optimizers, "sgd", fours(p.count), p.deviceAddress, g.deviceAddress, buffer.deviceAddress, Int64(p.count), gradientScale,
            lr, momentum, decay, flag(nesterov), DeviceAddress(0), Float(0), DeviceAddress(0))
    }

    // MARK: Muon

    public func normalize(_ x: Tensor, norm: Float, slack: Float, epsilon: Float) {
        let squares = total(x, x)
        run(.muon, "normalize", elements(x.count), x.array, Int64(x.count), squares.deviceAddress, norm, slack, epsilon)
    }

    public func equalizeRowNorms(_ x: Tensor) {
        let factors = x.context.empty([x.rows])
        run(
            .muon, "row_squares", .rows(x.rows, columns: x.columns), x.array, factors.deviceAddress, Int64(x.rows), Int64(x.columns))
        run(.muon, "equalize_factors", .one, factors.deviceAddress, Int64(x.rows))
        scaleRows(x, by: factors, into: x, accumulate: false)
    }

    public func reduceVariance(_ g: Tensor, _ v: Tensor, beta2: Float, byRow: Bool) {
        let before = total(g, g), (kept, over) = byRow ? (g.rows, g.columns) : (g.columns, g.rows)
        let factors = g.context.empty([kept])
        let geometry =
            byRow
            ? LaunchGeometry.rows(g.rows, columns: g.columns)
            : LaunchGeometry(blocks: ((g.columns + 31) / 32, 1, 1), threads: LaunchGeometry.threads)
        run(
            .muon, byRow ? "row_squares" : "column_squares", geometry, g.array, factors.deviceAddress, Int64(g.rows), Int64(g.columns))
        run(.muon, "variance_factors", elements(kept), factors.deviceAddress, v.deviceAddress, Int64(kept), Int64(over), beta2)
        if byRow {
            scaleRows(g, by: factors, into: g, accumulate: false)
        } else {
            run(
                .columns, "scale_columns", elements(g.count), g.array, factors.deviceAddress, g.array, Int64(g.rows), Int64(g.columns))
        }
        let after = total(g, g)
        run(.muon, "restore_norm", elements(g.count), g.array, Int64(g.count), before.deviceAddress, after.deviceAddress)
    }

    public func cautiousUpdate(_ p: Tensor, _ g: Tensor, rate: Float, decay: Float) {
        run(.muon, "cautious_update", fours(p.count), p.deviceAddress, g.array, Int64(p.count), rate, decay, DeviceAddress(0))
    }
}
