import Architectures
import Configuration
import Formats
import Training

/// The spectrum of one matrix of a model, or of one head of it.
public struct MatrixSpectrum: Sendable {
    public let tensor: WeightTensor
    /// nil for the whole matrix.
    public let head: Int?
    public let spectrum: Spectrum

    package init(tensor: WeightTensor, head: Int?, spectrum: Spectrum) {
        (self.tensor, self.head, self.spectrum) = (tensor, head, spectrum)
    }

    /// The spectra of all `tensors`, each matrix followed by its heads. A tensor is read once for itself and its heads.
    /// - Parameter progress: called with how many tensors are done; returns false to stop.
    /// - Throws: `Failure` for numbers that are not finite, `Safetensors.Failure` where file and model do not agree,
    ///   `CancellationError` when stopped.
    public static func all(
        _ tensors: [WeightTensor], in file: Safetensors.File, threads: Int? = nil, progress: (Int) -> Bool = { _ in true }
    ) throws -> [MatrixSpectrum] {
        try concurrently(tensors, threads: threads, cost: { $0.rows * $0.columns * min($0.rows, $0.columns) }, progress: progress) {
            tensor in
            let numbers = try tensor.numbers(in: file)
            func spectrum(_ matrix: [Float], _ rows: Int, _ columns: Int, _ head: Int?) throws -> MatrixSpectrum {
                let values = try SingularValues.of(matrix, rows: rows, columns: columns, name: tensor.name)
                return MatrixSpectrum(tensor: tensor, head: head, spectrum: Spectrum(values: values, rows: rows, columns: columns))
            }
            return try [spectrum(numbers, tensor.rows, tensor.columns, nil)]
                + (0..<(tensor.heads?.count ?? 0)).map { head in
                    let part = tensor.slice(numbers, head: head)
                    return try spectrum(part.matrix, part.rows, part.columns, head)
                }
        }.flatMap { $0 }
    }

    /// Ranks whose errors are reported: powers of two below the full one.
    public static func reportedRanks(_ full: Int) -> [Int] { Array(sequence(first: 1) { $0 * 2 }.prefix { $0 < full }) }

    /// All figures under the names that scripts rely on.
    public var json: JSON {
        let s = spectrum
        var row: [String: JSON] = [
            "name": .string(tensor.name), "part": .string(tensor.part), "rows": .int(s.rows), "columns": .int(s.columns),
            "largest": .double(s.largest), "frobenius_norm": .double(s.energy.squareRoot()), "above_tenth": .int(s.countAboveTenth),
            "rank_95": .int(s.rank(keeping: 0.95)), "rank_99": .int(s.rank(keeping: 0.99)), "stable_rank": .double(s.stableRank),
            "effective_rank": .double(s.effectiveRank), "quarter_rank_error": .double(s.quarterError),
            "condition_number": s.conditionNumber.isFinite ? .double(s.conditionNumber) : .null,
            "singular_values": .array(s.values.map { .double($0) }),
            "approximation_errors": .array(
                MatrixSpectrum.reportedRanks(s.values.count).map {
                    let error = s.error(rank: $0)
                    return ["rank": .int($0), "frobenius": .double(error.frobenius), "spectral": .double(error.spectral)]
                }),
        ]
        row["layer"] = tensor.layer.map { .int($0) }
        row["head"] = head.map { .int($0) }
        return .object(row)
    }
}
