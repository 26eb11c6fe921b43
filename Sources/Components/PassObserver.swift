import Autograd

/// Looks into a pass on its way through a model: attention maps, the logit lens and statistics are made of what it sees.
/// Nothing it is shown may be kept beyond the call or written to: memory is handed on.
public protocol PassObserver: AnyObject {
    /// Queries, keys and values as they are attended, before it happens. Not called where a cache is read instead.
    func attends(_ layer: Int, _ call: AttentionCall)
    /// What attention or feed-forward gave, [B, T, C], before it is added to the stream.
    /// - Parameter name: `attention` or `mlp`.
    func sublayer(_ name: String, of layer: Int, gave y: Tensor)
    /// The residual stream [B, T, C] after a layer; after the embedding where `layer` is nil.
    /// - Parameter end: what the final norm would read if this layer were the last.
    func stream(after layer: Int?, _ x: Tensor, end: () -> Tensor)
    /// The share of all choices that fell on each expert of a mixture.
    func experts(_ layer: Int, _ shares: [Float])
}

extension PassObserver {
    public func experts(_ layer: Int, _ shares: [Float]) {}
    public func attends(_ layer: Int, _ call: AttentionCall) {}
    public func sublayer(_ name: String, of layer: Int, gave y: Tensor) {}
    public func stream(after layer: Int?, _ x: Tensor, end: () -> Tensor) {}
}
