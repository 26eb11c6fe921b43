import Autograd
import Configuration

/// The sizes that every component may need.
public struct ModelSize: Sendable, Equatable {
    public var context: Int
    public var layers: Int
    public var width: Int
    /// Tokens.
    public var vocabulary: Int
    /// Rows of the embedding: the vocabulary and its padding.
    public var paddedVocabulary: Int

    public init(context: Int, layers: Int, width: Int, vocabulary: Int, paddedVocabulary: Int? = nil) {
        (self.context, self.layers, self.width, self.vocabulary) = (context, layers, width, vocabulary)
        self.paddedVocabulary = paddedVocabulary ?? vocabulary
    }
}

/// The place a component is built at: the model's sizes, its layer, its name, and where to declare parameters.
public struct Site {
    public let size: ModelSize
    /// The layer, or nil outside the layers.
    public let layer: Int?
    /// The prefix of parameter names: `layers.0.attention`.
    public let name: String
    /// The config section, for errors: `model.attention`.
    public let path: String
    public let store: ParameterStore

    public init(size: ModelSize, layer: Int? = nil, name: String, path: String, store: ParameterStore) {
        (self.size, self.layer, self.name, self.path, self.store) = (size, layer, name, path, store)
    }

    public func inside(_ inner: String) -> Site {
        Site(size: size, layer: layer, name: name.isEmpty ? inner : "\(name).\(inner)", path: path, store: store)
    }

    /// A config error in this component's section.
    public func error(_ message: String, at key: String? = nil) -> ConfigError {
        ConfigError(message, at: key.map { "\(path).\($0)" } ?? path)
    }

    /// Declares one parameter. `inProduct` by default for matrices and heads.
    public func parameter(
        _ name: String, _ shape: [Int], _ kind: ParameterKind, role: ParameterRole? = nil, group: String? = nil,
        inProduct: Bool? = nil
    ) -> ParameterBlock {
        store.declare([described(name, shape, kind, role: role, group: group, inProduct: inProduct)])
    }

    /// Declares parameters that lie behind one another and are used as one.
    public func packed(_ parts: [(name: String, shape: [Int], kind: ParameterKind)], inProduct: Bool? = nil) -> ParameterBlock {
        store.declare(parts.map { described($0.name, $0.shape, $0.kind, role: nil, group: nil, inProduct: inProduct) })
    }

    /// A linear map [in → out].
    public func linear(_ name: String, _ inputs: Int, _ outputs: Int, bias: Bool, _ kind: ParameterKind) -> Linear {
        let inner = inside(name)
        return Linear(
            weight: inner.parameter("weight", [outputs, inputs], kind),
            bias: bias ? inner.parameter("bias", [outputs], .bias(fanIn: inputs)) : nil)
    }

    private func described(
        _ name: String, _ shape: [Int], _ kind: ParameterKind, role: ParameterRole?, group: String?, inProduct: Bool?
    ) -> Parameter {
        let (usualRole, usualGroup): (ParameterRole, String?) =
            switch kind {
            case .embedding: (.table, "embedding")
            case .position: (.table, "position")
            case .valueEmbedding: (.table, "value_embedding")
            case .query, .key, .value, .attentionOutput, .up, .down, .gate: (.matrix, nil)
            case .head: (.head, nil)
            case .bias: (.bias, nil)
            case .constant: (.norm, nil)
            case .values: (.scalar, nil)
            }
        let chosen = role ?? usualRole
        return Parameter(
            name: self.name.isEmpty ? name : "\(self.name).\(name)", shape: shape, kind: kind, role: chosen,
            group: group ?? usualGroup, inProduct: inProduct ?? (chosen == .matrix || chosen == .head))
    }
}

/// y = x Wᵀ + b.
public struct Linear {
    /// [out, in]
    public let weight: ParameterBlock
    public let bias: ParameterBlock?

    public init(weight: ParameterBlock, bias: ParameterBlock?) { (self.weight, self.bias) = (weight, bias) }

    /// [.., in] → [.., out]
    public func callAsFunction(_ x: Tensor) -> Tensor { x.linear(weight.product, bias: bias?.tensor) }
}
