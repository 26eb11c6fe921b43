import Foundation

/// A backend that does what another does and keeps the time: what each operation takes, forward, backward and in the
/// optimizer. For `runner bench`; clocks cost a little, so throughput is measured without it.
public final class ProfilingBackend: Backend {
    /// What part of a step is being timed.
    public enum Phase: String, CaseIterable, Sendable { case data, forward, backward, optimizer }

    public let inner: any Backend
    public var name: String { inner.name }
    public var phase = Phase.data
    /// Seconds and calls by phase and operation since the last `reset()`.
    public private(set) var times: [Phase: [String: (seconds: Double, calls: Int)]] = [:]

    public init(_ inner: any Backend) { self.inner = inner }

    public func reset() { times = [:] }

    private func time<Result>(_ operation: String, _ body: () -> Result) -> Result {
        let start = DispatchTime.now().uptimeNanoseconds
        defer {
            // Elsewhere an operation is only asked for by now.
            inner.synchronize()
            let seconds = Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9
            let (sum, calls) = times[phase]?[operation] ?? (0, 0)
            times[phase, default: [:]][operation] = (sum + seconds, calls + 1)
        }
        return body()
    }

    public var title: String { inner.title }
    public var memoryByteCount: Int? { inner.memoryByteCount }
    public var failure: (any Error)? { inner.failure }
    public var batchedElements: Int { inner.batchedElements }
    public func synchronize() { inner.synchronize() }
    public func allocate(byteCount: Int, reclaim: () -> Void) -> UnsafeMutableRawPointer? {
        inner.allocate(byteCount: byteCount, reclaim: reclaim)
    }
    public func deallocate(_ pointer: UnsafeMutableRawPointer?, byteCount: Int) {
        inner.deallocate(pointer, byteCount: byteCount)
    }

