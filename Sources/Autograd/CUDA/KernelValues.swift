// The structs that kernels take, member by member as their sources declare them: Swift lays such members out as C does. Where one
// changes there, it must change here.

/// `Array` of the kernels: a tensor's elements, of a type that is known when the kernel runs.
package struct KernelArray: BitwiseCopyable {
    package var address: DeviceAddress
    /// 0 float32, 1 bfloat16, 2 int8.
    package var type: Int64

    package init(_ address: DeviceAddress, _ type: DType) {
        self.address = address
        self.type =
            switch type {
            case .bfloat16: 1
            case .int8: 2
            default: 0
            }
    }

    /// No array.
    static let none = KernelArray(0, .float32)
}

/// `Terms` of `scaled_sum`.
struct KernelTerms: BitwiseCopyable {
    typealias Eight<T> = (T, T, T, T, T, T, T, T)
    static let most = 8
    var x: Eight<KernelArray> = (.none, .none, .none, .none, .none, .none, .none, .none)
    var s: Eight<DeviceAddress> = (0, 0, 0, 0, 0, 0, 0, 0)
    var count: Int32 = 0
    var accumulate: Int32 = 0

    init(_ terms: ArraySlice<(x: KernelArray, s: DeviceAddress)>, accumulate: Bool) {
        withUnsafeMutableBytes(of: &x) { x in
            withUnsafeMutableBytes(of: &s) { s in
                for (index, term) in terms.prefix(Self.most).enumerated() {
                    x.storeBytes(of: term.x, toByteOffset: index * MemoryLayout<KernelArray>.stride, as: KernelArray.self)
                    s.storeBytes(of: term.s, toByteOffset: index * MemoryLayout<DeviceAddress>.stride, as: DeviceAddress.self)
                }
            }
        }
        count = Int32(min(terms.count, Self.most))
        self.accumulate = accumulate ? 1 : 0
    }
}

/// `Heads` of the family `heads`.
struct KernelHeads: BitwiseCopyable {
    var rows: Int64, inStride: Int64, outStride: Int64
    var heads: Int32, dim: Int32, rotary: Int32, normalize: Int32, interleaved: Int32
    var epsilon: Float, scale: Float
    var weight: DeviceAddress, cosines: DeviceAddress, sines: DeviceAddress
    var positions: DeviceAddress

    init(_ h: HeadPreparation, outStride: Int) {
        (rows, inStride, self.outStride) = (Int64(h.input.tensor.rows), Int64(h.input.tensor.columns), Int64(outStride))
        (heads, dim) = (Int32(h.input.count), Int32(h.input.dim))
        (rotary, normalize) = (Int32(h.rotary?.rotary ?? 0), h.normalize == nil ? 0 : 1)
        interleaved = h.rotary?.interleaved == true ? 1 : 0
        (epsilon, scale) = (h.normalize ?? 0, h.scale)
        weight = h.weight?.deviceAddress ?? 0
        cosines = h.rotary?.cosines.deviceAddress ?? 0
        sines = h.rotary?.sines.deviceAddress ?? 0
        positions = h.positions?.deviceAddress ?? 0
    }
}

/// `Call` of attention.
struct KernelCall: BitwiseCopyable {
    var batch: Int64, heads: Int64, keyHeads: Int64, dim: Int64, queries: Int64, keys: Int64
    var qStride: Int64, kStride: Int64, vStride: Int64
    var queryPosition: Int64, keyPosition: Int64, window: Int64
    var scale: Float, softcap: Float, dropout: Float
    var tile: Int32
    var dropoutKey: UInt64, dropoutStream: UInt64, firstExample: UInt64
    var slopes: DeviceAddress
    /// Where the step's number is, which counts in the stream of dropout; 0 for none.
    var step: DeviceAddress

