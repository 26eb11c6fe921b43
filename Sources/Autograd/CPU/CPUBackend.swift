import Foundation
import Kernels
import OpenBLAS

/// The CPU: OpenBLAS for matrix products, `Kernels` for the rest, both spread over one pool of threads.
///
/// OpenBLAS runs single-threaded inside our own partition of the work, so that the two never fight over cores. At a
/// fixed number of threads every result is the same bit for bit.
public final class CPUBackend: Backend {
    public let name = "cpu"
    public var title: String { "\(threads) thread\(threads == 1 ? "" : "s")" }
    public var memoryByteCount: Int? { Int(ProcessInfo.processInfo.physicalMemory) }
    /// Threads at work, the calling one counted.
    public let threads: Int
    private let pool: OpaquePointer?
    private var scratch: UnsafeMutablePointer<Float>?
    private var scratchCount = 0

    /// - Parameter threads: by default one a core.
    public init(threads: Int? = nil) {
        let wanted = max(1, threads ?? ProcessInfo.processInfo.activeProcessorCount)
        pool = wanted > 1 ? loom_pool_create(Int32(wanted)) : nil
        self.threads = pool == nil ? 1 : wanted
        openblas_set_num_threads(1)
    }

    deinit {
        loom_pool_destroy(pool)
        scratch?.deallocate()
    }

    // MARK: Threads

    /// Runs `body` for each task on the pool. Bodies of one call must not touch the same memory.
    func parallel(_ tasks: Int, _ body: (Int) -> Void) {
        guard tasks > 1, let pool else {
            for task in 0..<tasks { body(task) }
            return
        }
        withoutActuallyEscaping(body) { body in
            withUnsafePointer(to: body) { pointer in
                loom_pool_run(
                    pool, tasks,
                    { context, task in
                        context?.assumingMemoryBound(to: ((Int) -> Void).self).pointee(task)
                    }, UnsafeMutableRawPointer(mutating: pointer))
            }
        }
    }

    /// Splits 0 ..< `count` into ranges of at least `grain`, one a thread at most, and runs `body(task, range)`.
    func split(_ count: Int, grain: Int, _ body: (Int, Range<Int>) -> Void) {
        let tasks = max(1, min(threads, count / max(grain, 1)))
        guard tasks > 1 else { return body(0, 0..<count) }
        // Boundaries at multiples of 16 keep every range but the last on whole vectors and cache lines.
        let unit = count >= 32 * tasks ? 16 : 1
        func boundary(_ task: Int) -> Int { task == tasks ? count : count / unit * task / tasks * unit }
        parallel(tasks) { body($0, boundary($0)..<boundary($0 + 1)) }
    }

    /// Elements below which waking another thread costs more than it saves.
    static let grain = 8192

    /// Splits a pointwise loop.
    func elements(_ count: Int, _ body: (Int, Int) -> Void) {
        split(count, grain: CPUBackend.grain) { _, range in body(range.lowerBound, range.count) }
    }

    /// Splits a loop over rows of `columns` elements.
    func rows(_ count: Int, columns: Int, _ body: (Int, Range<Int>) -> Void) {
        split(count, grain: max(1, CPUBackend.grain / max(1, columns)), body)
    }

    /// Working memory that lives until the next call, uninitialized.
    func workspace(_ count: Int) -> UnsafeMutablePointer<Float> {
        if let scratch, scratchCount >= count { return scratch }
        scratch?.deallocate()
        let fresh = UnsafeMutableRawPointer.allocate(byteCount: count * 4, alignment: 64).bindMemory(
            to: Float.self, capacity: count)
        scratch = fresh
        scratchCount = count
        return fresh
    }

    // MARK: Memory

    public func allocate(byteCount: Int, reclaim: () -> Void) -> UnsafeMutableRawPointer? {
        UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 64)
    }

    public func deallocate(_ pointer: UnsafeMutableRawPointer?, byteCount: Int) { pointer?.deallocate() }

    public func upload(_ bytes: UnsafeRawBufferPointer, to tensor: Tensor) {
        guard let source = bytes.baseAddress else { return }
        tensor.address.copyMemory(from: source, byteCount: bytes.count)
    }

    public func download(_ tensor: Tensor, to bytes: UnsafeMutableRawBufferPointer) {
        bytes.baseAddress?.copyMemory(from: tensor.address, byteCount: tensor.count * tensor.dtype.size)
    }

    public func copy(_ x: Tensor, to y: Tensor) {
        let size = x.dtype.size
        elements(x.count) { start, count in
            (y.address + start * size).copyMemory(from: x.address + start * size, byteCount: count * size)
        }
    }

    public func fill(_ y: Tensor, _ value: Float) {
        let p = y.f32
        elements(y.count) { loom_fill(p + $0, value, $1) }
    }

    public func fillColumns(_ y: Tensor, _ columns: Range<Int>, _ value: Float) {
        loom_fill_rows(y.f32 + columns.lowerBound, value, y.rows, columns.count, y.columns)
    }

    public func fillUniform(_ y: Tensor, low: Float, high: Float, key: UInt64, stream: UInt64) {
        let p = y.f32
        elements(y.count) { loom_uniform(p + $0, $1, UInt64($0), low, high, key, stream) }
    }

    public func fillNormal(_ y: Tensor, deviation: Float, key: UInt64, stream: UInt64) {
        let p = y.f32
        elements(y.count) { loom_normal(p + $0, $1, UInt64($0), 0, deviation, key, stream) }
    }
}

extension Tensor {
    var address: UnsafeMutableRawPointer {
        precondition(storage.pointer != nil, "memory of a tensor without any")
        return storage.pointer.unsafelyUnwrapped + offset * dtype.size
    }
    /// The elements as floats, on the CPU.
    var f32: UnsafeMutablePointer<Float> {
        assert(dtype == .float32)
        return address.assumingMemoryBound(to: Float.self)
    }
    var i32: UnsafeMutablePointer<Int32> {
        assert(dtype == .int32)
        return address.assumingMemoryBound(to: Int32.self)
    }
}
