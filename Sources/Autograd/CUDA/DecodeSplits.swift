/// How attention of one token a sequence to its ring is launched: which kernel, and over how many parts of the slots.
///
/// All of it follows from the sizes alone, so results do not depend on the device. To launch one graph for every token, give the
/// ring's capacity as `count`: a part in which no slot is filled changes no bit of the result. The sizes that make parts and threads
/// were chosen without a GPU to measure on.
package struct DecodeSplits: Equatable, Sendable {
    /// Of the `decode` family.
    package let kernel: String
    /// Parts, and slots of each: the kernel's `chunk`.
    package let splits: Int, slots: Int
    package let geometry: LaunchGeometry
    /// Of attention_decode_combine, which puts several parts together; nil for one, whose kernel writes the result.
    package let combine: LaunchGeometry?
    /// Bytes that the parts' results take: [batch, heads, splits, dim + 2] floats; 0 for one part.
    package let workspaceBytes: Int

    /// attention_decode_combine has room for so many.
    package static let mostSplits = 256
    /// The head dimension up to which keys and values are read once for all query heads that share them.
    package static let largestShared = 256
    /// Blocks that are to be there, if there are slots for them: several for each multiprocessor of large GPUs.
    private static let wantedBlocks = 512
    /// Slots that are worth a block, and what parts are multiples of.
    private static let fewestSlots = 64, unit = 32
    private static let threads = 128
    /// What the smallest of the devices (compute capability 8.6) gives a block.
    private static let sharedMemory = 99 << 10

    /// - Parameters:
    ///   - count: slots filled, or the ring's capacity.
    ///   - type: float32, bfloat16 or int8, of keys and values.
    ///   - aligned: whether keys and values begin at multiples of 16 bytes.
    /// - Throws: `CUDAError.geometry` for sizes that no launch is possible for.
    package init(count: Int, dim: Int, heads: Int, keyHeads: Int, batch: Int, type: DType, aligned: Bool = true) throws(CUDAError) {
        guard count >= 0, dim > 0, keyHeads > 0, heads > 0, heads % keyHeads == 0, batch > 0, max(heads, keyHeads) < 1 << 31,
            type != .int32
        else {
            throw .geometry(
                kernel: "attention_decode",
                problem: "\(count) slots of \(type), \(heads) heads on \(keyHeads) of \(dim), \(batch) sequences")
        }
        let group = heads / keyHeads
        let (together, name, warps) = try Self.shape(dim: dim, group: group, type: type, aligned: aligned)
        // Blocks there are for each part of the slots.
        let (columns, rows) = together == 0 ? (1, heads) : ((group - 1) / together + 1, keyHeads)
        let each = [columns, rows, batch].reduce(1) { Self.product($0, $1) }
        let wanted = (Self.wantedBlocks - 1) / each + 1
        let most = max(1, min(Self.mostSplits, (max(count, 1) - 1) / Self.fewestSlots + 1))
        let share = (max(count, 1) - 1) / min(wanted, most) + 1
        // An overlong count leaves one part of all of it.
        slots = share > Int.max - Self.unit ? share : (share - 1) / Self.unit * Self.unit + Self.unit
        splits = (max(count, 1) - 1) / slots + 1
        kernel = name
        let shared = together == 0 ? warps * dim : warps * together * (dim + 2)
        geometry = LaunchGeometry(
            blocks: (Self.product(splits, columns), rows, batch), threads: warps * 32, sharedBytes: shared * 4)
        combine =
            splits == 1 ? nil : LaunchGeometry(blocks: (heads, batch, 1), threads: min(LaunchGeometry.threads, (dim - 1) / 32 * 32 + 32))
        workspaceBytes = splits == 1 ? 0 : [heads, splits, dim + 2, 4].reduce(batch) { Self.product($0, $1) }
        guard workspaceBytes < Int.max else {
            throw .geometry(kernel: name, problem: "a workspace for \(batch) × \(heads) × \(splits) × \(dim + 2) numbers")
        }
    }

    /// Query heads that a block takes (0 for the kernel of any dimension), the kernel's name, and warps of a block.
    private static func shape(dim: Int, group: Int, type: DType, aligned: Bool) throws(CUDAError) -> (Int, String, Int) {
        let warps = threads / 32
        guard dim > largestShared else {
            guard aligned, dim * type.size % 16 == 0 else { return (4, "attention_decode_\(type)_unaligned", warps) }
            let together = group == 1 ? 1 : group == 2 ? 2 : group <= 4 ? 4 : 8
            return (together, "attention_decode_\(type)_\(together)", warps)
        }
        let name = "attention_decode_any"
        guard dim <= sharedMemory / 4 else {
            throw .geometry(
                kernel: name, problem: "a head dimension of \(dim) does not fit into \(CUDAError.size(sharedMemory)) of shared memory")
        }
        return (0, name, [4, 2, 1].first { $0 * dim * 4 <= sharedMemory } ?? 1)
    }

    /// The product, or the largest number where that is more.
    private static func product(_ a: Int, _ b: Int) -> Int {
        let (value, overflow) = a.multipliedReportingOverflow(by: b)
        return overflow ? .max : value
    }
}
