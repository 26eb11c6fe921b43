import Architectures
import Autograd
import Components
import Configuration
import Training

/// A model whose matrices are replaced by their best approximations of lower rank, wherever two factors are fewer numbers
/// than the matrix.
///
/// The checkpoint holds the factors. The model holds their product, since its layers multiply by one matrix: losses are those
/// of the factored model, bytes those of the checkpoint, while FLOPs are counted as of the factors.
public struct LowRank: Sendable {
    /// What became of one matrix.
    public struct Change: Sendable {
        public let name: String
        public let rows: Int, columns: Int
        /// The smallest rank that keeps the energy.
        public let rank: Int
        /// ‖W − Wᵣ‖_F / ‖W‖_F
        public let error: Double

        public var parameters: Int { rows * columns }
        public var factoredParameters: Int { rank * (rows + columns) }
        /// Whether the factors are fewer numbers; else the matrix stays as it is.
        public var isReplaced: Bool { factoredParameters < parameters }
        public var saved: Int { isReplaced ? parameters - factoredParameters : 0 }
    }

    public let changes: [Change]
    /// Of the matrices that are replaced, by name.
    public let factors: [String: FactoredWeight]
    /// Parameters of the model.
    public let before: Int
    /// Training FLOPs a token of the model.
    public let flopsBefore: Int

    public var saved: Int { changes.reduce(0) { $0 + $1.saved } }
    public var after: Int { before - saved }
    /// In float32.
    public var bytesBefore: Int { 4 * before }
    public var bytesAfter: Int { 4 * after }
    /// Every parameter of a product costs a token six FLOPs in training.
    public var flopsAfter: Int { flopsBefore - 6 * saved }

    /// Replaces the matrices of products in `model`, tables that are looked up left out.
    /// - Parameters:
    ///   - energy: the share of every matrix's energy to keep, above 0 and at most 1.
    ///   - progress: called with matrices done and matrices in all; returns false to stop.
    /// - Throws: `Failure` for an energy out of range or numbers that are not finite, `CancellationError` when stopped.
    public static func compress(
        _ model: Model, energy: Double, progress: (Int, Int) -> Bool = { _, _ in true }
    ) throws -> LowRank {
        guard energy > 0, energy <= 1 else {
            throw Failure("an energy of \(energy) cannot be kept; use one above 0 and at most 1, such as 0.95")
        }
        let (before, flops) = (model.store.count, model.accounting.flopsPerToken)
        let parameters = model.store.parameters.filter {
            [.matrix, .head].contains($0.role) && $0.inProduct && $0.shape.count == 2 && $0.shape.allSatisfy { $0 > 1 } && $0.value != nil
        }
        struct Matrix: Sendable { let name: String, rows: Int, columns: Int, numbers: [Float] }
        let matrices = parameters.map { Matrix(name: $0.name, rows: $0.shape[0], columns: $0.shape[1], numbers: $0.value?.floats ?? []) }
        let results = try concurrently(
            matrices, threads: (parameters.first?.value?.backend as? CPUBackend)?.threads,
            cost: { $0.numbers.count * min($0.rows, $0.columns) }, progress: { progress($0, matrices.count) }
        ) { matrix in
            let factors = try SingularValues.factors(matrix.numbers, rows: matrix.rows, columns: matrix.columns, name: matrix.name)
            let spectrum = Spectrum(values: factors.values, rows: matrix.rows, columns: matrix.columns)
            let rank = spectrum.rank(keeping: energy)
            let change = Change(
                name: matrix.name, rows: matrix.rows, columns: matrix.columns, rank: rank, error: spectrum.error(rank: rank).frobenius)
            return (change, change.isReplaced ? FactoredWeight(factors, change) : nil)
        }
        var factored: [String: FactoredWeight] = [:]
        for (parameter, (_, factors)) in zip(parameters, results) {
            guard let factors, let value = parameter.value else { continue }
            factors.multiply(into: value)
            factored[parameter.name] = factors
        }
        return LowRank(changes: results.map(\.0), factors: factored, before: before, flopsBefore: flops)
    }
}

extension FactoredWeight {
    /// The factors of a matrix cut off at a rank, each with the roots of the singular values.
    init(_ factors: SingularValues.Factors, _ change: LowRank.Change) {
        let full = factors.values.count, (rank, columns) = (change.rank, change.columns)
        let roots = factors.values.map { $0.squareRoot() }
        self.init(
            rows: change.rows, columns: columns, rank: rank,
            left: (0..<change.rows * rank).map { Float(factors.left[$0 / rank * full + $0 % rank] * roots[$0 % rank]) },
            right: (0..<rank * columns).map { Float(factors.right[$0] * roots[$0 / columns]) })
    }
}
