import Autograd
import Configuration

/// Logits by one linear map, its weight its own (`untied`) or the embedding's (`tied`; Press and Wolf 2017), perhaps
/// softcapped. Padding columns of the vocabulary are cut off.
public struct LinearHead: Head {
    public struct Options: OptionGroup {
        public var bias = false
        public var softcap = 0.0
        public init() {}
        public static var options: [Option<Self>] {
            [
                Option("bias", \.bias, help: "a learned offset for each token"),
                Option("softcap", \.softcap, .atLeast(0), help: "logits become cap·tanh(logits / cap); 0 for none"),
            ]
        }
    }

    /// [V padded, C]
    let weight: ParameterBlock
    let bias: ParameterBlock?
    let vocabulary: Int
    let softcap: Float
    public let tiedProductParameters: Int

    public init(_ options: Options, tiedTo table: ParameterBlock?, at site: Site) {
        let (rows, width) = (site.size.paddedVocabulary, site.size.width)
        weight = table ?? site.parameter("weight", [rows, width], .head)
        bias = options.bias ? site.parameter("bias", [rows], .bias(fanIn: width)) : nil
        vocabulary = site.size.vocabulary
        softcap = Float(options.softcap)
        weight.isMultiplied = true
        tiedProductParameters = table == nil ? 0 : rows * width
    }

    public func logits(_ x: Tensor) -> Tensor {
        let all = x.linear(weight.product, bias: bias?.tensor)
        let real = all.columns == vocabulary ? all : all.columns(0..<vocabulary)
        return softcap > 0 ? real.softcapped(softcap) : real
    }

    public func loss(_ x: Tensor, targets: Tensor, scale: Float, hits: Tensor?) -> Tensor {
        x.headLoss(
            weight: weight.product, bias: bias?.tensor, targets: targets,
            LossOptions(vocabulary: vocabulary, softcap: softcap, scale: scale), hits: hits)
    }
}
