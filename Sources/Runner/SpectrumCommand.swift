import Analysis
import Configuration
import Formats
import Foundation
import Reports
import Text
import Training

/// The singular values of a run's or a file's matrices, and runs made of their truncated factors.
enum SpectrumCommand: Command {
    static let name = "spectrum"
    static let summary = "Singular values of every weight matrix, their ranks, and low-rank copies of a run."
    static let usage = "RUN|FILE.safetensors [--all-checkpoints] [--html FILE] …"
    static let example = "./runner spectrum runs/gqa-rope --html spectrum.html"
    static let flags = [
        Flag.checkpoint, Flag("--all-checkpoints", "how the figures evolve over all checkpoints of the run"),
        Flag("--heads", "a line for every attention head, not only the mean of a matrix's heads"),
        Flag("--html", "FILE", "a page of decay curves by layer and head"),
        Flag("--compress", "energy=SHARE", "write a run of the smallest ranks that keep this share of every matrix's energy"),
        Flag("--out", "DIR", "with --compress: the new run's folder; by default runs/NAME-compressed"),
        Flag.threads, Flag.json,
    ]

    static func run(_ arguments: Arguments, _ registries: Registries) throws {
        let path = try arguments.exactly(1, "one run or one safetensors file")[0]
        if arguments.has("--compress") { return try CompressedRun(path, arguments, registries).make() }
        if arguments.has("--out") { throw UsageError("spectrum: --out is for --compress; use --html FILE for a page") }
        let progress = ProgressLine(), interrupt = InterruptFlag()
        let threads = try arguments.int("--threads", in: 1...1024)
        let sources = try sources(path, arguments, registries)
        var snapshots: [SpectrumSnapshot] = []
        do {
            for source in sources {
                let label = source.step.map { "step \($0.grouped): " } ?? ""
                snapshots.append(
                    SpectrumSnapshot(
                        step: source.step,
                        matrices: try MatrixSpectrum.all(source.tensors, in: source.file, threads: threads) { done in
                            progress.show("\(label)\(done) of \(source.tensors.count) matrices")
                            return !interrupt.isSet
                        }))
            }
        } catch is CancellationError {
            throw Interrupted()
        }
        progress.clear()
        // Of a run it is known which parameters are matrices; what another program's file holds is not.
        let leftOut = sources.first.flatMap { $0.step == nil ? WeightTensor.leftOut(of: $0.file) : nil }
        if let page = arguments.string("--html") {
            try writePage(SpectrumPage(title: path, snapshots: snapshots).html, to: page, "spectrum")
        }
        if arguments.has("--json") {
            var result = json(path, snapshots, all: arguments.has("--all-checkpoints"))
            if let leftOut { result = result.merging(["tensors_left_out": .int(leftOut.count)], known: { _, _ in nil }) }
            emit(result.text() + "\n")
        } else {
            for line in SpectrumTable(snapshots, heads: arguments.has("--heads")).lines(title: path) { say(line) }
            if let leftOut { say("\n" + wrapped(leftOut.words, width: outputWidth, indent: "  ")) }
            if let page = arguments.string("--html") { say("\nwrote \(page)") }
        }
    }

    private typealias Source = (step: Int?, tensors: [WeightTensor], file: Safetensors.File)

    /// What to look at: checkpoints of a run, or one file.
    private static func sources(_ path: String, _ arguments: Arguments, _ registries: Registries) throws -> [Source] {
        if path.hasSuffix(".safetensors") {
            for flag in ["--checkpoint", "--all-checkpoints"] where arguments.has(flag) {
                throw UsageError("spectrum: \(flag) needs a run; \(path) is a file")
            }
            let file = try Safetensors.File(path: path), tensors = WeightTensor.all(in: file)
            guard !tensors.isEmpty else {
                throw Failure("\(path) has no matrices: none of its \(file.entries.count) tensors has two dimensions of float numbers")
            }
            return [(nil, tensors, file)]
        }
        let folder = try RunFolder.open(path)
        if arguments.has("--checkpoint"), arguments.has("--all-checkpoints") {
            throw UsageError("spectrum: --checkpoint and --all-checkpoints exclude each other")
        }
        let model = try Trainer.model(RunConfig(path: folder.configPath, registries: registries), tokenizer: folder.loadTokenizer())
        let tensors = WeightTensor.all(of: model)
        let chosen = try Checkpoint.find(arguments.string("--checkpoint") ?? "last", in: folder)
        let checkpoints = arguments.has("--all-checkpoints") ? Checkpoint.all(in: folder) : [chosen]
        return try checkpoints.map { ($0.step, tensors, try Safetensors.File(path: "\($0.path)/model.safetensors")) }
    }

    private static func json(_ path: String, _ snapshots: [SpectrumSnapshot], all: Bool) -> JSON {
        let entries = snapshots.map { snapshot in
            var entry: [String: JSON] = ["matrices": .array(snapshot.matrices.map(\.json))]
            entry["step"] = snapshot.step.map { .int($0) }
            return entry
        }
        var result: [String: JSON] = all ? ["checkpoints": .array(entries.map { .object($0) })] : entries[0]
        result[snapshots[0].step == nil ? "file" : "run"] = .string(path)
        return .object(result)
    }
}

