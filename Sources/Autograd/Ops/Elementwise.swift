extension Tensor {
    /// a + b, of equal shapes. Backward costs nothing: both inputs share the gradient.
    public static func + (a: Tensor, b: Tensor) -> Tensor {
        precondition(a.count == b.count, "\(a.shape) + \(b.shape)")
        let y = a.context.empty(a.shape, a.dtype)
        a.backend.add(a, b, into: y)
        y.recordBackward(from: [a, b]) { [da = a.gradient, db = b.gradient] dy in
            da?.accumulate(dy)
            db?.accumulate(dy)
        }
        return y
    }

    /// a·b, element by element.
    public static func * (a: Tensor, b: Tensor) -> Tensor {
        precondition(a.count == b.count, "\(a.shape) * \(b.shape)")
        let y = a.context.empty(a.shape, a.dtype)
        a.backend.multiply(a, b, into: y, accumulate: false)
        y.recordBackward(from: [a, b]) { dy in
            for (input, other) in [(a, b), (b, a)] {
                guard let gradient = input.gradient else { continue }
                let (dx, accumulate) = gradient.target()
                a.backend.multiply(dy, other, into: dx, accumulate: accumulate)
            }
        }
        return y
    }

    /// x·factor
    public static func * (x: Tensor, factor: Float) -> Tensor {
        let y = x.context.empty(x.shape, x.dtype)
        x.backend.scale(x, by: factor, into: y)
        y.recordBackward(from: [x]) { [gradient = x.gradient, backend = x.backend] dy in
            guard let gradient else { return }
            let (dx, accumulate) = gradient.target()
            if accumulate {
                backend.accumulate(dy, scale: factor, into: dx)
            } else {
                backend.scale(dy, by: factor, into: dx)
            }
        }
        return y
    }

    /// Σ xᵢ·sᵢ, each sᵢ a tensor with one element: the learned mixes of the residual stream.
    public static func mix(_ terms: [(x: Tensor, factor: Tensor)]) -> Tensor {
        precondition(terms.allSatisfy { $0.x.count == terms[0].x.count && $0.factor.count == 1 }, "mix of unlike shapes")
        let y = terms[0].x.context.empty(terms[0].x.shape, terms[0].x.dtype)
        y.backend.scaledSum(terms, into: y)
        y.recordBackward(from: terms.flatMap { [$0.x, $0.factor] }) { [backend = y.backend] dy in
            for (x, factor) in terms {
                if let gradient = x.gradient {
                    let (dx, accumulate) = gradient.target()
                    if accumulate {
                        backend.accumulateScaled(dy, factor: factor, into: dx)
                    } else {
                        backend.scaledSum([(dy, factor)], into: dx)
                    }
                }
                if let gradient = factor.gradient {
                    let (ds, accumulate) = gradient.target()
                    if !accumulate { backend.fill(ds, 0) }
                    backend.accumulateDot(x, dy, into: ds)
                }
            }
        }
        return y
    }

    /// Σ x·scale, one element.
    public func sum(scale: Float = 1) -> Tensor {
        let y = context.empty([1])
        backend.sum(self, scale: scale, into: y)
        y.recordBackward(from: [self]) { [gradient, context, shape, dtype] dy in
            let spread = context.zeros(shape, dtype)
            context.backend.accumulateScaled(context.ones(shape, dtype), factor: dy, into: spread)
            gradient?.accumulate(spread * scale)
        }
        return y
    }
}

extension Context {
    public func ones(_ shape: [Int], _ dtype: DType = .float32) -> Tensor {
        let tensor = empty(shape, dtype)
        backend.fill(tensor, 1)
        return tensor
    }
}
