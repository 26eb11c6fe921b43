import Autograd
import Configuration

/// Root-mean-square normalization (Zhang and Sennrich 2019, arXiv:1910.07467): x / √(mean x² + ε) · weight.
public struct RMSNorm: Norm {
    public struct Options: OptionGroup {
        public var eps = 1e-6
        public var weight = true
        public var unitOffset = false
        public init() {}
        public static var options: [Option<Self>] {
            [
                Option("eps", \.eps, .above(0), help: "added to the mean square before its root"),
                Option("weight", \.weight, help: "a learned factor for each channel; nanochat has none"),
                Option("unit_offset", \.unitOffset, help: "multiply by 1 + weight, the weight starting at zero (Gemma)"),
            ]
        }
    }

    let weight: ParameterBlock?
    let offset: Float
    let epsilon: Float

    public init(_ options: Options, at site: Site) {
        weight =
            options.weight
            ? site.parameter("weight", [site.size.width], .constant(options.unitOffset ? 0 : 1)) : nil
        offset = options.unitOffset ? 1 : 0
        epsilon = Float(options.eps)
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        x.rmsNorm(weight: weight?.tensor, offset: offset, epsilon: epsilon)
    }
}
