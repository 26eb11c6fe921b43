import Architectures
import Autograd
import Components
import Configuration
import Formats
import Training

/// A tensor of two dimensions in a checkpoint: where it belongs in the model and how its heads lie in it.
public struct WeightTensor: Sendable {
    /// As in the checkpoint: `layers.0.attention.q.weight`.
    public let name: String
    public let layer: Int?
    /// What it is, the same in every layer: `attention.q`.
    public let part: String
    public let rows: Int, columns: Int
    /// Heads of an attention matrix; nil where there are none, or one only.
    public let heads: Heads?
    /// The type it has in the file.
    let dtype: String
    /// Rows in the file: padding of the vocabulary, which is never predicted, lies behind those that count.
    let storedRows: Int

    package init(
        name: String, layer: Int?, part: String, rows: Int, columns: Int, heads: Heads?, dtype: String, storedRows: Int
    ) {
        (self.name, self.layer, self.part, self.rows, self.columns) = (name, layer, part, rows, columns)
        (self.heads, self.dtype, self.storedRows) = (heads, dtype, storedRows)
    }

    /// Heads are blocks of rows of queries, keys and values, and blocks of columns of the output projection.
    public struct Heads: Sendable {
        public let count: Int, dim: Int
        public let alongColumns: Bool
    }

    /// The matrices of a model: every parameter with at least two rows and columns.
    public static func all(of model: Model) -> [WeightTensor] {
        let (shapes, full) = (model.cacheShapes, model.fullCacheShapes)
        return model.store.parameters.compactMap { parameter in
            guard parameter.shape.count == 2, parameter.shape.allSatisfy({ $0 > 1 }) else { return nil }
            let (layer, part) = place(of: parameter.name)
            var heads: Heads?
            if let layer, shapes.indices.contains(layer) {
                let dim = shapes[layer].headDim
                switch parameter.kind {
                case .query: heads = Heads(count: full[layer].kvHeads, dim: dim, alongColumns: false)
                case .key, .value: heads = Heads(count: shapes[layer].kvHeads, dim: dim, alongColumns: false)
                case .attentionOutput: heads = Heads(count: full[layer].kvHeads, dim: dim, alongColumns: true)
                default: break
                }
            }
            // Another's attention may lay its heads out otherwise; one head is the matrix itself.
            if let found = heads, found.count < 2 || found.count * found.dim != parameter.shape[found.alongColumns ? 1 : 0] { heads = nil }
            let padded = parameter.role == .table || parameter.role == .head
            let isVocabulary = padded && parameter.shape[0] == model.size.paddedVocabulary
            return WeightTensor(
                name: parameter.name, layer: layer, part: part, rows: isVocabulary ? model.size.vocabulary : parameter.shape[0],
                columns: parameter.shape[1], heads: heads, dtype: "F32", storedRows: parameter.shape[0])
        }
    }

    /// The matrices of a safetensors file that nothing else is known of.
    public static func all(in file: Safetensors.File) -> [WeightTensor] {
        file.entries.filter { $0.value.shape.count == 2 && $0.value.shape.allSatisfy { $0 > 1 } && readable.contains($0.value.dtype) }
            .map { name, entry in
                let (layer, part) = place(of: name)
                return WeightTensor(
                    name: name, layer: layer, part: part, rows: entry.shape[0], columns: entry.shape[1], heads: nil,
                    dtype: entry.dtype, storedRows: entry.shape[0])
            }.sorted { ($0.layer ?? -1, $0.part, $0.name) < ($1.layer ?? -1, $1.part, $1.name) }
    }

    /// How many tensors of a file `all(in:)` leaves out, and which, in words; nil where it takes all.
    public static func leftOut(of file: Safetensors.File) -> (count: Int, words: String)? {
        var counts: [String: Int] = [:]
        let matrices = Set(all(in: file).map(\.name))
        for (name, entry) in file.entries where !matrices.contains(name) {
            let shape = entry.shape
            let why =
                switch shape.count {
                case 2 where shape.allSatisfy({ $0 > 1 }): "of type \(entry.dtype)"
                case 2: "of a single row or column"
                case 1: "of one dimension"
                default: "of \(shape.count) dimensions"
                }
            counts[why, default: 0] += 1
        }
        guard !counts.isEmpty else { return nil }
        let kinds = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "\($0.value) \($0.key)" }
        let all = counts.values.reduce(0, +)
        return (
            all,
            "\(all) of \(file.entries.count) tensors left out, since they are no matrices of float numbers: "
                + kinds.joined(separator: ", ")
        )
    }

    /// `layers.3.attention.q.weight` is `attention.q` of layer 3: the first number in a name is the layer.
    package static func place(of name: String) -> (layer: Int?, part: String) {
        var pieces = name.split(separator: ".").map(String.init)
        if pieces.count > 1, pieces.last == "weight" { pieces.removeLast() }
        guard let index = pieces.firstIndex(where: { Int($0) != nil }) else { return (nil, pieces.joined(separator: ".")) }
        let part = pieces[(index + 1)...].joined(separator: ".")
        return (Int(pieces[index]), part.isEmpty ? pieces[..<index].joined(separator: ".") : part)
    }

    static let readable: Set<String> = ["F32", "F16", "BF16"]

    /// Its numbers, row by row.
    func numbers(in file: Safetensors.File) throws -> [Float] {
        if let factored = try FactoredWeight(name, rows: storedRows, columns: columns, in: file) {
            let product = Context.cpu(threads: 1).zeros([storedRows, columns])
            factored.multiply(into: product)
            return Array(product.floats.prefix(rows * columns))
        }
        return try stored(in: file)
    }

    private func stored(in file: Safetensors.File) throws -> [Float] {
        try file.withBytes(of: name, dtype: dtype, shape: [storedRows, columns]) { bytes in
            let count = rows * columns
            switch dtype {
            case "F32": return (0..<count).map { Float(bitPattern: bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self)) }
            case "BF16":
                return (0..<count).map { Float(bitPattern: UInt32(bytes.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self)) << 16) }
            default: return (0..<count).map { WeightTensor.half(bytes.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self)) }
            }
        }
    }

    /// The number that sixteen bits of IEEE half precision stand for; not every platform's Swift has the type.
    package static func half(_ bits: UInt16) -> Float {
        let (sign, exponent, fraction) = (UInt32(bits >> 15) << 31, UInt32(bits >> 10 & 31), UInt32(bits & 1023))
        switch exponent {
        case 0: return (sign == 0 ? 1 : -1) * Float(fraction) * 0x1p-24
        case 31: return Float(bitPattern: sign | 0x7F80_0000 | fraction << 13)
        default: return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
        }
    }

    /// Head `head` of `numbers`, a matrix of its own.
    func slice(_ numbers: [Float], head: Int) -> (matrix: [Float], rows: Int, columns: Int) {
        guard let heads else { return (numbers, rows, columns) }
        let range = head * heads.dim..<(head + 1) * heads.dim
        guard heads.alongColumns else {
            return (Array(numbers[range.lowerBound * columns..<range.upperBound * columns]), heads.dim, columns)
        }
        var part: [Float] = []
        part.reserveCapacity(rows * heads.dim)
        for row in 0..<rows { part += numbers[row * columns + range.lowerBound..<row * columns + range.upperBound] }
        return (part, rows, heads.dim)
    }
}
