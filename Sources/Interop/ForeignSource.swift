import Configuration
import Formats
import Foundation

/// Finds out what a file or folder is, by what is in it and not by what it is called.
enum ForeignSource {
    /// - Throws: `FormatError` saying what is missing or not supported.
    static func read(_ path: String) throws -> ForeignModel {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw FormatError(path, "is not there; give a folder from the Hugging Face hub, or a checkpoint file")
        }
        var model = isFolder.boolValue ? try folder(path) : try file(path)
        model.tokenizerFolder = isFolder.boolValue ? path : URL(fileURLWithPath: path).deletingLastPathComponent().path
        return model
    }

    // MARK: Folders

    private static func folder(_ path: String) throws -> ForeignModel {
        let names = contents(of: path)
        let configPath = "\(path)/config.json"
        if names.contains("config.json") {
            if let json = try? JSON(parsing: FileManager.default.contents(atPath: configPath) ?? Data()), json["model"]?.objectValue != nil
            {
                throw FormatError(path, "is a run of this program already; use it as it is")
            }
            return try hub(configPath, weights: weights(in: path, names))
        }
        // Content decides: whichever files can be one of the others.
        let files = names.filter { !$0.hasPrefix(".") }.map { "\(path)/\($0)" }
        let metas = files.filter { $0.hasSuffix(".json") && NanochatMeta.isOne($0) }
        if let meta = metas.last { return try NanochatMeta.read(meta, weights: nil) }
        var checkpoints = files.filter { file in
            guard let mapped = try? MappedFile(path: file) else { return false }
            return LLMCFile.isOne(mapped) || TorchFile.isArchive(mapped)
        }
        // nanochat keeps the optimizer's state beside the weights.
        if checkpoints.count > 1 { checkpoints.removeAll { URL(fileURLWithPath: $0).lastPathComponent.hasPrefix("optim_") } }
        switch checkpoints.count {
        case 1: return try file(checkpoints[0])
        case 0: throw try nothing(in: path, files)
        default:
            let shown = checkpoints.prefix(4).map { URL(fileURLWithPath: $0).lastPathComponent }.joined(separator: ", ")
            throw FormatError(path, "has several checkpoints (\(shown)); name the one that is meant")
        }
    }

    /// What to say of a folder without a checkpoint: what it has instead, or where one is.
    private static func nothing(in path: String, _ files: [String]) throws -> FormatError {
        for file in files {
            guard let mapped = try? MappedFile(path: file) else { continue }
            if let kind = mapped.otherKind { return FormatError(file, kind) }
            let isNamedSo = [".pt", ".pth", ".bin", ".ckpt"].contains(where: file.hasSuffix)
            if isNamedSo, TorchFile.isBarePickle(mapped) { _ = try TorchFile(mapped) }
        }
        // The hub's cache keeps models--OWNER--NAME/snapshots/REVISION.
        let inner = files + files.flatMap { folder in contents(of: folder).map { "\(folder)/\($0)" } }
        let found = inner.first { FileManager.default.fileExists(atPath: "\($0)/config.json") }
        let hint = found.map { "name the folder of one model, such as \($0)" } ?? "are the weights somewhere else?"
        return FormatError(path, "has neither a config.json nor a checkpoint in it; \(hint)")
    }

    private static func contents(of folder: String) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
    }

    /// The weights of a folder with a config.json: an index of several files, or one file.
    private static func weights(in path: String, _ names: [String]) throws -> [String: StoredTensor] {
        for ending in ["safetensors", "bin"] {
            let usual = ending == "bin" ? "pytorch_model.bin" : "model.safetensors"
            // Some folders have the weights twice, in another program's names as well.
            let indexes = names.filter { $0.hasSuffix(".\(ending).index.json") }
            if let index = indexes.contains("\(usual).index.json") ? "\(usual).index.json" : indexes.first, !names.contains(usual) {
                return try WeightFiles.tensors(index: "\(path)/\(index)")
            }
            let found = names.contains(usual) ? [usual] : names.filter { $0.hasSuffix(".\(ending)") && $0 != "training_args.bin" }
            if found.count == 1 { return try WeightFiles.tensors(path: "\(path)/\(found[0])") }
            if found.count > 1 { throw FormatError(path, "has several .\(ending) files and no index that puts them together") }
        }
        let others = names.filter { [".h5", ".msgpack", ".onnx", ".gguf", ".ot"].contains(where: $0.hasSuffix) }
        let hint = others.first.map { "; \($0) is not read here" } ?? ""
        throw FormatError(path, "has a config.json, but no weights: model.safetensors or pytorch_model.bin\(hint)")
    }

    // MARK: Files

    private static func file(_ path: String) throws -> ForeignModel {
        let mapped = try MappedFile(path: path)
        guard mapped.count > 0 else { throw FormatError(path, "is empty") }
        if let kind = mapped.otherKind { throw FormatError(path, kind) }
        if LLMCFile.isOne(mapped) { return try llmc(mapped) }
        if TorchFile.isArchive(mapped) || TorchFile.isBarePickle(mapped) { return try torch(mapped) }
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path, config = "\(folder)/config.json"
        let hasConfig = FileManager.default.fileExists(atPath: config)
        if mapped.bytes.first == UInt8(ascii: "{") {
            if let json = try? JSON(parsing: Data(mapped.bytes.prefix(1 << 24))), json["weight_map"] != nil, hasConfig {
                return try hub(config, weights: WeightFiles.tensors(index: path))
            }
            throw FormatError(path, "is a text file; give the folder that it is in, or a file of weights")
        }
        let tensors: [String: StoredTensor]
        do {
            tensors = try Safetensors.File(path: path).tensors()
        } catch  where !path.hasSuffix(".safetensors") {
            throw FormatError(path, "is neither of safetensors, of torch.save nor of llm.c, or is cut short")
        }
        guard hasConfig else { throw FormatError(path, "has weights, but the config.json that says what they are of is not beside it") }
        return try hub(config, weights: tensors)
    }

    /// A file of torch.save: told apart by the names of what is in it.
    private static func torch(_ mapped: MappedFile) throws -> ForeignModel {
        let file = try TorchFile(mapped), path = mapped.path
        if let arguments = file.content["model_args"], let weights = file.content["model"] {
            return try nanoGPT(path, arguments, try file.tensors(weights))
        }
        let tensors = try file.tensors(file.stateDict)
        guard !tensors.isEmpty else { throw FormatError(path, "has no tensors in it; a state dict is expected") }
        func has(_ end: String) -> Bool { tensors.keys.contains { $0.hasSuffix(end) } }
        if has("token_embedding_table.weight") { return try lecture(path, tensors) }
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        if has("transformer.h.0.attn.c_q.weight") {
            return try NanochatMeta.read(try NanochatMeta.beside(path), weights: (path, tensors))
        }
        let config = "\(folder)/config.json"
        guard FileManager.default.fileExists(atPath: config) else {
            throw FormatError(
                path, "is a state dict of neither nanoGPT, nanochat nor the lecture, and there is no config.json of Hugging Face beside it")
        }
        return try hub(config, weights: tensors)
    }

    // MARK: Kinds

    private static func hub(_ configPath: String, weights: [String: StoredTensor]) throws -> ForeignModel {
        let config = try HubConfig(path: configPath), type = try config.string("model_type", or: "")
        guard !type.isEmpty else { throw config.error("model_type", "is not there; is this a config.json of Hugging Face?") }
        guard let family = HubFamily.all.first(where: { $0.type == type }) else {
            let known = HubFamily.all.map(\.type).joined(separator: ", ")
            throw config.error("model_type", "is \"\(type)\", which is not known here; known are \(known)")
        }
        let model = try family.read(config)
        try config.finish()
        let folder = URL(fileURLWithPath: configPath).standardizedFileURL.deletingLastPathComponent()
        var foreign = ForeignModel(
            kind: "\(type) of Hugging Face", name: name(of: folder), model: model, names: family.names, tensors: weights,
            path: folder.relativePath, unlearned: [".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq", "position_ids"])
        foreign.normalizeNames(prefix: family.prefix)
        if model[path: "head.type"] == "tied" || model["head"] == "tied",
            let table = family.names.bundles.first(where: { $0.ours == ["embedding.weight"] })
        {
            foreign.tied = ["lm_head.weight": table.theirs[0]]
        }
        return foreign
    }

    /// What a model's folder is called, in the hub's cache as well, where a folder's own name is a revision.
    private static func name(of folder: URL) -> String {
        let parent = folder.deletingLastPathComponent(), model = parent.deletingLastPathComponent().lastPathComponent
        guard parent.lastPathComponent == "snapshots", model.hasPrefix("models--") else { return folder.lastPathComponent }
        return model.components(separatedBy: "--").last ?? model
    }

    private static func nanoGPT(_ path: String, _ arguments: PickleValue, _ tensors: [String: StoredTensor]) throws -> ForeignModel {
        var foreign = ForeignModel(
            kind: "nanoGPT checkpoint", name: URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent,
            model: try nanoGPTModel(path, arguments), names: .gpt2(transposed: false), tensors: tensors, path: path,
            unlearned: [".attn.bias"], tied: ["lm_head.weight": "transformer.wte.weight"])
        foreign.normalizeNames()
        return foreign
    }

    /// The `model` section that nanoGPT's `model_args` stand for.
    static func nanoGPTModel(_ path: String, _ arguments: PickleValue) throws -> JSON {
        func int(_ key: String) throws -> JSON {
            guard let value = arguments[key]?.intValue, value > 0 else { throw FormatError(path, "model_args has no usable \(key)") }
            return .int(value)
        }
        let known: Set<String> = ["n_layer", "n_head", "n_embd", "block_size", "bias", "vocab_size", "dropout"]
        if let other = (arguments.pairs ?? []).compactMap(\.key.stringValue).sorted().first(where: { !known.contains($0) }) {
            throw FormatError(path, "model_args has \"\(other)\", which nanoGPT does not; it may change the model, so it is not ignored")
        }
        let bias = JSON.bool(arguments["bias"]?.boolValue ?? true), dropout = JSON.double(arguments["dropout"]?.doubleValue ?? 0)
        return [
            "context": try int("block_size"), "layers": try int("n_layer"), "width": try int("n_embd"), "vocab_size": try int("vocab_size"),
            "embedding": ["type": "token", "dropout": dropout], "position": "learned", "norm": ["type": "layernorm", "bias": bias],
            "attention": ["type": "mha", "heads": try int("n_head"), "bias": bias, "dropout": dropout, "output_dropout": dropout],
            "mlp": ["type": "gelu", "approximate": "none", "bias": bias, "dropout": dropout], "head": "tied", "init": "gpt2",
        ]
    }

    private static func lecture(_ path: String, _ tensors: [String: StoredTensor]) throws -> ForeignModel {
        var foreign = ForeignModel(
            kind: "state dict of the lecture's GPT", name: URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent,
            model: .null,
            names: .lecture(heads: 1), tensors: tensors, path: path, unlearned: [".tril"])
        foreign.normalizeNames()
        func shape(_ name: String, _ dimensions: Int) throws -> [Int] {
            guard let shape = foreign.tensors[name]?.shape, shape.count == dimensions, shape.allSatisfy({ $0 > 0 }) else {
                throw FormatError(path, "has no usable \"\(name)\", so it is not the lecture's GPT")
            }
            return shape
        }
        func count(_ name: (Int) -> String) -> Int { (0..<4096).first { foreign.tensors[name($0)] == nil } ?? 4096 }
        let table = try shape("token_embedding_table.weight", 2), positions = try shape("position_embedding_table.weight", 2)
        let layers = count { "blocks.\($0).ln1.weight" }, heads = count { "blocks.0.sa.heads.\($0).key.weight" }
        guard layers > 0, heads > 0 else { throw FormatError(path, "has no blocks with heads, so it is not the lecture's GPT") }
        let headDim = try shape("blocks.0.sa.heads.0.key.weight", 2)[0], hidden = try shape("blocks.0.ffwd.net.0.weight", 2)[0]
        foreign.names = .lecture(heads: heads)
        foreign.model = [
            "context": .int(positions[0]), "layers": .int(layers), "width": .int(table[1]), "vocab_size": .int(table[0]),
            "position": "learned", "norm": ["type": "layernorm", "final": true],
            "attention": [
                "type": "mha", "heads": .int(heads), "head_dim": .int(headDim), "bias": false, "output_bias": true,
                "scale": .double(1 / Double(table[1]).squareRoot()),
            ], "mlp": ["type": "relu", "hidden": .int(hidden)], "head": ["type": "untied", "bias": true], "init": "torch",
        ]
        foreign.notes = [
            "scores are scaled by 1/√width, as in the lecture; where the model was trained with 1/√head_dim, import it with "
                + "--set model.attention.scale=null"
        ]
        return foreign
    }

    private static func llmc(_ mapped: MappedFile) throws -> ForeignModel {
        let file = try LLMCFile(mapped)
        guard file.width % file.heads == 0 else {
            throw FormatError(mapped.path, "has \(file.heads) heads, which do not divide width \(file.width)")
        }
        return ForeignModel(
            kind: "llm.c checkpoint", name: URL(fileURLWithPath: mapped.path).deletingPathExtension().lastPathComponent,
            model: [
                "context": .int(file.context), "layers": .int(file.layers), "width": .int(file.width), "vocab_size": .int(file.vocabulary),
                "position": "learned", "norm": "layernorm", "attention": ["type": "mha", "heads": .int(file.heads)],
                "mlp": ["type": "gelu", "approximate": "tanh"], "head": "tied", "init": "gpt2",
            ], names: .llmc, tensors: file.tensors, path: mapped.path)
    }
}
