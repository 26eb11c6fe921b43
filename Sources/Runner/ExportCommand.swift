import Configuration
import Foundation
import Interop
import Training

/// Writes a run's weights as another program reads them.
enum ExportCommand: Command {
    static let name = "export"
    static let summary = "Write a run's weights for transformers (hf) or nanoGPT."
    static let usage = "RUN --format hf|nanogpt --out DIR [--dtype TYPE]"
    static let example = "./runner export runs/llama-small --format hf --out llama-small-hf"
    static let flags = [
        Flag("--format", "FORMAT", "hf: config.json and model.safetensors; nanogpt: ckpt.pt"),
        Flag("--dtype", "TYPE", "of the numbers in hf's files: float32, bfloat16 or float16 (float32)"),
        Flag("--out", "DIR", "a new folder for the files"), Flag.checkpoint, Flag.json,
    ]

    static func run(_ arguments: Arguments, _ registries: Registries) throws {
        let path = try arguments.exactly(1, "one run")[0]
        let names = Exporter.Format.allCases.map(\.rawValue)
        guard let name = arguments.string("--format") else {
            throw UsageError("export: --format is missing; use \(names.joined(separator: " or "))")
        }
        guard let format = Exporter.Format(rawValue: name) else {
            throw UsageError("export: --format \(name) is unknown; use \(names.joined(separator: " or "))")
        }
        guard let out = arguments.string("--out") else { throw UsageError("export: --out is missing; name a new folder") }
        let wanted = arguments.string("--dtype") ?? "float32"
        guard let type = Exporter.types.first(where: { $0.key == wanted })?.value else {
            throw UsageError("export: --dtype \(wanted) is unknown; use \(Exporter.types.map(\.key).joined(separator: ", "))")
        }
        let run = try LoadedRun(path, checkpoint: arguments.string("--checkpoint"), on: .cpu(), registries)
        let exported = try Exporter(run, type: type).write(format, to: out)
        if arguments.has("--json") {
            emit(
                JSON.object([
                    "run": .string(path), "kind": .string(exported.kind), "out": .string(out), "step": .int(run.checkpoint.step),
                    "notes": .array(exported.notes.map { .string($0) }),
                ]).text()
                    + "\n")
        } else {
            say("\(exported.kind): \(out)")
            for note in exported.notes { say("note: \(note)") }
        }
    }
}
