extension CUDABackend {
    public func attention(_ call: AttentionCall, output: Tensor, lse: Tensor) {
        if let tiles = flashTiles(call, output) {
            return run(
                .flashAttention, tiles.forward.name,
                tiles.forward.geometry(count: call.queries, heads: call.query.count, batch: call.batch),
                kernelCall(call, rows: 0), call.query.array.address, call.key.array.address, call.value.array.address,
                output.deviceAddress, lse.deviceAddress)
        }
        attempt { () throws(CUDAError) in
            let tiles = try AttentionTiles(headDim: call.query.dim, device: device)
            run(
                .attention, "attention",
                tiles.geometry(count: call.queries, heads: call.query.count, batch: call.batch, sharedBytes: tiles.forwardBytes),
                kernelCall(call, rows: tiles.rows), call.query.array, call.key.array, call.value.array, output.array, lse.deviceAddress)
        }
    }

    public func attentionBackward(
        _ call: AttentionCall, output: Tensor, lse: Tensor, dOutput: Tensor, dQuery: HeadGradient?, dKey: HeadGradient?,
        dValue: HeadGradient?
    ) {
        if let tiles = flashTiles(call, output, dOutput, [dQuery, dKey, dValue]) {
            return flashBackward(call, tiles, output, lse, dOutput, dQuery, dKey, dValue)
        }
        attempt { () throws(CUDAError) in
            let tiles = try AttentionTiles(headDim: call.query.dim, device: device)
            let shape = kernelCall(call, rows: tiles.rows), delta = output.context.empty(lse.shape)
            let (q, k, v) = (call.query.array, call.key.array, call.value.array)
            run(
                .attentionBackward, "attention_delta", elements(lse.count * 32), shape, output.array, dOutput.array, delta.deviceAddress)
            if dKey != nil || dValue != nil {
                run(
                    .attentionBackward, "attention_keys",
                    tiles.geometry(count: call.keys, heads: call.key.count, batch: call.batch, sharedBytes: tiles.keysBytes), shape, q, k,
                    v, dOutput.array, lse.deviceAddress, delta.deviceAddress, dKey?.heads.array ?? .none,
                    flag(dKey?.accumulate == true), dValue?.heads.array ?? .none, flag(dValue?.accumulate == true))
            }
            if let dQuery {
                run(
                    .attentionBackward, "attention_queries",
                    tiles.geometry(count: call.queries, heads: call.query.count, batch: call.batch, sharedBytes: tiles.queriesBytes),
                    shape, q, k, v, dOutput.array, lse.deviceAddress, delta.deviceAddress, dQuery.heads.array, flag(dQuery.accumulate))
            }
        }
    }

    /// - Parameter rows: of a tile of the general kernels.
    private func kernelCall(_ call: AttentionCall, rows: Int) -> KernelCall {
        KernelCall(call, tile: rows, slopes: slopes(of: call.options), step: stepAddress)
    }

    // MARK: Tensor cores

    /// How the kernels on tensor cores are launched; nil where they cannot be: another type or head dimension, rows that no wide load can
    /// begin at.
    private func flashTiles(
        _ call: AttentionCall, _ output: Tensor, _ dOutput: Tensor? = nil, _ gradients: [HeadGradient?] = []
    ) -> FlashAttentionTiles? {
        let heads = [call.query, call.key, call.value] + gradients.compactMap { $0?.heads }
        let tensors = heads.map(\.tensor) + [output] + (dOutput.map { [$0] } ?? [])
        guard tensors.allSatisfy({ $0.dtype == .bfloat16 }),
            FlashAttentionTiles.fits(
                headDim: call.query.dim, rows: max(call.queries, call.keys), distance: call.queryPosition - call.keyPosition,
                strides: heads.map(\.tensor.columns), offsets: heads.map { $0.tensor.offset + $0.offset } + tensors.map(\.offset))
        else { return nil }
        return FlashAttentionTiles(headDim: call.query.dim)
    }

    private func flashBackward(
        _ call: AttentionCall, _ tiles: FlashAttentionTiles, _ output: Tensor, _ lse: Tensor, _ dOutput: Tensor, _ dQuery: HeadGradient?,
        _ dKey: HeadGradient?, _ dValue: HeadGradient?
    ) {
        let shape = kernelCall(call, rows: 0), delta = output.context.empty(lse.shape), none = DeviceAddress(0)
        let (q, k, v) = (call.query.array.address, call.key.array.address, call.value.array.address)
        run(
            .flashAttentionBackward, tiles.delta,
            tiles.deltaGeometry(batch: call.batch, heads: call.query.count, queries: call.queries, multiprocessors: device.multiprocessors),
            shape, output.deviceAddress, dOutput.deviceAddress, delta.deviceAddress)
        if dKey != nil || dValue != nil {
            run(
                .flashAttentionBackward, tiles.keys.name,
                tiles.keys.geometry(count: call.keys, heads: call.key.count, batch: call.batch), shape, q, k, v, dOutput.deviceAddress,
                lse.deviceAddress, delta.deviceAddress, dKey?.heads.array.address ?? none, flag(dKey?.accumulate == true),
                dValue?.heads.array.address ?? none, flag(dValue?.accumulate == true))
        }
        if let dQuery {
            run(
                .flashAttentionBackward, tiles.queries.name,
                tiles.queries.geometry(count: call.queries, heads: call.query.count, batch: call.batch), shape, q, k, v,
                dOutput.deviceAddress, lse.deviceAddress, delta.deviceAddress, dQuery.heads.array.address, flag(dQuery.accumulate))
        }
    }

    /// ALiBi's slopes on the device; 0 for none.
    func slopes(of options: AttentionOptions) -> DeviceAddress {
        guard let values = options.slopes else { return 0 }
        if let known = slopes[values] { return known }
        var address: DeviceAddress = 0
        attempt { () throws(CUDAError) in address = try session.allocate(byteCount: 4 * values.count) }
        values.withUnsafeBytes { bytes in
            attempt { () throws(CUDAError) in try session.upload(bytes, to: address) }
        }
        slopes[values] = address
        return address
    }
}
