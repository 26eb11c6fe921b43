import Autograd
import Components

/// What a model costs, by counting and by formula.
public struct Accounting: Sendable {
    /// All trained numbers.
    public let parameters: Int
    /// By optimizer group: "matrix", "embedding", "norm" ….
    public let parametersByGroup: [String: Int]
    /// Parameters that a token's pass multiplies by, a tied head's table among them.
    public let productParameters: Int
    /// Training FLOPs a token: 6 a product parameter, and 12·H·D·min(window, T) a layer for attention (Chowdhery et al.
    /// 2022, arXiv:2204.02311, windows counted).
    public let flopsPerToken: Int
    /// Bytes of keys and values a token adds to the cache, in float32.
    public let kvBytesPerToken: Int
    /// Bytes the cache takes at full context, windows counted.
    public let kvBytesAtContext: Int
    /// Bytes of keys and values that one decode step at full context reads: 2·K·D·min(context, window) numbers a layer.
    public let kvBytesReadAtContext: Int

    init(_ model: Model) {
        let all = model.store.parameters, context = model.size.context
        parameters = model.store.count
        parametersByGroup = Dictionary(all.map { ($0.group, $0.count) }, uniquingKeysWith: +)
        productParameters = all.filter(\.inProduct).reduce(0) { $0 + $1.count } + model.head.tiedProductParameters
        let attention = model.layers.reduce(0) { sum, layer in
            let shape = layer.attention.cacheShape
            return sum + 12 * layer.attention.heads * shape.headDim * min(shape.window ?? context, context)
        }
        flopsPerToken = 6 * productParameters + attention
        let shapes = model.cacheShapes
        kvBytesPerToken = shapes.reduce(0) { $0 + $1.elementsPerToken * 4 }
        kvBytesAtContext = shapes.reduce(0) { $0 + $1.elementsPerToken * 4 * $1.capacity(context: context) }
        kvBytesReadAtContext = Accounting.kvBytesRead(shapes, tokens: context, context: context)
    }

    /// Bytes of keys and values of the `tokens` tokens before it that a decode step reads, a sequence.
    public static func kvBytesRead(_ shapes: [CacheShape], tokens: Int, context: Int, elementSize: Int = 4) -> Int {
        shapes.reduce(0) { $0 + $1.elementsPerToken * elementSize * min(tokens, $1.window ?? context, context) }
    }
}

extension Model {
    public var accounting: Accounting { Accounting(self) }

    /// Bytes that the tensors of one training step take at their most, weights and optimizer state left out: found by
    /// running the step over shapes without memory.
    /// - Parameter recomputes: whether layers are computed again going back, as `train.recompute` asks.
    /// - Throws: `ConfigError`, as making the model does.
    public static func activationBytes(
        _ config: ModelConfig, vocabulary: Int, batch: Int, activationType: DType = .float32, recomputes: Bool = false
    ) throws -> Int {
        let context = Context.shapesOnly(activationType: activationType)
        let model = try Model(config, vocabulary: vocabulary)
        model.materialize(on: context, training: true)
        let before = context.pool.bytesInUse
        context.pool.resetPeak()
        let tokens = context.empty([batch, model.size.context], .int32)
        let targets = context.empty([batch, model.size.context], .int32)
        // A batch lives as long as its step.
        withExtendedLifetime((tokens, targets)) {
            context.recording {
                let pass = Pass(tokens: tokens, dropout: DropoutSource(seed: 0, step: 0), recomputes: recomputes)
                model.loss(pass, targets: targets, scale: 1).backward()
            }
        }
        return context.pool.peakBytesInUse - before
    }
}
