extension CUDABackend {
    /// Attention of one new token a sequence, its context in parts that run side by side.
    public func attentionDecode(_ call: DecodeCall, output: Tensor) {
        attempt { () throws(CUDAError) in
            let query = call.query, batch = query.tensor.shape[0], keyHeads = call.keys.columns / query.dim
            let splits = try DecodeSplits(
                count: call.count, dim: query.dim, heads: query.count, keyHeads: keyHeads, batch: batch, type: call.keys.dtype,
                aligned: isAligned(call.keys) && isAligned(call.values))
            let partial = splits.workspaceBytes > 0 ? output.context.empty([splits.workspaceBytes / 4]) : nil
            run(
                .decode, splits.kernel, splits.geometry, KernelRing(call, slopes: slopes(of: call.options)), query.array, output.array,
                DeviceAddress(0), Int64(splits.slots), partial?.deviceAddress ?? 0)
            if let combine = splits.combine, let partial {
                run(
                    .decode, "attention_decode_combine", combine, partial.deviceAddress, output.array, Int64(query.count),
                    Int64(query.dim), Int32(splits.splits))
            }
        }
    }

    /// The product of a few rows with a weight, bound by reading the weight once.
    func decodeProduct(_ p: MatrixProduct) {
        attempt { () throws(CUDAError) in
            let geometry = try DecodeProductGeometry(
                m: p.m, n: p.n, k: p.k, type: p.b.dtype, group: p.b.scales?.group ?? 1, aligned: isAligned(p.a) && isAligned(p.b),
                multiprocessors: device.multiprocessors)
            run(.decodeProducts, geometry.kernel, geometry.geometry, KernelDecodeProduct(p, split: geometry.split))
        }
    }

    /// Whether a wide load can begin at the first element.
    private func isAligned(_ x: Tensor) -> Bool { x.deviceAddress % 16 == 0 }
}
