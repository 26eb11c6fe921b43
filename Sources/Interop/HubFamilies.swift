import Configuration
import Formats

/// A family of Hugging Face's models: how its config is read as ours.
struct HubFamily: Sendable {
    /// `model_type` in config.json.
    let type: String
    /// What transformers calls the model: written as `architectures` on export.
    let architecture: String
    /// The prefix of everything but the head.
    let prefix: String
    let names: NameTable
    let read: @Sendable (HubConfig) throws -> JSON

    static let all: [HubFamily] = [
        HubFamily(
            type: "openai-gpt", architecture: "OpenAIGPTLMHeadModel", prefix: "transformer.", names: .gpt1,
            read: { try gpt($0, isFirst: true) }),
        HubFamily(
            type: "gpt2", architecture: "GPT2LMHeadModel", prefix: "transformer.", names: .gpt2(transposed: true),
            read: { try gpt($0, isFirst: false) }),
        HubFamily(
            type: "llama", architecture: "LlamaForCausalLM", prefix: "model.", names: .llama(), read: { try llama($0) }),
        HubFamily(
            type: "mistral", architecture: "MistralForCausalLM", prefix: "model.", names: .llama(), read: { try mistral($0) }),
        HubFamily(
            type: "mixtral", architecture: "MixtralForCausalLM", prefix: "model.", names: .mixtral, read: { try mixtral($0) }),
        HubFamily(
            type: "gemma", architecture: "GemmaForCausalLM", prefix: "model.", names: .llama(), read: { try gemma($0) }),
        HubFamily(
            type: "gemma2", architecture: "Gemma2ForCausalLM", prefix: "model.", names: .llama(isGemma2: true), read: { try gemma2($0) }),
        HubFamily(
            type: "qwen3", architecture: "Qwen3ForCausalLM", prefix: "model.", names: .llama(), read: { try qwen3($0) }),
        HubFamily(
            type: "nanochat", architecture: "NanoChatForCausalLM", prefix: "model.", names: .llama(isGated: false),
            read: { try nanochat($0) }),
    ]

    // MARK: GPT

    private static func gpt(_ config: HubConfig, isFirst: Bool) throws -> JSON {
        let width = try config.int("n_embd", sizes, or: 768), heads = try config.int("n_head", 1...4096, or: 12)
        let activation = try config.string(isFirst ? "afn" : "activation_function", or: isFirst ? "gelu" : "gelu_new")
        // GPT-1's "gelu" is the tanh form, as is what GPT-2 calls "gelu_new".
        let mlp: JSON
        switch activation {
        case "gelu" where isFirst, "gelu_new", "gelu_pytorch_tanh", "gelu_fast":
            mlp = ["type": "gelu", "approximate": "tanh"]
        case "gelu": mlp = ["type": "gelu", "approximate": "none"]
        case "relu": mlp = ["type": "relu"]
        case "silu", "swish": mlp = ["type": "silu"]
        default: throw config.error(isFirst ? "afn" : "activation_function", "is \"\(activation)\", which is not supported")
        }
        if !isFirst {
            try config.only("scale_attn_weights", true)
            try config.only("scale_attn_by_inverse_layer_idx", false)
            try config.only("add_cross_attention", false)
        }
        let residual = try config.fraction("resid_pdrop", or: 0.1), hidden = try config.int("n_inner", sizes, or: 4 * width)
        return [
            "context": .int(try config.int("n_positions", contexts, or: isFirst ? 512 : 1024)),
            "layers": .int(try config.int("n_layer", 1...1024, or: 12)), "width": .int(width),
            "vocab_size": .int(try config.int("vocab_size", vocabularies, or: isFirst ? 40478 : 50257)),
            "embedding": ["type": "token", "dropout": .double(try config.fraction("embd_pdrop", or: 0.1))], "position": "learned",
            "norm": [
                "type": "layernorm", "eps": .double(try config.double("layer_norm_epsilon", or: 1e-5)),
                "placement": isFirst ? "post" : "pre",
            ],
            "attention": [
                "type": "mha", "heads": .int(heads), "dropout": .double(try config.fraction("attn_pdrop", or: 0.1)),
                "output_dropout": .double(residual),
            ],
            "mlp": mlp.adding(["hidden": .int(hidden), "dropout": .double(residual)]),
            "head": .string(try config.bool("tie_word_embeddings", or: true) ? "tied" : "untied"), "init": isFirst ? "gpt1" : "gpt2",
        ]
    }

    // MARK: LLaMA and what came of it

