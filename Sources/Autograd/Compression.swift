/// The scales of an int8 matrix: value = scale · q.
public struct Scales {
    /// [rows, groups], groups = columns / `group` rounded up.
    public let values: Tensor
    /// Columns that share a scale.
    public let group: Int
}

extension Tensor {
    /// A copy of this float32 matrix [N, K] in a smaller type: bfloat16 rounded to nearest, or int8 with a scale for each
    /// row's groups of `group` columns. For weights that are only read.
    public func compressed(to type: DType, group: Int = 64) -> Tensor {
        precondition(dtype == .float32 && (type == .bfloat16 || type == .int8), "\(dtype) to \(type)")
        let y = Tensor.storage(shape, type, group: group, on: context)
        backend.compress(self, into: y)
        return y
    }

    /// Bytes of the elements and their scales.
    public var byteCount: Int { count * dtype.size + (scales.map { $0.values.count * 4 } ?? 0) }

    /// An uninitialized tensor of a type; int8 gets room for a scale for each row's groups of `group` columns.
    public static func storage(
        _ shape: [Int], _ type: DType, group: Int, on context: Context, exactly: Bool = false
    ) -> Tensor {
        let y = context.empty(shape, type, exactly: exactly)
        if type == .int8 {
            let groups = (y.columns + group - 1) / group
            y.scales = Scales(values: context.empty([y.rows, groups], exactly: exactly), group: group)
        }
        return y
    }

    /// Bytes of the memory that this tensor and its scales lie in, as taken from the system.
    public var allocatedBytes: Int { storage.byteCount + (scales?.values.storage.byteCount ?? 0) }

    /// Rows `first` ..< `first + count` of this tensor as a matrix, the same memory and scales. Not recorded.
    public func rowsView(_ first: Int, _ count: Int) -> Tensor {
        let rows = view(at: first * columns, [count, columns])
        rows.scales = scales.map { Scales(values: $0.values.rowsView(first, count), group: $0.group) }
        return rows
    }
}
