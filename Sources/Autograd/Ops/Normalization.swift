extension Tensor {
    /// Layer normalization over the last dimension (Ba et al. 2016, arXiv:1607.06450).
    public func layerNorm(weight: Tensor?, bias: Tensor?, epsilon: Float) -> Tensor {
        let y = context.empty(shape, dtype)
        let mean = context.empty([rows]), rstd = context.empty([rows])
        backend.layerNorm(self, weight: weight, bias: bias, epsilon: epsilon, into: y, mean: mean, rstd: rstd)
        y.recordBackward(from: [self, weight, bias]) { [self] dy in
            let target = gradient?.target()
            backend.layerNormBackward(
                self, weight: weight, mean: mean, rstd: rstd, dy: dy, dx: target?.tensor ?? context.empty(shape, dtype),
                accumulate: target?.accumulate ?? false, dweight: weight?.gradient?.addingTarget(),
                dbias: bias?.gradient?.addingTarget())
        }
        y.setRecipe { [self] in
            let again = context.empty(shape, dtype)
            backend.layerNorm(self, weight: weight, bias: bias, epsilon: epsilon, into: again, mean: mean, rstd: rstd)
            return again
        }
        return y
    }

    /// Root-mean-square normalization over the last dimension (Zhang and Sennrich 2019, arXiv:1910.07467):
    /// x / √(mean x² + ε) · (offset + weight), or without the factor when there is no weight.
    public func rmsNorm(weight: Tensor? = nil, offset: Float = 0, epsilon: Float) -> Tensor {
        let y = context.empty(shape, dtype)
        let rstd = context.empty([rows])
        backend.rmsNorm(self, weight: weight, offset: offset, epsilon: epsilon, into: y, rstd: rstd)
        y.recordBackward(from: [self, weight]) { [self] dy in
            let target = gradient?.target()
            backend.rmsNormBackward(
                self, weight: weight, offset: offset, rstd: rstd, dy: dy, dx: target?.tensor ?? context.empty(shape, dtype),
                accumulate: target?.accumulate ?? false, dweight: weight?.gradient?.addingTarget())
        }
        y.setRecipe { [self] in
            let again = context.empty(shape, dtype)
            backend.rmsNorm(self, weight: weight, offset: offset, epsilon: epsilon, into: again, rstd: rstd)
            return again
        }
        return y
    }
}

extension Gradient {
    /// Memory for a kernel that only adds: set to zero when this is the first contribution.
    func addingTarget() -> Tensor {
        let (tensor, accumulate) = target()
        if !accumulate { context.backend.fill(tensor, 0) }
        return tensor
    }
}
