import Autograd
import Formats

/// A matrix [rows, columns] kept as left [rows, rank] times right [rank, columns]: in a checkpoint as two tensors, the
/// parameter's name with `.left` and `.right` behind it. Models multiply by the product.
public struct FactoredWeight: Sendable {
    public let rows: Int, columns: Int, rank: Int
    let left: [Float], right: [Float]

    public init(rows: Int, columns: Int, rank: Int, left: [Float], right: [Float]) {
        precondition(left.count == rows * rank && right.count == rank * columns, "factors of another size")
        (self.rows, self.columns, self.rank, self.left, self.right) = (rows, columns, rank, left, right)
    }

    /// The factors of parameter `name` in a file; nil where it is stored whole, or not at all.
    /// - Throws: `Safetensors.Failure` for factors that do not make [rows, columns].
    public init?(_ name: String, rows: Int, columns: Int, in file: Safetensors.File) throws {
        guard file.entries[name] == nil, let rank = file.entries["\(name).left"]?.shape.last else { return nil }
        func floats(_ side: String, _ shape: [Int]) throws -> [Float] {
            try file.withBytes(of: "\(name).\(side)", dtype: "F32", shape: shape) { bytes in
                (0..<shape[0] * shape[1]).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
            }
        }
        self.init(
            rows: rows, columns: columns, rank: rank, left: try floats("left", [rows, rank]), right: try floats("right", [rank, columns]))
    }

    /// Writes the product into a tensor [rows, columns].
    public func multiply(into value: Tensor) {
        guard rank > 0 else { return value.backend.fill(value, 0) }
        let context = value.context
        value.backend.multiplyMatrices(
            MatrixProduct(
                context.tensor(left, [rows, rank]), context.tensor(right, [rank, columns]), into: value, m: rows, n: columns, k: rank))
    }

    /// The two tensors as they are stored.
    func sources(_ name: String) -> [Safetensors.Source] {
        [("left", left, [rows, rank]), ("right", right, [rank, columns])].map { side, values, shape in
            Safetensors.Source(name: "\(name).\(side)", shape: shape) { write in
                try values.withUnsafeBytes { try write($0) }
            }
        }
    }
}
