import Architectures
import Configuration
import Formats

/// A run whose weights another one begins with: fine-tuning.
public struct StartingPoint {
    public let folder: RunFolder
    public let checkpoint: Checkpoint

    /// - Parameter choice: `last`, `best` or a step; nil is the last.
    /// - Throws: `Failure` where there is no run or no such checkpoint.
    public init(_ path: String, checkpoint choice: String?) throws {
        folder = try RunFolder.open(path)
        checkpoint = try Checkpoint.find(choice ?? "last", in: folder)
    }

    /// A config for the new run, with the tokenizer of the old one.
    /// - Throws: `ConfigError`.
    public func config(_ path: String, _ overrides: [String], _ registries: Registries) throws -> RunConfig {
        let own = try RunConfig(path: folder.configPath, registries: registries)
        let tokenizer = own.resolved[path: "data.tokenizer"] ?? .null
        let change = "data.tokenizer=\(tokenizer.text(pretty: false))"
        guard path != folder.configPath else { return try RunConfig(path: path, overrides: overrides, registries: registries) }
        return try RunConfig(path: path, overrides: overrides + [change], registries: registries)
    }

    /// - Throws: `ConfigError` naming the first tensor that the model has and the run has not, or the other way round, or of another
    ///   shape.
    public func checkFit(_ model: Model) throws {
        let file = try Safetensors.File(path: "\(checkpoint.path)/model.safetensors")
        func refused(_ what: String) -> ConfigError {
            ConfigError(
                "\(what); --from needs the same architecture: leave the config out to take that of \(folder.path), and change the rest with --set",
                at: "model")
        }
        var left = Set(file.entries.keys)
        for parameter in model.store.parameters {
            left.remove(parameter.name)
            guard let shape = file.entries[parameter.name]?.shape else {
                // A low-rank copy keeps factors, which the model multiplies.
                if left.remove("\(parameter.name).left") != nil, left.remove("\(parameter.name).right") != nil { continue }
                throw refused("\(folder.path) has no tensor \(parameter.name)")
            }
            guard shape == parameter.shape else {
                throw refused("\(parameter.name) is \(shape) in \(folder.path), and the config asks for \(parameter.shape)")
            }
        }
        if let name = left.sorted().first { throw refused("\(folder.path) has \(name), for which the config has no place") }
    }
}
