/// Heads inside a wider tensor: row r of `tensor` [B, T, stride] holds head h at columns offset + h·dim ….
/// Queries, keys and values of one packed product are three such views of one tensor.
public struct Heads {
    public let tensor: Tensor
    public let offset: Int
    public let count: Int
    public let dim: Int

    public init(_ tensor: Tensor, offset: Int = 0, count: Int, dim: Int) {
        precondition(offset + count * dim <= tensor.columns, "heads lie outside the tensor's columns")
        (self.tensor, self.offset, self.count, self.dim) = (tensor, offset, count, dim)
    }

    public var columns: Range<Int> { offset..<offset + count * dim }
}

/// Memory for the gradient of `Heads`, with the same layout.
public struct HeadGradient {
    public let heads: Heads
    public let accumulate: Bool
}

/// Angles of rotary positions: cosines and sines [positions, rotary / 2].
public struct RotaryTable {
    public let cosines: Tensor
    public let sines: Tensor
    /// Dimensions of a head that are rotated.
    public let rotary: Int
    /// Whether a pair is (2j, 2j + 1), rather than (j, j + rotary / 2).
    public let interleaved: Bool

    public init(cosines: Tensor, sines: Tensor, rotary: Int, interleaved: Bool) {
        (self.cosines, self.sines, self.rotary, self.interleaved) = (cosines, sines, rotary, interleaved)
    }
}

/// What is done to query or key heads before attention, in this order: RMS norm of each head, rotation, scaling.
public struct HeadPreparation {
    public var input: Heads
    /// Epsilon of the norm; nil for none.
    public var normalize: Float?
    /// The norm's weight [D], or nil.
    public var weight: Tensor?
    public var rotary: RotaryTable?
    /// Row r of the rotary table for token r: int32 [B·T].
    public var positions: Tensor?
    public var scale: Float = 1

    public init(
        _ input: Heads, normalize: Float? = nil, weight: Tensor? = nil, rotary: RotaryTable? = nil,
        positions: Tensor? = nil, scale: Float = 1
    ) {
        (self.input, self.normalize, self.weight) = (input, normalize, weight)
        (self.rotary, self.positions, self.scale) = (rotary, positions, scale)
    }

    /// Whether the heads stay as they are.
    public var isIdentity: Bool { normalize == nil && rotary == nil && scale == 1 }
}

/// One causal attention: T queries at positions `queryPosition` … against S keys at `keyPosition` ….
public struct AttentionCall {
    /// q [B, T, H·D], k and v [B, S, K·D]; query head h uses key head h / (H / K).
    public var query: Heads, key: Heads, value: Heads
    public var queryPosition = 0, keyPosition = 0
    public var options: AttentionOptions
    /// Where an example's dropout numbers begin: examples of earlier micro-batches come before.
    public var firstExample = 0

    public init(query: Heads, key: Heads, value: Heads, options: AttentionOptions) {
        precondition(query.count % key.count == 0 && key.count == value.count, "key heads must divide query heads")
        (self.query, self.key, self.value, self.options) = (query, key, value, options)
    }

    public var batch: Int { query.tensor.shape[0] }
    public var queries: Int { query.tensor.shape[1] }
    public var keys: Int { key.tensor.shape[1] }
}

/// How scores become weights: z = softcap(scale·q·k) − slope·distance, seen for distances 0 … window.
public struct AttentionOptions {
    /// How many positions back a token sees, besides itself; nil for all.
    public var window: Int?
    public var scale: Float
    /// z = cap·tanh(z / cap); 0 for none.
    public var softcap: Float = 0
    /// ALiBi's slopes, one a query head.
    public var slopes: [Float]?
    public var dropout: DropoutMask?

    public init(
        window: Int? = nil, scale: Float, softcap: Float = 0, slopes: [Float]? = nil, dropout: DropoutMask? = nil
    ) {
        (self.window, self.scale, self.softcap) = (window, scale, softcap)
        (self.slopes, self.dropout) = (slopes, dropout)
    }
}

/// One query a sequence against a ring of keys and values.
public struct DecodeCall {
    /// [B, 1, H·D]
    public var query: Heads
    /// Rings [B, capacity, K·D].
    public var keys: Tensor, values: Tensor
    /// Slots filled, and the slot of the query's own key.
    public var count: Int, newest: Int
    /// Where the query's position lies, an int64 in two elements of an int32 tensor: `count` and `newest` follow from it then, when the
    /// device comes to the call. Nil for those given.
    public var position: Tensor?
    public var options: AttentionOptions

    public init(query: Heads, keys: Tensor, values: Tensor, count: Int, newest: Int, options: AttentionOptions) {
        (self.query, self.keys, self.values) = (query, keys, values)
        (self.count, self.newest, self.options) = (count, newest, options)
    }
}

extension DecodeCall {
    /// The same call with its position fetched.
    var settled: DecodeCall {
        guard let position else { return self }
        var call = self
        let now = position.storedInt64, capacity = keys.shape[1]
        (call.count, call.newest, call.position) = (min(now + 1, capacity), now % capacity, nil)
        return call
    }
}

/// New keys and values on their way to rings, where slot p mod capacity holds position p.
public struct RingAppend {
    /// [B, T, K·D]
    public var key: Heads, value: Heads
    /// Rings [B, capacity, K·D] of float32, bfloat16, or int8 with a scale for each head.
    public var keys: Tensor, values: Tensor
    /// Tokens before this one are left out: there are more than the ring holds.
    public var first: Int
    /// The position of token 0.
    public var start: Int
    /// Where that lies instead, as in `DecodeCall`; nil for `start`.
    public var position: Tensor?

    public init(key: Heads, value: Heads, keys: Tensor, values: Tensor, first: Int = 0, start: Int, position: Tensor? = nil) {
        precondition(keys.shape == values.shape && keys.dtype == values.dtype, "rings of keys and values are alike")
        (self.key, self.value, self.keys, self.values) = (key, value, keys, values)
        (self.first, self.start, self.position) = (first, start, position)
    }
}
