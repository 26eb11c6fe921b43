import Autograd
import Components
import Configuration
import Foundation
import Reports
import Text
import Training

/// Measures how well a trained model predicts a text, all of it.
enum EvalCommand: Command {
    static let name = "eval"
    static let summary = "Loss, perplexity and bits per byte of a trained model on a whole text."
    static let usage = "RUN [--data SOURCE] [--stride N]   or   RUN --choices FILE"
    static let example = "./runner eval runs/gqa-rope --data novel.txt --stride 128"
    static let flags = [
        Flag("--data", "SOURCE", "the text: stories, tinyshakespeare, a file or folder, or - for standard input; by default the run's own"),
        Flag("--split", "PART", "validation, train or all of it (validation; all of it with --data)"),
        Flag("--stride", "N", "tokens between windows; by default the context, smaller gives every token more to go by"),
        Flag("--batch", "N", "windows computed at once (8)"),
        Flag(
            "--choices", "FILE", "ask multiple-choice questions instead: JSON Lines with context, choices and answer (its place, from 0)"
        ),
        Flag("--weights", "TYPE", "also with weights in bfloat16 or int8, and what that costs"),
        Flag.checkpoint, Flag.device, Flag.threads, Flag.json,
    ]

    static func run(_ arguments: Arguments, _ registries: Registries) throws {
        let path = try arguments.exactly(1, "one run")[0]
        let stride = try arguments.int("--stride", in: 1...Int.max)
        let batch = try arguments.int("--batch", in: 1...65536) ?? 8
        let other = try arguments.string("--data").map { $0 == "-" ? try KeptInput.path() : $0 }
        let split =
            arguments.string("--split")
            ?? (other.map { !PublishedTokens.exists($0) && !TokenFolder.exists($0) } == true ? "all" : "validation")
        guard ["validation", "train", "all"].contains(split) else {
            throw UsageError("eval: --split \(split) is unknown; use validation, train or all")
        }
        if let file = arguments.string("--choices") {
            guard other == nil, stride == nil, !arguments.has("--split"), !arguments.has("--weights") else {
                throw UsageError("eval: --choices takes no --data, --split, --stride or --weights")
            }
            return try answer(MultipleChoice.read(file), of: file, path, batch: batch, arguments, registries)
        }
        let run = try LoadedRun(path, checkpoint: arguments.string("--checkpoint"), on: arguments.device(), registries)
        let (tokens, bytesPerToken, name) = try text(run, other, split, registries)
        if stride != nil, tokens.isIsolated { throw UsageError("eval: --stride is for running text; the run's documents are isolated") }
        if stride != nil, tokens.isExamples { throw UsageError("eval: --stride is for running text; \(name) is made of examples") }
        if let stride, stride > run.model.size.context {
            throw UsageError("eval: --stride \(stride) is longer than the context of \(run.model.size.context); tokens would be left out")
        }
        let progress = ProgressLine(), interrupt = InterruptFlag()
        func measure() throws -> Evaluation {
            do {
                return try Evaluator.evaluate(
                    run.model, on: run.context, tokens: tokens, bytesPerToken: bytesPerToken, stride: stride, batch: batch
                ) { done, all in
                    progress.show("\(done.grouped) of \(all.grouped) tokens")
                    return !interrupt.isSet
                }
            } catch is CancellationError {
                throw Interrupted()
            }
        }
        let weights = try arguments.type("--weights")
        let result = try measure()
        let plainBytes = run.model.store.byteCount
        var compressed: Evaluation?
        if weights != .float32 {
            run.model.store.compressProducts(to: weights)
            compressed = try measure()
        }
        progress.clear()
        if arguments.has("--json") {
            var json: [String: JSON] = [
                "run": .string(path), "step": .int(run.checkpoint.step), "data": .string(name), "split": .string(split),
                "loss": .double(result.loss), "perplexity": .double(result.perplexity),
                "accuracy": .double(result.accuracy), "tokens": .int(result.tokens), "stride": .int(stride ?? run.model.size.context),
            ]
            // Of examples only the answers count, which are no bytes of a text.
            if !tokens.isExamples, let bits = result.bitsPerByte { json["bits_per_byte"] = .double(bits) }
            if let compressed {
                json["weights"] = .string(weights.rawValue)
                json["weights_loss"] = .double(compressed.loss)
                json["weights_loss_difference"] = .double(compressed.loss - result.loss)
                json["weight_bytes"] = .int(run.model.store.byteCount)
                json["weight_bytes_float32"] = .int(plainBytes)
            }
            emit(JSON.object(json).text() + "\n")
            return
        }
        let counted = tokens.isExamples ? "answers" : "tokens"
        say("\(path), step \(run.checkpoint.step.grouped), on \(name) (\(split)), \(result.tokens.grouped) \(counted)")
        say("loss           \(result.loss.fixed(4)) nats/token")
        say("perplexity     \(result.perplexity.fixed(4))")
        if !tokens.isExamples, let bits = result.bitsPerByte { say("bits per byte  \(bits.fixed(4))") }
        say("accuracy       \((result.accuracy * 100).fixed(2)) % of \(counted) were the likeliest")
        if let compressed {
            let difference = String(format: "%+.5f", compressed.loss - result.loss)
            say(
                "weights in \(weights.rawValue): loss \(compressed.loss.fixed(4)) (\(difference)), \(run.model.store.byteCount.asBytes) instead of \(plainBytes.asBytes)"
            )
        }
    }

