import Kernels
import OpenBLAS

extension CPUBackend {
    public func multiplyMatrices(_ p: MatrixProduct) {
        guard p.m > 0, p.n > 0 else { return }
        let (a, b, c) = (p.a.f32, p.b.f32, p.c.f32)
        // A few rows against a weight are bound by reading the weight: once, at memory bandwidth.
        if p.m <= 8, !p.transposeA, p.transposeB, p.beta == 0, p.alpha == 1 {
            split(p.n, grain: max(8, 65536 / max(p.k, 1))) { _, range in
                loom_gemv(b, a, nil, c, p.m, p.k, p.n, p.k, range.lowerBound, range.upperBound)
            }
            return
        }
        let (across, down) = grid(p)
        parallel(across * down) { task in
            let rows = piece(p.m, task / across, of: down), columns = piece(p.n, task % across, of: across)
            guard !rows.isEmpty, !columns.isEmpty else { return }
            gemm(p, a, b, c, rows, columns)
        }
    }

    private func gemm(
        _ p: MatrixProduct, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>,
        _ rows: Range<Int>, _ columns: Range<Int>
    ) {
        let (lda, ldb) = (p.transposeA ? p.m : p.k, p.transposeB ? p.k : p.n)
        sgemm(
            transposeA: p.transposeA, transposeB: p.transposeB, m: rows.count, n: columns.count, k: p.k,
            alpha: p.alpha, a + rows.lowerBound * (p.transposeA ? 1 : lda), lda,
            b + columns.lowerBound * (p.transposeB ? ldb : 1), ldb, beta: p.beta,
            c + rows.lowerBound * p.n + columns.lowerBound, p.n)
    }

    /// How many pieces to cut a product's columns and rows into: as square as they come, to read the least.
    private func grid(_ p: MatrixProduct) -> (across: Int, down: Int) {
        guard threads > 1, p.m * p.n * p.k >= 1 << 17 else { return (1, 1) }
        var best = (across: 1, down: 1, cost: Int.max)
        for across in 1...threads where threads % across == 0 {
            let down = threads / across
            guard p.n >= across * 8, p.m >= down * 8 else { continue }
            let cost = p.n / across + p.m / down
            if cost < best.cost { best = (across, down, cost) }
        }
        return (best.across, best.down)
    }

    private func piece(_ count: Int, _ index: Int, of pieces: Int) -> Range<Int> {
        let unit = count >= 64 * pieces ? 16 : 1
        func boundary(_ i: Int) -> Int { i == pieces ? count : count / unit * i / pieces * unit }
        return boundary(index)..<boundary(index + 1)
    }

    public func addBias(_ bias: Tensor, to y: Tensor) {
        let (pb, py, columns) = (bias.f32, y.f32, y.columns)
        rows(y.rows, columns: columns) { _, range in
            loom_add_bias(py + range.lowerBound * columns, pb, range.count, columns)
        }
    }
}

/// c = alpha·op(a)·op(b) + beta·c on the calling thread.
@inline(__always)
func sgemm(
    transposeA: Bool = false, transposeB: Bool = false, m: Int, n: Int, k: Int, alpha: Float = 1,
    _ a: UnsafePointer<Float>, _ lda: Int, _ b: UnsafePointer<Float>, _ ldb: Int, beta: Float = 0,
    _ c: UnsafeMutablePointer<Float>, _ ldc: Int
) {
    cblas_sgemm(
        101, transposeA ? 112 : 111, transposeB ? 112 : 111, Int32(m), Int32(n), Int32(k), alpha, a, Int32(lda), b,
        Int32(ldb), beta, c, Int32(ldc))
}
