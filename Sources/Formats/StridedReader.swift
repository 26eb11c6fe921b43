/// Reads any range of a strided tensor, counted row by row, as float32.
struct StridedReader {
    private let tensor: StoredTensor
    private let base: UnsafeRawPointer?

    init(_ tensor: StoredTensor) {
        self.tensor = tensor
        base = tensor.file.bytes.baseAddress.map { $0 + tensor.start }
    }

    /// Reads elements `range` into the beginning of `target`.
    func read(_ range: Range<Int>, into target: UnsafeMutableBufferPointer<Float>) {
        guard let base, let target = target.baseAddress, !range.isEmpty else { return }
        switch tensor.type {
        case .float32: read(range, base, target, 4) { $0.loadUnaligned(as: Float.self) }
        case .float64: read(range, base, target, 8) { Float($0.loadUnaligned(as: Double.self)) }
        case .float16: read(range, base, target, 2) { HalfPrecision.float(half: $0.loadUnaligned(as: UInt16.self)) }
        case .bfloat16: read(range, base, target, 2) { HalfPrecision.float(bfloat: $0.loadUnaligned(as: UInt16.self)) }
        case .int64: read(range, base, target, 8) { Float($0.loadUnaligned(as: Int64.self)) }
        case .int32: read(range, base, target, 4) { Float($0.loadUnaligned(as: Int32.self)) }
        case .int16: read(range, base, target, 2) { Float($0.loadUnaligned(as: Int16.self)) }
        case .int8: read(range, base, target, 1) { Float($0.loadUnaligned(as: Int8.self)) }
        case .uint8, .bool: read(range, base, target, 1) { Float($0.loadUnaligned(as: UInt8.self)) }
        }
    }

    @inline(__always)
    private func read(
        _ range: Range<Int>, _ base: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>, _ size: Int,
        _ load: (UnsafeRawPointer) -> Float
    ) {
        if tensor.isContiguous {
            for index in range { target[index - range.lowerBound] = load(base + index * size) }
            return
        }
        let columns = tensor.shape.last ?? 1, rowsAlign = range.lowerBound % columns == 0 && range.count % columns == 0
        if tensor.shape.count == 2, rowsAlign {
            // In squares: neighbours of a column are far apart in one of the two memories, and a square of both fits the cache.
            let (rowStride, columnStride) = (tensor.strides[0] * size, tensor.strides[1] * size)
            let first = range.lowerBound / columns, rows = range.count / columns, edge = 32
            for row in stride(from: 0, to: rows, by: edge) {
                for column in stride(from: 0, to: columns, by: edge) {
                    for r in row..<min(row + edge, rows) {
                        let source = base + (first + r) * rowStride
                        for c in column..<min(column + edge, columns) { target[r * columns + c] = load(source + c * columnStride) }
                    }
                }
            }
            return
        }
        for index in range {
            var rest = index, place = 0
            for (extent, stride) in zip(tensor.shape, tensor.strides).reversed() {
                place += rest % extent * stride
                rest /= extent
            }
            target[index - range.lowerBound] = load(base + place * size)
        }
    }
}
