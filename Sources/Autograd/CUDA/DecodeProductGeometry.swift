/// How the product of a few rows with a weight is launched: which kernel, and how many warps share a row of the weight.
///
/// What a result is depends on the sizes of the weight alone: neither on how many rows there are nor on the device, which only says
/// how many blocks there are to be. The sizes were chosen without a GPU to measure on.
package struct DecodeProductGeometry: Equatable, Sendable {
    /// Of the `decodeProducts` family.
    package let kernel: String
    /// Warps that share a row of the weight: the kernel's `split`.
    package let split: Int
    package let geometry: LaunchGeometry

    /// Rows of x up to which there are kernels that read the weight once.
    package static let mostRows = 16
    /// Warps that are to be there before rows need not be shared, and those that fill a large GPU.
    private static let wantedWarps = 4096, fullWarps = 2048

    /// - Parameters:
    ///   - m: rows of x; n: rows of the weight; k: columns of both.
    ///   - type: float32, bfloat16 or int8, of the weight; int8 has a scale for each `group` columns.
    ///   - aligned: whether x and the weight begin at multiples of 16 bytes.
    /// - Throws: `CUDAError.geometry` for sizes that no launch is possible for.
    package init(m: Int, n: Int, k: Int, type: DType, group: Int = 1, aligned: Bool = true, multiprocessors: Int) throws(CUDAError) {
        guard m > 0, n > 0, k > 0, group > 0, type != .int32, k < 1 << 32, !n.multipliedReportingOverflow(by: k).overflow else {
            throw .geometry(kernel: "decode_product", problem: "\(m) rows by a weight [\(n), \(k)] of \(type) in groups of \(group)")
        }
        let width = 16 / type.size
        let isWhole = k % width == 0 && (type != .int8 || group % width == 0 || group >= k)
        guard aligned, isWhole, m <= Self.mostRows else {
            (kernel, split) = ("decode_product_any", 1)
            geometry = Self.launch(blocks: (n - 1) / 8 + 1, warps: 8, multiprocessors: multiprocessors)
            return
        }
        let rows = [1, 2, 4, 8].first { m <= $0 } ?? Self.mostRows
        kernel = "decode_product_\(type)_\(rows)"
        // A row is shared while there are too few of them, and each warp still has two loads a lane.
        var split = 1
        while split < 8, n < Self.wantedWarps / split, k / width >= 2 * 32 * 2 * split { split *= 2 }
        self.split = split
        let together = rows < 4 ? 1 : 2, units = (n - 1) / together + 1
        // Small blocks spread few rows over more multiprocessors.
        let all = min(units, Self.fullWarps) * split
        let warps = max(split, all >= Self.fullWarps ? 8 : all >= Self.fullWarps / 2 ? 4 : 2)
        geometry = Self.launch(blocks: (units - 1) / (warps / split) + 1, warps: warps, multiprocessors: multiprocessors)
    }

    /// At most so many blocks that the device is full several times over; kernels stride over the rest.
    private static func launch(blocks: Int, warps: Int, multiprocessors: Int) -> LaunchGeometry {
        let most = min(max(1, multiprocessors), 1 << 16) * 128 / warps
        return LaunchGeometry(blocks: (min(blocks, most), 1, 1), threads: warps * 32)
    }
}