    /// What all of them share.
    private static func decoder(
        _ config: HubConfig, norm: JSON = [:], attention: JSON = [:], mlp: JSON, position: JSON = [:], embedding: JSON = [:],
        head: JSON = [:], biasKey: String? = "attention_bias", activationKey: String = "hidden_act", activations: [JSON] = ["silu"],
        tied: Bool = false, kvHeads: Int? = nil, headDim: Int? = nil, vocabulary: Int = 32000, theta: Double = 10000, eps: Double = 1e-6
    ) throws -> JSON {
        let width = try config.int("hidden_size", sizes), heads = try config.int("num_attention_heads", 1...4096)
        let keyHeads = try config.int("num_key_value_heads", 1...4096, or: kvHeads ?? heads)
        guard heads % keyHeads == 0 else {
            throw config.error("num_key_value_heads", "is \(keyHeads), which does not divide \(heads) heads")
        }
        let usual = headDim ?? max(1, width / heads), dim = try config.int("head_dim", 1...4096, or: usual)
        if let found = config.value(activationKey).stringValue, !activations.contains(.string(found)) {
            throw config.error(
                activationKey, "is \"\(found)\", which is not supported; \(activations.map(\.brief).joined(separator: " or ")) is")
        }
        var own: JSON = [
            "type": keyHeads == heads ? "mha" : "gqa", "heads": .int(heads), "head_dim": .int(dim),
            "bias": .bool(try biasKey.map { try config.bool($0, or: false) } ?? false),
            "dropout": .double(try config.fraction("attention_dropout", or: 0)),
        ]
        if keyHeads != heads { own = own.adding(["kv_heads": .int(keyHeads)]) }
        let hidden = try config.int("intermediate_size", sizes), ties = try config.bool("tie_word_embeddings", or: tied)
        return [
            "context": .int(try config.int("max_position_embeddings", contexts)),
            "layers": .int(try config.int("num_hidden_layers", 1...1024)),
            "width": .int(width), "vocab_size": .int(try config.int("vocab_size", vocabularies)),
            "embedding": JSON.object(["type": "token"]).adding(embedding),
            "position": JSON.object(["type": "rope"]).adding(try rope(config, theta: theta)).adding(position),
            "norm": JSON.object(["type": "rmsnorm", "eps": .double(try config.double("rms_norm_eps", or: eps))]).adding(norm),
            "attention": own.adding(attention), "mlp": mlp.adding(["hidden": .int(hidden)]), "residual": "plain",
            "head": JSON.object(["type": ties ? "tied" : "untied"]).adding(head), "init": "gpt2",
        ]
    }

    private static func llama(_ config: HubConfig) throws -> JSON {
        try decoder(config, mlp: ["type": "swiglu", "bias": .bool(try config.bool("mlp_bias", or: false))])
    }

    private static func mistral(_ config: HubConfig) throws -> JSON {
        let context = try config.int("max_position_embeddings", contexts)
        return try decoder(
            config, attention: ["window": try window(config, "sliding_window", context: context, usual: 4096)],
            mlp: ["type": "swiglu", "bias": false], biasKey: nil, kvHeads: 8)
    }

    private static func mixtral(_ config: HubConfig) throws -> JSON {
        let context = try config.int("max_position_embeddings", contexts), experts = try config.int("num_local_experts", 1...128, or: 8)
        // Noise and the balance belong to training; the noise has no place here.
        try config.only("router_jitter_noise", 0)
        for key in ["output_router_logits", "num_experts"] { _ = config.value(key) }
        let active = try config.int("num_experts_per_tok", 1...experts, or: 2)
        // Theirs is E·Σ f·P with f adding up to the active experts, ours is divided by their number.
        let balance = try config.double("router_aux_loss_coef", or: 0.001) * Double(active)
        return try decoder(
            config, attention: ["window": try window(config, "sliding_window", context: context)],
            mlp: [
                "type": "moe", "experts": .int(experts), "active": .int(active),
                "balance": .double(max(0, balance)),
            ], biasKey: nil, kvHeads: 8, theta: 1_000_000, eps: 1e-5)
    }

    private static func gemma(_ config: HubConfig) throws -> JSON {
        try config.only("use_bidirectional_attention", false)
        // Both keys were in use, and both mean the tanh form whatever they say.
        for key in ["hidden_act", "hidden_activation"] { try config.only(key, "gelu", "gelu_pytorch_tanh") }
        return try decoder(
            config, norm: ["unit_offset": true], mlp: ["type": "geglu", "approximate": "tanh", "bias": false],
            embedding: ["scale_sqrt_width": true], activations: ["gelu", "gelu_pytorch_tanh"], tied: true, headDim: 256)
    }

    private static func gemma2(_ config: HubConfig) throws -> JSON {
        try config.only("use_bidirectional_attention", false)
        for key in ["hidden_act", "hidden_activation"] { try config.only(key, "gelu_pytorch_tanh") }
        let context = try config.int("max_position_embeddings", contexts), layers = try config.int("num_hidden_layers", 1...1024)
        // A whole number there, so that a scale that is none cannot be said in this family's config.
        let scalar = Double(try config.int("query_pre_attn_scalar", 1...1 << 30, or: 256))
        let windows = try layerWindows(config, context: context, layers: layers) { $0 % 2 == 0 }
        return try decoder(
            config, norm: ["unit_offset": true, "placement": "both"],
            attention: [
                "scale": .double(1 / scalar.squareRoot()), "softcap": .double(try config.cap("attn_logit_softcapping", or: 50)),
                "window": windows,
            ], mlp: ["type": "geglu", "approximate": "tanh", "bias": false], embedding: ["scale_sqrt_width": true],
            head: ["softcap": .double(try config.cap("final_logit_softcapping", or: 30))], activations: ["gelu_pytorch_tanh"], tied: true,
            kvHeads: 4, headDim: 256)
    }

