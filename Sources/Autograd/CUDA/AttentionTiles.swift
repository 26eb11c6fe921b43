/// How attention's kernels are launched: how many rows of queries and keys a block holds in shared memory at a time.
package struct AttentionTiles: Equatable, Sendable {
    /// Rows of a tile: the most of 32, 16, 8, … that fit.
    package let rows: Int
    package let forwardBytes: Int, keysBytes: Int, queriesBytes: Int

    /// Floats that each kernel lays out in shared memory; the kernels' own comments say the same.
    private static func floats(rows: Int, dim: Int) -> (forward: Int, keys: Int, queries: Int) {
        let tile = rows * (dim + 1), scores = rows * (rows + 1)
        return (4 * tile + scores + 3 * rows, 6 * tile + 2 * scores, 5 * tile + 2 * scores)
    }

    /// - Throws: `CUDAError.geometry` for a head dimension of which not even one row fits.
    package init(headDim: Int, device: CUDADevice) throws(CUDAError) {
        guard headDim > 0, headDim <= device.sharedMemoryPerBlock else {
            throw .geometry(kernel: "attention", problem: "a head dimension of \(headDim)")
        }
        for rows in [32, 16, 8, 4, 2, 1] {
            let sizes = Self.floats(rows: rows, dim: headDim)
            guard sizes.keys * 4 <= device.sharedMemoryPerBlock else { continue }
            self.rows = rows
            (forwardBytes, keysBytes, queriesBytes) = (sizes.forward * 4, sizes.keys * 4, sizes.queries * 4)
            return
        }
        throw .geometry(
            kernel: "attention",
            problem: "a head dimension of \(headDim) does not fit into \(CUDAError.size(device.sharedMemoryPerBlock)) of shared memory")
    }

    /// One block a tile of `count` queries or keys, a head and a sequence.
    package func geometry(count: Int, heads: Int, batch: Int, sharedBytes: Int) -> LaunchGeometry {
        LaunchGeometry(
            blocks: (max(1, (max(count, 1) - 1) / rows + 1), heads, batch), threads: LaunchGeometry.threads, sharedBytes: sharedBytes)
    }
}
