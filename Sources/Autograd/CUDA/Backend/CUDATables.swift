extension CUDABackend {
    public func gather(_ table: Tensor, _ ids: Tensor, into y: Tensor) {
        run(
            .embedding, "gather", elements(y.count), table.array, ids.deviceAddress, y.array, Int64(ids.count), Int64(table.columns))
    }

    /// Places are sorted by id, so that no two threads add to one row: see `CUDASource.embedding`.
    public func scatterAdd(_ dy: Tensor, _ ids: Tensor, into table: Tensor) {
        let count = ids.count, columns = table.columns, context = dy.context
        guard count > 0, columns > 0 else { return }
        func integers(_ count: Int) -> Tensor { context.empty([count], .int32) }
        var (keys, places) = (integers(count), integers(count)), (nextKeys, nextPlaces) = (integers(count), integers(count))
        let perBlock = LaunchGeometry.threads * 4, blocks = (count + perBlock - 1) / perBlock
        let sorting = LaunchGeometry(blocks: (blocks, 1, 1), threads: LaunchGeometry.threads), counts = integers(16 * blocks)
        run(.embedding, "sort_start", elements(count), ids.deviceAddress, keys.deviceAddress, places.deviceAddress, Int64(count))
        let bits = Int.bitWidth - max(table.rows - 1, 0).leadingZeroBitCount
        for shift in stride(from: 0, to: bits, by: 4) {
            run(.embedding, "sort_count", sorting, keys.deviceAddress, Int64(count), Int32(shift), counts.deviceAddress)
            run(.embedding, "sort_scan", .one, counts.deviceAddress, Int64(16 * blocks))
            run(
                .embedding, "sort_move", sorting, keys.deviceAddress, places.deviceAddress, Int64(count), Int32(shift),
                counts.deviceAddress, nextKeys.deviceAddress, nextPlaces.deviceAddress)
            swap(&keys, &nextKeys)
            swap(&places, &nextPlaces)
        }
        // Runs at the ends of chunks are added by one thread a column, so chunks must not be too many.
        let chunk = max(32, (count + 511) / 512), chunks = (count + chunk - 1) / chunk
        let edges = context.empty([chunks, 2, columns])
        let adding = LaunchGeometry(
            blocks: (chunks, (columns + LaunchGeometry.threads - 1) / LaunchGeometry.threads, 1), threads: LaunchGeometry.threads)
        inFloat32(table) { table in
            run(
                .embedding, "scatter_chunks", adding, dy.array, keys.deviceAddress, places.deviceAddress, Int64(count), Int64(columns),
                Int64(chunk), table.deviceAddress, edges.deviceAddress)
            run(
                .embedding, "scatter_edges", elements(columns), keys.deviceAddress, Int64(count), Int64(columns), Int64(chunk),
                edges.deviceAddress, table.deviceAddress)
        }
    }

    public func crossEntropy(
        _ logits: Tensor, targets: Tensor, vocabulary: Int, softcap: Float, losses: Tensor, gradientScale: Float?, hits: Tensor?
    ) {
        run(
            .loss, "cross_entropy", .rows(logits.rows, columns: logits.columns), logits.array, Int64(logits.columns),
            targets.deviceAddress, Int64(logits.rows), Int64(vocabulary), softcap, losses.deviceAddress, flag(gradientScale != nil),
            gradientScale ?? 0, hits?.deviceAddress ?? 0)
    }
}
