import Foundation

/// An NVIDIA GPU: cuBLASLt for matrix products, our own kernels for the rest, all in one stream.
///
/// Operations return at once; what fails is remembered (`failure`), and everything asked for after it does nothing, so that operations
/// need not throw. Results repeat to the last bit on one device: no sum is taken in an order that chance decides.
///
/// It has never run on a GPU: see `CUDASource`.
public final class CUDABackend: Backend {
    public let name = "cuda"
    public var title: String { device.name }
    public var memoryByteCount: Int? { device.memory }
    public var device: CUDADevice { session.device }
    public private(set) var failure: (any Error)?
    /// Bytes of the device's memory that it takes at most besides tensors, the driver's own left out.
    public static let workspaceByteCount = CUDAProducts.mostWorkspaceBytes + UploadStage.byteCount
    let session: CUDASession
    let kernels: KernelLibrary
    let products: CUDAProducts
    /// Made when it is first needed.
    private var stage: UploadStage?
    /// What is being captured instead of done.
    private var capture: CUDACapture?
    /// ALiBi's slopes that are on the device already.
    var slopes: [[Float]: DeviceAddress] = [:]
    /// Where a step that is replayed finds its number, for dropout; made with the first capture.
    private var stepNumber: DeviceAddress = 0
    /// What kernels are told of it; 0 where the number is in their arguments.
    var stepAddress: DeviceAddress { capture == nil ? 0 : stepNumber }

    package init(_ session: CUDASession, kernels: KernelLibrary, products: CUDAProducts) {
        (self.session, self.kernels, self.products) = (session, kernels, products)
    }

    deinit {
        for address in Array(slopes.values) + [stepNumber] { try? session.free(address) }
    }

    // MARK: Asking

    /// Does what can fail, unless something has failed already, after what was put off.
    func attempt(_ body: () throws(CUDAError) -> Void) {
        doPutOff()
        guard failure == nil else { return }
        do throws(CUDAError) { try body() } catch { failure = error }
    }

    /// Launches a kernel with arguments of its own types, in order.
    func run<each Argument: BitwiseCopyable>(
        _ family: CUDASource, _ kernel: String, _ geometry: LaunchGeometry, _ argument: repeat each Argument
    ) {
        guard failure == nil else { return }
        var arguments = KernelArguments()
        repeat arguments.append(each argument)
        attempt { () throws(CUDAError) in try kernels.launch(family, kernel, geometry, arguments) }
    }

    // MARK: Putting off

    /// A sum that waits for what is asked for next: a norm of it is done in the same pass over memory, and before anything else it is done
    /// alone. In a transformer almost every addition to the stream is followed by the norm of the next sublayer.
    private struct Sum {
        let a: KernelArray, b: KernelArray, y: KernelArray, count: Int
    }
    private var putOff: Sum?

    public func add(_ a: Tensor, _ b: Tensor, into y: Tensor) {
        doPutOff()
        putOff = Sum(a: a.array, b: b.array, y: y.array, count: y.count)
    }

    /// The operands of the sum that waits, where `x` is what it goes to: the caller then adds them. Their memory may have gone to the
    /// output by now, which the kernel bears, as it reads a row before it writes it; not to the statistics of short rows.
    func takeSum(for x: Tensor) -> (a: KernelArray, b: KernelArray)? {
        guard let sum = putOff, x.columns >= 64, sum.y.address == x.deviceAddress, sum.y.type == x.array.type, sum.count == x.count else {
            return nil
        }
        putOff = nil
        return (sum.a, sum.b)
    }

    private func doPutOff() {
        guard let sum = putOff else { return }
        putOff = nil
        run(.elementwise, "add", elements(sum.count), sum.a, sum.b, sum.y, Int64(sum.count))
    }

    /// One thread for each of `count` elements.
    func elements(_ count: Int) -> LaunchGeometry { .elements(count, on: device.multiprocessors) }

    /// One thread for every four of `count` elements, for kernels that take as many at once.
    func fours(_ count: Int) -> LaunchGeometry { elements((count + 3) / 4) }

    public func synchronize() {
        if let capture { return capture.isImpossible = true }
        attempt { () throws(CUDAError) in try session.synchronize(after: kernels.last) }
    }

    // MARK: Replaying

    public let isAsynchronous = true

    public func capture(_ body: () -> Void) -> (any CapturedWork)? {
        guard failure == nil, capture == nil else { return nil }
        attempt { () throws(CUDAError) in
            if stepNumber == 0 { stepNumber = try session.allocate(byteCount: 8) }
            capture = try CUDACapture(session)
        }
        guard let capture else { return nil }
        products.isCapturing = true
        body()
        doPutOff()
        (self.capture, products.isCapturing) = (nil, false)
        // Even after a failure: the stream must not be left capturing. Without a graph, for which there may be no memory, nothing was
        // done and nothing is lost: the same can be asked for step by step, where a real failure shows again.
        let graph = try? capture.end()
        return failure == nil ? graph.map { Replay(backend: self, graph: $0) } : nil
    }

