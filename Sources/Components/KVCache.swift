import Autograd

/// Keys and values of the tokens so far, for decoding one token at a time.
///
/// Each layer is a ring over positions: slot p mod capacity holds position p. A layer that sees the whole context holds
/// the context, one with a window holds the window and the token itself; both hold their key/value heads only.
public final class KVCache {
    /// One layer's rings [B, capacity, K·D].
    struct Layer {
        let keys: Tensor
        let values: Tensor
        let capacity: Int
    }

    let layers: [Layer]
    public let batch: Int
    /// Tokens seen so far: the position of the next one.
    public internal(set) var position: Int {
        get {
            devicePosition?.wasBypassed = true
            return next
        }
        set { next = newValue }
    }
    private var next = 0
    /// Where passes of one token a sequence find their position, while they do not take it from `position`.
    public var devicePosition: DecodePosition?
    /// What else a component must remember of the last token, such as its embedding, by the component's name. See `carry`.
    public var carried: [String: Tensor] = [:]
    private let shapes: [CacheShape]
    private let contextLength: Int
    /// The type that keys and values are kept in.
    public let type: DType

    /// An empty cache.
    /// - Parameters:
    ///   - contextLength: positions that a layer without window holds.
    ///   - type: float32, bfloat16, or int8 with a scale for each position and head.
    public init(
        _ shapes: [CacheShape], contextLength: Int, batch: Int, type: DType = .float32, on context: Context
    ) {
        self.type = type
        self.shapes = shapes
        self.contextLength = contextLength
        self.batch = batch
        layers = shapes.map { shape in
            let capacity = shape.capacity(context: contextLength)
            let size = [batch, capacity, shape.kvHeads * shape.headDim]
            func ring() -> Tensor { .storage(size, type, group: shape.headDim, on: context, exactly: true) }
            return Layer(keys: ring(), values: ring(), capacity: capacity)
        }
    }

    /// Bytes of memory that the rings were given.
    public var byteCount: Int { layerByteCounts.reduce(0, +) }

    /// The same layer by layer.
    public var layerByteCounts: [Int] { layers.map { $0.keys.allocatedBytes + $0.values.allocatedBytes } }

    /// A cache for `copies` sequences, each continuing this one's only sequence.
    public func repeated(_ copies: Int) -> KVCache {
        precondition(batch == 1, "only a cache of one sequence is repeated")
        guard let context = layers.first?.keys.context else { return self }
        let result = KVCache(shapes, contextLength: contextLength, batch: copies, type: type, on: context)
        for (from, to) in zip(layers, result.layers) {
            for copy in 0..<copies {
                for (source, target) in [(from.keys, to.keys), (from.values, to.values)] {
                    let part = target.rowsView(copy * from.capacity, from.capacity)
                    context.backend.copy(source, to: part)
                    if let scales = source.scales, let own = part.scales { context.backend.copy(scales.values, to: own.values) }
                }
            }
        }
        result.position = position
        result.carried = carried.mapValues { tensor in
            let many = context.empty([copies] + tensor.shape.dropFirst(), tensor.dtype)
            for copy in 0..<copies { context.backend.copy(tensor, to: many.slice(copy..<copy + 1)) }
            return many
        }
        return result
    }

    /// Moves on after a pass over `count` tokens.
    public func advance(by count: Int) { next += count }

    /// Remembers a copy of `tensor`, where the one before was if there was one: passes that are replayed find it there.
    public func carry(_ name: String, _ tensor: Tensor) {
        if let place = carried[name], place.shape == tensor.shape, place.dtype == tensor.dtype {
            tensor.backend.copy(tensor, to: place)
        } else {
            carried[name] = tensor.copied()
        }
    }

    /// Attention of new tokens at `position` … over them and what the layer holds, which then holds them too.
    /// - Parameters:
    ///   - query: [B, T, H·D].
    ///   - key: [B, T, K·D], rotated already; `value` alike.
    /// - Returns: [B, T, H·D].
    public func attend(
        layer: Int, query: Heads, key: Heads, value: Heads, options: AttentionOptions
    ) -> Tensor {
        let ring = layers[layer], time = query.tensor.shape[1]
        var append = RingAppend(key: key, value: value, keys: ring.keys, values: ring.values, start: next)
        if time == 1 {
            var call = DecodeCall(
                query: query, keys: ring.keys, values: ring.values, count: min(next + 1, ring.capacity), newest: next % ring.capacity,
                options: options)
            (append.position, call.position) = (devicePosition?.value, devicePosition?.value)
            query.tensor.backend.append(append)
            return attentionDecode(call)
        }
        // Several tokens: the earlier ones that any of them sees, in order, and the new ones behind.
        let past = min(position, ring.capacity - 1)
        let (keys, values): (Heads, Heads)
        if past == 0 {
            (keys, values) = (key, value)
        } else {
            (keys, values) = (joined(ring.keys, past, key), joined(ring.values, past, value))
        }
        var call = AttentionCall(query: query, key: keys, value: values, options: options)
        call.queryPosition = position
        call.keyPosition = position - past
        call.options.window = min(options.window ?? .max, ring.capacity - 1)
        let output = attention(call)
        append.first = max(0, time - ring.capacity)
        query.tensor.backend.append(append)
        return output
    }

    /// The last `past` positions of a ring in order, then the new tokens: [B, past + T, K·D].
    private func joined(_ ring: Tensor, _ past: Int, _ heads: Heads) -> Heads {
        let capacity = ring.shape[1], time = heads.tensor.shape[1], width = ring.columns
        let all = ring.context.empty([batch, past + time, width])
        for b in 0..<batch {
            var token = position - past
            var row = b * (past + time)
            while token < position {
                let slot = token % capacity, run = min(position - token, capacity - slot)
                let held = ring.rowsView(b * capacity + slot, run), target = all.rowsView(row, run)
                if type == .float32 { ring.backend.copy(held, to: target) } else { ring.backend.expand(held, into: target) }
                token += run
                row += run
            }
            ring.backend.copyColumns(
                heads.tensor.rowsView(b * time, time), from: heads.offset, to: all.rowsView(row, time), at: 0,
                count: width, accumulate: false)
        }
        return Heads(all, count: heads.count, dim: heads.dim)
    }
}
