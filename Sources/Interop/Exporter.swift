import Architectures
import Components
import Configuration
import Formats
import Foundation
import Text
import Training

/// Writes a run's weights as another program reads them.
public struct Exporter {
    public enum Format: String, CaseIterable, Sendable { case hf, nanogpt }

    /// The types of numbers that can be written, by the names that configs and flags have for them.
    public static let types: KeyValuePairs<String, ElementType> = ["float32": .float32, "bfloat16": .bfloat16, "float16": .float16]

    private let run: LoadedRun
    private let facts: ModelFacts
    private let type: ElementType

    /// - Parameter type: of the numbers written; bfloat16 and float16 halve the file and round what does not fit.
    public init(_ run: LoadedRun, type: ElementType = .float32) throws {
        (self.run, self.type) = (run, type)
        facts = try ModelFacts(run.config.model, vocabulary: run.model.size.vocabulary)
    }

    /// What was written.
    public struct Exported {
        /// What a person calls it: "gpt2 of Hugging Face".
        public let kind: String
        /// What a person should know.
        public let notes: [String]
    }

    /// Writes the files of `format` into a new folder, those of the tokenizer among them.
    /// - Throws: `Failure` for a model that the format cannot express, with what stands in the way; `FormatError` when something cannot be
    ///   written.
    public func write(_ format: Format, to folder: String) throws -> Exported {
        guard !FileManager.default.fileExists(atPath: folder) else {
            throw Failure("\(folder) is there already; nothing is overwritten. Choose another --out")
        }
        guard format == .hf || type == .float32 else {
            throw Failure("a nanoGPT checkpoint is written in float32; leave --dtype out, or export as hf")
        }
        let writer = format == .hf ? try hub() : try nanoGPT()
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw Failure("cannot make \(folder): \(error.localizedDescription)")
        }
        do {
            try writer.write(folder)
            return Exported(kind: writer.kind, notes: try writeTokenizer(format, to: folder))
        } catch {
            try? FileManager.default.removeItem(atPath: folder)
            throw error
        }
    }

    /// The files that the weights came with; for weights of our own what the format has for their tokenizer.
    private func writeTokenizer(_ format: Format, to folder: String) throws -> [String] {
        let kept = ImportedTokenizer.files(in: "\(run.folder.path)/tokenizer")
        for file in kept {
            try FileManager.default.copyItem(atPath: file, toPath: "\(folder)/\(URL(fileURLWithPath: file).lastPathComponent)")
        }
        // What came without a tokenizer leaves without one.
        guard kept.isEmpty, !(run.tokenizer is IdTokenizer) else { return [] }
        do {
            switch format {
            case .hf: try Tokenizers.write(run.tokenizer, as: .hf, to: folder)
            case .nanogpt:
                guard let characters = run.tokenizer as? CharTokenizer else {
                    return ["nanoGPT has files for the tokens of characters only; the tokenizer stays in \(run.folder.tokenizerPath)"]
                }
                let meta = ImportedTokenizer.meta(of: characters)
                try Data(meta.pickled).write(to: URL(fileURLWithPath: "\(folder)/meta.pkl"))
            }
            return []
        } catch TextError.unwritableTokenizer(_, let reason) {
            return ["no tokenizer was written: it has \(reason)"]
        }
    }

    private typealias Writer = (kind: String, write: (String) throws -> Void)

    /// The family that says exactly what the config says: found by writing each one's config and reading it back.
    private func hub() throws -> Writer {
        var nearest: (family: String, differences: [String], count: Int)?
        for family in HubFamily.all {
            let dtype = Exporter.types.first { $0.value == type }?.key ?? "float32"
            let json = family.config(for: facts, model: run.config.model.resolved).adding(["dtype": .string(dtype)]),
                text = HubFamily.text(of: json)
            let differences: [String]
            var isReadable = true
            do {
                let read = HubConfig(json, path: "config.json"), model = try family.read(read)
                try read.finish()
                differences = facts.differences(from: try ModelFacts(ModelConfig(model), vocabulary: run.model.size.vocabulary))
            } catch {
                differences = ["\(error)"]
                isReadable = false
            }
            if differences.isEmpty {
                let weights = try sources(family.names)
                return (
                    "\(family.type) of Hugging Face",
                    { folder in
                        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(folder)/config.json"))
                        // transformers asks for this entry.
                        try Safetensors.write(weights, metadata: ["format": "pt"], to: "\(folder)/model.safetensors")
                    }
                )
            }
            // A family that cannot even say it roughly is farther than any that can.
            let count = isReadable ? differences.count : .max - 1
            if count < nearest?.count ?? .max { nearest = (family.type, differences, count) }
        }
        throw refused(
            nearest.map { "no family of Hugging Face says what this config does; the nearest is \($0.family), but " } ?? "",
            nearest?.differences)
    }

    private func nanoGPT() throws -> Writer {
        let bias = facts["attention.bias"] == true
        let named: [(String, PickleValue)] = [
            ("n_layer", .int(facts.int("layers"))), ("n_head", .int(facts.int("attention.heads"))), ("n_embd", .int(facts.int("width"))),
            ("block_size", .int(facts.int("context"))), ("bias", .bool(bias)), ("vocab_size", .int(facts.int("vocab_size"))),
            ("dropout", .double(run.config.model.resolved[path: "mlp.dropout"]?.doubleValue ?? 0)),
        ]
        let arguments = named.map { PickleValue.Pair(key: .string($0.0), value: $0.1) }
        let model = try ForeignSource.nanoGPTModel("model_args", .dictionary(arguments))
        let differences = facts.differences(from: try ModelFacts(ModelConfig(model), vocabulary: run.model.size.vocabulary))
        guard differences.isEmpty else { throw refused("nanoGPT cannot express this config: ", differences) }
        let weights = try sources(.gpt2(transposed: false)), step = run.checkpoint.step
        let best = try run.checkpoint.state().bestValidationLoss ?? 1e9
        return (
            "nanoGPT checkpoint",
            { folder in
                try TorchFile.write(
                    weights, shared: [("lm_head.weight", "transformer.wte.weight")], key: "model",
                    values: [
                        .init(key: .string("model_args"), value: .dictionary(arguments)),
                        .init(key: .string("iter_num"), value: .int(step)),
                        .init(key: .string("best_val_loss"), value: .double(best)), .init(key: .string("config"), value: .dictionary([])),
                    ], to: "\(folder)/ckpt.pt")
            }
        )
    }

    private func refused(_ begin: String, _ differences: [String]?) -> Failure {
        let differences = differences ?? [], more = differences.count > 3 ? ", and \(differences.count - 3) more" : ""
        return Failure(begin + differences.prefix(3).joined(separator: ", ") + more)
    }

    /// Our parameters under their names and in their layout; padding of the vocabulary stays behind.
    private func sources(_ names: NameTable) throws -> [Safetensors.Source] {
        let parameters = Dictionary(run.model.store.parameters.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        let bundles = names.expanded(for: run.model.store.parameters, layers: run.model.size.layers)
        if let homeless = parameters.keys.sorted().first(where: { name in !bundles.contains { $0.ours.contains(name) } }) {
            throw Failure("\(homeless) has no place in that format")
        }
        return try bundles.map { bundle in
            let own = bundle.ours.compactMap { parameters[$0] }
            guard own.count == bundle.ours.count, let first = own.first, bundle.theirs.count == 1 else {
                throw Failure("\(bundle.ours.joined(separator: ", ")) have no place in that format")
            }
            let size = run.model.size
            func rows(_ parameter: Parameter) -> Int {
                ["embedding.weight", "head.weight"].contains(parameter.name) ? size.vocabulary : parameter.shape[0]
            }
            let columns = first.shape.dropFirst().reduce(1, *), all = own.reduce(0) { $0 + rows($1) }
            let shape = bundle.isTransposed ? [columns, all] : [all] + first.shape.dropFirst()
            return Safetensors.Source(name: bundle.theirs[0], type: type, shape: shape) { write in
                var numbers: [Float] = []
                for parameter in own { numbers += (parameter.value?.floats ?? []).prefix(rows(parameter) * columns) }
                if bundle.isTransposed { numbers = transposed(numbers, rows: all, columns: columns) }
                try numbers.withUnsafeBytes { try write($0) }
            }
        }
    }
}

/// A matrix with rows and columns exchanged.
private func transposed(_ matrix: [Float], rows: Int, columns: Int) -> [Float] {
    [Float](unsafeUninitializedCapacity: matrix.count) { target, count in
        let edge = 32
        for row in stride(from: 0, to: rows, by: edge) {
            for column in stride(from: 0, to: columns, by: edge) {
                for r in row..<min(row + edge, rows) {
                    for c in column..<min(column + edge, columns) { target[c * rows + r] = matrix[r * columns + c] }
                }
            }
        }
        count = matrix.count
    }
}
