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
        try checkpoint.load(into: model)
    }
}

extension Flag {
    static let checkpoint = Flag("--checkpoint", "WHICH", "last, best or a step (last)")
}
