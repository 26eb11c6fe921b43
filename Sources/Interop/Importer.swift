import Architectures
import Autograd
import Configuration
import Formats
import Foundation
import Text
import Training

/// Makes a run out of another program's checkpoint.
public struct Importer {
    private let foreign: ForeignModel
    private let parts: [String: [StoredTensor]]
    private let model: Model
    private let tokenizerFolder: String?
    /// The run's whole config.
    public let config: RunConfig
    public let tokenizer: any Tokenizer

    /// What a person calls the source: "gpt2 of Hugging Face".
    public var kind: String { foreign.kind }
    public var parameters: Int { model.store.count }
    /// What a person should know.
    public let notes: [String]

    /// Reads and checks `source`; writes nothing.
    /// - Parameters:
    ///   - overrides: settings of the run as `key.path=value`.
    ///   - tokenizer: a folder with a tokenizer's files, where they are not beside the weights.
    /// - Throws: `FormatError` for what cannot be read or is not supported, `ConfigError` for settings that do not fit.
    public init(_ source: String, overrides: [String] = [], tokenizer folder: String? = nil, registries: Registries = Registries()) throws {
        foreign = try ForeignSource.read(source)
        guard let vocabulary = foreign.model["vocab_size"]?.intValue else {
            throw FormatError(source, "does not say how many tokens it has")
        }
        // Before a model is laid out: a config may say anything.
        let least = (foreign.model["layers"]?.intValue ?? 0) * (foreign.model[path: "mlp.experts"]?.intValue ?? 1)
        guard least <= foreign.tensors.count else {
            throw FormatError(source, "has \(foreign.tensors.count) tensors, too few for a model of the size that its config says")
        }
        let files = folder ?? foreign.tokenizerFolder
        if let folder, ImportedTokenizer.files(in: folder).isEmpty { throw FormatError(folder, "has no files of a tokenizer in it") }
        let found = try files.map { try ImportedTokenizer.tokenizer(in: $0, vocabulary: vocabulary) } ?? .nothing
        tokenizerFolder = files
        var notes = foreign.notes
        switch found {
        case .tokenizer(let understood):
            tokenizer = understood
        case .unusable(let reason):
            tokenizer = IdTokenizer(vocabularySize: vocabulary)
            notes.append("\(reason); its files are kept in the run's folder tokenizer/, and prompts are token ids: sample --ids 1,2,3")
        case .nothing where vocabulary == 256:
            tokenizer = ByteTokenizer()
            notes.append("256 tokens and no tokenizer: tokens are taken for bytes")
        case .nothing:
            tokenizer = IdTokenizer(vocabularySize: vocabulary)
            notes.append(
                "no tokenizer came with it, so prompts are token ids: sample --ids 1,2,3; with one in a folder, import --tokenizer FOLDER")
        }
        self.notes = notes
        config = try Importer.config(foreign, tokenizer, source, overrides, registries)
        model = try Model(config.model, vocabulary: vocabulary)
        parts = try foreign.parts(for: model)
        try requireHonestSize(source)
    }

    /// Tensors may share their bytes, as tied ones do; but a small file whose tensors are all the same bytes would fill a disk.
    private func requireHonestSize(_ source: String) throws {
        let used = parts.values.joined()
        let wanted = used.reduce(0) { $0 + $1.count * $1.type.size }
        let there = Dictionary(used.map { ($0.filePath, $0.fileSize) }, uniquingKeysWith: { a, _ in a }).values.reduce(0, +)
        guard wanted <= 2 * there + 1 << 20 else {
            throw FormatError(
                source, "has tensors of \(wanted) bytes in files of \(there): they lie upon each other, which no model's weights do")
        }
    }

    /// The model's section with settings to fine-tune by.
    private static func config(
        _ foreign: ForeignModel, _ tokenizer: any Tokenizer, _ source: String, _ overrides: [String], _ registries: Registries
    ) throws -> RunConfig {
        let context = foreign.model["context"]?.intValue ?? 1, batch = max(1, min(8, 8192 / max(context, 1)))
        let kind: JSON =
            ["char", "byte"].contains(tokenizer.kind)
            ? ["type": .string(tokenizer.kind)] : ["type": "imported", "vocab_size": .int(tokenizer.vocabularySize)]
        var name = foreign.name.unicodeScalars.filter { $0.properties.generalCategory != .control && $0 != "/" }.reduce(into: "") {
            $0.unicodeScalars.append($1)
        }
        while name.hasPrefix(".") { name.removeFirst() }
        let json: JSON = [
            "name": .string(name.isEmpty || name.utf8.count > 100 ? "imported" : name),
            "description": .string("imported: \(foreign.kind)"), "model": foreign.model,
            "optimizer": ["type": "adamw", "lr": 3e-5, "betas": [0.9, 0.95], "weight_decay": 0.1, "grad_clip": 1],
            "schedule": ["type": "cosine", "warmup": 20, "min_lr": 3e-6], "data": ["source": "tinyshakespeare", "tokenizer": kind],
            "train": [
                "steps": 200, "batch": .int(batch), "grad_accumulation": .int(max(1, 8 / batch)), "eval_interval": 50, "eval_batches": 10,
            ],
        ]
        return try RunConfig(RunConfig.applying(overrides, to: json, registries), file: source, registries: registries)
    }

    /// Writes the run, tensor by tensor from where the source has them.
    /// - Parameter out: the folder; by default `runs/<name>`.
    /// - Throws: `FormatError` or `Failure` when something cannot be written; nothing is left behind then.
    public func write(out: String?) throws -> RunFolder {
        let folder = try RunFolder.create(name: config.name, out: out)
        do {
            let sources = model.store.parameters.map { parameter in
                Safetensors.Source(name: parameter.name, shape: parameter.shape) { write in
                    for part in parts[parameter.name] ?? [] { try part.forEachPiece(write) }
                }
            }
            if let tokenizerFolder { try keepTokenizer(of: tokenizerFolder, in: folder) }
            try folder.begin(config, tokenizer: tokenizer, weights: sources)
        } catch {
            try? FileManager.default.removeItem(atPath: folder.path)
            throw error
        }
        return folder
    }

    private func keepTokenizer(of source: String, in folder: RunFolder) throws {
        let files = ImportedTokenizer.files(in: source)
        guard !files.isEmpty else { return }
        let target = "\(folder.path)/tokenizer"
        do {
            try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: true)
            for file in files {
                // The hub's cache holds links into itself, which would lead nowhere from here.
                let source = URL(fileURLWithPath: file).resolvingSymlinksInPath().path
                try FileManager.default.copyItem(atPath: source, toPath: "\(target)/\(URL(fileURLWithPath: file).lastPathComponent)")
            }
        } catch {
            throw Failure("cannot copy the tokenizer's files into \(target): \(error.localizedDescription)")
        }
    }
}