    public func upload(_ bytes: UnsafeRawBufferPointer, to tensor: Tensor) {
        time("copy") { inner.upload(bytes, to: tensor) }
    }
    public func download(_ tensor: Tensor, to bytes: UnsafeMutableRawBufferPointer) {
        time("copy") { inner.download(tensor, to: bytes) }
    }
    public func copy(_ x: Tensor, to y: Tensor) {
        time("copy") { inner.copy(x, to: y) }
    }
    public func fill(_ y: Tensor, _ value: Float) {
        time("fill") { inner.fill(y, value) }
    }
    public func fillColumns(_ y: Tensor, _ columns: Range<Int>, _ value: Float) {
        time("fill") { inner.fillColumns(y, columns, value) }
    }
    public func fillUniform(_ y: Tensor, low: Float, high: Float, key: UInt64, stream: UInt64) {
        time("fill") { inner.fillUniform(y, low: low, high: high, key: key, stream: stream) }
    }
    public func fillNormal(_ y: Tensor, deviation: Float, key: UInt64, stream: UInt64) {
        time("fill") { inner.fillNormal(y, deviation: deviation, key: key, stream: stream) }
    }
    public func add(_ a: Tensor, _ b: Tensor, into y: Tensor) {
        time("addition") { inner.add(a, b, into: y) }
    }
    public func multiply(_ a: Tensor, _ b: Tensor, into y: Tensor, accumulate: Bool) {
        time("mixing") { inner.multiply(a, b, into: y, accumulate: accumulate) }
    }
    public func scale(_ x: Tensor, by factor: Float, into y: Tensor) {
        time("mixing") { inner.scale(x, by: factor, into: y) }
    }
    public func accumulate(_ x: Tensor, scale: Float, into y: Tensor) {
        time("addition") { inner.accumulate(x, scale: scale, into: y) }
    }
    public func scaledSum(_ terms: [(x: Tensor, factor: Tensor)], into y: Tensor) {
        time("mixing") { inner.scaledSum(terms, into: y) }
    }
    public func accumulateDot(_ x: Tensor, _ y: Tensor, into s: Tensor) {
        time("mixing") { inner.accumulateDot(x, y, into: s) }
    }
    public func accumulateScaled(_ x: Tensor, factor: Tensor, into y: Tensor) {
        time("mixing") { inner.accumulateScaled(x, factor: factor, into: y) }
    }
    public func activation(_ kind: Activation, _ x: Tensor, into y: Tensor) {
        time("activation") { inner.activation(kind, x, into: y) }
    }
    public func activationBackward(_ kind: Activation, _ x: Tensor, _ dy: Tensor, into dx: Tensor, accumulate: Bool) {
        time("activation") { inner.activationBackward(kind, x, dy, into: dx, accumulate: accumulate) }
    }
    public func gated(_ kind: Activation, _ x: Tensor, into y: Tensor) {
        time("activation") { inner.gated(kind, x, into: y) }
    }
    public func gatedBackward(_ kind: Activation, _ x: Tensor, _ dy: Tensor, into dx: Tensor) {
        time("activation") { inner.gatedBackward(kind, x, dy, into: dx) }
    }
    public func softcap(_ x: Tensor, cap: Float, into y: Tensor) {
        time("softcap") { inner.softcap(x, cap: cap, into: y) }
    }
    public func softcapBackward(_ y: Tensor, _ dy: Tensor, cap: Float, into dx: Tensor, accumulate: Bool) {
        time("softcap") { inner.softcapBackward(y, dy, cap: cap, into: dx, accumulate: accumulate) }
    }
    public func dropout(_ x: Tensor, _ mask: DropoutMask, into y: Tensor, accumulate: Bool) {
        time("dropout") { inner.dropout(x, mask, into: y, accumulate: accumulate) }
    }
    public func copyColumns(_ x: Tensor, from: Int, to y: Tensor, at: Int, count: Int, accumulate: Bool) {
        time("copy") { inner.copyColumns(x, from: from, to: y, at: at, count: count, accumulate: accumulate) }
    }
    public func scaleRows(_ x: Tensor, by s: Tensor, into y: Tensor, accumulate: Bool) {
        time("mixing") { inner.scaleRows(x, by: s, into: y, accumulate: accumulate) }
    }
    public func rowDots(_ a: Tensor, _ b: Tensor, into y: Tensor, accumulate: Bool) {
        time("mixing") { inner.rowDots(a, b, into: y, accumulate: accumulate) }
    }
    public func shift(_ x: Tensor, first: Tensor?, into y: Tensor, reverse: Bool, accumulate: Bool) {
        time("mixing") { inner.shift(x, first: first, into: y, reverse: reverse, accumulate: accumulate) }
    }
    public func columnSums(_ x: Tensor, addedTo y: Tensor) {
        time("bias") { inner.columnSums(x, addedTo: y) }
    }
    public func multiplyMatrices(_ product: MatrixProduct) {
        time("matrix product") { inner.multiplyMatrices(product) }
    }
    public func layerNorm(_ x: Tensor, weight: Tensor?, bias: Tensor?, epsilon: Float, into y: Tensor, mean: Tensor, rstd: Tensor) {
        time("norm") { inner.layerNorm(x, weight: weight, bias: bias, epsilon: epsilon, into: y, mean: mean, rstd: rstd) }
    }
    public func layerNormBackward(
        _ x: Tensor, weight: Tensor?, mean: Tensor, rstd: Tensor, dy: Tensor, dx: Tensor?, accumulate: Bool, dweight: Tensor?,
        dbias: Tensor?
    ) {
        time("norm") {
            inner.layerNormBackward(
                x, weight: weight, mean: mean, rstd: rstd, dy: dy, dx: dx, accumulate: accumulate, dweight: dweight, dbias: dbias)
        }
    }
    public func rmsNorm(_ x: Tensor, weight: Tensor?, offset: Float, epsilon: Float, into y: Tensor, rstd: Tensor) {
        time("norm") { inner.rmsNorm(x, weight: weight, offset: offset, epsilon: epsilon, into: y, rstd: rstd) }
    }
    public func rmsNormBackward(
        _ x: Tensor, weight: Tensor?, offset: Float, rstd: Tensor, dy: Tensor, dx: Tensor?, accumulate: Bool, dweight: Tensor?
    ) {
        time("norm") {
            inner.rmsNormBackward(x, weight: weight, offset: offset, rstd: rstd, dy: dy, dx: dx, accumulate: accumulate, dweight: dweight)
        }
    }
    public func gather(_ table: Tensor, _ ids: Tensor, into y: Tensor) {
        time("embedding") { inner.gather(table, ids, into: y) }
    }
    public func scatterAdd(_ dy: Tensor, _ ids: Tensor, into table: Tensor) {
        time("embedding") { inner.scatterAdd(dy, ids, into: table) }
    }
    public func crossEntropy(
        _ logits: Tensor, targets: Tensor, vocabulary: Int, softcap: Float, losses: Tensor, gradientScale: Float?, hits: Tensor?
    ) {
        time("cross-entropy") {
            inner.crossEntropy(
                logits, targets: targets, vocabulary: vocabulary, softcap: softcap, losses: losses, gradientScale: gradientScale, hits: hits
            )
        }
    }
    public func sum(_ x: Tensor, scale: Float, into y: Tensor) {
        time("checks") { inner.sum(x, scale: scale, into: y) }
    }
    public func prepareHeads(_ heads: HeadPreparation, into y: Tensor, rstd: Tensor?) {
        time("rotary and head norms") { inner.prepareHeads(heads, into: y, rstd: rstd) }
    }
    public func prepareHeadsBackward(_ heads: HeadPreparation, rstd: Tensor?, dy: Tensor, dx: Tensor?, accumulate: Bool, dweight: Tensor?) {
        time("rotary and head norms") {
            inner.prepareHeadsBackward(heads, rstd: rstd, dy: dy, dx: dx, accumulate: accumulate, dweight: dweight)
        }
    }
    public func attention(_ call: AttentionCall, output: Tensor, lse: Tensor) {
        time("attention") { inner.attention(call, output: output, lse: lse) }
    }
    public func attentionBackward(
        _ call: AttentionCall, output: Tensor, lse: Tensor, dOutput: Tensor, dQuery: HeadGradient?, dKey: HeadGradient?,
        dValue: HeadGradient?
    ) {
        time("attention") {
            inner.attentionBackward(call, output: output, lse: lse, dOutput: dOutput, dQuery: dQuery, dKey: dKey, dValue: dValue)
        }
    }
    public func attentionDecode(_ call: DecodeCall, output: Tensor) {
        time("attention") { inner.attentionDecode(call, output: output) }
    }
    public func append(_ call: RingAppend) {
        time("copy") { inner.append(call) }
    }
    public func likeliest(_ logits: Tensor, of columns: Int, into ids: Tensor) {
        time("sampling") { inner.likeliest(logits, of: columns, into: ids) }
    }
    public func sample(_ logits: Tensor, of columns: Int, _ sampling: TokenSampling, draws: Tensor, into ids: Tensor) {
        time("sampling") { inner.sample(logits, of: columns, sampling, draws: draws, into: ids) }
    }
    public func advance(_ position: Tensor, by count: Int, rows: Tensor) {
        time("sampling") { inner.advance(position, by: count, rows: rows) }
    }
    public func adamW(_ updates: [AdamWUpdate], clip: GradientClip?) {
        time("AdamW") { inner.adamW(updates, clip: clip) }
    }
    public func clip(_ x: Tensor, by clip: GradientClip) {
        time("gradient clip") { inner.clip(x, by: clip) }
    }
    public func sumOfSquares(_ x: Tensor, into total: Tensor) {
        time("gradient norm") { inner.sumOfSquares(x, into: total) }
    }
    public func sgd(_ p: Tensor, _ g: Tensor, _ buffer: Tensor, numbers: Tensor, nesterov: Bool) {
        time("SGD") { inner.sgd(p, g, buffer, numbers: numbers, nesterov: nesterov) }
    }
    public func normalize(_ x: Tensor, norm: Float, slack: Float, epsilon: Float) {
        time("Muon") { inner.normalize(x, norm: norm, slack: slack, epsilon: epsilon) }
    }
    public func equalizeRowNorms(_ x: Tensor) {
        time("Muon") { inner.equalizeRowNorms(x) }
    }
    public func reduceVariance(_ g: Tensor, _ v: Tensor, beta2: Float, byRow: Bool) {
        time("Muon") { inner.reduceVariance(g, v, beta2: beta2, byRow: byRow) }
    }
    public func nesterov(_ gradients: [Tensor], numbers: Tensor, clip: GradientClip?, _ averages: Tensor, into y: Tensor) {
        time("Muon") { inner.nesterov(gradients, numbers: numbers, clip: clip, averages, into: y) }
    }
    public func cautiousUpdate(_ parameters: [Tensor], _ g: Tensor, numbers: Tensor, factor: Float) {
        time("Muon") { inner.cautiousUpdate(parameters, g, numbers: numbers, factor: factor) }
    }
    public func decayedUpdate(_ parameters: [Tensor], _ g: Tensor, numbers: Tensor, factor: Float) {
        time("Muon") { inner.decayedUpdate(parameters, g, numbers: numbers, factor: factor) }
    }
    public func sumOfSquares(_ x: Tensor) -> Double {
        time("gradient norm") { inner.sumOfSquares(x) }
    }
    public func firstNotFinite(_ x: Tensor) -> Int? {
        time("checks") { inner.firstNotFinite(x) }
    }
    public func compress(_ x: Tensor, into y: Tensor) { time("copy") { inner.compress(x, into: y) } }
    public func expand(_ x: Tensor, into y: Tensor) { time("copy") { inner.expand(x, into: y) } }
}