    init(_ call: AttentionCall, tile: Int, slopes: DeviceAddress, step: DeviceAddress) {
        let options = call.options
        (batch, heads, keyHeads) = (Int64(call.batch), Int64(call.query.count), Int64(call.key.count))
        (dim, queries, keys) = (Int64(call.query.dim), Int64(call.queries), Int64(call.keys))
        (qStride, kStride, vStride) = (
            Int64(call.query.tensor.columns), Int64(call.key.tensor.columns), Int64(call.value.tensor.columns)
        )
        (queryPosition, keyPosition) = (Int64(call.queryPosition), Int64(call.keyPosition))
        // Kernels add to it.
        window = Int64(min(options.window ?? Int(Int32.max), Int(Int32.max)))
        (scale, softcap, dropout) = (options.scale, options.softcap, options.dropout?.probability ?? 0)
        self.tile = Int32(tile)
        (dropoutKey, dropoutStream) = (options.dropout?.key ?? 0, options.dropout?.stream ?? 0)
        firstExample = UInt64(call.firstExample)
        (self.slopes, self.step) = (slopes, step)
    }
}

/// `Product` of the family `products`.
struct KernelProduct: BitwiseCopyable {
    var m: Int64, n: Int64, k: Int64, group: Int64
    var transposeA: Int32, transposeB: Int32
    var alpha: Float, beta: Float
    var a: KernelArray, b: KernelArray
    var scales: DeviceAddress
    var c: KernelArray
    var bias: DeviceAddress

    init(_ p: MatrixProduct) {
        (m, n, k) = (Int64(p.m), Int64(p.n), Int64(p.k))
        group = Int64(p.b.scales?.group ?? 1)
        (transposeA, transposeB) = (p.transposeA ? 1 : 0, p.transposeB ? 1 : 0)
        (alpha, beta) = (p.alpha, p.beta)
        (a, b, c) = (p.a.array, p.b.array, p.c.array)
        (scales, bias) = (p.b.scales?.values.deviceAddress ?? 0, p.bias?.deviceAddress ?? 0)
    }
}

/// `DecodeProduct` of the family `decodeProducts`.
struct KernelDecodeProduct: BitwiseCopyable {
    var m: Int64, n: Int64, k: Int64, group: Int64
    var x: KernelArray, w: KernelArray
    var scales: DeviceAddress
    var y: KernelArray, bias: KernelArray
    var alpha: Float, beta: Float
    var split: Int32

    init(_ p: MatrixProduct, split: Int) {
        (m, n, k) = (Int64(p.m), Int64(p.n), Int64(p.k))
        group = Int64(p.b.scales?.group ?? 1)
        (x, w, y, bias) = (p.a.array, p.b.array, p.c.array, p.bias?.array ?? .none)
        scales = p.b.scales?.values.deviceAddress ?? 0
        (alpha, beta, self.split) = (p.alpha, p.beta, Int32(split))
    }
}

/// `Ring` of the family `decode`.
struct KernelRing: BitwiseCopyable {
    var heads: Int64, keyHeads: Int64, dim: Int64, capacity: Int64, count: Int64, newest: Int64, qStride: Int64
    var type: Int32
    var scale: Float, softcap: Float
    var keys: DeviceAddress, values: DeviceAddress
    var keyScales: DeviceAddress, valueScales: DeviceAddress, slopes: DeviceAddress

    init(_ call: DecodeCall, slopes: DeviceAddress) {
        let query = call.query
        (heads, keyHeads, dim) = (Int64(query.count), Int64(call.keys.columns / query.dim), Int64(query.dim))
        (capacity, count, newest) = (Int64(call.keys.shape[1]), Int64(call.count), Int64(call.newest))
        qStride = Int64(query.tensor.columns)
        type = Int32(call.keys.array.type)
        (scale, softcap) = (call.options.scale, call.options.softcap)
        (keys, values) = (call.keys.deviceAddress, call.values.deviceAddress)
        keyScales = call.keys.scales?.values.deviceAddress ?? 0
        valueScales = call.values.scales?.values.deviceAddress ?? 0
        self.slopes = slopes
    }
}

