import Autograd
import Configuration

/// Momentum, orthogonalized (Jordan et al. 2024): a matrix moves by the nearest semi-orthogonal matrix to its Nesterov
/// momentum, found by a few matrix polynomials.
///
/// `classic` is the form first published: five quintic Newton–Schulz steps. `nanochat` evens out row norms, takes Polar
/// Express steps (Amsel et al. 2025, arXiv:2505.16932), divides by a second moment along one side (NorMuon, Li et al.
/// 2025, arXiv:2510.05491) and decays weights only where update and weight agree in sign.
///
/// This is one matrix; matrices move in a `MuonStack`.
final class Muon: UpdateRule {
    enum Variant: String, OptionEnum { case nanochat, classic }

    let parameter: Tensor, gradient: Tensor
    let variant: Variant
    let beta2: Float
    var rows: Int { parameter.rows }
    var columns: Int { parameter.columns }
    /// Parts of what the stack remembers.
    fileprivate(set) var state: [(name: String, tensor: Tensor)] = []

    init(_ parameter: Tensor, _ gradient: Tensor, variant: Variant, beta2: Double) {
        (self.parameter, self.gradient, self.variant, self.beta2) = (parameter, gradient, variant, Float(beta2))
    }
}

/// Matrices of one shape and variant that move together, each as it would alone: on a GPU a step is some thirty launches and products
/// for each shape, however many layers there are.
///
/// Parameters, gradients and what is remembered are float32. The matrices in between, and the products of the polynomial, are in the
/// context's type for activations: bfloat16 where those are, as in nanochat (sums of a product are float32 then too), else float32.
final class MuonStack {
    private let parameters: [Tensor], gradients: [Tensor]
    /// [n, rows, columns], and [n, the longer of both].
    private let buffer: Tensor, second: Tensor?
    private let variant: Muon.Variant
    private let beta2: Float
    private let count: Int, rows: Int, columns: Int
    private let context: Context

    /// How many matrices of this one's shape make a stack at most.
    static func most(like muon: Muon) -> Int {
        max(1, muon.parameter.backend.batchedElements / max(1, muon.parameter.count))
    }

    /// - Parameter matrices: at least one, all of one shape and variant.
    init(_ matrices: [Muon]) {
        let first = matrices[0]
        (variant, beta2, rows, columns) = (first.variant, first.beta2, first.rows, first.columns)
        (parameters, gradients, count) = (matrices.map(\.parameter), matrices.map(\.gradient), matrices.count)
        context = first.parameter.context
        let size = rows * columns, longer = max(rows, columns)
        buffer = context.zeros([count, rows, columns])
        second = variant == .nanochat ? context.zeros([count, longer]) : nil
        for (index, matrix) in matrices.enumerated() {
            matrix.state = [("momentum", buffer.view(at: index * size, matrix.parameter.shape))]
            if let second { matrix.state.append(("second", second.view(at: index * longer, [longer]))) }
        }
    }

    /// Moves the matrices by their gradients.
    func update(_ numbers: Tensor, clip: GradientClip?) {
        let backend = context.backend
        let g = context.empty(buffer.shape, context.activationType)
        backend.nesterov(gradients, numbers: numbers, clip: clip, buffer, into: g)

        let factor = max(1, Float(rows) / Float(columns)).squareRoot()
        switch variant {
        case .classic:
            backend.normalize(g, norm: 1, slack: 1, epsilon: 1e-7)
            let moved = orthogonalized(g, Array(repeating: (3.4445, -4.7750, 2.0315), count: 5))
            backend.decayedUpdate(parameters, moved, numbers: numbers, factor: factor)
        case .nanochat:
            backend.equalizeRowNorms(g)
            backend.normalize(g, norm: 1, slack: 1.01, epsilon: 1e-7)
            let moved = orthogonalized(g, MuonStack.polarExpress)
            backend.normalize(moved, norm: Float(min(rows, columns)).squareRoot(), slack: 1, epsilon: 1e-10)
            if let second { backend.reduceVariance(moved, second, beta2: beta2, byRow: rows >= columns) }
            backend.cautiousUpdate(parameters, moved, numbers: numbers, factor: factor)
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
        let backend = context.backend
        let tall = rows > columns, side = min(rows, columns), long = max(rows, columns)
        let gram = context.empty([count, side, side], start.dtype), polynomial = context.empty(gram.shape, start.dtype)
        var x = start, next = context.empty(start.shape, start.dtype)
        for (a, b, c) in coefficients {
            backend.multiplyMatrices(
                MatrixProduct(x, x, transposeA: tall, transposeB: !tall, into: gram, m: side, n: side, k: long, batch: count))
            backend.multiplyMatrices(
                MatrixProduct(
                    gram, gram, into: polynomial, m: side, n: side, k: side, alpha: c, beta: b, adding: gram, batch: count))
            let (left, right) = tall ? (x, polynomial) : (polynomial, x)
            backend.multiplyMatrices(
                MatrixProduct(left, right, into: next, m: rows, n: columns, k: side, beta: a, adding: x, batch: count))
            swap(&x, &next)
        }
        return x
    }
}
