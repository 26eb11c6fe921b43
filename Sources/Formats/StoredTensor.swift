import Foundation

/// A tensor where it lies in a mapped file: nothing is read until its numbers are asked for.
///
/// Parts and transposes are views of the same bytes, so that turning another program's layout into ours is a matter of
/// strides.
public struct StoredTensor: Sendable {
    /// As the file calls it.
    public let name: String
    public let type: ElementType
    public let shape: [Int]
    /// Elements between neighbours, dimension by dimension; never negative.
    let strides: [Int]
    /// The first element's byte in the file.
    let start: Int
    let file: MappedFile

    /// - Parameters:
    ///   - strides: elements; nil for a tensor whose rows lie one behind another.
    ///   - range: the bytes of the file that may be looked at.
    /// - Throws: `FormatError` for a shape that cannot be, or that reaches beyond `range`.
    init(
        name: String, type: ElementType, shape: [Int], strides: [Int]? = nil, offset: Int = 0, in range: Range<Int>, of file: MappedFile
    ) throws(FormatError) {
        func refused(_ what: String) -> FormatError { FormatError(file.path, "tensor \(shown(name)) \(what); the file is damaged") }
        guard range.lowerBound >= 0, range.upperBound <= file.count, shape.count <= 16 else { throw refused("has an impossible place") }
        var count = 1, usual = [Int](repeating: 1, count: shape.count)
        for dimension in shape.indices.reversed() {
            usual[dimension] = count
            let (product, overflow) = count.multipliedReportingOverflow(by: shape[dimension])
            guard shape[dimension] >= 0, !overflow else { throw refused("has an impossible shape") }
            count = product
        }
        let strides = strides ?? usual
        guard strides.count == shape.count, offset >= 0 else { throw refused("has an impossible layout") }
        if count > 0 {
            var last = offset
            for (size, stride) in zip(shape, strides) {
                let (step, overflow) = (size - 1).multipliedReportingOverflow(by: stride)
                let (sum, carry) = last.addingReportingOverflow(step)
                guard stride >= 0, !overflow, !carry else { throw refused("has an impossible layout") }
                last = sum
            }
            let available = range.count / type.size
            // No more numbers than are stored: a few bytes repeated would ask for any amount of memory.
            guard last < available, count <= available else { throw refused("reaches beyond its bytes") }
        }
        (self.name, self.type, self.shape, self.file) = (name, type, shape, file)
        self.strides = strides
        start = count > 0 ? range.lowerBound + offset * type.size : range.lowerBound
    }

    private init(_ base: StoredTensor, shape: [Int], strides: [Int], start: Int) {
        (name, type, file) = (base.name, base.type, base.file)
        (self.shape, self.strides, self.start) = (shape, strides, start)
    }

    /// The file that it lies in, and that file's bytes.
    public var filePath: String { file.path }
    public var fileSize: Int { file.count }

    /// The number of elements.
    public var count: Int { shape.reduce(1, *) }

    /// The matrix with rows and columns exchanged; other tensors as they are.
    public var transposed: StoredTensor {
        guard shape.count == 2 else { return self }
        return StoredTensor(self, shape: [shape[1], shape[0]], strides: [strides[1], strides[0]], start: start)
    }

    /// Part `range` of the first dimension; nil where it does not have that.
    public func rows(_ range: Range<Int>) -> StoredTensor? {
        guard let rows = shape.first, range.lowerBound >= 0, range.upperBound <= rows else { return nil }
        return StoredTensor(
            self, shape: [range.count] + shape.dropFirst(), strides: strides,
            start: range.isEmpty ? start : start + range.lowerBound * strides[0] * type.size)
    }

    /// Whether the elements lie one behind another in order.
    public var isContiguous: Bool {
        var expected = 1
        for (size, stride) in zip(shape, strides).reversed() where size != 1 {
            if stride != expected { return false }
            expected *= size
        }
        return true
    }

    /// The bytes as they are in the file; nil where they do not lie one behind another.
    public var contiguousBytes: UnsafeRawBufferPointer? { isContiguous ? file.slice(start, count * type.size) : nil }

    /// Whether another tensor is the same one, or has equal numbers, however either lies in its file.
    public func hasSameNumbers(as other: StoredTensor) -> Bool {
        guard shape == other.shape else { return false }
        if type == other.type {
            if file === other.file, start == other.start, strides == other.strides { return true }
            if let a = contiguousBytes, let b = other.contiguousBytes, let first = a.baseAddress, let second = b.baseAddress {
                return first == second || memcmp(first, second, a.count) == 0
            }
        }
        let readers = [StridedReader(self), StridedReader(other)], row = max(1, shape.dropFirst().reduce(1, *)), most = 1 << 16
        let step = row <= most ? most / row * row : most
        var numbers = [[Float](repeating: 0, count: min(step, count)), [Float](repeating: 0, count: min(step, count))]
        for first in Swift.stride(from: 0, to: count, by: step) {
            let range = first..<min(first + step, count)
            for (index, reader) in readers.enumerated() { numbers[index].withUnsafeMutableBufferPointer { reader.read(range, into: $0) } }
            guard numbers[0].prefix(range.count) == numbers[1].prefix(range.count) else { return false }
        }
        return true
    }

    /// All numbers as float32.
    public func floats() -> [Float] {
        [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            initialized = count
            StridedReader(self).read(0..<count, into: buffer)
        }
    }

    /// Gives all numbers as float32 to `body`, piece by piece in order; no piece has more than `piece` numbers.
    public func forEachPiece(of piece: Int = 1 << 20, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        // What lies there as it is wanted is handed on from where it lies.
        if type == .float32, let bytes = contiguousBytes {
            for start in stride(from: 0, to: bytes.count, by: piece * 4) {
                try body(UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + piece * 4, bytes.count)]))
            }
        } else {
            let reader = StridedReader(self), buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: min(piece, max(count, 1)))
            defer { buffer.deallocate() }
            // Whole rows, in blocks that a transpose can go through square by square.
            let row = max(1, shape.dropFirst().reduce(1, *)), step = max(1, piece / row) * row
            for first in stride(from: 0, to: count, by: row <= piece ? step : piece) {
                let range = first..<min(first + (row <= piece ? step : piece), count)
                reader.read(range, into: buffer)
                try body(UnsafeRawBufferPointer(start: buffer.baseAddress, count: range.count * 4))
            }
        }
        if isContiguous { file.release(start..<start + count * type.size) }
    }
}
