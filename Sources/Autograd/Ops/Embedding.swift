extension Tensor {
    /// Rows of this table [V, C] by `ids`, int32 of any shape → [.., C]. Backward adds each row's gradient to its row.
    /// Rows of a float32 table come in the context's type for activations.
    public func rows(at ids: Tensor) -> Tensor {
        precondition(ids.dtype == .int32 && shape.count == 2, "rows(at:) takes int32 ids and a table")
        let y = context.empty(ids.shape + [columns], dtype == .float32 ? context.activationType : dtype)
        backend.gather(self, ids, into: y)
        y.recordBackward(from: [self]) { [gradient, backend] dy in
            guard let gradient else { return }
            backend.scatterAdd(dy, ids, into: gradient.addingTarget())
        }
        return y
    }
}
