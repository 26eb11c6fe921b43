import Autograd
import Foundation

/// Which device to compute on, and how.
public struct DeviceChoice: Sendable {
    public enum Kind: String, CaseIterable, Sendable {
        /// A GPU where there is one that works, else the CPU.
        case auto
        case cpu, cuda
    }
    public var kind: Kind
    /// Threads of the CPU; nil for one a core.
    public var threads: Int?
    /// Told, in a line, why a GPU that is there is not used.
    public var note: @Sendable (String) -> Void

    public init(_ kind: Kind = .auto, threads: Int? = nil, note: @escaping @Sendable (String) -> Void = { _ in }) {
        (self.kind, self.threads, self.note) = (kind, threads, note)
    }

    /// The device, ready.
    /// - Throws: `CUDAError` where a GPU was asked for and there is none that works.
    public func context(_ precision: TrainOptions.Precision = .float32) throws -> Context {
        guard kind != .cpu else { return .cpu(threads: threads) }
        do throws(CUDAError) {
            // Beside bfloat16 little is multiplied in float32: Muon's polynomials, which bear far less than TF32's 10 bits, and would else
            // take longer than the rest of a step.
            let type = precision.activationType(onGPU: true)
            return try .cuda(usesTF32: precision == .tf32 || type == .bfloat16, activationType: type)
        } catch {
            if kind == .cuda { throw error }
            // A machine without a driver has no GPU to speak of.
            if error.isAboutAGPU { note("computing on the CPU, though there is a GPU: \(error)") }
            return .cpu(threads: threads)
        }
    }
}

extension TrainOptions.Precision {
    /// The type of activations. The CPU computes in float32 whatever is asked for.
    public func activationType(onGPU: Bool) -> DType { onGPU && (self == .bfloat16 || self == .auto) ? .bfloat16 : .float32 }
}
