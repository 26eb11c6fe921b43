import Architectures
import Autograd
import Components
import Configuration
import Foundation
import Reports
import Training

/// Shows what a config or a run is made of and what it costs.
enum InspectCommand: Command {
    static let name = "inspect"
    static let summary = "Parameters and costs of a config or run; attention maps and logit lens of a run."
    static let usage = "CONFIG|RUN [--set KEY.PATH=VALUE …]   or   RUN --attention PROMPT [--lens PROMPT] [--html FILE]"
    static let example = "./runner inspect configs/nanochat-d12.json"
    static let flags =
        [Flag.set, Flag.data, Flag.checkpoint, Flag("--config", "print the resolved config and nothing else")]
        + InspectPrompt.flags
        + [
            Flag(
                "--memory", "SIZE",
                "what training takes of a GPU's memory and what fits, by prediction; so does --device cuda for the one here"
            ), Flag.device, Flag.threads, Flag.json,
        ]

    static func run(_ arguments: Arguments, _ registries: Registries) throws {
        let source = try arguments.exactly(1, "one config or run")[0]
        if try InspectPrompt.show(source, arguments, registries) { return }
        // Said at once where there is no such device.
        let target = try MemoryPrediction.Target(arguments)
        let overrides = try arguments.overrides()
        let folder = RunFolder.exists(source) ? RunFolder(path: source) : nil
        let config = try RunConfig(path: folder?.configPath ?? source, overrides: overrides, registries: registries)
        if arguments.has("--config") {
            emit(config.resolved.text() + "\n")
            return
        }
        let model: Model
        var step: Int?
        if let folder {
            let tokenizer = try folder.loadTokenizer()
            model = try Trainer.model(config, tokenizer: tokenizer)
            let choice = arguments.string("--checkpoint")
            if choice != nil, !overrides.isEmpty {
                throw UsageError("inspect: --checkpoint shows weights, --set another model; use one of them")
            }
            // A run without a checkpoint still has a shape to show.
            if overrides.isEmpty, choice != nil || !Checkpoint.all(in: folder).isEmpty {
                let checkpoint = try Checkpoint.find(choice ?? "last", in: folder)
                model.materialize(on: Context.cpu(), training: false)
                try checkpoint.load(into: model)
                step = checkpoint.step
            }
        } else if arguments.has("--checkpoint") {
            throw UsageError("inspect: --checkpoint needs a run; \(source) is a config")
        } else if config.model.sizes.vocabSize != nil {
            model = try Model(config.model)
        } else {
            model = try Trainer.model(config, tokenizer: config.dataset().tokenizer)
        }
        let activations = try Model.activationBytes(
            config.model, vocabulary: model.size.vocabulary, batch: config.train.batch, recomputes: config.train.recompute)
        let prediction = try target.map { try MemoryPrediction(config, vocabulary: model.size.vocabulary, on: $0) }
        if arguments.has("--json") {
            emit(json(config, model, activations, prediction, step: step).text() + "\n")
        } else {
            show(config, model, activations, step: step)
            for line in prediction?.lines ?? [] { say(line) }
        }
    }

    private static func json(_ config: RunConfig, _ model: Model, _ activations: Int, _ prediction: MemoryPrediction?, step: Int?) -> JSON {
        var result = model.accounting.json
        result["name"] = .string(config.name)
        result["activation_bytes"] = .int(activations)
        result["vocab_size"] = .int(model.size.vocabulary)
        if let step { result["step"] = .int(step) }
        if let prediction { result["memory_prediction"] = prediction.json }
        result["tensors"] = .array(
            model.store.parameters.map { parameter in
                var entry: [String: JSON] = [
                    "name": .string(parameter.name), "shape": .array(parameter.shape.map { .int($0) }),
                    "role": .string(parameter.role.rawValue), "group": .string(parameter.group),
                    "parameters": .int(parameter.count),
                ]
                if let (mean, deviation) = parameter.statistics {
                    entry["mean"] = .double(mean)
                    entry["std"] = .double(deviation)
                }
                return .object(entry)
            })
        return .object(result)
    }

    private static func show(_ config: RunConfig, _ model: Model, _ activations: Int, step: Int?) {
        let size = model.size, accounting = model.accounting
        say(
            "\(config.name)\(step.map { ", step \($0.grouped)" } ?? ""): \(size.layers) layers of width \(size.width), context \(size.context), vocabulary \(size.vocabulary.grouped)\n"
        )
        for line in ParameterTree(model.store.parameters).lines { say(line) }
        say("\nparameters            \(accounting.parameters.grouped)")
        for (group, count) in accounting.parametersByGroup.sorted(by: { ($0.value, $1.key) > ($1.value, $0.key) }) {
            say("  \(group.padded(to: 20))\(count.grouped)")
        }
        say(
            "training FLOPs/token  \(accounting.flopsPerToken.grouped)   (6 × \(accounting.productParameters.grouped) product parameters + attention)"
        )
        say(
            "KV cache, float32     \(accounting.kvBytesPerToken.asBytes) a token, \(accounting.kvBytesAtContext.asBytes) at \(size.context) tokens a sequence, \(accounting.kvBytesReadAtContext.asBytes) read by each step then"
        )
        let windows = model.cacheShapes.map { $0.window.map(String.init) ?? "all" }
        if Set(windows) != ["all"] { say("windows by layer      \(windows.joined(separator: " "))") }
        let weights = accounting.parameters * 4
        say(
            "training memory       \(weights.asBytes) weights, \(weights.asBytes) gradients, \(activations.asBytes) activations at batch \(config.train.batch), and the optimizer's state"
        )
    }
}

extension Accounting {
    /// The figures under the names that scripts rely on.
    var json: [String: JSON] {
        [
            "parameters": .int(parameters), "product_parameters": .int(productParameters),
            "parameters_by_group": .object(parametersByGroup.mapValues { .int($0) }),
            "flops_per_token": .int(flopsPerToken), "kv_bytes_per_token": .int(kvBytesPerToken),
            "kv_bytes": .int(kvBytesAtContext), "kv_bytes_read": .int(kvBytesReadAtContext),
        ]
    }
}

extension Parameter {
    /// Mean and standard deviation of the values; nil without memory.
    var statistics: (mean: Double, deviation: Double)? {
        guard let values = value?.floats, !values.isEmpty else { return nil }
        let summary = Summary(values)
        return (summary.mean, summary.std)
    }
}
