import Components
import Configuration

/// The `model` section of a config, checked and with every default filled in.
public struct ModelConfig {
    /// The sizes that are no component's.
    public struct Sizes: OptionGroup {
        public var context = 256
        public var layers = 6
        public var width = 384
        public var vocabSize: Int?
        public init() {}
        public static var options: [Option<Self>] {
            [
                Option("context", \.context, .within(1...1_048_576), help: "tokens a sequence in training"),
                Option("layers", \.layers, .within(1...1024), help: "blocks, each attention and feed-forward"),
                Option("width", \.width, .within(1...131_072), help: "channels of the residual stream"),
                Option(
                    "vocab_size", \.vocabSize, .within(1...16_777_216),
                    help: "tokens; by default as many as the tokenizer has"),
            ]
        }
    }

    /// The sections, in the order a token meets them.
    public static let sections = ["embedding", "position", "norm", "attention", "mlp", "residual", "head", "init"]

    public let sizes: Sizes
    /// Every option of every section.
    public let resolved: JSON
    let registry: Registry
    private let sectionJSON: [String: JSON]

    /// Checks `json`, the value of `model`.
    /// - Throws: `ConfigError` with the path of the first mistake.
    public init(_ json: JSON, registry: Registry = .standard, path: String = "model") throws {
        let sizes = try Sizes.decode(json, at: path, also: Set(ModelConfig.sections))
        var sections: [String: JSON] = [:]
        for name in ModelConfig.sections {
            let base = ModelConfig.defaults[name] ?? .null
            sections[name] = json[name].map { base.merging($0, known: { _, _ in nil }) } ?? base
        }
        self.sizes = sizes
        self.registry = registry
        sectionJSON = sections
        var resolved = sizes.json
        for name in ModelConfig.sections {
            let section = sections[name] ?? .null
            resolved[name] = .folding(
                try (0..<sizes.layers).map { try ModelConfig.resolve(name, section, layer: $0, registry, "\(path).\(name)") })
        }
        self.resolved = .object(resolved)
    }

    /// GPT-2's choices, for a section that a config leaves out.
    static let defaults: [String: JSON] = [
        "embedding": ["type": "token"], "position": ["type": "learned"], "norm": ["type": "layernorm"],
        "attention": ["type": "mha"], "mlp": ["type": "gelu"], "residual": ["type": "plain"],
        "head": ["type": "tied"], "init": ["type": "gpt2"],
    ]

    /// The sections whose options may differ by layer; of the others there is one in a model.
    public static let layered: Set<String> = ["position", "norm", "attention", "mlp"]

    /// The section as `layer` sees it.
    func section(_ name: String, layer: Int = 0) throws -> JSON {
        let section = sectionJSON[name] ?? .null
        return ModelConfig.layered.contains(name) ? try section.atLayer(layer, at: "model.\(name)") : section
    }

    private static func resolve(
        _ name: String, _ section: JSON, layer: Int, _ registry: Registry, _ path: String
    ) throws -> JSON {
        let json = layered.contains(name) ? try section.atLayer(layer, at: path) : section
        return switch name {
        case "embedding": try registry.embedding.read(json, at: path).resolved
        case "position": try registry.position.read(json, at: path).resolved
        case "norm": try registry.norm.read(json, at: path).resolved
        case "attention": try registry.attention.read(json, at: path).resolved
        case "mlp": try registry.mlp.read(json, at: path).resolved
        case "residual": try registry.residual.read(json, at: path).resolved
        case "head": try registry.head.read(json, at: path).resolved
        default: try registry.initialization.read(json, at: path).resolved
        }
    }
}