    private static func answer(
        _ questions: [MultipleChoice], of file: String, _ path: String, batch: Int, _ arguments: Arguments, _ registries: Registries
    ) throws {
        let run = try LoadedRun(path, checkpoint: arguments.string("--checkpoint"), on: arguments.device(), registries)
        let progress = ProgressLine(), interrupt = InterruptFlag()
        let score: ChoiceScore
        do {
            score = try Evaluator.evaluate(run.model, on: run.context, questions, tokenizer: run.tokenizer, batch: batch) { done, all in
                progress.show("\(done.grouped) of \(all.grouped) questions")
                return !interrupt.isSet
            }
        } catch is CancellationError {
            throw Interrupted()
        }
        progress.clear()
        if arguments.has("--json") {
            let json: JSON = [
                "run": .string(path), "step": .int(run.checkpoint.step), "choices": .string(file), "questions": .int(score.questions),
                "accuracy": .double(score.accuracy), "accuracy_by_length": .double(score.accuracyByLength),
                "accuracy_error": .double(score.error(score.accuracy)),
                "accuracy_by_length_error": .double(score.error(score.accuracyByLength)), "chance": .double(score.chance),
                "shortened": .int(score.shortened),
            ]
            emit(json.text() + "\n")
            return
        }
        func percent(_ share: Double) -> String { (share * 100).fixed(2) + " % ± " + (score.error(share) * 100).fixed(2) }
        say("\(path), step \(run.checkpoint.step.grouped), \(score.questions.grouped) questions of \(file)")
        say("accuracy            \(percent(score.accuracy)) by the likelihood of the choice")
        say("accuracy by length  \(percent(score.accuracyByLength)) by its likelihood a character")
        say("chance              \((score.chance * 100).fixed(2)) %; ± is the standard error")
        if score.shortened > 0 {
            say("\(score.shortened.grouped) questions were longer than the context, and lost their beginning")
        }
    }

    /// The tokens to score.
    private static func text(
        _ run: LoadedRun, _ other: String?, _ split: String, _ registries: Registries
    ) throws -> (TokenFile, bytesPerToken: Double, name: String) {
        let source = other ?? run.config.data.source
        if split == "all", SyntheticTask.named(source) == nil {
            let dataset = try PreparationReport().during { try run.config.whole(source, tokenizer: run.tokenizer, progress: $0) }
            return (dataset.train, dataset.trainBytesPerToken, dataset.name)
        }
        var config = run.config
        if let other {
            let change = "data.source=\(JSON.string(other).text(pretty: false))"
            config = try RunConfig(
                RunConfig.applying([change], to: config.resolved, registries), file: run.folder.configPath, registries: registries)
        }
        let changed = config
        let dataset = try PreparationReport().during { try changed.dataset(tokenizer: run.tokenizer, progress: $0) }
        return split == "train"
            ? (dataset.train, dataset.trainBytesPerToken, dataset.name)
            : (dataset.validation, dataset.validationBytesPerToken, dataset.name)
    }
}
