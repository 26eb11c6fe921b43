extension Tensor {
    /// Inverted dropout (Srivastava et al. 2014): elements go with `mask.probability`, the others grow by 1 / (1 − p).
    /// The mask is computed again in the backward pass rather than kept.
    public func dropout(_ mask: DropoutMask?) -> Tensor {
        guard let mask, mask.probability > 0 else { return self }
        let y = context.empty(shape, dtype)
        backend.dropout(self, mask, into: y, accumulate: false)
        y.recordBackward(from: [self]) { [gradient, backend] dy in
            guard let gradient else { return }
            let (dx, accumulate) = gradient.target()
            backend.dropout(dy, mask, into: dx, accumulate: accumulate)
        }
        return y
    }
}
