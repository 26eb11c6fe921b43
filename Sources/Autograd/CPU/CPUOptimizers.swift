import Kernels

extension CPUBackend {
    public func adamW(_ updates: [AdamWUpdate], clip: GradientClip?) {
        guard let factor = clip.map(factor) ?? 1 else { return }
        // Threads share the elements of all parameters, laid end to end, in one go.
        elements(updates.reduce(0) { $0 + $1.p.count }) { start, count in
            var first = 0
            for update in updates {
                let size = update.p.count, n = update.numbers.stepNumbers
                let low = max(start, first) - first, high = min(start + count, first + size) - first
                first += size
                guard low < high else { continue }
                loom_adamw(
                    update.p.f32 + low, update.g.f32 + low, update.m.f32 + low, update.v.f32 + low, high - low,
                    n.gradientScale * factor, n.lr, update.beta1, update.beta2, update.epsilon, n.weightDecay, n.correction1, n.correction2)
            }
        }
    }

    /// What a clip multiplies by; nil where the norm is not finite.
    func factor(_ clip: GradientClip) -> Float? {
        let squares = UnsafeRawPointer(clip.squares.address).load(as: Double.self)
        return squares.isFinite ? Float(GradientClip.factor(norm: squares.squareRoot(), limit: Double(clip.limit))) : nil
    }

    public func clip(_ x: Tensor, by clip: GradientClip) {
        if let factor = factor(clip), factor < 1 { scale(x, by: factor, into: x) }
    }

    public func sumOfSquares(_ x: Tensor, into total: Tensor) { total.address.storeBytes(of: sumOfSquares(x), as: Double.self) }

    public func sgd(_ p: Tensor, _ g: Tensor, _ buffer: Tensor, numbers: Tensor, nesterov: Bool) {
        let (pp, pg, pb, n) = (p.f32, g.f32, buffer.f32, numbers.stepNumbers)
        elements(p.count) {
            loom_sgd(pp + $0, pg + $0, pb + $0, $1, n.gradientScale, n.lr, n.momentum, n.weightDecay, nesterov ? 1 : 0)
        }
    }
}
