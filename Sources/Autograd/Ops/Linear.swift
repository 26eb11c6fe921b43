extension Tensor {
    /// y = x Wᵀ (+ b): x [.., K], weight [N, K], bias [N] → [.., N].
    public func linear(_ weight: Tensor, bias: Tensor? = nil) -> Tensor {
        let (m, k, n) = (rows, columns, weight.shape[0])
        precondition(weight.count == n * k, "a weight of \(weight.shape) does not take \(shape)")
        let y = context.empty(shape.dropLast() + [n], dtype)
        backend.multiplyMatrices(MatrixProduct(self, weight, transposeB: true, into: y, m: m, n: n, k: k, bias: bias))
        y.recordBackward(from: [self, weight, bias]) { [kept, gradient, backend] dy in
            // First, so that an input made again is gone before the gradient by it takes as much memory.
            if let gradient = weight.gradient {
                let (dw, accumulate) = gradient.target()
                backend.multiplyMatrices(
                    MatrixProduct(dy, kept(), transposeA: true, into: dw, m: n, n: k, k: m, beta: accumulate ? 1 : 0))
            }
            if let gradient {
                let (dx, accumulate) = gradient.target()
                backend.multiplyMatrices(
                    MatrixProduct(dy, weight, into: dx, m: m, n: k, k: n, beta: accumulate ? 1 : 0))
            }
            if let gradient = bias?.gradient {
                let (db, accumulate) = gradient.target()
                if !accumulate { backend.fill(db, 0) }
                backend.columnSums(dy, addedTo: db)
            }
        }
        return y
    }
}
