/// Where the gradient by one tensor gathers during a backward pass.
///
/// The first contribution is taken as it is, shared and unread, which makes residual additions free; a later one is
/// added in place when nobody else holds the memory, and to a copy otherwise.
public final class Gradient {
    let context: Context
    let shape: [Int]
    let dtype: DType
    private var memory: Tensor?
    /// A parameter's gradient: memory laid out beforehand, added to across passes.
    let isPersistent: Bool
    /// Whether the memory was made or found to be this gradient's alone, so that it may be written in place.
    private var isOwned = false
    /// When only some columns have been written so far: which.
    private var writtenColumns: [Range<Int>]?

    init(context: Context, shape: [Int], dtype: DType) {
        self.context = context
        self.shape = shape
        self.dtype = dtype
        isPersistent = false
    }

    /// A gradient that gathers in `memory` until the caller clears it.
    public init(gatheringIn memory: Tensor) {
        context = memory.context
        shape = memory.shape
        dtype = memory.dtype
        self.memory = memory
        isPersistent = true
        isOwned = true
    }

    /// The gradient so far; nil when nothing has come.
    public var tensor: Tensor? {
        completeColumns()
        return memory
    }

    /// Adds `contribution`, which must have this gradient's number of elements.
    public func accumulate(_ contribution: Tensor) {
        if memory == nil {
            memory = contribution.dtype == dtype ? contribution : contribution.converted(to: dtype)
            isOwned = false
        } else {
            let target = target()
            context.backend.accumulate(contribution, scale: 1, into: target.tensor)
        }
    }

    /// Memory that a kernel writes, or adds to when `accumulate`.
    func target() -> (tensor: Tensor, accumulate: Bool) {
        completeColumns()
        if memory == nil {
            let fresh = context.empty(shape, dtype)
            memory = fresh
            isOwned = true
            return (fresh, false)
        }
        if !isOwned, !ownsMemoryAlone() { memory = memory?.copied() }
        isOwned = true
        return (memory ?? context.empty(shape, dtype), true)
    }

    /// Whether the tensor is in no other gradient and no other tensor shares its memory. References are counted on the
    /// stored properties themselves; a local one too many only costs a copy.
    private func ownsMemoryAlone() -> Bool {
        isKnownUniquelyReferenced(&memory) && memory?.ownsStorageAlone() == true
    }

    /// Memory for a kernel that writes columns `range` only (of the last dimension).
    func columnsTarget(_ range: Range<Int>) -> (tensor: Tensor, accumulate: Bool) {
        if memory == nil {
            memory = context.empty(shape, dtype)
            isOwned = true
            writtenColumns = []
        }
        if writtenColumns == nil { return target() }
        let current = memory ?? context.empty(shape, dtype)
        let overlaps = writtenColumns?.contains { $0.overlaps(range) } ?? true
        if overlaps { return target() }
        writtenColumns?.append(range)
        return (current, false)
    }

    /// Columns that no kernel wrote have no gradient: they are set to zero before anyone reads or adds.
    private func completeColumns() {
        guard let written = writtenColumns, let tensor = memory else { return }
        writtenColumns = nil
        var next = 0
        for range in written.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if range.lowerBound > next { context.backend.fillColumns(tensor, next..<range.lowerBound, 0) }
            next = range.upperBound
        }
        if next < tensor.columns { context.backend.fillColumns(tensor, next..<tensor.columns, 0) }
    }

    /// Takes the finished gradient out.
    func take() -> Tensor? {
        completeColumns()
        defer { if !isPersistent { memory = nil } }
        return memory
    }
}

extension Tensor {
    /// Lets the gradient by this tensor gather in `gradient`.
    public func attach(_ gradient: Gradient) {
        precondition(gradient.shape.reduce(1, *) == count, "a gradient of another size")
        self.gradient = gradient
    }
}
