import Architectures
import Autograd
import Components
import Configuration
import Foundation
import Reports
import Text
import Training

/// Measures the memory of the KV cache: formula, allocation and process side by side.
enum KVCommand: Command {
    static let name = "kv"
    static let summary = "What the KV cache takes and saves, by formula and really measured."
    static let usage = "CONFIG|RUN … [--context N,…] [--batch N,…] [--dtype TYPE] [--memory SIZE]"
    static let example = "./runner kv configs/small.json configs/gqa-rope.json configs/sliding-window.json --memory 1GiB"
    static let flags = [
        Flag.set,
        Flag("--context", "N,…", "tokens held (the config's context)"),
        Flag("--batch", "N,…", "sequences at once (1)"),
        Flag("--dtype", "TYPE", "keys and values in float32, bfloat16 or int8, or all for each of them (float32)"),
        Flag("--memory", "SIZE", "also what fits in so much memory, such as 8GiB, weights included"),
        Flag("--layers", "layer by layer"),
        Flag("--one-by-one", "decode every token by itself; by default all but the last 24 pass in larger pieces"),
        Flag.weights, Flag.checkpoint, Flag.device, Flag.threads, Flag.json,
    ]

    static func run(_ arguments: Arguments, _ registries: Registries) throws {
        guard !arguments.positions.isEmpty else { _ = try arguments.exactly(1, "configs or runs"); return }
        let question = try Question(arguments)
        // All that can be wrong is found before the first is measured.
        let subjects = try arguments.positions.map { try Subject($0, arguments, registries) }
        for subject in subjects { try question.check(subject) }
        var results: [JSON] = []
        let showsText = !arguments.has("--json")
        for (index, subject) in subjects.enumerated() {
            if showsText { say((index > 0 ? "\n" : "") + subject.headline) }
            results.append(try subject.measure(question, showsText: showsText))
        }
        if !showsText { emit(JSON.array(results).text() + "\n") }
    }

    /// What is asked of every config.
    struct Question {
        let contexts: [Int]?, batches: [Int], types: [DType], memory: Int?, layers: Bool
        /// Of the device that is measured on, and what it is called.
        private let deviceMemory: Int, deviceName: String

        init(_ arguments: Arguments) throws {
            contexts = try arguments.ints("--context", in: 1...1 << 20)
            batches = try arguments.ints("--batch", in: 1...65536) ?? [1]
            types = arguments.string("--dtype") == "all" ? [.float32, .bfloat16, .int8] : [try arguments.type("--dtype")]
            memory = try arguments.byteCount("--memory")
            layers = arguments.has("--layers")
            let device = try arguments.device().context().backend
            deviceMemory = device.memoryByteCount ?? .max
            deviceName = device.name == "cpu" ? "this machine" : device.title
        }

        func check(_ subject: Subject) throws {
            let limit = subject.config.model.sizes.context
            if let longest = contexts?.max(), longest > limit {
                let remedy = subject.run == nil ? "add --set model.context=\(longest)" : "it was trained with no more"
                throw UsageError("kv: --context \(longest) is more than the context of \(limit) of \(subject.path); \(remedy)")
            }
            let context = contexts?.max() ?? limit, batch = batches.max() ?? 1
            for type in types {
                let bytes = subject.shape.cacheShapes.reduce(0) { $0 + $1.byteCount(type, batch: batch, context: context) }
                guard bytes + 4 * subject.shape.store.count <= deviceMemory else {
                    throw UsageError(
                        "kv: a cache of \(bytes.asBytes) for \(subject.path) and its weights do not fit the \(deviceMemory.asBytes) of \(deviceName); "
                            + "lower --batch or --context")
                }
            }
        }
    }

    /// One config or run. It is given memory when its turn comes, and lets go of it before the next.
    struct Subject {
        let path: String, config: RunConfig, run: RunFolder?, shape: Model
        private let arguments: Arguments, registries: Registries

