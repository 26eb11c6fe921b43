/// How many blocks of how many threads run a kernel.
package struct LaunchGeometry: Equatable, Sendable {
    /// Blocks in x, y and z.
    package var blocks: (x: Int, y: Int, z: Int)
    /// Threads a block, all in x.
    package var threads: Int
    /// Bytes of shared memory a block gets besides what the kernel declares.
    package var sharedBytes = 0

    package init(blocks: (x: Int, y: Int, z: Int), threads: Int, sharedBytes: Int = 0) {
        (self.blocks, self.threads, self.sharedBytes) = (blocks, threads, sharedBytes)
    }

    package static func == (a: LaunchGeometry, b: LaunchGeometry) -> Bool {
        a.blocks == b.blocks && a.threads == b.threads && a.sharedBytes == b.sharedBytes
    }

    /// Threads of every kernel that does not say otherwise. The kernels' reductions rely on whole warps.
    package static let threads = 256

    /// One thread an element, up to so many blocks that the device is full several times over; kernels stride over the rest.
    package static func elements(_ count: Int, on multiprocessors: Int) -> LaunchGeometry {
        let wanted = max(1, (max(count, 1) - 1) / threads + 1)
        return LaunchGeometry(blocks: (min(wanted, max(1, multiprocessors) * 32), 1, 1), threads: threads)
    }

    /// Blocks for a sum over `count` elements, each of which leaves one number. Their number depends on the size alone, so that a sum
    /// is the same on every device.
    package static func sums(_ count: Int) -> LaunchGeometry {
        LaunchGeometry(blocks: (max(1, min(1024, (max(count, 1) - 1) / (threads * 8) + 1)), 1, 1), threads: threads)
    }

    /// One block.
    package static let one = LaunchGeometry(blocks: (1, 1, 1), threads: threads)

    /// One block a row, `threads` sized to the row: whole warps, at most 256.
    ///
    /// Norms keep 16 elements of a row a thread in registers, so that fewer threads a row let more rows be under way: `perThread` 16.
    package static func rows(_ rows: Int, columns: Int, perThread: Int = 1) -> LaunchGeometry {
        let warps = max(1, min(threads / 32, (max(columns, 1) - 1) / 32 / max(perThread, 1) + 1))
        return LaunchGeometry(blocks: (min(max(rows, 1), largestGrid.x), 1, 1), threads: warps * 32)
    }

    /// As many in y for `matrices` that each get the same blocks in x; where there are more than a grid may have, kernels go over the rest.
    package func each(of matrices: Int) -> LaunchGeometry {
        var geometry = self
        geometry.blocks.y = max(1, min(matrices, Self.largestGrid.y))
        return geometry
    }

    /// The limit of every device that Loom runs on, and that which the kernels are compiled for.
    package static let largestGrid = (x: Int(Int32.max), y: 65535, z: 65535)
    package static let mostThreads = 256

    /// - Throws: `CUDAError.geometry`, before the driver gives a number for it.
    package func check(kernel: String, device: CUDADevice) throws(CUDAError) {
        func refuse(_ problem: String) -> CUDAError { .geometry(kernel: kernel, problem: problem) }
        guard (1...Self.mostThreads).contains(threads) else { throw refuse("\(threads) threads a block, of 1 to \(Self.mostThreads)") }
        let limit = Self.largestGrid
        guard (1...limit.x).contains(blocks.x), (1...limit.y).contains(blocks.y), (1...limit.z).contains(blocks.z) else {
            throw refuse("\(blocks.x) × \(blocks.y) × \(blocks.z) blocks, of at most \(limit.x) × \(limit.y) × \(limit.z)")
        }
        guard sharedBytes >= 0, sharedBytes <= device.sharedMemoryPerBlock else {
            let most = CUDAError.size(device.sharedMemoryPerBlock)
            throw refuse("\(CUDAError.size(sharedBytes)) of shared memory a block, of \(most) on \(device.name)")
        }
    }
}
