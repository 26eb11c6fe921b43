import Configuration

/// Options of the normal schemes.
public struct NormalInitOptions: OptionGroup {
    public var std = 0.02
    public init() {}
    public static var options: [Option<Self>] {
        [Option("std", \.std, .atLeast(0), help: "standard deviation of weights and tables")]
    }
}

/// N(0, std) for weights and tables, zero biases (Radford et al. 2018). With `scaledResiduals`, projections into the
/// residual stream have std / √(2·layers), as there are two a layer (Radford et al. 2019).
public struct NormalInit: InitScheme {
    let std: Double
    let scaledResiduals: Bool

    public init(_ options: NormalInitOptions, scaledResiduals: Bool) {
        std = options.std
        self.scaledResiduals = scaledResiduals
    }

    public func start(of parameter: Parameter, layers: Int) -> Start {
        switch parameter.kind {
        case .bias: .constant(0)
        case .attentionOutput, .down:
            .normal(deviation: scaledResiduals ? std / (2 * Double(layers)).squareRoot() : std)
        default: .normal(deviation: std)
        }
    }
}

/// PyTorch's defaults: Linear weights and biases U(±1/√fan_in), tables N(0, 1).
public struct TorchInit: InitScheme {
    public init() {}

    public func start(of parameter: Parameter, layers: Int) -> Start {
        func uniform(_ fanIn: Int) -> Start {
            let bound = 1 / Double(max(fanIn, 1)).squareRoot()
            return .uniform(low: -bound, high: bound)
        }
        return switch parameter.kind {
        case .embedding, .position, .valueEmbedding: .normal(deviation: 1)
        case .bias(let fanIn): uniform(fanIn)
        default: uniform(parameter.shape.last ?? 1)
        }
    }
}

/// nanochat's: queries, keys, values and value embeddings uniform with deviation 1/√C, the feed-forward's way in 0.4 of
/// that, projections into the stream zero, gates barely open, a wide embedding and a narrow head.
public struct NanochatInit: InitScheme {
    public init() {}

    public func start(of parameter: Parameter, layers: Int) -> Start {
        func uniform(_ bound: Double) -> Start { .uniform(low: -bound, high: bound) }
        let width = Double(parameter.shape.last ?? 1)
        switch parameter.kind {
        case .embedding: return .normal(deviation: 0.8)
        case .position: return .normal(deviation: 0.02)
        case .query, .key, .value: return uniform((3 / width).squareRoot())
        // Tables are as wide as the values; in the published model that is the model's width.
        case .valueEmbedding: return uniform((3 / width).squareRoot())
        case .up: return uniform(0.4 * (3 / width).squareRoot())
        case .attentionOutput, .down, .bias: return .constant(0)
        case .gate: return .uniform(low: 0, high: 0.02)
        case .head: return .normal(deviation: 0.001)
        case .constant(let number): return .constant(number)
        case .values(let numbers): return .values(numbers)
        }
    }
}
