extension CUDABackend {
    public func multiplyMatrices(_ p: MatrixProduct) {
        guard p.m > 0, p.n > 0, p.batch > 0 else { return }
        // Only the library takes several at once, or adds something else than c.
        let isPlain = p.batch == 1 && p.addend == nil
        if !isPlain, p.k == 0 || p.b.dtype == .int8 { return p.withAddendInPlace().forEach(multiplyMatrices) }
        // A few rows are bound by reading the other factor.
        let isWeight = !p.transposeA && p.transposeB && p.k > 0
        if isWeight, isPlain, p.m <= DecodeProductGeometry.mostRows {
            var p = p
            if p.a.dtype == .bfloat16, let shadow = p.b.shadow { p.b = shadow }
            return decodeProduct(p)
        }
        if p.k == 0 { return plainProduct(p) }
        var p = p
        // The library multiplies one type by itself: activations in bfloat16 meet the weight's copy in it.
        let type: DType = p.a.dtype == .bfloat16 ? .bfloat16 : .float32
        p.b = operand(p.b, type)
        guard type == .bfloat16 || p.c.dtype == .float32 else {
            return inFloat32(p.c) { wide in
                p.c = wide
                multiplyMatrices(p)
            }
        }
        p.addend = p.addend.map { operand($0, p.c.dtype) }
        let bias = p.bias.map { operand($0, p.c.dtype) }
        func matrix(_ tensor: Tensor, _ columns: Int, of count: Int) -> CUDAProducts.Matrix {
            CUDAProducts.Matrix(tensor.deviceAddress, tensor.dtype, stride: columns, batchStride: p.batch > 1 ? count : 0)
        }
        var call = CUDAProducts.Call(
            matrix(p.a, p.transposeA ? p.m : p.k, of: p.m * p.k), matrix(p.b, p.transposeB ? p.k : p.n, of: p.k * p.n),
            transposeA: p.transposeA, transposeB: p.transposeB, into: matrix(p.c, p.n, of: p.m * p.n), m: p.m, n: p.n, k: p.k)
        (call.alpha, call.beta, call.batch) = (p.alpha, p.beta, p.batch)
        if p.beta != 0 { call.addend = p.addend?.deviceAddress ?? 0 }
        if let bias { (call.epilogue, call.bias) = (.bias, bias.deviceAddress) }
        attempt { () throws(CUDAError) in try products.multiply(call) }
    }

    /// A tensor in the type that a product takes.
    private func operand(_ x: Tensor, _ type: DType) -> Tensor {
        if x.dtype == type { return x }
        if let shadow = x.shadow, shadow.dtype == type { return shadow }
        if x.dtype == .int8 {
            let y = x.context.empty(x.shape, type)
            expand(x, into: y)
            return y
        }
        return x.converted(to: type)
    }

    /// By our own kernel, for a product over nothing.
    private func plainProduct(_ p: MatrixProduct) {
        let geometry = LaunchGeometry(
            blocks: ((p.n + 31) / 32, min((p.m + 31) / 32, LaunchGeometry.largestGrid.y), 1), threads: LaunchGeometry.threads)
        var p = p
        p.bias = p.bias.map { converted($0, to: .float32) }
        run(.products, "multiply_matrices", geometry, KernelProduct(p))
    }
}
