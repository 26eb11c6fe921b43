import Foundation
import Kernels

/// What this machine reaches at best, measured now: the bars that throughput is held against.
public struct CPUPeaks: Sendable {
    /// Floating-point operations a second of fused multiply-adds, all threads together.
    public let fma: Double
    /// Floating-point operations a second of a large matrix product.
    public let product: Double
    /// Bytes a second read from memory, beyond the caches.
    public let bandwidth: Double
}

extension CPUBackend {
    /// Measures the peaks; takes about a second.
    public func measurePeaks() -> CPUPeaks {
        func best(_ rounds: Int, _ body: () -> Double) -> Double {
            var best = 0.0
            for _ in 0..<rounds {
                let start = DispatchTime.now().uptimeNanoseconds
                let work = body()
                best = max(best, work / (Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9))
            }
            return best
        }
        let fma = best(5) {
            let rounds = 500_000
            parallel(threads) { _ in _ = loom_peak_flops(rounds) }
            return Double(threads) * 2 * 12 * 16 * Double(rounds)
        }
        let context = Context(backend: self)
        let side = 1536
        let (a, b, c) = (context.ones([side, side]), context.ones([side, side]), context.empty([side, side]))
        let product = best(5) {
            multiplyMatrices(MatrixProduct(a, b, transposeB: true, into: c, m: side, n: side, k: side))
            return 2 * Double(side * side * side)
        }
        let large = context.ones([64 << 20])
        let bandwidth = best(4) {
            _ = sumOfSquares(large)
            return Double(large.count * 4)
        }
        return CPUPeaks(fma: fma, product: product, bandwidth: bandwidth)
    }
}
