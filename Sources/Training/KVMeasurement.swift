import Architectures
import Autograd
import Components
import Foundation

/// What a KV cache takes, three times over: by formula, as the allocator counts, and as the system counts after really
/// decoding that many tokens.
public struct KVMeasurement: Sendable {
    public let batch: Int
    /// Tokens held.
    public let context: Int
    public let type: DType
    /// Σ over layers of batch · min(context, window + 1) · 2·K·D · size, and int8's scales.
    public let formulaBytes: Int
    public let allocatedBytes: Int
    /// What the process shrinks by when the cache is let go; nil where the system does not tell.
    public let residentBytes: Int?
    /// What the process keeps besides weights and cache after decoding: the working memory of its kernels.
    public let fixedBytes: Int?
    /// Bytes by the formula with a key/value head for every query head and no windows.
    public let fullBytes: Int
    /// Keys and values that the next step reads.
    public let bytesReadPerStep: Int
    /// Over all sequences, at the end of the context.
    public let decodeTokensPerSecond: Double
    /// Layer by layer.
    public let layers: [Layer]

    public struct Layer: Sendable {
        public let shape: CacheShape
        /// Positions held.
        public let capacity: Int
        public let allocatedBytes: Int
    }

    /// Passes `context` tokens through the model for each of `batch` sequences, the last ones one at a time.
    /// - Parameters:
    ///   - steps: how many of the last are timed.
    ///   - singly: whether all are passed one at a time, which takes long and fills the cache with the same.
    public static func measure(
        _ model: Model, on device: Context, batch: Int, context: Int, type: DType, steps: Int = 24, singly: Bool = false,
        progress: (_ done: Int) -> Void = { _ in }
    ) throws -> KVMeasurement {
        func settled() -> Int? {
            device.pool.trim()
            // On a GPU the system's count would be of the host; what was taken from the device and not given back is as good.
            guard device.backend.name == "cpu" else { return device.pool.bytesReserved }
            ProcessMemory.releaseFree()
            return ProcessMemory.residentBytes
        }
        var random = Philox(seed: 0, domain: .batches).sequence(stream: 0)
        func tokens(_ count: Int) -> Tensor {
            device.tensor((0..<batch * count).map { _ in Int32(random.below(model.size.vocabulary)) }, [batch, count])
        }
        let before = settled()
        var cache: KVCache? = KVCache(model.cacheShapes, contextLength: context, batch: batch, type: type, on: device)
        let allocated = cache?.layerByteCounts ?? []
        let single = singly ? context : min(steps, context), piece = max(1, min(512, 4096 / batch))
        var seconds: [Double] = []
        func pass(_ count: Int) {
            guard let cache else { return }
            _ = model.lastLogits(Pass(tokens: tokens(count), start: cache.position, cache: cache)).floats
            cache.advance(by: count)
            progress(cache.position)
        }
        while let position = cache?.position, position < context - single { pass(min(piece, context - single - position)) }
        // As texts are continued: what a device replays is replayed here.
        var step = cache.map { DecodeStep(model, $0, on: device, .token(of: model.size.vocabulary, nil), most: single) }
        var next = tokens(1).int32s
        for _ in 0..<single {
            let start = DispatchTime.now().uptimeNanoseconds
            if case .tokens(let chosen)? = step?(next) { next = chosen }
            seconds.append(Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9)
            progress(cache?.position ?? 0)
        }
        try device.check()
        step = nil
        let full = settled()
        cache = nil
        let after = settled()
        let shapes = model.cacheShapes
        return KVMeasurement(
            batch: batch, context: context, type: type,
            formulaBytes: shapes.reduce(0) { $0 + $1.byteCount(type, batch: batch, context: context) },
            allocatedBytes: allocated.reduce(0, +), residentBytes: full.flatMap { full in after.map { full - $0 } },
            fixedBytes: before.flatMap { before in after.map { max(0, $0 - before) } },
            fullBytes: model.fullCacheShapes.reduce(0) { $0 + $1.byteCount(type, batch: batch, context: context) },
            bytesReadPerStep: batch
                * shapes.reduce(0) { $0 + min(context, $1.window ?? context) * $1.bytesPerToken(type) },
            decodeTokensPerSecond: Double(batch) / seconds.suffix(steps).sorted()[min(steps, seconds.count) / 2],
            layers: zip(shapes, allocated).map {
                Layer(shape: $0, capacity: $0.capacity(context: context), allocatedBytes: $1)
            })
    }
}

/// How much fits in a given memory beside the weights. Windows make it anything but a division: a layer with a window
/// stops growing.
public struct KVCapacity: Sendable {
    /// Sequences of `context` tokens.
    public let batch: Int
    /// Tokens of each of so many sequences, `unlimited` at most; windowed layers alone never fill a memory.
    public let context: Int
    /// Whether the weights alone take more than there is.
    public let lacksRoomForWeights: Bool

    public static let unlimited = 1 << 32

    /// - Parameters:
    ///   - memory: bytes, of which the weights take `weights`.
    ///   - batch: the sequences that `context` is asked for.
    ///   - context: the tokens that `batch` is asked for.
    ///   - longest: tokens that the positions allow; nil where there is no end.
    public init(_ shapes: [CacheShape], type: DType, memory: Int, weights: Int, batch: Int, context: Int, longest: Int? = nil) {
        let free = max(0, memory - weights)
        func bytes(_ context: Int) -> Int { shapes.reduce(0) { $0 + $1.byteCount(type, batch: 1, context: context) } }
        self.batch = free / max(1, bytes(context))
        lacksRoomForWeights = memory < weights
        var (low, high) = (0, min(longest ?? .max, KVCapacity.unlimited))
        // The largest context whose bytes fit, by halving: bytes never fall with the context.
        while low < high {
            let middle = low + (high - low + 1) / 2
            if bytes(middle) <= free / batch { low = middle } else { high = middle - 1 }
        }
        self.context = low
    }
}