    private struct Replay: CapturedWork {
        let backend: CUDABackend, graph: CUDAGraph

        func replay(step: UInt64) {
            withUnsafeBytes(of: step) { bytes in
                backend.attempt { () throws(CUDAError) in
                    try backend.ready().send(bytes, to: backend.stepNumber)
                }
            }
            replay()
        }

        func replay() { backend.attempt { () throws(CUDAError) in try graph.launch() } }
    }

    // MARK: Memory

    public func allocate(byteCount: Int, reclaim: () -> Void) -> UnsafeMutableRawPointer? {
        var address: DeviceAddress = 0
        attempt { () throws(CUDAError) in
            do throws(CUDAError) {
                address = try session.allocate(byteCount: byteCount)
            } catch .outOfMemory {
                // Blocks of other sizes that are kept for reuse; freeing waits for what still uses them. What is being captured may use
                // them whenever it is replayed, so it must not be.
                capture?.isImpossible = true
                reclaim()
                address = try session.allocate(byteCount: byteCount)
            }
        }
        return UnsafeMutableRawPointer(bitPattern: UInt(address))
    }

    public func deallocate(_ pointer: UnsafeMutableRawPointer?, byteCount: Int) {
        doPutOff()
        // Even after a failure: other contexts may go on.
        try? session.free(DeviceAddress(UInt(bitPattern: pointer)))
    }

    private func ready() throws(CUDAError) -> UploadStage {
        if let stage { return stage }
        let fresh = try UploadStage(session)
        stage = fresh
        return fresh
    }

    public func upload(_ bytes: UnsafeRawBufferPointer, to tensor: Tensor) {
        attempt { () throws(CUDAError) in
            if let capture { return try capture.upload(bytes, to: tensor.deviceAddress) }
            try ready().send(bytes, to: tensor.deviceAddress)
        }
    }

    public func download(_ tensor: Tensor, to bytes: UnsafeMutableRawBufferPointer) {
        // What is not fetched is zero and not what memory held.
        bytes.initializeMemory(as: UInt8.self, repeating: 0)
        if let capture { return capture.isImpossible = true }
        let wanted = UnsafeMutableRawBufferPointer(rebasing: bytes.prefix(tensor.count * tensor.dtype.size))
        attempt { () throws(CUDAError) in try session.download(tensor.deviceAddress, to: wanted, after: kernels.last) }
    }

    public func copy(_ x: Tensor, to y: Tensor) {
        guard x.dtype != y.dtype else {
            attempt { () throws(CUDAError) in
                try session.copy(from: x.deviceAddress, to: y.deviceAddress, byteCount: x.count * x.dtype.size)
            }
            return
        }
        run(.elementwise, "convert", fours(x.count), x.array, y.array, Int64(x.count))
    }

    public func compress(_ x: Tensor, into y: Tensor) {
        guard let scales = y.scales else { return copy(x, to: y) }
        let groups = (x.columns + scales.group - 1) / max(scales.group, 1)
        run(
            .quantization, "quantize", elements(x.rows * groups * 32), x.array, y.deviceAddress, scales.values.deviceAddress,
            Int64(x.rows), Int64(x.columns), Int64(scales.group))
    }

    public func expand(_ x: Tensor, into y: Tensor) {
        guard let scales = x.scales else { return copy(x, to: y) }
        run(
            .quantization, "dequantize", elements(x.count), x.deviceAddress, scales.values.deviceAddress, y.array, Int64(x.rows),
            Int64(x.columns), Int64(scales.group))
    }

    /// `x` in another type, or itself where it has it.
    func converted(_ x: Tensor, to type: DType) -> Tensor { x.dtype == type ? x : x.converted(to: type) }

    /// Runs `body` on `y`, or where `y` is not float32 on a float32 copy that is then written back: for kernels that only add to float32.
    func inFloat32(_ y: Tensor, _ body: (Tensor) -> Void) {
        guard y.dtype != .float32 else { return body(y) }
        let wide = y.converted(to: .float32)
        body(wide)
        copy(wide, to: y)
    }

    // MARK: Filling

    public func fill(_ y: Tensor, _ value: Float) {
        run(.elementwise, "fill", fours(y.count), y.array, value, Int64(y.count))
    }

    public func fillColumns(_ y: Tensor, _ columns: Range<Int>, _ value: Float) {
        run(
            .elementwise, "fill_columns", elements(y.rows * columns.count), y.array, value, Int64(y.rows), Int64(y.columns),
            Int64(columns.lowerBound), Int64(columns.count))
    }

    public func fillUniform(_ y: Tensor, low: Float, high: Float, key: UInt64, stream: UInt64) {
        inFloat32(y) { y in
            run(.random, "fill_uniform", elements(y.count / 4), y.deviceAddress, Int64(y.count), low, high, key, stream)
        }
    }

    public func fillNormal(_ y: Tensor, deviation: Float, key: UInt64, stream: UInt64) {
        inFloat32(y) { y in
            run(.random, "fill_normal", elements(y.count / 4), y.deviceAddress, Int64(y.count), deviation, key, stream)
        }
    }
}
