import Configuration

/// The options that `mha`, `gqa` and `mqa` share.
public struct SelfAttentionOptions: Sendable {
    public var heads = 6
    public var headDim: Int?
    public var window: WindowPattern = .full
    public var shortWindow: Int?
    public var fullLast = true
    public var bias = true
    public var outputBias: Bool?
    public var qkNorm = false
    public var qkNormWeight = false
    public var qkNormEps = 1e-6
    public var qkScale = 1.0
    public var scale: Double?
    public var softcap = 0.0
    public var dropout = 0.0
    public var outputDropout = 0.0
    public var valueEmbedding = ValueEmbeddingLayers.none
    public var valueGateChannels = 12
    public var valueGateScale = 3.0
    public init() {}
}

/// A group of options with those of self-attention among them.
public protocol SelfAttentionGroup: OptionGroup {
    var shared: SelfAttentionOptions { get set }
    /// Key/value heads, once the heads are known.
    var kvHeads: Int { get }
}

extension SelfAttentionGroup {
    static var sharedOptions: [Option<Self>] {
        [
            Option("heads", \.shared.heads, .within(1...4096), help: "query heads"),
            Option("head_dim", \.shared.headDim, .within(1...4096), help: "dimensions a head; by default width / heads"),
            Option(
                "window", \.shared.window, .atLeast(0),
                help: "positions back that a token sees besides itself: a number, null for all, or letters tiled over "
                    + "the layers, L for all and S for short_window"),
            Option(
                "short_window", \.shared.shortWindow, .atLeast(0),
                help: "the window of an S; by default a quarter of the context, rounded up to a multiple of 128"),
            Option("full_last", \.shared.fullLast, help: "with letters, the last layer sees everything all the same"),
            Option("bias", \.shared.bias, help: "biases of queries, keys and values"),
            Option("output_bias", \.shared.outputBias, help: "bias of the output projection; by default as bias"),
            Option("qk_norm", \.shared.qkNorm, help: "RMS norm of each query and key head"),
            Option("qk_norm_weight", \.shared.qkNormWeight, help: "a learned weight for each dimension in that norm"),
            Option("qk_norm_eps", \.shared.qkNormEps, .above(0), help: "epsilon of that norm"),
            Option("qk_scale", \.shared.qkScale, .above(0), help: "factor on queries and on keys, after norm and rotation"),
            Option("scale", \.shared.scale, .above(0), help: "factor on scores; by default 1 / √head_dim"),
            Option("softcap", \.shared.softcap, .atLeast(0), help: "scores become cap·tanh(score / cap); 0 for none"),
            Option("dropout", \.shared.dropout, .fraction, help: "dropout of attention weights"),
            Option("output_dropout", \.shared.outputDropout, .fraction, help: "dropout of the sublayer's output"),
            Option(
                "value_embedding", \.shared.valueEmbedding,
                help: "layers whose values get a gated embedding of their token: none, all, or every other, the last among them"),
            Option(
                "value_gate_channels", \.shared.valueGateChannels, .atLeast(1),
                help: "input channels that the gate of value embeddings reads"),
            Option("value_gate_scale", \.shared.valueGateScale, .above(0), help: "the gate's largest value"),
        ]
    }

    public func validate() throws {
        if shared.heads % max(kvHeads, 1) != 0 {
            let divisors = (1...shared.heads).filter { shared.heads % $0 == 0 }.map(String.init).joined(separator: ", ")
            throw OptionMismatch("kv_heads \(kvHeads) does not divide heads \(shared.heads); use one of \(divisors)")
        }
        if shared.qkNormWeight && !shared.qkNorm {
            throw OptionMismatch("qk_norm_weight needs qk_norm; set qk_norm to true or leave the weight out")
        }
    }
}

/// Options of `mha`: every query head has a key/value head of its own (Vaswani et al. 2017).
public struct MultiHeadOptions: SelfAttentionGroup {
    public var shared = SelfAttentionOptions()
    public var kvHeads: Int { shared.heads }
    public init() {}
    public static var options: [Option<Self>] { sharedOptions }
}

/// Options of `gqa`: groups of query heads share a key/value head (Ainslie et al. 2023, arXiv:2305.13245).
public struct GroupedQueryOptions: SelfAttentionGroup {
    public var shared = SelfAttentionOptions()
    public var kvHeads = 2
    public init() {}
    public static var options: [Option<Self>] {
        sharedOptions + [Option("kv_heads", \.kvHeads, .within(1...4096), help: "key/value heads; they must divide heads")]
    }
}

/// Options of `mqa`: all query heads share one key/value head (Shazeer 2019, arXiv:1911.02150).
public struct MultiQueryOptions: SelfAttentionGroup {
    public var shared = SelfAttentionOptions()
    public var kvHeads: Int { 1 }
    public init() {}
    public static var options: [Option<Self>] { sharedOptions }
}

/// Which layers have value embeddings.
public enum ValueEmbeddingLayers: String, OptionEnum {
    case none, alternate, all

    func includes(layer: Int, of layers: Int) -> Bool {
        switch self {
        case .none: false
        case .all: true
        case .alternate: layer % 2 == (layers - 1) % 2
        }
    }
}

/// A window for every layer, or a pattern of short and full ones.
public enum WindowPattern: OptionValue {
    case full
    case fixed(Int)
    /// Letters S and L.
    case letters(String)

    public static func decode(_ json: JSON) throws -> WindowPattern {
        if json == .null { return .full }
        if let window = json.intValue { return .fixed(window) }
        if let letters = json.stringValue, !letters.isEmpty, letters.allSatisfy({ "SL".contains($0) }) {
            return .letters(letters)
        }
        throw OptionMismatch(expected: kind, found: json)
    }

    public var json: JSON {
        switch self {
        case .full: .null
        case .fixed(let window): .int(window)
        case .letters(let letters): .string(letters)
        }
    }

    public static var schema: [String: JSON] {
        ["anyOf": [["type": "integer", "minimum": 0], ["type": "null"], ["type": "string", "pattern": "^[SL]+$"]]]
    }
    public static var kind: String { "a whole number, null, or letters S and L such as \"SSSL\"" }

    /// The window of one layer; nil for the whole context.
    func window(layer: Int, _ options: SelfAttentionOptions, _ size: ModelSize) -> Int? {
        switch self {
        case .full: return nil
        case .fixed(let window): return window
        case .letters(let letters):
            if options.fullLast && layer == size.layers - 1 { return nil }
            let all = Array(letters)
            guard all[layer % all.count] == "S" else { return nil }
            return options.shortWindow ?? min(size.context, (size.context / 4 + 127) / 128 * 128)
        }
    }
}
