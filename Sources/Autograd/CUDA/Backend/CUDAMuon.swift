/// Muon's pieces: a launch each for all matrices of a stack, which are the grid's second dimension.
extension CUDABackend {
    /// What it costs to ask for an operation is nothing beside one over so many elements, and the copies of them that are at work stay
    /// below a few hundred megabytes.
    public static let batchedElements = 1 << 26
    public var batchedElements: Int { Self.batchedElements }

    public func nesterov(_ gradients: [Tensor], numbers: Tensor, clip: GradientClip?, _ averages: Tensor, into y: Tensor) {
        let stack = Stack(y)
        run(
            .muon, "nesterov", elements(stack), addresses(gradients, on: y.context).deviceAddress, averages.deviceAddress, y.array,
            stack.count, stack.size, numbers.deviceAddress, clip?.squares.deviceAddress ?? 0, clip?.limit ?? 0)
    }

    public func normalize(_ x: Tensor, norm: Float, slack: Float, epsilon: Float) {
        let stack = Stack(x), squares = squares(x, stack)
        run(
            .muon, "normalize", elements(stack), x.array, stack.count, stack.size, squares.partial.deviceAddress, squares.count, norm,
            slack, epsilon)
    }

    public func equalizeRowNorms(_ x: Tensor) {
        let stack = Stack(x), factors = x.context.empty([x.rows])
        run(.muon, "row_squares", .rows(x.rows, columns: x.columns), x.array, factors.deviceAddress, Int64(x.rows), stack.columns)
        run(.muon, "equalize_factors", LaunchGeometry.one.each(of: Int(stack.count)), factors.deviceAddress, stack.count, stack.rows)
        scaleRows(x, by: factors, into: x, accumulate: false)
    }

    public func reduceVariance(_ g: Tensor, _ v: Tensor, beta2: Float, byRow: Bool) {
        let stack = Stack(g), before = squares(g, stack)
        let (kept, over) = byRow ? (stack.rows, stack.columns) : (stack.columns, stack.rows)
        let all = kept * stack.count, factors = g.context.empty([Int(all)])
        if byRow {
            run(.muon, "row_squares", .rows(g.rows, columns: g.columns), g.array, factors.deviceAddress, Int64(g.rows), stack.columns)
        } else {
            let geometry = LaunchGeometry(blocks: ((g.columns + 31) / 32, 1, 1), threads: LaunchGeometry.threads)
            run(
                .muon, "column_squares", geometry.each(of: Int(stack.count)), g.array, factors.deviceAddress, stack.count, stack.rows,
                stack.columns)
        }
        run(.muon, "variance_factors", elements(Int(all)), factors.deviceAddress, v.deviceAddress, all, over, beta2)
        if byRow {
            scaleRows(g, by: factors, into: g, accumulate: false)
        } else {
            run(.muon, "scale_stacked_columns", elements(stack), g.array, factors.deviceAddress, stack.count, stack.rows, stack.columns)
        }
        let after = squares(g, stack)
        run(
            .muon, "restore_norm", elements(stack), g.array, stack.count, stack.size, before.partial.deviceAddress,
            after.partial.deviceAddress, after.count)
    }

    public func cautiousUpdate(_ parameters: [Tensor], _ g: Tensor, numbers: Tensor, factor: Float) {
        let stack = Stack(g)
        run(
            .muon, "cautious_update", elements(stack), addresses(parameters, on: g.context).deviceAddress, g.array, stack.count,
            stack.size, numbers.deviceAddress, factor)
    }

    public func decayedUpdate(_ parameters: [Tensor], _ g: Tensor, numbers: Tensor, factor: Float) {
        let stack = Stack(g)
        run(
            .muon, "decayed_update", elements(stack), addresses(parameters, on: g.context).deviceAddress, g.array, stack.count,
            stack.size, numbers.deviceAddress, factor)
    }

    /// The sizes of a stack [n, rows, columns] as kernels take them.
    private struct Stack {
        let count: Int64, rows: Int64, columns: Int64
        var size: Int64 { rows * columns }

        init(_ x: Tensor) {
            count = Int64(x.shape.first ?? 0)
            (rows, columns) = (Int64(x.rows) / max(count, 1), Int64(x.columns))
        }
    }

    /// One thread for every four elements, up to what fills the device with all matrices together.
    private func elements(_ stack: Stack) -> LaunchGeometry {
        let multiprocessors = device.multiprocessors / max(1, Int(stack.count))
        return .elements((Int(stack.size) + 3) / 4, on: multiprocessors).each(of: Int(stack.count))
    }

    /// Where tensors begin, in memory of the device.
    private func addresses(_ tensors: [Tensor], on context: Context) -> Tensor { uploaded(tensors.map(\.deviceAddress), on: context) }

    /// Of each matrix, the numbers that its blocks leave of Σ x², and how many.
    private func squares(_ x: Tensor, _ stack: Stack) -> (partial: Tensor, count: Int32) {
        let geometry = LaunchGeometry.sums(Int(stack.size)), blocks = geometry.blocks.x
        let partial = x.context.empty([2 * blocks * Int(stack.count)])
        run(.muon, "partial_squares", geometry.each(of: Int(stack.count)), x.array, stack.count, stack.size, partial.deviceAddress)
        return (partial, Int32(blocks))
    }
}
