import Autograd
import Configuration

/// Layer normalization (Ba et al. 2016, arXiv:1607.06450): (x − mean) / √(variance + ε) · weight + bias.
public struct LayerNorm: Norm {
    public struct Options: OptionGroup {
        public var eps = 1e-5
        public var weight = true
        public var bias = true
        public init() {}
        public static var options: [Option<Self>] {
            [
                Option("eps", \.eps, .above(0), help: "added to the variance before its root"),
                Option("weight", \.weight, help: "a learned factor for each channel"),
                Option("bias", \.bias, help: "a learned offset for each channel"),
            ]
        }
    }

    let weight: ParameterBlock?
    let bias: ParameterBlock?
    let epsilon: Float

    public init(_ options: Options, at site: Site) {
        weight = options.weight ? site.parameter("weight", [site.size.width], .constant(1)) : nil
        bias = options.bias ? site.parameter("bias", [site.size.width], .constant(0)) : nil
        epsilon = Float(options.eps)
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        x.layerNorm(weight: weight?.tensor, bias: bias?.tensor, epsilon: epsilon)
    }
}