/// `Append` of the family `decodeStep`.
struct KernelAppend: BitwiseCopyable {
    var batch: Int64, tokens: Int64, first: Int64, start: Int64, capacity: Int64, keyHeads: Int64, dim: Int64
    var kStride: Int64, vStride: Int64
    var type: Int32
    var keys: DeviceAddress, values: DeviceAddress
    var keyScales: DeviceAddress, valueScales: DeviceAddress

    init(_ call: RingAppend) {
        (batch, tokens) = (Int64(call.keys.shape[0]), Int64(call.key.tensor.shape[1]))
        (first, start, capacity) = (Int64(call.first), Int64(call.start), Int64(call.keys.shape[1]))
        (keyHeads, dim) = (Int64(call.key.count), Int64(call.key.dim))
        (kStride, vStride) = (Int64(call.key.tensor.columns), Int64(call.value.tensor.columns))
        type = Int32(call.keys.array.type)
        (keys, values) = (call.keys.deviceAddress, call.values.deviceAddress)
        keyScales = call.keys.scales?.values.deviceAddress ?? 0
        valueScales = call.values.scales?.values.deviceAddress ?? 0
    }
}

/// `Sampling` of the kernels that draw tokens.
struct KernelSampling: BitwiseCopyable {
    /// Threads of their blocks, values of a digit, and parts of a row at most.
    static let threads = 256

    var logits: KernelArray
    var stride: Int64, columns: Int64, chunk: Int64, parts: Int64
    var tops: DeviceAddress, digits: DeviceAddress, sums: DeviceAddress
    var inverseTemperature: Float, scale: Float
    var k: Int64
    var p: Double

    init(_ logits: Tensor, _ columns: Int, _ sampling: TokenSampling) {
        let most = KernelSampling.threads, chunk = max(4 * most, (columns + most - 1) / most)
        self.logits = logits.array
        (stride, self.columns, self.chunk) = (Int64(logits.columns), Int64(columns), Int64(chunk))
        parts = Int64((columns + chunk - 1) / chunk)
        (tops, digits, sums) = (0, 0, 0)
        inverseTemperature = Float(1 / sampling.temperature)
        // As fine as it may be for the sum of all weights, each one at most, to stay below 2^62.
        scale = Float(sign: .plus, exponent: 62 - (Int.bitWidth - columns.leadingZeroBitCount), significand: 1)
        k = sampling.topK.map { $0 < columns ? Int64(max(1, $0)) : 0 } ?? 0
        p = sampling.topP ?? 1
    }
}

/// `Update` of `adamw`.
struct KernelUpdate: BitwiseCopyable {
    var p: DeviceAddress, g: DeviceAddress, m: DeviceAddress, v: DeviceAddress
    var count: Int64
    var numbers: DeviceAddress
    var beta1: Float, beta2: Float, epsilon: Float
    var shadow: DeviceAddress = 0

    init(_ update: AdamWUpdate) {
        (p, g) = (update.p.deviceAddress, update.g.deviceAddress)
        (m, v) = (update.m.deviceAddress, update.v.deviceAddress)
        count = Int64(update.p.count)
        numbers = update.numbers.deviceAddress
        (beta1, beta2, epsilon) = (update.beta1, update.beta2, update.epsilon)
    }
}

/// `Chunk` of `adamw`: so many elements of an update from `start` on.
struct KernelChunk: BitwiseCopyable {
    var start: Int64
    var which: Int32, count: Int32

    /// Elements of a block's share.
    static let size = 1 << 15
}

extension Tensor {
    /// Where the elements are on the device; 0 for none.
    var deviceAddress: DeviceAddress {
        guard let pointer = storage.pointer else { return 0 }
        return DeviceAddress(UInt(bitPattern: pointer)) + DeviceAddress(offset * dtype.size)
    }

    /// The elements as kernels take them.
    var array: KernelArray { KernelArray(deviceAddress, dtype) }
}

extension Heads {
    /// From the first head on.
    var array: KernelArray {
        KernelArray(tensor.deviceAddress + DeviceAddress(offset * tensor.dtype.size), tensor.dtype)
    }
}
