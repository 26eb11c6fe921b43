import OpenBLAS
import Training

/// Singular values by LAPACK, in float64: weights are float32, and their smallest singular values lie below what float32
/// arithmetic can tell from zero.
public enum SingularValues {
    /// The singular values of a row-major matrix, largest first.
    /// - Parameter name: what errors call the matrix.
    /// - Throws: `Failure` for a matrix with a number that is not finite, or one LAPACK gives up on.
    public static func of(_ matrix: [Float], rows: Int, columns: Int, name: String) throws -> [Double] {
        try decomposed(matrix, rows, columns, name, vectors: false).values
    }

    /// A = left · diag(values) · right with left [rows, k], right [k, columns], k = min(rows, columns).
    public struct Factors {
        public let values: [Double]
        public let left: [Double], right: [Double]
    }

    /// The same with singular vectors.
    public static func factors(_ matrix: [Float], rows: Int, columns: Int, name: String) throws -> Factors {
        try decomposed(matrix, rows, columns, name, vectors: true)
    }

    /// LAPACK runs single-threaded, and callers decompose several matrices at once.
    private static let isSingleThreaded: Bool = {
        openblas_set_num_threads(1)
        return true
    }()

    private static func decomposed(
        _ matrix: [Float], _ rows: Int, _ columns: Int, _ name: String, vectors: Bool
    ) throws -> Factors {
        precondition(matrix.count == rows * columns && isSingleThreaded, "\(matrix.count) numbers are no \(rows) × \(columns) matrix")
        // LAPACK may loop for ever over what is not finite.
        if let bad = matrix.firstIndex(where: { !$0.isFinite }) {
            throw Failure(
                "\(name) has a number that is not finite (row \(bad / columns), column \(bad % columns)), so it has no singular values")
        }
        let rank = min(rows, columns)
        guard rank > 0 else { return Factors(values: [], left: [], right: []) }
        // Row-major to us is the transpose to LAPACK: its u is our right factor, its vt our left one.
        let solvers: [Solver] = [divideAndConquer, classic]
        for solver in solvers {
            var a = matrix.map(Double.init)
            var values = [Double](repeating: 0, count: rank)
            var right = [Double](repeating: 0, count: vectors ? columns * rank : 1)
            var left = [Double](repeating: 0, count: vectors ? rank * rows : 1)
            if solver(&a, Int32(columns), Int32(rows), &values, &right, &left, vectors) == 0, values.allSatisfy(\.isFinite) {
                return Factors(values: values.map { max($0, 0) }, left: vectors ? left : [], right: vectors ? right : [])
            }
        }
        throw Failure("\(name): LAPACK found no singular values")
    }

    private typealias Solver =
        @Sendable (
            _ a: inout [Double], _ m: Int32, _ n: Int32, _ values: inout [Double], _ u: inout [Double], _ vt: inout [Double],
            _ vectors: Bool
        ) -> Int32

    @Sendable private static func divideAndConquer(
        _ a: inout [Double], _ m: Int32, _ n: Int32, _ values: inout [Double], _ u: inout [Double], _ vt: inout [Double], _ vectors: Bool
    ) -> Int32 {
        let (job, rank) = (CChar(UInt8(ascii: vectors ? "S" : "N")), min(m, n))
        var integers = [Int32](repeating: 0, count: 8 * Int(rank))
        return withWorkspace { work, size in
            var info: Int32 = 0
            withUnsafePointers(job, m, n, rank, size) { job, m, n, rank, size in
                dgesdd_(job, m, n, &a, m, &values, &u, m, &vt, rank, &work, size, &integers, &info, 1)
            }
            return info
        }
    }

    /// QR iteration, for the rare matrix on which divide and conquer does not converge.
    @Sendable private static func classic(
        _ a: inout [Double], _ m: Int32, _ n: Int32, _ values: inout [Double], _ u: inout [Double], _ vt: inout [Double], _ vectors: Bool
    ) -> Int32 {
        let (job, rank) = (CChar(UInt8(ascii: vectors ? "S" : "N")), min(m, n))
        return withWorkspace { work, size in
            var info: Int32 = 0
            withUnsafePointers(job, m, n, rank, size) { job, m, n, rank, size in
                dgesvd_(job, job, m, n, &a, m, &values, &u, m, &vt, rank, &work, size, &info, 1, 1)
            }
            return info
        }
    }

    /// Fortran takes everything by its address.
    private static func withUnsafePointers(
        _ job: CChar, _ m: Int32, _ n: Int32, _ rank: Int32, _ size: Int32,
        _ body: (
            UnsafePointer<CChar>, UnsafePointer<Int32>, UnsafePointer<Int32>, UnsafePointer<Int32>, UnsafePointer<Int32>
        ) -> Void
    ) {
        let numbers = [m, n, rank, size]
        numbers.withUnsafeBufferPointer { numbers in
            guard let base = numbers.baseAddress else { return }
            withUnsafePointer(to: job) { body($0, base, base + 1, base + 2, base + 3) }
        }
    }

    /// Asks LAPACK how much working memory it wants, then gives it.
    private static func withWorkspace(_ call: (_ work: inout [Double], _ size: Int32) -> Int32) -> Int32 {
        var work = [0.0]
        let answer = call(&work, -1)
        guard answer == 0, let size = Int32(exactly: work[0].rounded(.up)) else { return -1 }
        work = [Double](repeating: 0, count: max(1, Int(size)))
        return call(&work, size)
    }
}
