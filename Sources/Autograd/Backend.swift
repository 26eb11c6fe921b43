/// The seam between operations and devices: what a device must be able to do. Operations call it and never ask which
/// device they are on; shapes have been checked by then. All tensors are dense and row-major.
///
/// A method that takes `accumulate` adds to its output when it is true and overwrites it when it is false.
public protocol Backend: AnyObject {
    /// "cpu", "cuda", "shapes".
    var name: String { get }

    /// What computes, for people: "2 threads", "NVIDIA H100 80GB HBM3".
    var title: String { get }
    /// Bytes of memory that the device has in all; nil for one that has none to run out of.
    var memoryByteCount: Int? { get }
    /// Why the device cannot be relied on any more: the first thing that failed. Operations asked for after it do nothing, and what is
    /// fetched is zero. Nil on a device that does not fail.
    var failure: (any Error)? { get }
    /// Waits until everything that was asked for has been done.
    func synchronize()
    /// Whether operations return before they are done, so that fetching a result waits.
    var isAsynchronous: Bool { get }
    /// Elements up to which matrices of one shape are worked on together: many where asking for an operation is what costs, few where
    /// operations are cheap and what they work on should stay in cache.
    var batchedElements: Int { get }
    /// Keeps what `body` asks for instead of doing it. Tensors it works on must live as long as what is returned, and so must the pool's
    /// blocks that it takes: see `BufferPool.pin`.
    /// - Returns: Nil where the device cannot, or `body` fetched something; then nothing was done.
    func capture(_ body: () -> Void) -> (any CapturedWork)?

    // Memory
    /// - Parameter reclaim: gives back memory that is kept for reuse; called where the device has no more.
    func allocate(byteCount: Int, reclaim: () -> Void) -> UnsafeMutableRawPointer?
    func deallocate(_ pointer: UnsafeMutableRawPointer?, byteCount: Int)
    func upload(_ bytes: UnsafeRawBufferPointer, to tensor: Tensor)
    func download(_ tensor: Tensor, to bytes: UnsafeMutableRawBufferPointer)
    /// The types may differ where both are floating-point.
    func copy(_ x: Tensor, to y: Tensor)
    /// float32 to bfloat16, or to int8 with the scales that y has room for.
    func compress(_ x: Tensor, into y: Tensor)
    /// bfloat16 or int8 to float32.
    func expand(_ x: Tensor, into y: Tensor)

    // Filling
    func fill(_ y: Tensor, _ value: Float)
    func fillColumns(_ y: Tensor, _ columns: Range<Int>, _ value: Float)
    func fillUniform(_ y: Tensor, low: Float, high: Float, key: UInt64, stream: UInt64)
    func fillNormal(_ y: Tensor, deviation: Float, key: UInt64, stream: UInt64)

    // Elementwise
    func add(_ a: Tensor, _ b: Tensor, into y: Tensor)
    func multiply(_ a: Tensor, _ b: Tensor, into y: Tensor, accumulate: Bool)
    func scale(_ x: Tensor, by factor: Float, into y: Tensor)
    func accumulate(_ x: Tensor, scale: Float, into y: Tensor)
    /// y = Σ xᵢ·sᵢ, each sᵢ read from the one element of a tensor.
    func scaledSum(_ terms: [(x: Tensor, factor: Tensor)], into y: Tensor)
    /// s += Σ x·y over all elements, in one element.
    func accumulateDot(_ x: Tensor, _ y: Tensor, into s: Tensor)
    /// y += x·s, s read from one element.
    func accumulateScaled(_ x: Tensor, factor: Tensor, into y: Tensor)
    func activation(_ kind: Activation, _ x: Tensor, into y: Tensor)
    func activationBackward(_ kind: Activation, _ x: Tensor, _ dy: Tensor, into dx: Tensor, accumulate: Bool)
    /// x [rows, 2F] as [gate, value] → y [rows, F] = f(gate)·value
    func gated(_ kind: Activation, _ x: Tensor, into y: Tensor)
    func gatedBackward(_ kind: Activation, _ x: Tensor, _ dy: Tensor, into dx: Tensor)
    func softcap(_ x: Tensor, cap: Float, into y: Tensor)
    func softcapBackward(_ y: Tensor, _ dy: Tensor, cap: Float, into dx: Tensor, accumulate: Bool)
    func dropout(_ x: Tensor, _ mask: DropoutMask, into y: Tensor, accumulate: Bool)

    // Rows and columns
    func copyColumns(_ x: Tensor, from: Int, to y: Tensor, at: Int, count: Int, accumulate: Bool)
    /// y[r, c] = x[r, c]·s[r]
    func scaleRows(_ x: Tensor, by s: Tensor, into y: Tensor, accumulate: Bool)
    /// y[r] = Σ_c a[r, c]·b[r, c]
    func rowDots(_ a: Tensor, _ b: Tensor, into y: Tensor, accumulate: Bool)
    /// x, y [B, T, C]: y[b, t] = x[b, t − 1]; y[b, 0] = first[b] (zero when nil). Backward when `reverse`:
    /// y[b, t] = x[b, t + 1], y[b, T − 1] = 0.
    func shift(_ x: Tensor, first: Tensor?, into y: Tensor, reverse: Bool, accumulate: Bool)
    func columnSums(_ x: Tensor, addedTo y: Tensor)

