import Autograd
import Components
import Configuration
import Foundation
import Training

/// Continues a prompt with a trained model. Standard output gets text and nothing else.
enum SampleCommand: Command {
    static let name = "sample"
    static let summary = "Write text with a trained model."
    static let usage = "RUN [--prompt TEXT | --prompt-file FILE] [--tokens N] …"
    static let example = "./runner sample runs/gqa-rope --prompt \"# The Red Kite\" --tokens 400 --temperature 0.7"
    static let flags = [
        Flag("--prompt", "TEXT", "what to continue; by default a new text"),
        Flag("--prompt-file", "FILE", "the prompt from a file, or from standard input with -"),
        Flag("--ids", "1,2,3", "the prompt as token ids; prints ids instead of text"),
        Flag("--tokens", "N", "new tokens at most (500)"),
        Flag("--greedy", "always the likeliest token"),
        Flag("--temperature", "T", "below 1 safer, above 1 wilder (0.8)"),
        Flag("--top-k", "K", "only the K likeliest tokens"),
        Flag("--top-p", "P", "only the likeliest tokens that together reach probability P"),
        Flag("--repetition-penalty", "R", "above 1 makes tokens that occurred less likely (1)"),
        Flag("--stop", "TEXT", repeats: true, "end a sample before this text; repeatable"),
        Flag("--samples", "N", "this many texts from one pass over the prompt (1)"),
        Flag("--no-cache", "compute everything anew for every token; the same text, slower"),
        Flag.weights, Flag.kv, Flag.checkpoint, Flag.seed, Flag.device, Flag.threads, Flag.json,
    ]

    static func run(_ arguments: Arguments, _ registries: Registries) throws {
        let path = try arguments.exactly(1, "one run")[0]
        let options = try options(arguments)
        if arguments.has("--ids") { return try sampleIds(path, options, arguments, registries) }
        let prompt = try prompt(arguments)
        let run = try LoadedRun(
            path, checkpoint: arguments.string("--checkpoint"), on: arguments.device(), registries)
        let weights = try arguments.type("--weights")
        if weights != .float32 { run.model.store.compressProducts(to: weights) }
        let sampler = Sampler(run.model, run.tokenizer, on: run.context, endToken: run.endToken)
        let interrupt = InterruptFlag()
        var texts = Array(repeating: "", count: options.samples)
        let streams = options.samples == 1 && !arguments.has("--json")
        // Before anything is printed: the prompt may hold what the tokenizer does not know.
        _ = try run.tokenizer.encode(prompt)
        if streams { emit(prompt) }
        let started = Date()
        let made = try sampler.generate(prompt: prompt, options) { sample, piece in
            if streams { emit(piece) } else { texts[sample] += piece }
            return !interrupt.isSet
        }
        let seconds = Date().timeIntervalSince(started)
        if arguments.has("--json") {
            let result: JSON = [
                "run": .string(path), "step": .int(run.checkpoint.step), "prompt": .string(prompt),
                "samples": .array(texts.map { .string($0) }), "tokens": .int(made), "seconds": .double(seconds),
                "tokens_per_second": .double(Double(made) / max(seconds, 1e-9)),
            ]
            emit(result.text() + "\n")
        } else if streams {
            emit("\n")
        } else {
            emit(texts.map { prompt + $0 }.joined(separator: "\n\n") + "\n")
        }
        if interrupt.isSet { throw Interrupted() }
    }

    /// Ids in, ids out.
    private static func sampleIds(
        _ path: String, _ options: SamplingOptions, _ arguments: Arguments, _ registries: Registries
    ) throws {
        guard !arguments.has("--prompt"), !arguments.has("--prompt-file") else {
            throw UsageError("sample: --ids is a prompt; leave --prompt and --prompt-file out")
        }
        let prompt = (try arguments.ints("--ids", in: 0...Int(Int32.max)) ?? []).map { Int32($0) }
        let run = try LoadedRun(path, checkpoint: arguments.string("--checkpoint"), on: arguments.device(), registries)
        let weights = try arguments.type("--weights")
        if weights != .float32 { run.model.store.compressProducts(to: weights) }
        let interrupt = InterruptFlag()
        var samples = Array(repeating: [Int32](), count: options.samples)
        try Sampler(run.model, run.tokenizer, on: run.context).generate(ids: prompt, options) { sample, id in
            samples[sample].append(id)
            return !interrupt.isSet
        }
        if arguments.has("--json") {
            func list(_ ids: [Int32]) -> JSON { .array(ids.map { .int(Int($0)) }) }
            let result: JSON = [
                "run": .string(path), "step": .int(run.checkpoint.step), "prompt_ids": list(prompt), "ids": .array(samples.map(list)),
                "samples": .array(samples.map { .string(run.tokenizer.decode($0)) }),
            ]
            emit(result.text() + "\n")
        } else {
            for sample in samples { say((prompt + sample).map(String.init).joined(separator: ",")) }
        }
        if interrupt.isSet { throw Interrupted() }
    }

    private static func options(_ arguments: Arguments) throws -> SamplingOptions {
        var options = SamplingOptions()
        options.tokens = try arguments.int("--tokens", in: 0...100_000_000) ?? options.tokens
        options.greedy = arguments.has("--greedy")
        options.temperature = try arguments.double("--temperature") ?? options.temperature
        options.topK = try arguments.int("--top-k", in: 1...Int.max)
        options.topP = try arguments.double("--top-p")
        options.repetitionPenalty = try arguments.double("--repetition-penalty") ?? 1
        options.stop = arguments.strings("--stop")
        options.samples = try arguments.int("--samples", in: 1...10_000) ?? 1
        options.seed = UInt64(try arguments.int("--seed", in: 0...Int.max) ?? 0)
        options.usesCache = !arguments.has("--no-cache")
        options.cacheType = try arguments.type("--kv")
        do {
            try options.validate()
        } catch let error as Failure {
            throw UsageError("sample: \(error.description)")
        }
        return options
    }

    private static func prompt(_ arguments: Arguments) throws -> String {
        guard let path = arguments.string("--prompt-file") else { return arguments.string("--prompt") ?? "" }
        guard arguments.string("--prompt") == nil else {
            throw UsageError("sample: --prompt and --prompt-file exclude each other")
        }
        // A handle rather than a file's contents: pipes have no length.
        let file = path == "-" ? FileHandle.standardInput : FileHandle(forReadingAtPath: path)
        guard let file, let data = try? file.readToEnd() ?? Data() else {
            throw UsageError("sample: --prompt-file \(path) cannot be read; is it there?")
        }
        guard let text = String(data: data, encoding: .utf8) else {
            throw UsageError("sample: --prompt-file \(path) is not UTF-8 text")
        }
        return text
    }
}
