/// How flash attention's kernels are launched: rows a block holds, its threads, its shared memory. The kernels state the same numbers
/// (`CUDASource.flashAttention`, `.flashAttentionBackward`), and a test holds the two together.
package struct FlashAttentionTiles: Equatable, Sendable {
    /// What one kernel takes.
    package struct Kernel: Equatable, Sendable {
        /// "flash_forward_64".
        package let name: String
        /// Queries (forward and queries) or keys of a block.
        package let rows: Int
        package let threads: Int
        /// Bytes of dynamic shared memory a block.
        package let sharedBytes: Int

        /// One block `rows` of `count` queries or keys, a head (a key head for keys) and a sequence.
        package func geometry(count: Int, heads: Int, batch: Int) -> LaunchGeometry {
            LaunchGeometry(blocks: (max(1, (max(count, 1) - 1) / rows + 1), heads, batch), threads: threads, sharedBytes: sharedBytes)
        }
    }

    package let headDim: Int
    /// `flash_forward_D`: blocks are tiles of queries, heads, batch.
    package let forward: Kernel
    /// `flash_keys_D`: tiles of keys, key heads, batch.
    package let keys: Kernel
    /// `flash_queries_D`: tiles of queries, heads, batch.
    package let queries: Kernel

    /// All fit the 99 KiB that a block may have on sm_86 and sm_89, and so the 163 KiB of sm_80 and the 227 KiB of sm_90 and sm_100.
    /// - Returns: Nil for head dimensions that the general kernels take.
    package init?(headDim: Int) {
        func kernel(_ name: String, threads: Int, bytes: Int) -> Kernel {
            Kernel(name: "flash_\(name)_\(headDim)", rows: 128, threads: threads, sharedBytes: bytes)
        }
        switch headDim {
        case 64:
            forward = kernel("forward", threads: 128, bytes: 49152)
            keys = kernel("keys", threads: 128, bytes: 49664)
            queries = kernel("queries", threads: 128, bytes: 50176)
        case 128:
            forward = kernel("forward", threads: 128, bytes: 65536)
            keys = kernel("keys", threads: 256, bytes: 98816)
            queries = kernel("queries", threads: 128, bytes: 99328)
        default: return nil
        }
        self.headDim = headDim
    }

    /// `flash_delta_D`: D / 8 lanes a query and head.
    package func deltaGeometry(batch: Int, heads: Int, queries: Int, multiprocessors: Int) -> LaunchGeometry {
        let rows = batch.multipliedReportingOverflow(by: heads).partialValue.multipliedReportingOverflow(by: queries).partialValue
        return .elements(rows.multipliedReportingOverflow(by: headDim / 8).partialValue, on: multiprocessors)
    }
    /// The name of the kernel for `deltaGeometry`.
    package var delta: String { "flash_delta_\(headDim)" }

    /// Whether these kernels may be used: a head dimension they are for, every row at an address that 16 divides, and sizes in 32 bits.
    ///
    /// - Parameters:
    ///   - rows: The most rows of queries or of keys in a sequence.
    ///   - distance: How far the first query is from the first key, in positions.
    ///   - strides: Of rows of q, k, v and of their gradients, in elements; rows of out and of its gradient always fit.
    ///   - offsets: Where the first elements of all arrays lie in memory that 256 divides, in elements.
    package static func fits(headDim: Int, rows: Int, distance: Int, strides: [Int], offsets: [Int]) -> Bool {
        let most = 1 << 29
        return (headDim == 64 || headDim == 128) && rows < most && distance.magnitude <= most.magnitude
            && strides.allSatisfy { $0 % 8 == 0 } && offsets.allSatisfy { $0 % 8 == 0 }
    }
}