    // Products
    func multiplyMatrices(_ product: MatrixProduct)

    // Normalization
    func layerNorm(_ x: Tensor, weight: Tensor?, bias: Tensor?, epsilon: Float, into y: Tensor, mean: Tensor, rstd: Tensor)
    func layerNormBackward(
        _ x: Tensor, weight: Tensor?, mean: Tensor, rstd: Tensor, dy: Tensor, dx: Tensor?, accumulate: Bool,
        dweight: Tensor?, dbias: Tensor?)
    func rmsNorm(_ x: Tensor, weight: Tensor?, offset: Float, epsilon: Float, into y: Tensor, rstd: Tensor)
    func rmsNormBackward(
        _ x: Tensor, weight: Tensor?, offset: Float, rstd: Tensor, dy: Tensor, dx: Tensor?, accumulate: Bool,
        dweight: Tensor?)

    // Embedding and loss
    func gather(_ table: Tensor, _ ids: Tensor, into y: Tensor)
    func scatterAdd(_ dy: Tensor, _ ids: Tensor, into table: Tensor)
    /// logits [rows, stride]; see `Tensor.crossEntropy`.
    func crossEntropy(
        _ logits: Tensor, targets: Tensor, vocabulary: Int, softcap: Float, losses: Tensor, gradientScale: Float?,
        hits: Tensor?)
    /// y[0] = scale · Σ x
    func sum(_ x: Tensor, scale: Float, into y: Tensor)

    // Attention
    func prepareHeads(_ heads: HeadPreparation, into y: Tensor, rstd: Tensor?)
    func prepareHeadsBackward(
        _ heads: HeadPreparation, rstd: Tensor?, dy: Tensor, dx: Tensor?, accumulate: Bool, dweight: Tensor?)
    func attention(_ call: AttentionCall, output: Tensor, lse: Tensor)
    func attentionBackward(
        _ call: AttentionCall, output: Tensor, lse: Tensor, dOutput: Tensor, dQuery: HeadGradient?, dKey: HeadGradient?,
        dValue: HeadGradient?)
    func attentionDecode(_ call: DecodeCall, output: Tensor)

    // Decoding
    /// Copies keys and values to their slots in the rings, in the rings' type.
    func append(_ call: RingAppend)
    /// ids[r] = the place of the largest of the first `columns` of row r, of equal ones the lowest; int32 [rows]. That is the first where
    /// the first is NaN, and other NaNs are passed over.
    func likeliest(_ logits: Tensor, of columns: Int, into ids: Tensor)
    /// ids[r] = the token that `draws[r]` falls on among the first `columns` of row r; draws are doubles, [rows, 2].
    func sample(_ logits: Tensor, of columns: Int, _ sampling: TokenSampling, draws: Tensor, into ids: Tensor)
    /// Adds `count` to `position`, an int64 in two elements of an int32 tensor, and puts what it is then into every element of `rows`,
    /// int32.
    func advance(_ position: Tensor, by count: Int, rows: Tensor)

    // Optimizers; their numbers are a tensor that holds `StepNumbers`.
    /// All parameters of a step at once: most are too small to be worth a call. With a clip, gradients count as if scaled by it, and
    /// where the norm is not finite nothing is changed.
    func adamW(_ updates: [AdamWUpdate], clip: GradientClip?)
    func sgd(_ p: Tensor, _ g: Tensor, _ buffer: Tensor, numbers: Tensor, nesterov: Bool)
    // Of Muon. x, y, g and averages are [n, rows, columns]: n matrices, each of which is worked on as if it were alone; x, y and g in
    // float32 or in the context's type for activations. What is not in that stack is a list of n.
    /// Nesterov's momentum m of gradients g: averages ← lerp(averages, g, 1 − m), y ← lerp(g, averages, m). With a clip,
    /// gradients count as if scaled by it; what is not finite stays.
    func nesterov(_ gradients: [Tensor], numbers: Tensor, clip: GradientClip?, _ averages: Tensor, into y: Tensor)
    /// x·= norm / (slack·‖x‖ + epsilon), ‖x‖ the Frobenius norm.
    func normalize(_ x: Tensor, norm: Float, slack: Float, epsilon: Float)
    /// Every row of x gets the mean of all rows' norms as its norm.
    func equalizeRowNorms(_ x: Tensor)
    /// NorMuon: v [n, rows or columns] follows the mean of g² over each row (or column), g is divided by its root and keeps its norm.
    func reduceVariance(_ g: Tensor, _ v: Tensor, beta2: Float, byRow: Bool)
    /// p −= r·g, and r·decay·p where g and p agree in sign; r is factor·lr.
    func cautiousUpdate(_ parameters: [Tensor], _ g: Tensor, numbers: Tensor, factor: Float)
    /// p ← (1 − lr·decay)·p − factor·lr·g
    func decayedUpdate(_ parameters: [Tensor], _ g: Tensor, numbers: Tensor, factor: Float)
    /// Σ x², on the host.
    func sumOfSquares(_ x: Tensor) -> Double
    /// Σ x² as a double in the two elements of `total`.
    func sumOfSquares(_ x: Tensor, into total: Tensor)
    /// x·= the factor of a clip; what is not finite stays.
    func clip(_ x: Tensor, by clip: GradientClip)
    /// The first element that is NaN or infinite.
    func firstNotFinite(_ x: Tensor) -> Int?
}

