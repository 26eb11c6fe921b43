import Architectures
import Autograd
import Configuration
import Text
import Training

/// A trained run, ready to be used.
struct LoadedRun {
    let folder: RunFolder
    let config: RunConfig
    let tokenizer: any Tokenizer
    let model: Model
    let context: Context
    let checkpoint: Checkpoint

    init(_ path: String, checkpoint choice: String?, on context: Context, _ registries: Registries) throws {
        folder = try RunFolder.open(path)
        config = try RunConfig(path: folder.configPath, registries: registries)
        tokenizer = try folder.loadTokenizer()
        checkpoint = try Checkpoint.find(choice ?? "last", in: folder)
        model = try Trainer.model(config, tokenizer: tokenizer)
        self.context = context
        model.materialize(on: context, training: false)
        do {
            try checkpoint.load(into: model)
            if let values = model.store.values, values.backend.firstNotFinite(values) != nil {
                throw Failure("\(checkpoint.path)/model.safetensors has numbers that are not finite")
            }
        } catch {
            let others = Checkpoint.all(in: folder).map(\.step).filter { $0 != checkpoint.step }.map(String.init)
            throw Failure("\(error)" + (others.isEmpty ? "" : "; --checkpoint takes another: \(others.joined(separator: ", "))"))
        }
    }
}

extension Flag {
    static let weights = Flag("--weights", "TYPE", "keep weights in float32, bfloat16 or int8 (float32)")
    static let kv = Flag("--kv", "TYPE", "keep keys and values in float32, bfloat16 or int8 (float32)")
    static let checkpoint = Flag("--checkpoint", "WHICH", "last, best or a step (last)")
}

extension Arguments {
    /// The type that `--weights` or `--kv` names.
    func type(_ flag: String) throws -> DType {
        guard let text = string(flag) else { return .float32 }
        guard let type = DType(rawValue: text), type != .int32 else {
            throw UsageError("\(flag) \(text) is unknown; use float32, bfloat16 or int8")
        }
        return type
    }
}
