/// A device at work: a backend, the memory pool on it, and the tape of the pass being recorded.
///
/// Everything made on one context is used from one thread at a time; the backend spreads each operation over its own.
public final class Context {
    public let backend: any Backend
    public let pool: BufferPool
    /// The type of activations and of gradients by them: what leaves a look-up has it, and operations hand it on. Parameters, their
    /// gradients, statistics and losses are float32 whatever it is.
    public let activationType: DType
    var tape: Tape?

    public init(backend: any Backend, activationType: DType = .float32) {
        precondition(activationType == .float32 || activationType == .bfloat16, "activations in \(activationType)")
        self.backend = backend
        self.activationType = activationType
        pool = BufferPool(backend: backend)
    }

    /// What computes and in what type, for people: "2 threads", "NVIDIA H100 80GB HBM3 in bfloat16".
    public var title: String { activationType == .float32 ? backend.title : "\(backend.title) in \(activationType.rawValue)" }

    /// Says why the device failed, where it has: everything computed since is worthless.
    /// - Throws: what the backend says, as `CUDAError`.
    public func check() throws {
        if let failure = backend.failure { throw failure }
    }

    /// A CPU with `threads` threads; by default one a core.
    public static func cpu(threads: Int? = nil) -> Context { Context(backend: CPUBackend(threads: threads)) }

    /// A device without memory or arithmetic: a pass over it measures what a real one would need.
    /// - Parameter batchedElements: as that of `Backend`, of the device that is stood in for.
    public static func shapesOnly(
        activationType: DType = .float32, batchedElements: Int = CPUBackend.batchedElements
    ) -> Context {
        Context(backend: ShapeBackend(batchedElements: batchedElements), activationType: activationType)
    }

    /// Whether operations are being recorded for a backward pass.
    public var isRecording: Bool { tape != nil }
    /// Whether what is not recorded now will be when it is run again: see `recomputing`.
    var isRecordedLater = false
    /// Whether a backward pass will go through what is computed now, recorded at once or when it is computed again.
    public var expectsBackward: Bool { tape != nil || isRecordedLater }

    /// Runs `body` with a new tape, on which every operation that needs a gradient is recorded.
    public func recording<Result>(_ body: () throws -> Result) rethrows -> Result {
        let outer = tape
        tape = Tape()
        defer { tape = outer }
        return try body()
    }

    /// An uninitialized tensor.
    /// - Parameter exactly: whether its memory is not rounded up for reuse.
    public func empty(_ shape: [Int], _ dtype: DType = .float32, exactly: Bool = false) -> Tensor {
        let count = shape.reduce(1, *)
        return Tensor(
            context: self, storage: pool.allocate(byteCount: count * dtype.size, exactly: exactly), offset: 0, shape: shape,
            dtype: dtype)
    }

    public func zeros(_ shape: [Int], _ dtype: DType = .float32) -> Tensor {
        let tensor = empty(shape, dtype)
        backend.fill(tensor, 0)
        return tensor
    }

    /// A float tensor with the given values in row-major order.
    public func tensor(_ values: [Float], _ shape: [Int]) -> Tensor {
        precondition(values.count == shape.reduce(1, *), "\(values.count) values do not fill \(shape)")
        let tensor = empty(shape)
        values.withUnsafeBytes { backend.upload($0, to: tensor) }
        return tensor
    }

    /// An int32 tensor with the given values in row-major order.
    public func tensor(_ values: [Int32], _ shape: [Int]) -> Tensor {
        precondition(values.count == shape.reduce(1, *), "\(values.count) values do not fill \(shape)")
        let tensor = empty(shape, .int32)
        values.withUnsafeBytes { backend.upload($0, to: tensor) }
        return tensor
    }
}
