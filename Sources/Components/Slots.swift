import Autograd
import Configuration

// What a component of each slot must do. A component is one file: its options, its parameters, its forward pass, its
// share of the accounting. Forward passes are written with tensor operations, so their gradients come by themselves.

/// Normalization over the last dimension.
public protocol Norm {
    /// [.., C] → [.., C]
    func callAsFunction(_ x: Tensor) -> Tensor
}

/// How the model knows where a token stands. A scheme does one of three things: adds to the embeddings, rotates
/// queries and keys, or biases scores.
public protocol Position {
    /// What is added to the embedded tokens [B, T, C]; nil when nothing is.
    func embedding(_ pass: Pass) -> Tensor?
    /// Angles that queries and keys of `dim` dimensions are rotated by, for the positions of the pass.
    func rotary(dim: Int, _ pass: Pass) -> RotaryTable?
    /// ALiBi's slopes for a number of query heads.
    func slopes(heads: Int) -> [Float]?
    /// The longest sequence the scheme knows, when it has an end.
    var limit: Int? { get }
}

extension Position {
    public func embedding(_ pass: Pass) -> Tensor? { nil }
    public func rotary(dim: Int, _ pass: Pass) -> RotaryTable? { nil }
    public func slopes(heads: Int) -> [Float]? { nil }
    public var limit: Int? { nil }
}

/// Mixing between positions.
public protocol Attention {
    /// [B, T, C] → [B, T, C]; `x` is what the sublayer reads, normalized when the norm stands before.
    func callAsFunction(_ x: Tensor, _ pass: Pass) -> Tensor
    /// What the layer keeps for decoding.
    var cacheShape: CacheShape { get }
    /// Query heads, for the accounting.
    var heads: Int { get }
}

/// What one layer keeps of every token.
public struct CacheShape: Sendable, Equatable {
    public var kvHeads: Int
    public var headDim: Int
    /// How many positions back a token sees, besides itself; nil for the whole context.
    public var window: Int?
    public init(kvHeads: Int, headDim: Int, window: Int?) {
        (self.kvHeads, self.headDim, self.window) = (kvHeads, headDim, window)
    }

    /// Positions held: the ring of a window is the window and the token itself, never more than the context.
    public func capacity(context: Int) -> Int { min(context, (window ?? context) + 1) }
    /// Numbers a position: keys and values.
    public var elementsPerToken: Int { 2 * kvHeads * headDim }
    /// Bytes a position kept in `type`; int8 keeps a float32 scale for each head's key and value besides.
    public func bytesPerToken(_ type: DType) -> Int {
        elementsPerToken * type.size + (type == .int8 ? 2 * kvHeads * 4 : 0)
    }
    /// Bytes of the layer's ring for `batch` sequences of at most `context` tokens.
    public func byteCount(_ type: DType, batch: Int, context: Int) -> Int {
        batch * capacity(context: context) * bytesPerToken(type)
    }
}

/// Mixing between channels, position by position.
public protocol FeedForward {
    /// [B, T, C] → [B, T, C]
    func callAsFunction(_ x: Tensor, _ pass: Pass) -> Tensor
}

/// The stream that sublayers read from and add to.
public protocol ResidualStream {
    func begin(_ embedded: Tensor, _ pass: Pass) -> StreamState
    /// Before layer `layer` runs.
    func enter(_ layer: Int, _ state: inout StreamState)
    /// After layer `layer` has run.
    func leave(_ layer: Int, _ state: inout StreamState)
    /// What the final norm reads.
    func end(_ state: StreamState) -> Tensor
}

/// The stream on its way through the layers, and what a residual scheme set aside.
public struct StreamState {
    public var x: Tensor
    public var saved: [Tensor]
    public init(x: Tensor, saved: [Tensor] = []) { (self.x, self.saved) = (x, saved) }
}

/// Tokens to vectors.
public protocol Embedding {
    /// int32 [B, T] → [B, T, C]
    func callAsFunction(_ tokens: Tensor) -> Tensor
    /// Applied after positions have been added.
    func finish(_ x: Tensor, _ pass: Pass) -> Tensor
    /// The table [V padded, C], for a head that ties to it; its rows are the model's padded vocabulary.
    var table: ParameterBlock { get }
}

/// Vectors to logits.
public protocol Head {
    /// [.., C] → [.., V]
    func logits(_ x: Tensor) -> Tensor
    /// Σ cross-entropy · `scale` over the targets that are not negative, one element; `hits` [rows], int32, gets 1 where the target is
    /// the likeliest token.
    func loss(_ x: Tensor, targets: Tensor, scale: Float, hits: Tensor?) -> Tensor
    /// Matrix-product parameters of the head that belong to the embedding.
    var tiedProductParameters: Int { get }
}

/// How parameters begin.
public protocol InitScheme: Sendable {
    /// `layers` is the depth of the model.
    func start(of parameter: Parameter, layers: Int) -> Start
}

/// A distribution to begin with.
public enum Start: Sendable, Equatable {
    case constant(Float)
    case values([Float])
    case normal(deviation: Double)
    case uniform(low: Double, high: Double)
}
