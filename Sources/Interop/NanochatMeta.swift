import Configuration
import Formats
import Foundation

/// nanochat's checkpoints: `model_<step>.pt`, a state dict, and `meta_<step>.json`, which says of what model.
enum NanochatMeta {
    /// Whether a JSON file has what nanochat writes.
    static func isOne(_ path: String) -> Bool {
        guard let data = FileManager.default.contents(atPath: path), data.count < 1 << 24, let json = try? JSON(parsing: data) else {
            return false
        }
        return json["model_config"]?["n_embd"] != nil
    }

    /// The newest description beside a state dict; the one of its step where there is one.
    static func beside(_ path: String) throws -> String {
        let url = URL(fileURLWithPath: path), folder = url.deletingLastPathComponent().path
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted().filter {
            $0.hasSuffix(".json") && isOne("\(folder)/\($0)")
        }
        let step = digits(url.deletingPathExtension().lastPathComponent)
        guard let name = names.first(where: { digits($0) == step }) ?? (names.count == 1 ? names[0] : nil) else {
            throw FormatError(path, "is a state dict of nanochat, but no usable meta_….json, which says what model it is of, is beside it")
        }
        return "\(folder)/\(name)"
    }

    private static func digits(_ name: String) -> String { String(name.filter(\.isNumber)) }

    /// - Parameter weights: the state dict, where it was read already; the one beside the description otherwise.
    static func read(_ meta: String, weights: (path: String, tensors: [String: StoredTensor])?) throws -> ForeignModel {
        guard let json = try? JSON(parsing: FileManager.default.contents(atPath: meta) ?? Data()),
            let config = json["model_config"]?.objectValue
        else {
            throw FormatError(meta, "has no model_config")
        }
        let (path, tensors) = try weights ?? stateDict(beside: meta)
        let known: Set<String> = ["sequence_len", "vocab_size", "n_layer", "n_head", "n_kv_head", "n_embd", "window_pattern"]
        if let other = config.keys.sorted().first(where: { !known.contains($0) }) {
            throw FormatError(
                meta, "model_config has \"\(other)\", an option that is not known here; it may change the model, so it is not ignored")
        }
        func int(_ key: String) throws -> Int {
            guard let value = config[key]?.intValue, (1...1 << 24).contains(value) else {
                throw FormatError(meta, "model_config has no usable \(key)")
            }
            return value
        }
        var foreign = ForeignModel(
            kind: "nanochat checkpoint", name: URL(fileURLWithPath: meta).standardizedFileURL.deletingLastPathComponent().lastPathComponent,
            model: .null, names: .nanochat, tensors: tensors, path: path, unlearned: [".cos", ".sin"])
        foreign.normalizeNames()
        let vocabulary = try int("vocab_size"), heads = try int("n_head"), kvHeads = try int("n_kv_head")
        guard let rows = foreign.tensors["transformer.wte.weight"]?.shape.first, rows >= vocabulary else {
            throw FormatError(path, "has no token embedding of at least \(vocabulary) rows")
        }
        // Padded to a multiple of 64, or to whatever the table shows.
        let padding = rows == vocabulary ? 1 : (vocabulary + 63) / 64 * 64 == rows ? 64 : rows
        let present = ["resid_lambdas", "smear_lambda", "backout_lambda", "value_embeds."].filter { name in
            foreign.tensors.keys.contains { $0.hasPrefix(name) }
        }
        var attention: JSON = [
            "type": kvHeads == heads ? "mha" : "gqa", "heads": .int(heads), "bias": false, "qk_norm": true, "qk_norm_eps": .double(epsilon),
        ]
        if kvHeads != heads { attention = attention.adding(["kv_heads": .int(kvHeads)]) }
        var base = 10000.0, residual: JSON = "plain"
        if present.count == 4 {
            let gate = foreign.tensors.first { $0.key.hasSuffix("attn.ve_gate.weight") }?.value.shape.last ?? 12
            let smear = foreign.tensors["smear_gate.weight"]?.shape.last ?? 24
            attention = attention.adding([
                "qk_scale": 1.2, "value_embedding": "alternate", "value_gate_channels": .int(gate), "value_gate_scale": 3,
                "window": config["window_pattern"] ?? .null,
            ])
            residual = ["type": "mixed", "smear_channels": .int(smear)]
            base = 100_000
        } else if !present.isEmpty {
            throw FormatError(
                path, "has \(present[0]) but not all that nanochat has today; it is of a version in between, whose constants no file says")
        } else if let pattern = config["window_pattern"], pattern != .null, pattern != "L" {
            throw FormatError(meta, "model_config has window_pattern \(pattern.brief), but the weights are of a version without windows")
        }
        foreign.model = [
            "context": .int(try int("sequence_len")), "layers": .int(try int("n_layer")), "width": .int(try int("n_embd")),
            "vocab_size": .int(vocabulary), "embedding": ["type": "token", "norm": true, "pad_to": .int(padding)],
            "position": ["type": "rope", "base": .double(base), "reverse": true],
            "norm": ["type": "rmsnorm", "weight": false, "eps": .double(epsilon)], "attention": attention,
            "mlp": ["type": "relu2", "bias": false], "residual": residual, "head": ["type": "untied", "softcap": 15], "init": "nanochat",
        ]
        return foreign
    }

    /// PyTorch's `rms_norm` without an epsilon takes float32's.
    private static let epsilon = Double(Float.ulpOfOne)

    /// The state dict that belongs to a description: of its step.
    private static func stateDict(beside meta: String) throws -> (String, [String: StoredTensor]) {
        let url = URL(fileURLWithPath: meta), folder = url.deletingLastPathComponent().path, step = digits(url.lastPathComponent)
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
        for name in names where digits(name) == step {
            let path = "\(folder)/\(name)"
            guard let mapped = try? MappedFile(path: path), TorchFile.isArchive(mapped) else { continue }
            let file = try TorchFile(mapped), tensors = try file.tensors(file.content)
            // The optimizer's state is kept in files of the same step.
            if tensors.keys.contains(where: { $0.hasSuffix("transformer.wte.weight") }) { return (path, tensors) }
        }
        throw FormatError(meta, "describes a checkpoint whose state dict is not beside it")
    }
}
