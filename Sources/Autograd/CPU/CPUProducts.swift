import Kernels
import OpenBLAS

/// Rows up to which a product with a weight goes through the decoding kernel rather than OpenBLAS.
private let decodeRows = 32
/// Floats that one thread needs for a product by our own kernel.
let productScratch = loom_product_scratch()

extension CPUBackend {
    public func multiplyMatrices(_ p: MatrixProduct) {
        guard p.m > 0, p.n > 0 else { return }
        guard p.batch == 1, p.addend == nil else { return p.withAddendInPlace().forEach(multiplyMatrices) }
        let isWeight = !p.transposeA && p.transposeB && p.beta == 0 && p.alpha == 1
        if isWeight, p.m <= decodeRows {
            decodeProduct(p)
        } else if p.b.dtype != .float32 {
            compressedProduct(p)
        } else if isSmall(p) {
            return smallProduct(p)
        } else {
            largeProduct(p)
        }
        if let bias = p.bias { addBias(bias, to: p.c) }
    }

    private func largeProduct(_ p: MatrixProduct) {
        let (a, b, c) = (p.a.f32, p.b.f32, p.c.f32)
        let (across, down) = grid(p)
        parallel(across * down) { task in
            let rows = piece(p.m, task / across, of: down), columns = piece(p.n, task % across, of: across)
            guard !rows.isEmpty, !columns.isEmpty else { return }
            gemm(p, a, b, c, rows, columns)
        }
    }

    /// Whether our own kernel is faster than OpenBLAS. On Zen 4 it is by 5 to 18 % up to some 10⁸ multiply-adds, and they
    /// are equal above, where laying both matrices out anew pays; rows of a that are read as they lie must not be long.
    private func isSmall(_ p: MatrixProduct) -> Bool {
        p.m * p.n * p.k <= 1 << 27 && (p.transposeA || p.k <= 1024)
    }

    /// A product by our own kernel, its bias added while results are in registers.
    private func smallProduct(_ p: MatrixProduct) {
        let (a, b, c, bias) = (p.a.f32, p.b.f32, p.c.f32, p.bias?.f32)
        let (lda, ldb) = (p.transposeA ? p.m : p.k, p.transposeB ? p.k : p.n)
        let (across, down) = grid(p)
        let memory = workspace(across * down * productScratch)
        parallel(across * down) { task in
            let rows = piece(p.m, task / across, of: down), columns = piece(p.n, task % across, of: across)
            guard !rows.isEmpty, !columns.isEmpty else { return }
            var call = loom_product_call(
                transpose_a: p.transposeA ? 1 : 0, transpose_b: p.transposeB ? 1 : 0, m: rows.count, n: columns.count,
                k: p.k, alpha: p.alpha, beta: p.beta, a: a + rows.lowerBound * (p.transposeA ? 1 : lda), a_stride: lda,
                b: b + columns.lowerBound * (p.transposeB ? ldb : 1), b_stride: ldb,
                c: c + rows.lowerBound * p.n + columns.lowerBound, c_stride: p.n,
                bias: bias.map { UnsafePointer($0 + columns.lowerBound) }, lower: 0, diagonal: 0)
            loom_product(&call, memory + task * productScratch)
        }
    }

    /// A few rows against a weight are bound by reading the weight: once, at memory bandwidth.
    private func decodeProduct(_ p: MatrixProduct) {
        let (a, c) = (p.a.f32, p.c.f32)
        var weights = kernelWeights(p.b)
        let scratchSize = loom_decode_scratch(p.m, p.k)
        let scratch = workspace(scratchSize * threads)
        split(p.n, grain: max(8, 65536 / max(p.k, 1))) { task, range in
            loom_decode_product(
                &weights, a, c, p.m, p.k, p.n, p.k, range.lowerBound, range.upperBound, scratch + task * scratchSize)
        }
    }

    /// Many rows against a compressed weight: a piece of it is made float32 while it is in cache, then multiplied.
    private func compressedProduct(_ p: MatrixProduct) {
        precondition(!p.transposeA && p.transposeB && p.beta == 0 && p.alpha == 1, "a compressed matrix is only a weight")
        let (a, c) = (p.a.f32, p.c.f32)
        let piece = max(16, 65536 / max(p.k, 1)), pieces = (p.n + piece - 1) / piece
        let tasks = min(threads, pieces)
        let memory = workspace(tasks * piece * p.k)
        parallel(tasks) { task in
            let plain = memory + task * piece * p.k
            for index in stride(from: task, to: pieces, by: tasks) {
                let rows = index * piece..<min(p.n, (index + 1) * piece)
                expand(p.b, rows, into: plain)
                sgemm(
                    transposeB: true, m: p.m, n: rows.count, k: p.k, a, p.k, plain, p.k, c + rows.lowerBound, p.n)
            }
        }
    }

    private func expand(_ weight: Tensor, _ rows: Range<Int>, into plain: UnsafeMutablePointer<Float>) {
        let columns = weight.columns, start = rows.lowerBound * columns
        if let scales = weight.scales {
            let groups = scales.values.columns
            loom_dequantize(
                weight.address.assumingMemoryBound(to: Int8.self) + start, scales.values.f32 + rows.lowerBound * groups,
                plain, rows.count, columns, scales.group)
        } else {
            loom_from_bfloat16(weight.address.assumingMemoryBound(to: UInt16.self) + start, plain, rows.count * columns)
        }
    }

    private func kernelWeights(_ weight: Tensor) -> loom_weights {
        let type =
            switch weight.dtype {
            case .int8: LOOM_INT8
            case .bfloat16: LOOM_BFLOAT16
            default: LOOM_FLOAT32
            }
        return loom_weights(
            type: Int32(type), data: UnsafeRawPointer(weight.address), scales: weight.scales.map { UnsafePointer($0.values.f32) },
            group: weight.scales?.group ?? 0)
    }

    public func expand(_ x: Tensor, into y: Tensor) {
        let py = y.f32, columns = x.columns
        rows(x.rows, columns: columns) { _, range in expand(x, range, into: py + range.lowerBound * columns) }
    }

    public func compress(_ x: Tensor, into y: Tensor) {
        let (px, columns) = (x.f32, x.columns)
        rows(x.rows, columns: columns) { _, range in
            let start = range.lowerBound * columns
            if let scales = y.scales {
                loom_quantize(
                    px + start, y.address.assumingMemoryBound(to: Int8.self) + start,
                    scales.values.f32 + range.lowerBound * scales.values.columns, range.count, columns, scales.group)
            } else {
                loom_to_bfloat16(px + start, y.address.assumingMemoryBound(to: UInt16.self) + start, range.count * columns)
            }
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

    private func addBias(_ bias: Tensor, to y: Tensor) {
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
