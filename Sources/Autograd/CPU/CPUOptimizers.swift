import Kernels

extension CPUBackend {
    public func adamW(_ updates: [AdamWUpdate], clip: GradientClip?) {
        guard let factor = clip.map(factor) ?? 1 else { return }
        // Threads share the elements of all parameters, laid end to end, in one go.
        elements(updates.reduce(0) { $0 + $1.p.count }) { start, count in
            var first = 0
            for update in updates {
                let size = update.p.count, step = update.step
                let low = max(start, first) - first, high = min(start + count, first + size) - first
                first += size
                guard low < high else { continue }
                loom_adamw(
                    update.p.f32 + low, update.g.f32 + low, update.m.f32 + low, update.v.f32 + low, high - low,
                    step.gradientScale * factor, step.lr, step.beta1, step.beta2, step.epsilon, step.decay, step.correction1,
                    step.correction2)
            }
        }
    }

    /// What a clip multiplies by; nil where the norm is not finite.
    private func factor(_ clip: GradientClip) -> Float? {
        let squares = UnsafeRawPointer(clip.squares.address).load(as: Double.self)
        return squares.isFinite ? Float(GradientClip.factor(norm: squares.squareRoot(), limit: Double(clip.limit))) : nil
    }

    public func clip(_ x: Tensor, by clip: GradientClip) {
        if let factor = factor(clip), factor < 1 { scale(x, by: factor, into: x) }
    }

    public func sumOfSquares(_ x: Tensor, into total: Tensor) { total.address.storeBytes(of: sumOfSquares(x), as: Double.self) }

    public func sgd(
        _ p: Tensor, _ g: Tensor, _ buffer: Tensor, gradientScale: Float, lr: Float, momentum: Float, decay: Float,
        nesterov: Bool
    ) {
        let (pp, pg, pb) = (p.f32, g.f32, buffer.f32)
        elements(p.count) {
            loom_sgd(pp + $0, pg + $0, pb + $0, $1, gradientScale, lr, momentum, decay, nesterov ? 1 : 0)
        }
    }

    public func normalize(_ x: Tensor, norm: Float, slack: Float, epsilon: Float) {
        scale(x, by: norm / (slack * Float(sumOfSquares(x).squareRoot()) + epsilon), into: x)
    }

    public func equalizeRowNorms(_ x: Tensor) {
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

    public func reduceVariance(_ g: Tensor, _ v: Tensor, beta2: Float, byRow: Bool) {
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

    public func cautiousUpdate(_ p: Tensor, _ g: Tensor, rate: Float, decay: Float) {
        let (pp, pg) = (p.f32, g.f32)
        elements(p.count) { start, count in
            for index in start..<start + count {
                let agrees: Float = pg[index] * pp[index] >= 0 ? 1 : 0
                pp[index] -= rate * (pg[index] + decay * pp[index] * agrees)
            }
        }
    }
}
