/// A family of kernels as CUDA C++, compiled for the device at hand. What all families share comes before it.
///
/// The text lies in Swift files, one a family, so that a program built anywhere carries it; Tests/KernelsCUDA compiles the same
/// text for the host, where a block's threads are fibers, and holds it against the CPU's kernels.
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
        attention, attentionBackward, decode, quantization,
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
