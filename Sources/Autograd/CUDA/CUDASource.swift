/// A family of kernels as CUDA C++, compiled for the device at hand. What all families share comes before it.
///
/// The text lies in Swift files, one a family, so that a program built anywhere carries it; Tests/KernelsCUDA compiles the same
/// text for the host, where a block's threads are fibers, and holds it against the CPU's kernels.
///
/// Not yet run on a GPU: no kernel here has. That they compile for sm_80, sm_90 and sm_100, and compute what they should on the host,
/// is all that is known; the device's functions of mathematics, its memory and every speed are unproven.
public struct CUDASource: Sendable {
    /// "elementwise".
    public let name: String
    /// This family alone.
    let body: String

    /// The whole text to compile.
    public var text: String { CUDASource.prelude + body }

    /// Every family.
    public static let all = [
        random, elementwise, activations, columns, sums, normalization, heads, embedding, loss, optimizers, muon, products,
        attention, attentionBackward, flashAttention, flashAttentionBackward, decode, decodeProducts, decodeStep, sampling, quantization,
    ]

    /// The names of the kernels in `body`, in order.
    public var kernels: [String] {
        body.split(separator: "\n").compactMap { line in
            let start = "KERNEL("
            guard line.hasPrefix(start) else { return nil }
            return line.dropFirst(start.count).split(separator: ")").first.map(String.init)
        }
    }
}
