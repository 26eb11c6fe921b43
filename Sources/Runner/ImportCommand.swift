import Configuration
import Foundation
import Interop
import Reports
import Text
import Training

/// Makes a run out of another program's checkpoint.
enum ImportCommand: Command {
    static let name = "import"
    static let summary = "Make a run of weights from the Hugging Face hub, nanoGPT, nanochat, llm.c or the lecture."
    static let usage = "SOURCE [--out RUN] [--tokenizer FOLDER] [--set KEY.PATH=VALUE …]"
    static let example = "./runner import ~/models/gpt2 --out runs/gpt2"
    static let flags = [
        Flag("--out", "DIR", "the run's folder; by default runs/NAME, never one that is there"),
        Flag("--tokenizer", "FOLDER", "where the tokenizer's files are; by default beside the weights"),
        Flag.set, Flag.json,
    ]

    static func run(_ arguments: Arguments, _ registries: Registries) throws {
        let source = try arguments.exactly(1, "one folder or file of weights")[0]
        let importer = try Importer(
            source.count > 1 && source.hasSuffix("/") ? String(source.dropLast()) : source, overrides: try arguments.overrides(),
            tokenizer: arguments.string("--tokenizer"), registries: registries)
        let folder = try importer.write(out: arguments.string("--out"))
        if arguments.has("--json") {
            let result: JSON = [
                "run": .string(folder.path), "kind": .string(importer.kind), "parameters": .int(importer.parameters),
                "tokenizer": .string(importer.tokenizer.kind), "vocab_size": .int(importer.tokenizer.vocabularySize),
                "notes": .array(importer.notes.map { .string($0) }),
            ]
            emit(result.text() + "\n")
            return
        }
        let sizes = importer.config.model.sizes
        say(
            "\(importer.kind): \(sizes.layers) layers of width \(sizes.width), context \(sizes.context), \(importer.parameters.grouped) parameters"
        )
        for note in importer.notes { say("note: \(note)") }
        say("run: \(folder.path)")
        say("next: ./runner sample \(inShell(folder.path)) \(prompt(importer.tokenizer))")
    }

    /// A prompt that the tokenizer knows.
    private static func prompt(_ tokenizer: any Tokenizer) -> String {
        if tokenizer is IdTokenizer { return "--ids 1,2,3" }
        // Characters' vocabularies are those of one text.
        return (try? tokenizer.encode("Once")) == nil ? "--tokens 200" : "--prompt \"Once\""
    }
}
