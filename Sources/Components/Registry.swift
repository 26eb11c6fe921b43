import Configuration

/// The components that configs can name, slot by slot.
///
/// A registry is a value: take `.standard`, add your own, and hand it to the config decoder.
/// ```swift
/// var registry = Registry.standard
/// registry.mlp.register("reglu", "ReLU-gated unit", FeedForwardOptions.self) { options in
///     { site in GatedFeedForward(.relu, options, at: site) }
/// }
/// ```
public struct Registry: Sendable {
    public var embedding = Slot<EmbeddingMaker>("embedding")
    public var position = Slot<Maker<any Position>>("position")
    public var norm = Slot<Maker<any Norm>>("norm", shared: NormPlacement.self)
    public var attention = Slot<AttentionMaker>("attention")
    public var mlp = Slot<Maker<any FeedForward>>("mlp")
    public var residual = Slot<Maker<any ResidualStream>>("residual")
    public var head = Slot<HeadMaker>("head")
    public var initialization = Slot<Maker<any InitScheme>>("init")

    public init() {}

    /// Makes a component from its options at its place.
    public typealias Maker<Product> = (Site) throws -> Product
    /// Attention also gets the positions it is to use, an embedding the model's norm where it asks for one, a head the
    /// table it may tie.
    public typealias AttentionMaker = (any Position, Site) throws -> any Attention
    public typealias EmbeddingMaker = (_ norm: () throws -> any Norm, Site) throws -> any Embedding
    public typealias HeadMaker = (ParameterBlock, Site) throws -> any Head

    /// Everything Loom comes with.
    public static let standard: Registry = {
        var r = Registry()
        r.embedding.register("token", "a learned vector for each token", TokenEmbedding.Options.self) { options in
            { norm, site in TokenEmbedding(options, norm: options.norm ? try norm() : nil, at: site) }
        }

        r.position.register("learned", "a learned vector for each position, added (GPT-1, GPT-2)", NoOptions.self) { _ in
            { LearnedPosition(at: $0) }
        }
        r.position.register("sinusoidal", "fixed sines and cosines, added (Vaswani et al. 2017)", NoOptions.self) { _ in
            { SinusoidalPosition(at: $0) }
        }
        r.position.register("rope", "rotated queries and keys (Su et al. 2021)", RotaryPosition.Options.self) { options in
            { RotaryPosition(options, at: $0) }
        }
        r.position.register("alibi", "scores fall with distance (Press et al. 2022)", NoOptions.self) { _ in
            { ALiBi(at: $0) }
        }
        r.position.register("none", "order from the causal mask alone", NoOptions.self) { _ in { NoPosition(at: $0) } }

        r.norm.register("layernorm", "mean and variance (Ba et al. 2016)", LayerNorm.Options.self) { options in
            { LayerNorm(options, at: $0) }
        }
        r.norm.register("rmsnorm", "root mean square (Zhang and Sennrich 2019)", RMSNorm.Options.self) { options in
            { RMSNorm(options, at: $0) }
        }

        r.attention.register("mha", "a key/value head for every query head", MultiHeadOptions.self) { options in
            { try SelfAttention(options, position: $0, at: $1) }
        }
        r.attention.register("gqa", "query heads share key/value heads in groups", GroupedQueryOptions.self) { options in
            { try SelfAttention(options, position: $0, at: $1) }
        }
        r.attention.register("mqa", "all query heads share one key/value head", MultiQueryOptions.self) { options in
            { try SelfAttention(options, position: $0, at: $1) }
        }

        r.mlp.register("relu", "max(x, 0)", FeedForwardOptions.self) { options in
            { PlainFeedForward(.relu, options, at: $0) }
        }
        r.mlp.register("gelu", "x·Φ(x), by tanh or exact (GPT-1, GPT-2)", GELUOptions.self) { options in
            { PlainFeedForward(options.approximate.activation, options.shared, at: $0) }
        }
        r.mlp.register("relu2", "max(x, 0)² (So et al. 2021; nanochat)", FeedForwardOptions.self) { options in
            { PlainFeedForward(.relu2, options, at: $0) }
        }
        r.mlp.register("silu", "x·σ(x)", FeedForwardOptions.self) { options in
            { PlainFeedForward(.silu, options, at: $0) }
        }
        r.mlp.register("swiglu", "SiLU-gated unit (Shazeer 2020; LLaMA)", FeedForwardOptions.self) { options in
            { GatedFeedForward(.silu, options, at: $0) }
        }
        r.mlp.register("geglu", "GELU-gated unit (Shazeer 2020; Gemma)", GELUOptions.self) { options in
            { GatedFeedForward(options.approximate.activation, options.shared, at: $0) }
        }

        r.mlp.register("moe", "SwiGLU experts, some of them for each token (Mixtral)", MixtureOfExperts.Options.self) { options in
            { MixtureOfExperts(options, at: $0) }
        }

        r.residual.register("plain", "sublayers add to the stream", NoOptions.self) { _ in { _ in PlainResidual() } }
        r.residual.register("mixed", "nanochat's: smear, scales with x0 mix, backout", MixedResidual.Options.self) {
            options in { try MixedResidual(options, at: $0) }
        }

        r.head.register("tied", "the embedding's table, transposed", LinearHead.Options.self) { options in
            { LinearHead(options, tiedTo: $0, at: $1) }
        }
        r.head.register("untied", "a matrix of its own", LinearHead.Options.self) { options in
            { LinearHead(options, tiedTo: nil, at: $1) }
        }

        r.initialization.register("gpt1", "N(0, std), zero biases", NormalInitOptions.self) { options in
            { _ in NormalInit(options, scaledResiduals: false) }
        }
        r.initialization.register("gpt2", "gpt1 with residual projections / √(2·layers)", NormalInitOptions.self) {
            options in { _ in NormalInit(options, scaledResiduals: true) }
        }
        r.initialization.register("nanochat", "uniform matrices, zero output projections", NoOptions.self) { _ in
            { _ in NanochatInit() }
        }
        r.initialization.register("torch", "PyTorch's defaults of Linear and Embedding", NoOptions.self) { _ in
            { _ in TorchInit() }
        }
        return r
    }()