        init(_ path: String, _ arguments: Arguments, _ registries: Registries) throws {
            (self.path, self.arguments, self.registries) = (path, arguments, registries)
            run = RunFolder.exists(path) ? RunFolder(path: path) : nil
            let overrides = try arguments.overrides()
            if run != nil, !overrides.isEmpty { throw UsageError("kv: --set changes a config; \(path) is a run, which is as it is") }
            if run == nil, arguments.has("--checkpoint") { throw UsageError("kv: --checkpoint needs a run; \(path) is a config") }
            config = try RunConfig(path: run?.configPath ?? path, overrides: overrides, registries: registries)
            if let run {
                shape = try Trainer.model(config, tokenizer: run.loadTokenizer())
            } else {
                shape =
                    try config.model.sizes.vocabSize != nil
                    ? Model(config.model) : Trainer.model(config, tokenizer: config.dataset().tokenizer)
            }
        }

        var headline: String {
            let shapes = shape.cacheShapes
            func all(_ values: [String]) -> String { Set(values).count == 1 ? values[0] : values.joined(separator: " ") }
            return "\(config.name): \(shapes.count) layers; key/value heads \(all(shapes.map { String($0.kvHeads) })), query heads "
                + "\(all(shape.fullCacheShapes.map { String($0.kvHeads) })), of \(all(shapes.map { String($0.headDim) })) numbers each; window "
                + all(shapes.map { $0.window.map(String.init) ?? "all" })
        }

        func measure(_ question: Question, showsText: Bool) throws -> JSON {
            let context = try arguments.device().context(config.train.precision), progress = ProgressLine()
            let (model, loaded) = try ready(on: context)
            let weights = model.store.byteCount
            if showsText { say(KVTable.header) }
            var rows: [JSON] = []
            for type in question.types {
                for batch in question.batches {
                    for length in question.contexts ?? [model.size.context] {
                        let point = try KVMeasurement.measure(
                            model, on: context, batch: batch, context: length, type: type, singly: arguments.has("--one-by-one")
                        ) { done in
                            progress.show("\(config.name): \(done.grouped) of \(length.grouped) tokens")
                        }
                        progress.clear()
                        let capacity = question.memory.map {
                            KVCapacity(
                                model.cacheShapes, type: type, memory: $0, weights: weights, batch: batch, context: length,
                                longest: model.positionLimit)
                        }
                        if showsText { KVTable.show(point, capacity, question, weights: weights) }
                        rows.append(KVTable.json(point, capacity))
                    }
                }
            }
            var result: [String: JSON] = ["name": .string(config.name), "weight_bytes": .int(weights), "measurements": .array(rows)]
            if let loaded, question.types.contains(where: { $0 != .float32 }) {
                switch try textToJudgeBy(loaded) {
                case .success(let text):
                    result["loss"] = .object(try losses(model, text.validation, question, context, progress, showsText: showsText))
                case .failure(let reason):
                    result["loss_left_out"] = .string(reason.description)
                    if showsText { sayLossLeftOut(reason, indent: "  ") }
                }
            }
            return .object(result)
        }

        private func ready(on context: Context) throws -> (Model, LoadedRun?) {
            let weights = try arguments.type("--weights"), model: Model, loaded: LoadedRun?
            if run != nil {
                let trained = try LoadedRun(path, checkpoint: arguments.string("--checkpoint"), on: context, registries)
                (model, loaded) = (trained.model, trained)
            } else {
                (model, loaded) = (shape, nil)
                model.materialize(on: context, training: false, seed: UInt64(config.train.seed))
            }
            if weights != .float32 { model.store.compressProducts(to: weights) }
            return (model, loaded)
        }

        /// What each type costs in loss, on the run's own validation text.
        private func losses(
            _ model: Model, _ tokens: TokenFile, _ question: Question, _ context: Context, _ progress: ProgressLine, showsText: Bool
        ) throws -> [String: JSON] {
            var result: [String: JSON] = [:]
            var plain = 0.0
            let types = question.types.contains(.float32) ? question.types : [.float32] + question.types
            for type in types {
                let loss = try Evaluator.decoding(
                    model, on: context, tokens: tokens, type: type, length: min(model.size.context, max(1, tokens.count - 1))
                ) { done, all in progress.show("loss with \(type.rawValue): \(done) of \(all) tokens") }
                progress.clear()
                if type == .float32 { plain = loss }
                result[type.rawValue] = .double(loss)
                if showsText {
                    let difference = type == .float32 ? "" : "  (\((loss - plain).signedFixed(5)))"
                    say("  validation loss through a cache in \(type.rawValue.padded(to: 8))  \(loss.fixed(5))\(difference)")
                }
            }
            return result
        }
    }
}
