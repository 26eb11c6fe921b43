extension CUDABackend {
    public func attention(_ call: AttentionCall, output: Tensor, lse: Tensor) {
        attempt { () throws(CUDAError) in
            let tiles = try AttentionTiles(headDim: call.query.dim, device: device)
            run(
                .attention, "attention",
                tiles.geometry(count: call.queries, heads: call.query.count, batch: call.batch, sharedBytes: tiles.forwardBytes),
                kernelCall(call, tiles), call.query.array, call.key.array, call.value.array, output.array, lse.deviceAddress)
        }
    }

    public func attentionBackward(
        _ call: AttentionCall, output: Tensor, lse: Tensor, dOutput: Tensor, dQuery: HeadGradient?, dKey: HeadGradient?,
        dValue: HeadGradient?
    ) {
        attempt { () throws(CUDAError) in
            let tiles = try AttentionTiles(headDim: call.query.dim, device: device)
            let shape = kernelCall(call, tiles), delta = output.context.empty(lse.shape)
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

    private func kernelCall(_ call: AttentionCall, _ tiles: AttentionTiles) -> KernelCall {
        KernelCall(
            call, tile: tiles.rows, slopes: slopes(of: call.options), step: stepAddress)
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

extension CUDABackend {
    public func attentionDecode(_ call: DecodeCall, output: Tensor) {}
}