    /// What is known of every slot, for help, schema and merging.
    public var slots: [SlotDescription] {
        [
            embedding.description, position.description, norm.description, attention.description, mlp.description,
            residual.description, head.description, initialization.description,
        ]
    }
}

/// One component of a slot, without its types.
public struct ComponentDescription: Sendable {
    public let name: String
    public let summary: String
    public let options: [OptionDescription]
}

/// All components of a slot, and the options that belong to the slot whichever is chosen.
public struct SlotDescription: Sendable {
    /// The section of `model`: "attention".
    public let name: String
    public let components: [ComponentDescription]
    public let shared: [OptionDescription]

    /// The keys that a section with component `type` may have; nil for an unknown type.
    public func keys(of type: String) -> Set<String>? {
        guard let component = components.first(where: { $0.name == type }) else { return nil }
        return Set(["type"] + component.options.map(\.name) + shared.map(\.name))
    }

    /// The keys whose values a section keeps when its type is changed to `type`; nil for an unknown type.
    public func keysCarriedOver(to type: String) -> Set<String>? {
        guard let component = components.first(where: { $0.name == type }) else { return nil }
        return Set(["type"] + (component.options + shared).filter(\.carriesOver).map(\.name))
    }
}

/// The components that one section of the model chooses among.
public struct Slot<Make>: Sendable {
    struct Entry: Sendable {
        let description: ComponentDescription
        /// Checks options and gives the maker with the section as resolved.
        let read: @Sendable (JSON, String, Set<String>) throws -> (make: Make, options: [String: JSON])
    }

    public let name: String
    let shared: [OptionDescription]
    private let readShared: @Sendable (JSON, String) throws -> [String: JSON]
    private(set) var entries: [String: Entry] = [:]

    /// An empty slot. Options of `shared` belong to every component of it.
    public init(_ name: String, shared: (some OptionGroup).Type = NoOptions.self) {
        self.name = name
        self.shared = shared.descriptions
        readShared = { json, path in try shared.decode(json, at: path).json }
    }

    /// Adds a component, or replaces the one of that name.
    /// - Parameter maker: from decoded options, what makes the component at its site.
    public mutating func register<Options: OptionGroup>(
        _ name: String, _ summary: String, _ options: Options.Type, _ maker: @escaping @Sendable (Options) -> Make
    ) {
        entries[name] = Entry(
            description: ComponentDescription(name: name, summary: summary, options: Options.descriptions)
        ) { json, path, also in
            let decoded = try Options.decode(json, at: path, also: also)
            return (maker(decoded), decoded.json)
        }
    }

    public var description: SlotDescription {
        SlotDescription(
            name: name, components: entries.values.map(\.description).sorted { $0.name < $1.name }, shared: shared)
    }

    /// Reads a section as one layer sees it.
    /// - Returns: what makes the component, and the section with every option filled in.
    /// - Throws: `ConfigError`.
    public func read(_ json: JSON, at path: String) throws -> (make: Make, resolved: JSON) {
        let section: JSON = json.stringValue.map { ["type": .string($0)] } ?? json
        guard let members = section.objectValue else {
            throw ConfigError("expected a component's name or an object with a type, found \(json.brief)", at: path)
        }
        guard let type = members["type"] else {
            throw ConfigError("has no type; known: \(names)", at: path)
        }
        guard let typeName = type.stringValue else {
            throw ConfigError("expected a component's name, found \(type.brief); known: \(names)", at: "\(path).type")
        }
        guard let entry = entries[typeName] else {
            throw ConfigError.unknown("\(name) type", typeName, known: entries.keys, at: "\(path).type")
        }
        let sharedNames = Set(shared.map(\.name))
        let sharedValues = try readShared(.object(members.filter { sharedNames.contains($0.key) }), path)
        let (make, options) = try entry.read(section, path, sharedNames.union(["type"]))
        var resolved = options.merging(sharedValues) { own, _ in own }
        resolved["type"] = type
        return (make, .object(resolved))
    }

    private var names: String { entries.keys.sorted().joined(separator: ", ") }
}

/// Where norms stand, whichever norm is chosen.
public struct NormPlacement: OptionGroup {
    public enum Place: String, OptionEnum {
        /// x + f(norm(x))
        case pre
        /// norm(x + f(x))
        case post
        /// x + norm(f(norm(x)))
        case both
    }
    public var placement = Place.pre
    public var final: Bool?
    public init() {}
    public static var options: [Option<Self>] {
        [
            Option("placement", \.placement, help: "norm before a sublayer, after the addition, or on both sides of it"),
            Option("final", \.final, help: "a norm before the head; by default yes, but not with post"),
        ]
    }
}
