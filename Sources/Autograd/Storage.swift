/// A block of device memory. Its last owner's going gives the block back to the pool it came from.
public final class Storage {
    /// The address on the device; nil on a backend that only counts (`ShapeBackend`).
    public let pointer: UnsafeMutableRawPointer?
    /// Bytes usable from `pointer`.
    public let byteCount: Int
    private let pool: BufferPool

    init(pointer: UnsafeMutableRawPointer?, byteCount: Int, pool: BufferPool) {
        self.pointer = pointer
        self.byteCount = byteCount
        self.pool = pool
    }

    deinit { pool.recycle(pointer, byteCount) }
}

/// Holds on to a pool's blocks: see `BufferPool.pin`.
public final class PoolPin {
    private let pool: BufferPool

    fileprivate init(_ pool: BufferPool) {
        self.pool = pool
        pool.changePins(by: 1)
    }

    deinit { pool.changePins(by: -1) }
}

/// Keeps freed blocks and hands the same ones out again, so that a training step, which asks for the same sizes in the
/// same order every time, takes nothing from the system after the first.
///
/// Sizes are rounded up to steps of at most 1/8, so that nearly equal requests share blocks.
public final class BufferPool {
    private let backend: any Backend
    private var free: [Int: [UnsafeMutableRawPointer?]] = [:]
    /// Bytes in tensors that are alive now.
    public private(set) var bytesInUse = 0
    /// The most `bytesInUse` has been since `resetPeak()`.
    public private(set) var peakBytesInUse = 0
    /// Bytes taken from the system so far and not given back.
    public private(set) var bytesReserved = 0 { didSet { peakBytesReserved = max(peakBytesReserved, bytesReserved) } }
    /// The most `bytesReserved` has been.
    public private(set) var peakBytesReserved = 0

    private var pins = 0
    /// Blocks taken from the system and not given back, and those of them that were there when somebody pinned.
    private var blocks: Set<UnsafeMutableRawPointer> = [], pinned: Set<UnsafeMutableRawPointer> = []

    init(backend: any Backend) { self.backend = backend }

    /// While somebody holds what this returns, no block that is there now goes back to the system: captured work writes to them whenever
    /// it is replayed.
    public func pin() -> PoolPin { PoolPin(self) }

    fileprivate func changePins(by change: Int) {
        pins += change
        pinned = pins > 0 ? change > 0 ? pinned.union(blocks) : pinned : []
    }

    deinit { trim() }

    /// - Parameter exactly: takes the bytes asked for and no more, for large blocks that live long.
    func allocate(byteCount: Int, exactly: Bool = false) -> Storage {
        let size = exactly ? byteCount : BufferPool.rounded(byteCount)
        let pointer: UnsafeMutableRawPointer?
        if let reused = free[size]?.popLast() {
            pointer = reused
        } else {
            pointer = backend.allocate(byteCount: size) { trim() }
            if let pointer { blocks.insert(pointer) }
            bytesReserved += size
        }
        bytesInUse += size
        peakBytesInUse = max(peakBytesInUse, bytesInUse)
        return Storage(pointer: pointer, byteCount: size, pool: self)
    }

    func recycle(_ pointer: UnsafeMutableRawPointer?, _ size: Int) {
        bytesInUse -= size
        free[size, default: []].append(pointer)
    }

    public func resetPeak() { peakBytesInUse = bytesInUse }

    /// Gives every free block back to the system, but for those that are pinned.
    public func trim() {
        for (size, all) in free {
            let kept = all.filter { $0.map(pinned.contains) ?? false }
            for pointer in all where !(pointer.map(pinned.contains) ?? false) {
                backend.deallocate(pointer, byteCount: size)
                if let pointer { blocks.remove(pointer) }
            }
            bytesReserved -= size * (all.count - kept.count)
            free[size] = kept.isEmpty ? nil : kept
        }
    }

    /// At least 64 bytes; above, the next multiple of an eighth of the power of two below.
    static func rounded(_ byteCount: Int) -> Int {
        guard byteCount > 64 else { return 64 }
        let octave = Int.bitWidth - 1 - (byteCount - 1).leadingZeroBitCount
        let step = max(64, (1 << octave) / 8)
        return (byteCount + step - 1) / step * step
    }
}
