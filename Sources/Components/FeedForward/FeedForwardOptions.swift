import Autograd
import Configuration

/// The options that every feed-forward shares.
public struct FeedForwardOptions: OptionGroup {
    public var expansion = 4.0
    public var hidden: Int?
    public var bias = true
    public var dropout = 0.0
    public init() {}
    public static var options: [Option<Self>] {
        [
            Option(
                "expansion", \.expansion, Bounds(minimum: 0, maximum: 1024, exclusiveMinimum: true),
                help: "hidden size as a multiple of the width"),
            Option("hidden", \.hidden, .within(1...16_777_216), help: "hidden size itself; goes before expansion"),
            Option("bias", \.bias, help: "biases of the linear maps"),
            Option("dropout", \.dropout, .fraction, help: "dropout of the sublayer's output"),
        ]
    }

    func hiddenSize(width: Int) -> Int { hidden ?? max(1, Int((expansion * Double(width)).rounded())) }
}

/// Options of the GELU family: those of every feed-forward, and which form of GELU.
public struct GELUOptions: OptionGroup {
    public var shared = FeedForwardOptions()
    public var approximate = Approximation.tanh
    public init() {}
    public static var options: [Option<Self>] {
        [
            Option("approximate", \.approximate, help: "GELU by tanh (GPT-2) or exact by erf (nanoGPT)")
        ] + FeedForwardOptions.options.map { $0.inside(\.shared) }
    }

    /// PyTorch's names.
    public enum Approximation: String, OptionEnum {
        case tanh, none
        var activation: Activation { self == .tanh ? .geluTanh : .gelu }
    }
}