/// What a device can do again on one word.
public protocol CapturedWork {
    /// Asks for it. `step` is added, shifted as `DropoutSource` does, to the stream of every dropout in it.
    func replay(step: UInt64)
    /// The same for what has no dropout in it.
    func replay()
}

extension Backend {
    public var isAsynchronous: Bool { false }
    public func capture(_ body: () -> Void) -> (any CapturedWork)? { nil }
    public var failure: (any Error)? { nil }
    public func synchronize() {}
}

/// Pointwise non-linearities. `gelu` is x·Φ(x) by the error function, `geluTanh` its usual approximation.
public enum Activation: Int32, Sendable, CaseIterable {
    case relu, gelu, geluTanh, relu2, silu, sigmoid, tanh
}

/// Which elements a dropout keeps: a function of key, stream and element number alone.
public struct DropoutMask: Sendable {
    public var probability: Float
    public var key: UInt64
    public var stream: UInt64
    /// The number of the first element.
    public var offset: UInt64

    public init(probability: Float, key: UInt64, stream: UInt64, offset: UInt64 = 0) {
        self.probability = probability
        self.key = key
        self.stream = stream
        self.offset = offset
    }
}

/// c = alpha·op(a)·op(b) + beta·c + bias, the bias [n] added to every row. b may be bfloat16 or int8 where it is a weight: transposed, beta zero, alpha one.
///
/// Or so many of them, `batch`, whose matrices lie one behind another, without bias.
public struct MatrixProduct {
    public var a: Tensor, transposeA: Bool
    public var b: Tensor, transposeB: Bool
    public var c: Tensor
    public var m: Int, n: Int, k: Int
    public var alpha: Float = 1
    public var beta: Float = 0
    public var bias: Tensor?
    public var batch = 1
    /// What beta multiplies instead of c, in c's shape and type.
    public var addend: Tensor?

    public init(
        _ a: Tensor, _ b: Tensor, transposeA: Bool = false, transposeB: Bool = false, into c: Tensor, m: Int, n: Int, k: Int,
        alpha: Float = 1, beta: Float = 0, bias: Tensor? = nil, adding addend: Tensor? = nil, batch: Int = 1
    ) {
        (self.a, self.transposeA, self.b, self.transposeB, self.c) = (a, transposeA, b, transposeB, c)
        (self.m, self.n, self.k, self.alpha, self.beta, self.bias) = (m, n, k, alpha, beta, bias)
        (self.addend, self.batch) = (addend, batch)
    }

    /// The same as products of one matrix each, after what beta multiplies has been copied to c.
    func withAddendInPlace() -> [MatrixProduct] {
        if let addend, beta != 0 { c.backend.copy(addend, to: c) }
        return (0..<batch).map { index in
            var one = self
            (one.batch, one.addend) = (1, nil)
            guard batch > 1 else { return one }
            one.a = a.view(at: index * m * k, [m * k])
            one.b = b.view(at: index * k * n, [k * n])
            one.c = c.view(at: index * m * n, [m, n])
            return one
        }
    }
}

/// One parameter p with its gradient g and the averages m and v of g and g², all of one size.
public struct AdamWUpdate {
    public let p: Tensor, g: Tensor, m: Tensor, v: Tensor
    /// Holds `StepNumbers`.
    public let numbers: Tensor
    /// How much the averages keep, and what is added to the root of v.
    public let beta1: Float, beta2: Float, epsilon: Float

    public init(_ p: Tensor, _ g: Tensor, _ m: Tensor, _ v: Tensor, numbers: Tensor, beta1: Float, beta2: Float, epsilon: Float) {
        (self.p, self.g, self.m, self.v, self.numbers) = (p, g, m, v, numbers)
        (self.beta1, self.beta2, self.epsilon) = (beta1, beta2, epsilon)
    }
}

/// Gradients scaled down so that their norm is at most `limit`; 0 is no limit. PyTorch's rule: limit / (norm + 1e-6), never above one.
public struct GradientClip {
    /// Σ g² over all gradients, as `sumOfSquares(_:into:)` leaves it.
    public let squares: Tensor
    public let limit: Float

    public init(squares: Tensor, limit: Float) { (self.squares, self.limit) = (squares, limit) }

    /// What gradients are multiplied by when their norm is `norm`.
    public static func factor(norm: Double, limit: Double) -> Double { limit > 0 ? min(1, limit / (norm + 1e-6)) : 1 }
}

extension Double {
    func power(_ exponent: Int) -> Double {
        var result = 1.0, base = self, n = exponent
        while n > 0 {
            if n & 1 == 1 { result *= base }
            base *= base
            n >>= 1
        }
        return result
    }
}