    private static func qwen3(_ config: HubConfig) throws -> JSON {
        let context = try config.int("max_position_embeddings", contexts), layers = try config.int("num_hidden_layers", 1...1024)
        let slides = try config.bool("use_sliding_window", or: false), first = try config.int("max_window_layers", 0...100_000, or: 28)
        _ = config.value("sliding_window")
        let windows: JSON =
            slides
            ? try layerWindows(config, context: context, layers: layers) { $0 >= first }
            : try layerWindows(config, context: context, layers: layers) { _ in false }
        return try decoder(
            config,
            attention: [
                "qk_norm": true, "qk_norm_weight": true, "qk_norm_eps": .double(try config.double("rms_norm_eps", or: 1e-6)),
                "window": windows,
            ], mlp: ["type": "swiglu", "bias": false], headDim: 128)
    }

    private static func nanochat(_ config: HubConfig) throws -> JSON {
        let eps = try config.double("rms_norm_eps", or: 1e-6)
        return try decoder(
            config, norm: ["weight": false], attention: ["qk_norm": true, "qk_norm_eps": .double(eps)],
            mlp: ["type": "relu2", "bias": false], position: ["reverse": true], embedding: ["norm": true],
            head: ["softcap": .double(try config.cap("final_logit_softcapping", or: 15))], activations: ["relu2"])
    }

    // MARK: Parts

    private static let sizes = 1...131_072, vocabularies = 1...16_777_216, contexts = 1...1_048_576

    /// The rotation's options, in the old keys or the new.
    private static func rope(_ config: HubConfig, theta usual: Double) throws -> JSON {
        var options: [String: JSON] = ["base": .double(try config.double("rope_theta", or: usual))]
        for key in ["rope_parameters", "rope_scaling"] {
            guard config.has(key) else { continue }
            guard let members = config.value(key).objectValue else { throw config.error(key, "is no object") }
            let type = (members["rope_type"] ?? members["type"] ?? "default").stringValue ?? ""
            guard type == "default" || type == "linear" else {
                throw config.error("\(key).rope_type", "is \"\(type)\", which is not supported; \"default\" and \"linear\" are")
            }
            for (name, value) in members.sorted(by: { $0.key < $1.key }) where value != .null {
                switch (name, value.doubleValue) {
                case ("rope_type", _), ("type", _): break
                case ("rope_theta", let number?) where number > 0: options["base"] = .double(number)
                case ("factor", let number?) where type == "linear" && number > 0: options["scaling"] = .double(number)
                case ("partial_rotary_factor", 1?): break
                default: throw config.error("\(key).\(name)", "is \(value.brief), which is not supported")
                }
            }
        }
        try config.only("partial_rotary_factor", 1)
        return .object(options)
    }

    /// Their window counts the token itself, ours what lies behind it. One as long as the context is none.
    /// A family whose config says nothing of it has `usual`; one that says null has none.
    private static func window(_ config: HubConfig, _ key: String, context: Int, usual: Int? = nil) throws -> JSON {
        guard config.has(key) || (usual != nil && !config.says(key)) else { return .null }
        let theirs = try config.int(key, 1...1 << 30, or: usual)
        return theirs >= context ? .null : .int(theirs - 1)
    }

    /// Windows that differ by layer: as `layer_types` says, or as the family does without it.
    private static func layerWindows(_ config: HubConfig, context: Int, layers: Int, slides: (Int) -> Bool) throws -> JSON {
        var sliding = (0..<layers).map(slides)
        if config.has("layer_types") {
            let types = config.value("layer_types").arrayValue ?? []
            guard types.count == layers, types.allSatisfy({ $0 == "sliding_attention" || $0 == "full_attention" }) else {
                throw config.error("layer_types", "is not one of sliding_attention and full_attention for each of \(layers) layers")
            }
            sliding = types.map { $0 == "sliding_attention" }
        }
        guard sliding.contains(true) else {
            _ = config.value("sliding_window")
            return .null
        }
        let window = try window(config, "sliding_window", context: context, usual: 4096)
        return .folding(sliding.map { $0 ? window : .null })
    }
}

extension JSON {
    /// This object with the members of another put over its own.
    func adding(_ other: JSON) -> JSON { .object((objectValue ?? [:]).merging(other.objectValue ?? [:]) { $1 }) }
}
