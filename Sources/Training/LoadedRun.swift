import Architectures
import Autograd
import Configuration
import Text

/// A trained run, ready to be used.
public struct LoadedRun {
    public let folder: RunFolder
    public let config: RunConfig
    public let tokenizer: any Tokenizer
    public let model: Model
    public let context: Context
    public let checkpoint: Checkpoint

    /// The token between the documents that the model was trained on; nil where nothing stood between them.
    public var endToken: Int32? { config.endToken(of: tokenizer) }

    /// - Parameter choice: `last`, `best` or a step; nil is the last.
    /// - Throws: `Failure` where there is no run or no such checkpoint, `ConfigError` for a config that does not fit this program.
    public init(_ path: String, checkpoint choice: String?, on context: Context, _ registries: Registries) throws {
        try self.init(path, checkpoint: choice, registries) { _ in context }
    }

    /// The same on a device, in the precision that the run was trained in.
    /// - Throws: also `CUDAError`.
    public init(_ path: String, checkpoint choice: String?, on device: DeviceChoice, _ registries: Registries) throws {
        try self.init(path, checkpoint: choice, registries) { try device.context($0.train.precision) }
    }

    private init(_ path: String, checkpoint choice: String?, _ registries: Registries, on device: (RunConfig) throws -> Context) throws {
        folder = try RunFolder.open(path)
        config = try RunConfig(path: folder.configPath, registries: registries)
        tokenizer = try folder.loadTokenizer()
        checkpoint = try Checkpoint.find(choice ?? "last", in: folder)
        model = try Trainer.model(config, tokenizer: tokenizer)
        context = try device(config)
        model.materialize(on: context, training: false)
        do {
            try checkpoint.load(into: model)
            try context.check()
            if let values = model.store.values, values.backend.firstNotFinite(values) != nil {
                throw Failure("\(checkpoint.path)/model.safetensors has numbers that are not finite")
            }
        } catch {
            let others = Checkpoint.all(in: folder).map(\.step).filter { $0 != checkpoint.step }.map(String.init)
            throw Failure("\(error)" + (others.isEmpty ? "" : "; --checkpoint takes another: \(others.joined(separator: ", "))"))
        }
    }
}