/// Writes an HTML page where it was asked for.
func writePage(_ html: String, to path: String, _ command: String) throws {
    do {
        try Data(html.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
        throw UsageError("\(command): --html \(path) cannot be written; is its folder there?")
    }
}

/// A run of truncated factors, and what it costs and saves.
private struct CompressedRun {
    let path: String, arguments: Arguments, registries: Registries, energy: Double

    init(_ path: String, _ arguments: Arguments, _ registries: Registries) throws {
        let text = arguments.string("--compress") ?? "", number = text.hasPrefix("energy=") ? Double(text.dropFirst(7)) : nil
        guard let number, number > 0, number <= 1 else {
            throw UsageError("spectrum: --compress \(text): expected energy= and a share above 0 and at most 1, such as energy=0.95")
        }
        for flag in ["--all-checkpoints", "--html", "--heads"] where arguments.has(flag) {
            throw UsageError("spectrum: \(flag) shows spectra, --compress writes a run; use one of them")
        }
        (self.path, self.arguments, self.registries, energy) = (path, arguments, registries, number)
    }

    func make() throws {
        let run = try LoadedRun(path, checkpoint: arguments.string("--checkpoint"), on: arguments.device(.cpu), registries)
        let text = try textToJudgeBy(run)
        let folder = try RunFolder.create(name: "\(run.config.name)-compressed", out: arguments.string("--out"))
        let progress = ProgressLine(), interrupt = InterruptFlag()
        func loss(_ label: String) throws -> Double? {
            guard case .success(let dataset) = text else { return nil }
            return try Evaluator.evaluate(
                run.model, on: run.context, tokens: dataset.validation, bytesPerToken: dataset.validationBytesPerToken
            ) { done, all in
                progress.show("loss \(label): \(done.grouped) of \(all.grouped) tokens")
                return !interrupt.isSet
            }.loss
        }
        do {
            let before = try loss("before")
            let result = try LowRank.compress(run.model, energy: energy) { done, all in
                progress.show("\(done) of \(all) matrices")
                return !interrupt.isSet
            }
            let after = try loss("after")
            try folder.begin(
                run.config, description: "\(path), step \(run.checkpoint.step), its matrices cut to \(energy) of their energy",
                tokenizer: run.tokenizer, model: run.model, factors: result.factors, step: run.checkpoint.step)
            progress.clear()
            if arguments.has("--json") {
                emit(json(result, folder, run, before, after).text() + "\n")
            } else {
                show(result, folder, run, before, after)
                if case .failure(let reason) = text { sayLossLeftOut(reason) }
            }
        } catch {
            progress.clear()
            try? FileManager.default.removeItem(atPath: folder.path)
            throw error is CancellationError ? Interrupted() : error
        }
    }

    private static let countedAs =
        "parameters, bytes and FLOPs are those of the factors, which the checkpoint holds; running it multiplies by their products"

    private func json(_ result: LowRank, _ folder: RunFolder, _ run: LoadedRun, _ before: Double?, _ after: Double?) -> JSON {
        [
            "run": .string(path), "step": .int(run.checkpoint.step), "out": .string(folder.path), "energy": .double(energy),
            "counted_as": .string(CompressedRun.countedAs),
            "before": [
                "parameters": .int(result.before), "bytes": .int(result.bytesBefore), "flops_per_token": .int(result.flopsBefore),
                "val_loss": before.map { .double($0) } ?? .null,
            ],
            "after": [
                "parameters": .int(result.after), "bytes": .int(result.bytesAfter), "flops_per_token": .int(result.flopsAfter),
                "val_loss": after.map { .double($0) } ?? .null,
            ],
            "matrices": .array(
                result.changes.map {
                    [
                        "name": .string($0.name), "rows": .int($0.rows), "columns": .int($0.columns), "rank": .int($0.rank),
                        "replaced": .bool($0.isReplaced), "parameters": .int($0.parameters - $0.saved), "error": .double($0.error),
                    ]
                }),
        ]
    }

    private func show(_ result: LowRank, _ folder: RunFolder, _ run: LoadedRun, _ before: Double?, _ after: Double?) {
        let replaced = result.changes.count { $0.isReplaced }
        say("\(path), step \(run.checkpoint.step.grouped): \(replaced) of \(result.changes.count) matrices replaced, energy \(energy)\n")
        let name = result.changes.map(\.name.count).max() ?? 0
        for change in result.changes {
            let full = min(change.rows, change.columns)
            let rank = "rank \(String(change.rank).leftPadded(to: 4)) of \(String(full).leftPadded(to: 4))"
            let note =
                change.isReplaced
                ? "\(change.parameters.grouped) → \(change.factoredParameters.grouped)" : "kept: its factors would be larger"
            say("\(change.name.padded(to: name))  \(rank)  \(note)")
        }
        func line(_ what: String, _ before: String, _ after: String, _ note: String) {
            say("\(what.padded(to: 22))\(before.leftPadded(to: 14))\(after.leftPadded(to: 14))  \(note)")
        }
        func share(_ before: Int, _ after: Int) -> String { "\((100 * (Double(after) / Double(max(1, before)) - 1)).signedFixed(1)) %" }
        say("")
        line("", "before", "after", "")
        line("parameters", result.before.grouped, result.after.grouped, share(result.before, result.after))
        line("bytes, float32", result.bytesBefore.asBytes, result.bytesAfter.asBytes, share(result.bytesBefore, result.bytesAfter))
        line(
            "training FLOPs/token", result.flopsBefore.grouped, result.flopsAfter.grouped, share(result.flopsBefore, result.flopsAfter))
        if let before, let after { line("validation loss", before.fixed(4), after.fixed(4), (after - before).signedFixed(4)) }
        say("\n\(CompressedRun.countedAs)\nwrote \(folder.path)")
    }
}
