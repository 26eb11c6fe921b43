extension CUDABackend {
    /// Attention of one new token a sequence, its context in parts that run side by side. The parts are those of a full ring, whatever it
    /// holds: then a token that is computed by a replayed graph is the same to the last bit as one that is not.
    public func attentionDecode(_ call: DecodeCall, output: Tensor) {
        attempt { () throws(CUDAError) in
            let query = call.query, batch = query.tensor.shape[0], keyHeads = call.keys.columns / query.dim
            let splits = try DecodeSplits(
                count: call.keys.shape[1], dim: query.dim, heads: query.count, keyHeads: keyHeads, batch: batch, type: call.keys.dtype,
                aligned: isAligned(call.keys) && isAligned(call.values))
            let partial = splits.workspaceBytes > 0 ? output.context.empty([splits.workspaceBytes / 4]) : nil
            run(
                .decode, splits.kernel, splits.geometry, KernelRing(call, slopes: slopes(of: call.options)), query.array, output.array,
                call.position?.deviceAddress ?? 0, Int64(splits.slots), partial?.deviceAddress ?? 0)
            if let combine = splits.combine, let partial {
                run(
                    .decode, "attention_decode_combine", combine, partial.deviceAddress, output.array, Int64(query.count),
                    Int64(query.dim), Int32(splits.splits))
            }
        }
    }

    /// All sequences' keys and values in one launch.
    public func append(_ call: RingAppend) {
        let kept = call.key.tensor.shape[1] - call.first
        // One scale a head is what the kernel writes.
        guard call.keys.scales?.group ?? call.key.dim == call.key.dim else { return copyToRings(call) }
        run(
            .decodeStep, "ring_append", elements(2 * call.keys.shape[0] * kept * call.key.count * 32), KernelAppend(call), call.key.array,
            call.value.array, call.position?.deviceAddress ?? 0)
    }

    /// Long rows in parts, by their length alone.
    public func likeliest(_ logits: Tensor, of columns: Int, into ids: Tensor) {
        let parts = max(1, min(64, columns / 1024)), rows = logits.rows
        // What kernels write in it: a value and a place.
        let tops = logits.context.empty([rows, parts, 2])
        run(
            .decodeStep, "argmax_rows", LaunchGeometry(blocks: (parts, rows, 1), threads: LaunchGeometry.threads), logits.array,
            Int64(logits.columns), Int64(columns), ids.deviceAddress, tops.deviceAddress)
        guard parts > 1 else { return }
        run(
            .decodeStep, "argmax_combine", LaunchGeometry(blocks: (rows, 1, 1), threads: 32), logits.array, Int64(logits.columns),
            tops.deviceAddress, Int32(parts), ids.deviceAddress)
    }

    /// Three launches, and four more each for top-k and top-p.
    public func sample(_ logits: Tensor, of columns: Int, _ sampling: TokenSampling, draws: Tensor, into ids: Tensor) {
        let rows = logits.rows, context = logits.context, threads = KernelSampling.threads
        guard rows > 0, columns > 0 else { return }
        var call = KernelSampling(logits, columns, sampling)
        let parts = Int(call.parts)
        let tops = context.empty([rows, parts]), sums = context.empty([rows, parts, 2, 2])
        let digits = call.k > 0 || call.p < 1 ? context.empty([rows, 2, 4, threads, 2]) : nil
        (call.tops, call.digits, call.sums) = (tops.deviceAddress, digits?.deviceAddress ?? 0, sums.deviceAddress)
        let geometry = LaunchGeometry(blocks: (parts, rows, 1), threads: threads)
        run(.sampling, "sample_start", geometry, call)
        for (by, isAsked) in [call.k > 0, call.p < 1].enumerated() where isAsked {
            for pass in 0..<4 { run(.sampling, "sample_digits", geometry, call, Int32(by), Int32(pass)) }
        }
        run(.sampling, "sample_sums", geometry, call)
        run(
            .sampling, "sample_pick", LaunchGeometry(blocks: (rows, 1, 1), threads: threads), call, draws.deviceAddress,
            ids.deviceAddress)
    }

    public func advance(_ position: Tensor, by count: Int, rows: Tensor) {
        run(.decodeStep, "advance_position", .one, position.deviceAddress, rows.deviceAddress, Int64(rows.count), Int64(count))
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
