import Configuration
import Foundation
import Text
import Training

/// Tokenizes a config's text ahead of training.
enum PrepareCommand: Command {
    static let name = "prepare"
    static let summary = "Tokenize a text of any size ahead of training, and say what is in it."
    static let usage = "CONFIG [--data SOURCE] [--out DIR]"
    static let example = "./runner prepare configs/small.json --data pile.jsonl.gz --set data.documents=separated --out pile-tokens"
    static let flags = [
        Flag.set, Flag.data,
        Flag(
            "--out", "DIR",
            "a folder for tokens and tokenizer, to be carried to where --data DIR uses it; by default the cache that train looks into"),
        Flag.json,
    ]

    static func run(_ arguments: Arguments, _ registries: Registries) throws {
        let path = try arguments.exactly(1, "one config")[0]
        let config = try RunConfig(path: path, overrides: arguments.overrides(), registries: registries)
        let out = arguments.string("--out"), source = config.data.source
        guard out != "" else { throw UsageError("prepare: --out is empty; name a new folder") }
        if SyntheticTask.named(source) != nil || TokenFolder.exists(source) || PublishedTokens.exists(source) {
            throw UsageError(
                "prepare: \(source) is \(SyntheticTask.named(source) == nil ? "tokens already" : "made as it is trained on"); there is nothing to prepare"
            )
        }
        let began = Date()
        let dataset = try PreparationReport().during {
            try config.dataset(keptIn: out, progress: $0)
        }
        let seconds = Date().timeIntervalSince(began)
        let folder = dataset.folder ?? ""
        if arguments.has("--json") {
            func part(_ tokens: TokenFile, _ documents: Int?, _ bytesPerToken: Double) -> JSON {
                [
                    "tokens": .int(tokens.count), "documents": documents.map { .int($0) } ?? .null,
                    "bytes": .int(Int((bytesPerToken * Double(tokens.count)).rounded())),
                ]
            }
            let json: JSON = [
                "data": .string(dataset.name), "hash": .string(dataset.contentHash), "tokenizer": .string(dataset.tokenizer.kind),
                "vocabulary": .int(dataset.tokenizer.vocabularySize), "end_token": dataset.endToken.map { .int(Int($0)) } ?? .null,
                "train": part(dataset.train, dataset.documents?.train, dataset.trainBytesPerToken),
                "validation": part(dataset.validation, dataset.documents?.validation, dataset.validationBytesPerToken),
                "folder": .string(folder), "seconds": .double(seconds),
            ]
            emit(json.text() + "\n")
            return
        }
        func line(_ name: String, _ tokens: TokenFile, _ documents: Int?, _ bytesPerToken: Double) {
            let bytes = Int((bytesPerToken * Double(tokens.count)).rounded())
            let counted =
                documents.flatMap { dataset.endToken == nil || $0 == 0 ? nil : $0 }.map { ", \($0.grouped) document\($0 == 1 ? "" : "s")" }
                ?? ""
            say(
                "\(name.padded(to: 12))\(tokens.count.grouped) tokens of \(bytes.asBytes)\(counted), \(bytesPerToken.fixed(3)) bytes a token"
            )
        }
        say("text        \(dataset.name)")
        let end = dataset.endToken.map { ", \(String(decoding: dataset.tokenizer.bytes(of: $0), as: UTF8.self)) between documents" }
        say("tokenizer   \(dataset.tokenizer.kind), vocabulary \(dataset.tokenizer.vocabularySize.grouped)\(end ?? "")")
        line("training", dataset.train, dataset.documents?.train, dataset.trainBytesPerToken)
        line("validation", dataset.validation, dataset.documents?.validation, dataset.validationBytesPerToken)
        say(folder.isEmpty ? "kept        nowhere: no folder for it can be written" : "kept in     \(folder)")
        say("took        \(seconds < 10 ? seconds.fixed(1) + " s" : seconds.asDuration), peak memory \(peakResidentBytes().asBytes)")
        let data = out ?? arguments.string("--data").map { $0 == "-" ? source : $0 }
        say("next: ./runner train \(path)" + (data.map { " --data \($0)" } ?? ""))
    }
}
