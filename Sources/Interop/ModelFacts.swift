import Architectures
import Configuration

/// What a model computes, each fact once and under one name, so that two configs can be compared: defaults are filled in, what
/// only training or padding knows is left out, windows are those of the layers.
struct ModelFacts {
    let facts: [String: JSON]

    /// - Throws: `ConfigError` for a config that makes no model.
    init(_ config: ModelConfig, vocabulary: Int) throws {
        let model = try Model(config, vocabulary: vocabulary)
        var facts = config.resolved.flattened()
        facts["vocab_size"] = .int(vocabulary)
        let heads = facts["attention.heads"]?.intValue ?? 1, width = config.sizes.width
        let keyHeads: Int? =
            switch facts["attention.type"] {
            case "mha": heads
            case "mqa": 1
            default: facts["attention.kv_heads"]?.intValue
            }
        if let type = facts["attention.type"]?.stringValue, ["mha", "mqa", "gqa"].contains(type) {
            facts["attention.type"] = nil
            facts["attention.kv_heads"] = keyHeads.map { .int($0) }
            let dim = facts["attention.head_dim"]?.intValue ?? width / max(heads, 1)
            facts["attention.head_dim"] = .int(dim)
            facts["attention.scale"] = .double(facts["attention.scale"]?.doubleValue ?? 1 / Double(max(dim, 1)).squareRoot())
            if facts["attention.output_bias"] == .null { facts["attention.output_bias"] = facts["attention.bias"] }
            if facts["attention.qk_norm"] == false { facts["attention.qk_norm_eps"] = nil }
            if facts["attention.value_embedding"] == "none" {
                for key in ["value_gate_channels", "value_gate_scale"] { facts["attention.\(key)"] = nil }
            }
        }
        facts = facts.filter { key, _ in
            !["attention.window", "attention.short_window", "attention.full_last"].contains { key == $0 || key.hasPrefix("\($0).") }
                && !key.hasPrefix("init.") && !key.hasSuffix("dropout") && key != "embedding.pad_to" && key != "mlp.expansion"
                && key != "mlp.balance"
        }
        // A window as long as the context is none.
        facts["attention.window"] = .array(
            model.cacheShapes.map { shape in shape.window.flatMap { $0 < config.sizes.context - 1 ? .int($0) : nil } ?? .null })
        if facts["mlp.hidden"] == .null, let expansion = config.resolved[path: "mlp.expansion"]?.doubleValue {
            facts["mlp.hidden"] = .int(max(1, Int((expansion * Double(width)).rounded())))
        }
        if facts["norm.final"] == .null { facts["norm.final"] = .bool(facts["norm.placement"] != "post") }
        self.facts = facts
    }

    subscript(key: String) -> JSON { facts[key] ?? .null }
    func int(_ key: String) -> Int { facts[key]?.intValue ?? 0 }
    func double(_ key: String) -> Double { facts[key]?.doubleValue ?? 0 }

    /// The windows by layer, where all layers have one they share.
    var windows: [Int?] { (facts["attention.window"]?.arrayValue ?? []).map(\.intValue) }

    /// What differs, as lines for a person: "head.type is untied where tied is needed".
    func differences(from other: ModelFacts) -> [String] {
        Set(facts.keys).union(other.facts.keys).sorted().compactMap { key in
            let (own, theirs) = (self[key], other[key])
            if own == theirs { return nil }
            if let a = own.doubleValue, let b = theirs.doubleValue, abs(a - b) <= 1e-6 * max(abs(a), abs(b)) { return nil }
            return "model.\(key) is \(own.brief) where it has \(theirs.brief)"
        }
    }
}
