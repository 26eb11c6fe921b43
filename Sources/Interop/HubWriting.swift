import Architectures
import Configuration
import Formats

extension HubFamily {
    /// A config.json of this family for a model, right if the family can express it: reading it back tells.
    func config(for facts: ModelFacts, model: JSON) -> JSON {
        var members: [String: JSON] = [
            "model_type": .string(type), "architectures": [.string(architecture)], "dtype": "float32", "vocab_size": facts["vocab_size"],
            "tie_word_embeddings": .bool(facts["head.type"] == "tied"), "bos_token_id": .null, "eos_token_id": .null, "pad_token_id": .null,
        ]
        members.merge(type == "gpt2" || type == "openai-gpt" ? gpt(facts, model) : decoder(facts, model)) { $1 }
        return .object(members)
    }

    private func gpt(_ facts: ModelFacts, _ model: JSON) -> [String: JSON] {
        let activation: JSON
        switch (facts["mlp.type"], facts["mlp.approximate"]) {
        case ("gelu", "tanh"): activation = type == "gpt2" ? "gelu_new" : "gelu"
        case ("gelu", _): activation = "gelu"
        default: activation = facts["mlp.type"]
        }
        func dropout(_ path: String) -> JSON { model[path: path] ?? 0 }
        return [
            "n_embd": facts["width"], "n_layer": facts["layers"], "n_head": facts["attention.heads"], "n_positions": facts["context"],
            "layer_norm_epsilon": facts["norm.eps"], type == "gpt2" ? "activation_function" : "afn": activation,
            "embd_pdrop": dropout("embedding.dropout"), "attn_pdrop": dropout("attention.dropout"), "resid_pdrop": dropout("mlp.dropout"),
        ].merging(type == "gpt2" ? ["n_inner": facts["mlp.hidden"]] : [:]) { $1 }
    }

    private func decoder(_ facts: ModelFacts, _ model: JSON) -> [String: JSON] {
        let scaling = facts.double("position.scaling"), base = facts["position.base"]
        let rope: JSON =
            scaling == 1 || scaling == 0
            ? ["rope_type": "default", "rope_theta": base] : ["rope_type": "linear", "rope_theta": base, "factor": .double(scaling)]
        var members: [String: JSON] = [
            "hidden_size": facts["width"], "num_hidden_layers": facts["layers"], "num_attention_heads": facts["attention.heads"],
            "num_key_value_heads": facts["attention.kv_heads"], "head_dim": facts["attention.head_dim"],
            "intermediate_size": facts["mlp.hidden"], "max_position_embeddings": facts["context"], "rms_norm_eps": facts["norm.eps"],
            "rope_theta": base, "rope_parameters": rope, "attention_dropout": model[path: "attention.dropout"] ?? 0,
        ]
        let windows = facts.windows, window = windows.compactMap { $0 }.first
        let layerTypes = JSON.array(windows.map { $0 == nil ? "full_attention" : "sliding_attention" })
        let sliding: JSON = window.map { .int($0 + 1) } ?? .null
        switch type {
        case "mistral": members.merge(["hidden_act": "silu", "sliding_window": sliding]) { $1 }
        case "mixtral":
            members.merge([
                "hidden_act": "silu", "sliding_window": sliding, "num_local_experts": facts["mlp.experts"],
                "num_experts_per_tok": facts["mlp.active"],
                "router_aux_loss_coef": .double((model[path: "mlp.balance"]?.doubleValue ?? 0) / max(1, facts.double("mlp.active"))),
            ]) { $1 }
        case "gemma", "gemma2":
            members.merge([
                "hidden_act": "gelu_pytorch_tanh", "hidden_activation": "gelu_pytorch_tanh", "attention_bias": facts["attention.bias"],
            ]) { $1 }
            guard type == "gemma2" else { break }
            let scale = facts.double("attention.scale"), scalar = scale > 0 ? 1 / (scale * scale) : 0
            members.merge([
                "query_pre_attn_scalar": abs(scalar - scalar.rounded()) < 1e-6 * scalar ? .int(Int(scalar.rounded())) : .double(scalar),
                "attn_logit_softcapping": cap(facts["attention.softcap"]), "final_logit_softcapping": cap(facts["head.softcap"]),
                "sliding_window": sliding == .null ? facts["context"] : sliding, "layer_types": layerTypes,
            ]) { $1 }
        case "qwen3":
            members.merge([
                "hidden_act": "silu", "attention_bias": facts["attention.bias"], "use_sliding_window": .bool(window != nil),
                "sliding_window": sliding, "layer_types": layerTypes,
            ]) { $1 }
        case "nanochat":
            members.merge(["hidden_act": "relu2", "attention_bias": false, "final_logit_softcapping": cap(facts["head.softcap"])]) { $1 }
        default:
            members.merge(["hidden_act": "silu", "attention_bias": facts["attention.bias"], "mlp_bias": facts["mlp.bias"]]) { $1 }
        }
        return members
    }

    /// The text of a config.json: what transformers wants as a float has a point, whole or not.
    static func text(of json: JSON) -> String {
        let floats = ["final_logit_softcapping", "attn_logit_softcapping", "rope_theta", "rms_norm_eps", "layer_norm_epsilon", "factor"]
        return json.text().split(separator: "\n").map { line in
            guard floats.contains(where: { line.contains("\"\($0)\"") }) else { return line + "\n" }
            let hasComma = line.hasSuffix(","), body = hasComma ? line.dropLast() : line
            return body + (body.last?.isNumber == true && !body.contains(".") && !body.contains("e-") ? ".0" : "")
                + (hasComma ? ",\n" : "\n")
        }.joined()
    }

    private func cap(_ value: JSON) -> JSON { value.doubleValue == 0 ? .null : value }
}
