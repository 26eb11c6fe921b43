import Architectures
import Configuration
import Foundation
import Text

/// One of the things compared: a checked config under a name of its own.
public struct Variant {
    public let name: String
    /// Where it was read from, for errors.
    public let source: String?
    /// Everything filled in; its `train.seed` is the first seed's.
    public internal(set) var config: RunConfig
    /// What `--match` changed, in words.
    public internal(set) var change: String?
    /// Whether `train.steps` is what the budget allows; of seconds that is known after measuring.
    var hasSteps = false

    init(_ config: RunConfig, source: String?, change: String? = nil) {
        (name, self.source, self.config, self.change) = (config.name, source, config, change)
    }

    /// The `train.seed` of run number `index`.
    public func seed(_ index: Int) -> Int { config.train.seed &+ index }

    /// The config of run number `index`: `train.seed` is counted on from the config's own, so that variants with the same
    /// one share batches and starting weights.
    public func config(seedIndex index: Int, _ registries: Registries = Registries()) throws -> RunConfig {
        try config.setting(["train": ["seed": .int(seed(index))]], registries)
    }

    /// Tokens of one optimizer step.
    var tokensPerStep: Int { config.train.batch * config.train.gradAccumulation * config.model.sizes.context }
}

extension RunConfig {
    /// This config with `changes` laid over it.
    func setting(_ changes: JSON, _ registries: Registries) throws -> RunConfig {
        try RunConfig(resolved.merging(changes, known: registries.keys), file: file, fallbackName: name, registries: registries)
    }
}

/// What a person asked to compare.
public struct VariantRequest {
    public var configs: [String]
    /// `key.path=value`, for all of them.
    public var overrides: [String] = []
    public var grid: [GridAxis] = []
    /// A variant's name, or a config; by default the first variant.
    public var baseline: String?

    public init(configs: [String]) { self.configs = configs }

    /// The variants in order, and the name of the one that the others are measured against.
    /// - Throws: `ConfigError` for a config that is wrong or missing, a name that two have, or a baseline that none is.
    public func variants(_ registries: Registries = Registries()) throws -> (variants: [Variant], baseline: String) {
        let points = try GridPoint.all(grid)
        var variants: [Variant] = []
        for path in configs {
            let own = try RunConfig(path: path, overrides: overrides, registries: registries)
            for point in points {
                // A lone config's name would only make all names longer.
                let name = point.name.isEmpty ? own.name : configs.count == 1 ? point.name : "\(own.name),\(point.name)"
                variants.append(try variant(path, name, point.overrides, registries))
            }
        }
        guard let first = variants.first else { throw ConfigError("nothing to compare; name at least one config") }
        let baseline = try baseline.map { try self.baseline($0, &variants, registries) } ?? first.name
        if let name = variants.map(\.name).firstRepeated {
            let files = variants.filter { $0.name == name }.compactMap(\.source).joined(separator: ", ")
            throw ConfigError("two variants are called \"\(name)\" (\(files)); give one of them another \"name\"", at: "name")
        }
        return (variants, baseline)
    }

    private func variant(_ path: String, _ name: String, _ changes: [String], _ registries: Registries) throws -> Variant {
        let json = try RunConfig.applying(overrides + changes, to: RunConfig.load(path, registries), registries)
        let named = json.merging(["name": .string(name)], known: registries.keys)
        do {
            return Variant(try RunConfig(named, file: path, registries: registries), source: path)
        } catch let error as ConfigError where !changes.isEmpty {
            // The mistake is in the grid rather than in the file.
            throw ConfigError(error.message, at: error.path, file: "\(path) with \(changes.joined(separator: " "))")
        }
    }

    /// The variant that `choice` names, taken in as another one where it is a config of its own.
    private func baseline(_ choice: String, _ variants: inout [Variant], _ registries: Registries) throws -> String {
        if variants.contains(where: { $0.name == choice }) { return choice }
        func same(_ path: String?) -> Bool {
            path.map { URL(fileURLWithPath: $0).standardizedFileURL.path } == URL(fileURLWithPath: choice).standardizedFileURL.path
        }
        let own = variants.filter { same($0.source) }
        if own.count > 1 {
            throw ConfigError("--baseline \(choice) is \(own.count) variants; name one: \(own.map(\.name).joined(separator: ", "))")
        }
        if let one = own.first { return one.name }
        guard choice.hasSuffix(".json") || FileManager.default.fileExists(atPath: choice) else {
            let names = variants.map(\.name)
            let hint = nearest(to: choice, in: names).map { "; did you mean \($0)?" } ?? ""
            throw ConfigError("--baseline \(choice) is no config and no variant\(hint) (variants: \(names.joined(separator: ", ")))")
        }
        let config = try RunConfig(path: choice, overrides: overrides, registries: registries)
        variants.insert(Variant(config, source: choice), at: 0)
        return config.name
    }
}

extension [Variant] {
    /// Checks that all predict the same tokens, without which their losses mean different things.
    /// - Throws: `ConfigError` naming the first setting that differs.
    func requireSameText() throws {
        guard let first else { return }
        let wanted = first.textSettings
        for other in dropFirst() {
            let (context, found) = (first.config.model.sizes.context, other.config.model.sizes.context)
            if SyntheticTask.named(first.config.data.source) != nil, context != found {
                throw ConfigError(
                    "\(first.name) has \(context), \(other.name) has \(found): a task's examples fill the context, so theirs would differ; "
                        + "give all variants the same", at: "model.context", file: other.source)
            }
        }
        for other in dropFirst() {
            let found = other.textSettings
            // The source first: what else differs may follow from it.
            let keys = Set(wanted.keys).union(found.keys).subtracting(["source"]).sorted()
            for key in ["source"] + keys where wanted[key] != found[key] {
                let values = [wanted[key], found[key]].map { $0?.brief ?? "nothing" }
                throw ConfigError(
                    "\(first.name) has \(values[0]), \(other.name) has \(values[1]): they would predict different tokens, and losses "
                        + "a token would not compare; give all variants the same text and tokenizer",
                    at: "data.\(key)", file: other.source)
            }
        }
    }
}

extension Variant {
    /// The settings that decide which tokens there are, by their paths.
    fileprivate var textSettings: [String: JSON] {
        var settings = (config.resolved["data"] ?? [:]).flattened()
        // Which windows come when is training's affair.
        settings["order"] = nil
        if config.data.source != "stories", SyntheticTask.named(config.data.source) == nil {
            (settings["characters"], settings["seed"]) = (nil, nil)
        }
        return settings
    }
}
