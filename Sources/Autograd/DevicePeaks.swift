import Foundation
import Kernels

/// What a device reaches at best, measured now: the bars that throughput is held against.
public struct DevicePeaks: Sendable {
    /// Floating-point operations a second of fused multiply-adds, all threads together; nil where it cannot be measured alone.
    public let fma: Double?
    /// Floating-point operations a second of a large matrix product in the type of activations.
    public let product: Double
    /// Bytes a second read from memory, beyond the caches.
    public let bandwidth: Double
}

extension Context {
    /// Measures the peaks; takes about a second.
    /// - Throws: what the device says where it fails.
    public func measurePeaks() throws -> DevicePeaks {
        func best(_ rounds: Int, _ body: () -> Double) -> Double {
            var best = 0.0
            for _ in 0..<rounds {
                backend.synchronize()
                let start = DispatchTime.now().uptimeNanoseconds
                let work = body()
                backend.synchronize()
                best = max(best, work / (Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9))
            }
            return best
        }
        let cpu = backend as? CPUBackend
        let fma = cpu.map { cpu in
            best(5) {
                let rounds = 500_000
                cpu.parallel(cpu.threads) { _ in _ = loom_peak_flops(rounds) }
                return Double(cpu.threads) * 2 * 12 * 16 * Double(rounds)
            }
        }
        // A GPU needs larger ones to be busy, and has more cache to get beyond; one that is small gets smaller ones.
        let memory = backend.memoryByteCount ?? 1 << 30
        let side = cpu != nil ? 1536 : memory >= 8 << 30 ? 8192 : 512, repeats = cpu != nil ? 1 : 8
        let (a, b, c) = (ones([side, side], activationType), ones([side, side], activationType), empty([side, side], activationType))
        let product = best(5) {
            for _ in 0..<repeats {
                backend.multiplyMatrices(MatrixProduct(a, b, transposeB: true, into: c, m: side, n: side, k: side))
            }
            return 2 * Double(side * side * side * repeats)
        }
        let large = ones([cpu != nil ? 64 << 20 : memory >= 8 << 30 ? 512 << 20 : 1 << 20])
        let bandwidth = best(4) {
            _ = backend.sumOfSquares(large)
            return Double(large.count * 4)
        }
        try check()
        return DevicePeaks(fma: fma, product: product, bandwidth: bandwidth)
    }
}
