import Kernels

/// Muon's pieces, one matrix of a stack after another: what a matrix needs stays in cache, and its results do not depend on its company.
extension CPUBackend {
    /// Some 256 KiB of them. What is larger goes alone.
    public static let batchedElements = 1 << 16
    public var batchedElements: Int { Self.batchedElements }

    public func nesterov(_ gradients: [Tensor], numbers: Tensor, clip: GradientClip?, _ averages: Tensor, into y: Tensor) {
        let n = numbers.stepNumbers, momentum = n.momentum, factor = n.gradientScale * (clip.flatMap(self.factor) ?? 1)
        for ((gradient, average), g) in zip(zip(gradients, averages.matrices), y.matrices) {
            scale(gradient, by: factor * (1 - momentum), into: g)
            scale(average, by: momentum, into: average)
            accumulate(g, scale: 1, into: average)
            accumulate(average, scale: momentum, into: g)
        }
    }

    public func normalize(_ x: Tensor, norm: Float, slack: Float, epsilon: Float) {
        for x in x.matrices { normalizeOne(x, norm: norm, slack: slack, epsilon: epsilon) }
    }

    public func equalizeRowNorms(_ x: Tensor) {
        for x in x.matrices { equalizeRowNormsOfOne(x) }
    }

    public func reduceVariance(_ g: Tensor, _ v: Tensor, beta2: Float, byRow: Bool) {
        for (index, g) in g.matrices.enumerated() {
            reduceVarianceOfOne(g, v.slice(index..<index + 1), beta2: beta2, byRow: byRow)
        }
    }

    public func cautiousUpdate(_ parameters: [Tensor], _ g: Tensor, numbers: Tensor, factor: Float) {
        let n = numbers.stepNumbers
        for (p, g) in zip(parameters, g.matrices) { cautiousUpdateOfOne(p, g, rate: n.lr * factor, decay: n.weightDecay) }
    }

    public func decayedUpdate(_ parameters: [Tensor], _ g: Tensor, numbers: Tensor, factor: Float) {
        let n = numbers.stepNumbers, rate = n.lr * factor, keep = 1 - n.lr * n.weightDecay
        for (p, g) in zip(parameters, g.matrices) {
            scale(p, by: keep, into: p)
            accumulate(g, scale: -rate, into: p)
        }
    }

    // MARK: One matrix

    private func normalizeOne(_ x: Tensor, norm: Float, slack: Float, epsilon: Float) {
        scale(x, by: norm / (slack * Float(sumOfSquares(x).squareRoot()) + epsilon), into: x)
    }

    private func equalizeRowNormsOfOne(_ x: Tensor) {
        let (px, count, columns) = (x.f32, x.rows, x.columns)
        let factors = workspace(count)
        rows(count, columns: columns) { _, range in
            let at = px + range.lowerBound * columns
            loom_row_dots(at, at, factors + range.lowerBound, range.count, columns, 0)
        }
        var mean = 0.0
        for row in 0..<count {
            factors[row] = factors[row].squareRoot()
            mean += Double(factors[row])
        }
        mean /= Double(count)
        for row in 0..<count { factors[row] = Float(mean) / max(factors[row], 1e-10) }
        rows(count, columns: columns) { _, range in
            let at = px + range.lowerBound * columns
            loom_scale_rows(at, factors + range.lowerBound, at, range.count, columns, 0)
        }
    }

    private func reduceVarianceOfOne(_ g: Tensor, _ v: Tensor, beta2: Float, byRow: Bool) {
        let (pg, pv, count, columns) = (g.f32, v.f32, g.rows, g.columns)
        let before = sumOfSquares(g)
        let means = workspace(max(count, columns))
        if byRow {
            loom_row_dots(pg, pg, means, count, columns, 0)
        } else {
            loom_fill(means, 0, columns)
            for row in 0..<count {
                loom_multiply_accumulate(pg + row * columns, pg + row * columns, means, columns)
            }
        }
        let (kept, over) = byRow ? (count, columns) : (columns, count)
        for index in 0..<kept {
            pv[index] = beta2 * pv[index] + (1 - beta2) * means[index] / Float(over)
            means[index] = 1 / max(pv[index], 1e-10).squareRoot()
        }
        if byRow {
            loom_scale_rows(pg, means, pg, count, columns, 0)
        } else {
            for row in 0..<count { loom_multiply(pg + row * columns, means, pg + row * columns, columns) }
        }
        let after = sumOfSquares(g).squareRoot()
        scale(g, by: Float(before.squareRoot() / max(after, 1e-10)), into: g)
    }

    private func cautiousUpdateOfOne(_ p: Tensor, _ g: Tensor, rate: Float, decay: Float) {
        let (pp, pg) = (p.f32, g.f32)
        elements(p.count) { start, count in
            for index in start..<start + count {
                let agrees: Float = pg[index] * pp[index] >= 0 ? 1 : 0
                pp[index] -= rate * (pg[index] + decay * pp[index] * agrees)
            }
        }
    }
}

extension Tensor {
    /// The matrices of a stack [n, rows, columns].
    fileprivate var matrices: [Tensor] {
        let size = shape.dropFirst().reduce(1, *)
        return (0..<(shape.first ?? 0)).map { view(at: $0 * size, Array(shape.dropFirst())) }
    }
}
