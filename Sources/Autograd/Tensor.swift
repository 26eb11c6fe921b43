/// A dense row-major array on a device.
///
/// Shapes in comments: B batch, T time, C width, H query heads, K key/value heads, D head dimension, V vocabulary.
public final class Tensor {
    public let context: Context
    /// The memory; views share it.
    public private(set) var storage: Storage
    /// Where this tensor begins in `storage`, in elements.
    public let offset: Int
    public let shape: [Int]
    public let dtype: DType
    /// Of an int8 tensor: the scale of each row's groups of columns.
    public internal(set) var scales: Scales?
    /// A copy in the context's type for activations, which products multiply by where that is not this tensor's. Whoever changes the
    /// tensor brings it up to date: see `ParameterStore.refreshShadow`.
    public var shadow: Tensor?
    /// How to make this tensor again from what is kept anyway, where that is cheaper than keeping it for a backward pass.
    private var recipe: (() -> Tensor)?
    /// Where the gradient by this tensor gathers; nil when none is wanted.
    public internal(set) var gradient: Gradient?

    init(context: Context, storage: Storage, offset: Int, shape: [Int], dtype: DType, gradient: Gradient? = nil) {
        self.context = context
        self.storage = storage
        self.offset = offset
        self.shape = shape
        self.dtype = dtype
        self.gradient = gradient
    }

    /// The number of elements.
    public var count: Int { shape.reduce(1, *) }
    /// The last dimension: the length of a row.
    public var columns: Int { shape.last ?? 1 }
    /// All dimensions but the last, multiplied.
    public var rows: Int { shape.dropLast().reduce(1, *) }
    public var backend: any Backend { context.backend }

    /// Whether operations on this tensor are recorded for a backward pass.
    public var requiresGradient: Bool { gradient != nil }

    /// Asks for a gradient: after `backward()` it is in `gradient`.
    @discardableResult
    public func requireGradient() -> Tensor {
        if gradient == nil { gradient = Gradient(context: context, shape: shape, dtype: dtype) }
        return self
    }

    /// The same memory under another shape. Gradients flow through.
    public func reshaped(_ newShape: [Int]) -> Tensor {
        precondition(newShape.reduce(1, *) == count, "\(shape) does not reshape to \(newShape)")
        let view = Tensor(context: context, storage: storage, offset: offset, shape: newShape, dtype: dtype)
        view.recordBackward(from: [self]) { [gradient, shape] in gradient?.accumulate($0.reshaped(shape)) }
        return view
    }

    /// Rows `range` of the first dimension, the same memory. Not recorded: for data and parameters.
    public func slice(_ range: Range<Int>) -> Tensor {
        precondition(!shape.isEmpty && range.lowerBound >= 0 && range.upperBound <= shape[0], "slice out of range")
        let row = count / max(shape[0], 1)
        return Tensor(
            context: context, storage: storage, offset: offset + range.lowerBound * row,
            shape: [range.count] + shape.dropFirst(), dtype: dtype)
    }

    /// A view of this memory from element `start` on. For laying tensors out in one block by hand.
    public func view(at start: Int, _ newShape: [Int]) -> Tensor {
        Tensor(context: context, storage: storage, offset: offset + start, shape: newShape, dtype: dtype)
    }

    /// What a backward function keeps of this tensor: its recipe where there is one, else the tensor itself. Outputs of
    /// activations and norms take a pass over memory to make again, and are the larger half of what training holds.
    var kept: () -> Tensor { recipe ?? { self } }

    /// Says how to make this tensor again, when a backward pass may ask for it.
    func setRecipe(_ recipe: @escaping () -> Tensor) {
        if requiresGradient { self.recipe = recipe }
    }

    /// A copy that shares neither memory nor gradient.
    public func copied() -> Tensor {
        let copy = context.empty(shape, dtype)
        backend.copy(self, to: copy)
        return copy
    }

    /// A copy in another floating-point type. Not recorded.
    public func converted(to type: DType) -> Tensor {
        let y = context.empty(shape, type)
        backend.copy(self, to: y)
        return y
    }

    /// The values, fetched from the device; those of bfloat16 widened.
    public var floats: [Float] {
        if dtype == .bfloat16 {
            let narrow = [UInt16](unsafeUninitializedCapacity: count) { buffer, initialized in
                backend.download(self, to: UnsafeMutableRawBufferPointer(buffer))
                initialized = count
            }
            return narrow.map { Float(bitPattern: UInt32($0) << 16) }
        }
        precondition(dtype == .float32, "floats of a \(dtype.rawValue) tensor")
        return [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            backend.download(self, to: UnsafeMutableRawBufferPointer(buffer))
            initialized = count
        }
    }

    /// The values of an int32 tensor, fetched from the device.
    public var int32s: [Int32] {
        precondition(dtype == .int32, "int32s of a \(dtype.rawValue) tensor")
        return [Int32](unsafeUninitializedCapacity: count) { buffer, initialized in
            backend.download(self, to: UnsafeMutableRawBufferPointer(buffer))
            initialized = count
        }
    }

    /// The one value of a tensor with one element.
    public var item: Float {
        precondition(count == 1, "item of a tensor with \(count) elements")
        return floats[0]
    }

    /// Whether nobody else holds this tensor's memory, so that it may be written in place.
    func ownsStorageAlone() -> Bool { isKnownUniquelyReferenced(&storage) }
}
