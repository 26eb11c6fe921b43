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
        let prompt = try prompt(arguments)
        let run = try LoadedRun(
            path, checkpoint: arguments.string("--checkpoint"), on: arguments.context(), registries)
        let weights = try arguments.type("--weights")
        if weights != .float32 { run.model.store.compressProducts(to: weights) }
        let sampler = Sampler(run.model, run.tokenizer, on: run.context)
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
