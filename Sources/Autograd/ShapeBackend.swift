/// A device that has shapes but no memory and does no arithmetic. A pass over it costs little (milliseconds) and leaves in its
/// pool the bytes a real one would hold at most, for any component, without a formula to keep up.
public final class ShapeBackend: Backend {
    public let name = "shapes", title = "shapes alone"
    public let memoryByteCount: Int? = nil
    public let batchedElements: Int

    /// - Parameter batchedElements: those of the device that is stood in for.
    public init(batchedElements: Int = CPUBackend.batchedElements) { self.batchedElements = batchedElements }

    public func allocate(byteCount: Int, reclaim: () -> Void) -> UnsafeMutableRawPointer? { nil }
    public func download(_ tensor: Tensor, to bytes: UnsafeMutableRawBufferPointer) {
        for index in bytes.indices { bytes[index] = 0 }
    }
    public func sumOfSquares(_ x: Tensor) -> Double { 0 }
    public func firstNotFinite(_ x: Tensor) -> Int? { nil }
    public func deallocate(_ pointer: UnsafeMutableRawPointer?, byteCount: Int) {}
    public func upload(_ bytes: UnsafeRawBufferPointer, to tensor: Tensor) {}
    public func copy(_ x: Tensor, to y: Tensor) {}
    public func fill(_ y: Tensor, _ value: Float) {}
    public func fillColumns(_ y: Tensor, _ columns: Range<Int>, _ value: Float) {}
    public func fillUniform(_ y: Tensor, low: Float, high: Float, key: UInt64, stream: UInt64) {}
    public func fillNormal(_ y: Tensor, deviation: Float, key: UInt64, stream: UInt64) {}
    public func add(_ a: Tensor, _ b: Tensor, into y: Tensor) {}
    public func multiply(_ a: Tensor, _ b: Tensor, into y: Tensor, accumulate: Bool) {}
    public func scale(_ x: Tensor, by factor: Float, into y: Tensor) {}
    public func accumulate(_ x: Tensor, scale: Float, into y: Tensor) {}
    public func scaledSum(_ terms: [(x: Tensor, factor: Tensor)], into y: Tensor) {}
    public func accumulateDot(_ x: Tensor, _ y: Tensor, into s: Tensor) {}
    public func accumulateScaled(_ x: Tensor, factor: Tensor, into y: Tensor) {}
    public func activation(_ kind: Activation, _ x: Tensor, into y: Tensor) {}
    public func activationBackward(_ kind: Activation, _ x: Tensor, _ dy: Tensor, into dx: Tensor, accumulate: Bool) {}
    public func gated(_ kind: Activation, _ x: Tensor, into y: Tensor) {}
    public func gatedBackward(_ kind: Activation, _ x: Tensor, _ dy: Tensor, into dx: Tensor) {}
    public func softcap(_ x: Tensor, cap: Float, into y: Tensor) {}
    public func softcapBackward(_ y: Tensor, _ dy: Tensor, cap: Float, into dx: Tensor, accumulate: Bool) {}
    public func dropout(_ x: Tensor, _ mask: DropoutMask, into y: Tensor, accumulate: Bool) {}
    public func copyColumns(_ x: Tensor, from: Int, to y: Tensor, at: Int, count: Int, accumulate: Bool) {}
    public func scaleRows(_ x: Tensor, by s: Tensor, into y: Tensor, accumulate: Bool) {}
    public func rowDots(_ a: Tensor, _ b: Tensor, into y: Tensor, accumulate: Bool) {}
    public func shift(_ x: Tensor, first: Tensor?, into y: Tensor, reverse: Bool, accumulate: Bool) {}
    public func columnSums(_ x: Tensor, addedTo y: Tensor) {}
    public func multiplyMatrices(_ product: MatrixProduct) {}
    public func layerNorm(_ x: Tensor, weight: Tensor?, bias: Tensor?, epsilon: Float, into y: Tensor, mean: Tensor, rstd: Tensor) {}
    public func layerNormBackward(
        _ x: Tensor, weight: Tensor?, mean: Tensor, rstd: Tensor, dy: Tensor, dx: Tensor?, accumulate: Bool, dweight: Tensor?,
        dbias: Tensor?
    ) {}
    public func rmsNorm(_ x: Tensor, weight: Tensor?, offset: Float, epsilon: Float, into y: Tensor, rstd: Tensor) {}
    public func rmsNormBackward(
        _ x: Tensor, weight: Tensor?, offset: Float, rstd: Tensor, dy: Tensor, dx: Tensor?, accumulate: Bool, dweight: Tensor?
    ) {}
    public func gather(_ table: Tensor, _ ids: Tensor, into y: Tensor) {}
    public func scatterAdd(_ dy: Tensor, _ ids: Tensor, into table: Tensor) {}
    public func crossEntropy(
        _ logits: Tensor, targets: Tensor, vocabulary: Int, softcap: Float, losses: Tensor, gradientScale: Float?, hits: Tensor?
    ) {}
    public func sum(_ x: Tensor, scale: Float, into y: Tensor) {}
    public func prepareHeads(_ heads: HeadPreparation, into y: Tensor, rstd: Tensor?) {}
    public func prepareHeadsBackward(_ heads: HeadPreparation, rstd: Tensor?, dy: Tensor, dx: Tensor?, accumulate: Bool, dweight: Tensor?) {
    }
    public func attention(_ call: AttentionCall, output: Tensor, lse: Tensor) {}
    public func attentionBackward(
        _ call: AttentionCall, output: Tensor, lse: Tensor, dOutput: Tensor, dQuery: HeadGradient?, dKey: HeadGradient?,
        dValue: HeadGradient?
    ) {}
    public func attentionDecode(_ call: DecodeCall, output: Tensor) {}
    public func likeliest(_ logits: Tensor, of columns: Int, into ids: Tensor) {}
    public func sample(_ logits: Tensor, of columns: Int, _ sampling: TokenSampling, draws: Tensor, into ids: Tensor) {}
    public func advance(_ position: Tensor, by count: Int, rows: Tensor) {}
    public func adamW(_ updates: [AdamWUpdate], clip: GradientClip?) {}
    public func clip(_ x: Tensor, by clip: GradientClip) {}
    public func sumOfSquares(_ x: Tensor, into total: Tensor) {}
    public func sgd(_ p: Tensor, _ g: Tensor, _ buffer: Tensor, numbers: Tensor, nesterov: Bool) {}
    public func normalize(_ x: Tensor, norm: Float, slack: Float, epsilon: Float) {}
    public func equalizeRowNorms(_ x: Tensor) {}
    public func reduceVariance(_ g: Tensor, _ v: Tensor, beta2: Float, byRow: Bool) {}
    public func nesterov(_ gradients: [Tensor], numbers: Tensor, clip: GradientClip?, _ averages: Tensor, into y: Tensor) {}
    public func cautiousUpdate(_ parameters: [Tensor], _ g: Tensor, numbers: Tensor, factor: Float) {}
    public func decayedUpdate(_ parameters: [Tensor], _ g: Tensor, numbers: Tensor, factor: Float) {}
    public func compress(_ x: Tensor, into y: Tensor) {}
    public func expand(_ x: Tensor, into y: Tensor) {}
}
