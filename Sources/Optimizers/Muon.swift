import Autograd
import Configuration

/// Momentum, orthogonalized (Jordan et al. 2024): a matrix moves by the nearest semi-orthogonal matrix to its Nesterov
/// momentum, found by a few matrix polynomials.
///
/// `classic` is the form first published: five quintic Newton–Schulz steps. `nanochat` evens out row norms, takes Polar
/// Express steps (Amsel et al. 2025, arXiv:2505.16932), divides by a second moment along one side (NorMuon, Li et al.
/// 2025, arXiv:2510.05491) and decays weights only where update and weight agree in sign.
final class Muon: UpdateRule {
    enum Variant: String, OptionEnum { case nanochat, classic }

    private let parameter: Tensor, gradient: Tensor, buffer: Tensor, second: Tensor?
    private let variant: Variant
    private let beta2: Float
    private let rows: Int, columns: Int

    init(_ parameter: Tensor, _ gradient: Tensor, variant: Variant, beta2: Double) {
        (self.parameter, self.gradient, self.variant, self.beta2) = (parameter, gradient, variant, Float(beta2))
        (rows, columns) = (parameter.rows, parameter.columns)
        buffer = parameter.context.zeros(parameter.shape)
        second = variant == .nanochat ? parameter.context.zeros([max(rows, columns)]) : nil
    }

    var state: [(name: String, tensor: Tensor)] {
        [("momentum", buffer)] + (second.map { [("second", $0)] } ?? [])
    }

    func update(_ n: UpdateNumbers) {
        let context = parameter.context, backend = context.backend
        // Nesterov: buffer ← lerp(buffer, g, 1 − μ), then g ← lerp(g, buffer, μ).
        let g = context.empty(parameter.shape)
        backend.scale(gradient, by: n.gradientScale * (1 - n.momentum), into: g)
        backend.scale(buffer, by: n.momentum, into: buffer)
        backend.accumulate(g, scale: 1, into: buffer)
        backend.accumulate(buffer, scale: n.momentum, into: g)

        let rate = n.lr * max(1, Float(rows) / Float(columns)).squareRoot()
        switch variant {
        case .classic:
            backend.normalize(g, norm: 1, slack: 1, epsilon: 1e-7)
            let moved = orthogonalized(g, Array(repeating: (3.4445, -4.7750, 2.0315), count: 5))
            backend.scale(parameter, by: 1 - n.lr * n.weightDecay, into: parameter)
            backend.accumulate(moved, scale: -rate, into: parameter)
        case .nanochat:
            backend.equalizeRowNorms(g)
            backend.normalize(g, norm: 1, slack: 1.01, epsilon: 1e-7)
            let moved = orthogonalized(g, Muon.polarExpress)
            backend.normalize(moved, norm: Float(min(rows, columns)).squareRoot(), slack: 1, epsilon: 1e-10)
            if let second { backend.reduceVariance(moved, second, beta2: beta2, byRow: rows >= columns) }
            backend.cautiousUpdate(parameter, moved, rate: rate, decay: n.weightDecay)
        }
    }

    private static let polarExpress: [(Float, Float, Float)] = [
        (8.156554524902461, -22.48329292557795, 15.878769915207462),
        (4.042929935166739, -2.808917465908714, 0.5000178451051316),
        (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
        (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
        (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
    ]

    /// For each (a, b, c): A = XXᵀ (or XᵀX when tall, the smaller of the two), X ← aX + (bA + cA²)X.
    private func orthogonalized(_ start: Tensor, _ coefficients: [(Float, Float, Float)]) -> Tensor {
        let context = start.context, backend = context.backend
        let tall = rows > columns, side = min(rows, columns), long = max(rows, columns)
        let gram = context.empty([side, side]), polynomial = context.empty([side, side])
        var x = start, next = context.empty(start.shape)
        for (a, b, c) in coefficients {
            backend.multiplyMatrices(
                MatrixProduct(x, x, transposeA: tall, transposeB: !tall, into: gram, m: side, n: side, k: long))
            backend.copy(gram, to: polynomial)
            backend.multiplyMatrices(
                MatrixProduct(gram, gram, into: polynomial, m: side, n: side, k: side, alpha: c, beta: b))
            backend.copy(x, to: next)
            backend.multiplyMatrices(
                tall
                    ? MatrixProduct(x, polynomial, into: next, m: rows, n: columns, k: side, beta: a)
                    : MatrixProduct(polynomial, x, into: next, m: rows, n: columns, k: side, beta: a))
            swap(&x, &next)
        }
        return x
    }
}
