import Configuration
import Foundation

/// `comparisons/<name>/`: comparison.json, results.{json,csv,md}, and `runs/<variant>/seed-<n>/`, each an ordinary run
/// with result.json beside its config once it is finished.
public struct ComparisonFolder: Sendable {
    public let path: String

    public init(path: String) { self.path = path }

    public var manifestPath: String { "\(path)/comparison.json" }

    /// Whether `path` holds a comparison.
    public static func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: ComparisonFolder(path: path).manifestPath)
    }

    /// The folder of run number `index` of a variant.
    public func run(_ variant: Variant, seedIndex index: Int) -> ComparedRun {
        ComparedRun(folder: RunFolder(path: "\(path)/runs/\(variant.name)/seed-\(variant.seed(index))"))
    }

    /// The folder for `comparison`: `out`, or `comparisons/<name>` with a number behind where that is another's. A folder
    /// that holds this comparison already is taken up again, with the steps that were measured for it.
    /// - Throws: `Failure` when `out` holds something else.
    public static func take(
        for comparison: Comparison, out: String?, _ registries: Registries = Registries()
    ) throws -> (folder: ComparisonFolder, comparison: Comparison) {
        if let out {
            let folder = ComparisonFolder(path: out)
            return (folder, try folder.take(comparison, registries))
        }
        var refused: (any Error)?
        for number in 1...999 {
            let folder = ComparisonFolder(path: "comparisons/\(comparison.name)" + (number == 1 ? "" : "-\(number)"))
            do { return (folder, try folder.take(comparison, registries)) } catch { refused = refused ?? error }
        }
        throw refused ?? Failure("cannot make a folder in comparisons/")
    }

    private func take(_ comparison: Comparison, _ registries: Registries) throws -> Comparison {
        let manager = FileManager.default
        guard manager.fileExists(atPath: path) else { return comparison }
        guard ComparisonFolder.exists(path) else {
            // What a kill left before the manifest was written.
            let names = (try? manager.contentsOfDirectory(atPath: path)) ?? ["a file"]
            guard names.allSatisfy({ $0 == ".lock" || $0.hasSuffix(".tmp") }) else {
                throw Failure("\(path) is there already and is no comparison (no comparison.json in it); choose another --out")
            }
            return comparison
        }
        let kept = try open(registries)
        if let difference = kept.difference(from: comparison) {
            throw Failure(
                "\(path) belongs to another comparison: \(difference); choose another --out, or repeat the command it was made with")
        }
        var taken = comparison
        for (index, variant) in taken.variants.enumerated() where !variant.hasSteps {
            guard let known = kept.variants.first(where: { $0.name == variant.name }) else { continue }
            taken.variants[index].config = known.config
            taken.variants[index].hasSteps = true
        }
        return taken
    }

    /// The comparison in this folder.
    /// - Throws: `Failure` where there is none, `ConfigError` where its manifest is damaged.
    public func open(_ registries: Registries = Registries()) throws -> Comparison {
        guard let data = FileManager.default.contents(atPath: manifestPath) else {
            throw Failure("\(path) is no comparison (there is no comparison.json in it); name configs to start one")
        }
        return try Comparison(manifest: JSON(parsing: data, file: manifestPath), file: manifestPath, registries)
    }

    /// Makes the folder where it is not there, and keeps other processes out of it until the result is released.
    /// - Throws: `Failure` when another process works in it or it cannot be made.
    public func lock() throws -> RunLock {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch {
            throw Failure("cannot make the folder \(path); is a part of it a file, or the place read-only?")
        }
        return try RunFolder(path: path).lock()
    }

    public func save(_ comparison: Comparison) throws {
        try RunFolder.writeAtomically(Data((comparison.manifest.text() + "\n").utf8), to: manifestPath)
    }
}

extension Comparison {
    /// Everything needed to go on, and to know this comparison again.
    var manifest: JSON {
        var text: [String: JSON] = [
            "name": .string(self.text.name), "hash": .string(self.text.hash), "training_tokens": .int(self.text.trainingTokens),
            "validation_tokens": .int(self.text.validationTokens), "tokenizer": .string(self.text.tokenizer),
            "vocab_size": .int(self.text.vocabularySize),
        ]
        if let floor = self.text.floor {
            text["floor"] = ["nats_per_token": .double(floor.natsPerToken), "bits_per_byte": .double(floor.bitsPerByte)]
        }
        return [
            "format": 1, "name": .string(name), "baseline": .string(baseline), "budget": budget.map { .string($0.description) } ?? .null,
            "match": matchesParameters ? "parameters" : .null, "seeds": .int(seeds), "evaluation_tokens": .int(evaluationTokens),
            "text": .object(text),
            "variants": .array(
                variants.map { variant in
                    [
                        "config": variant.config.resolved, "source": variant.source.map { .string($0) } ?? .null,
                        "change": variant.change.map { .string($0) } ?? .null,
                    ]
                }),
        ]
    }

    init(manifest json: JSON, file: String, _ registries: Registries) throws {
        func damaged(_ what: String) -> ConfigError {
            ConfigError("\(what) is missing or damaged; the folder cannot be continued, choose another --out", file: file)
        }
        func string(_ path: String) throws -> String {
            guard let value = json[path: path]?.stringValue else { throw damaged(path) }
            return value
        }
        func count(_ path: String) throws -> Int {
            guard let value = json[path: path]?.intValue, value > 0 else { throw damaged(path) }
            return value
        }
        guard json["format"]?.intValue == 1 else { throw damaged("format 1") }
        let floor = json[path: "text.floor"]
        let nats = floor?["nats_per_token"]?.doubleValue, bits = floor?["bits_per_byte"]?.doubleValue
        let text = ComparedText(
            name: try string("text.name"), hash: try string("text.hash"), trainingTokens: try count("text.training_tokens"),
            validationTokens: try count("text.validation_tokens"), tokenizer: try string("text.tokenizer"),
            vocabularySize: try count("text.vocab_size"),
            floor: nats.flatMap { nats in bits.map { ComparedText.Floor(natsPerToken: nats, bitsPerByte: $0) } })
        guard let entries = json["variants"]?.arrayValue, !entries.isEmpty else { throw damaged("variants") }
        let variants = try entries.map { entry in
            guard let config = entry["config"] else { throw damaged("variants") }
            var variant = Variant(
                try RunConfig(config, file: file, registries: registries), source: entry["source"]?.stringValue,
                change: entry["change"]?.stringValue)
            variant.hasSteps = true
            return variant
        }
        let baseline = try string("baseline")
        guard variants.contains(where: { $0.name == baseline }), variants.map(\.name).firstRepeated == nil else {
            throw damaged("baseline")
        }
        self.init(
            name: try string("name"), variants: variants, baseline: baseline,
            budget: try json["budget"]?.stringValue.map { try Budget($0) },
            matchesParameters: json["match"]?.stringValue == "parameters", seeds: try count("seeds"),
            evaluationTokens: try count("evaluation_tokens"), text: text)
    }

    /// In what `wanted` is another comparison than this one, kept from before; nil where it is the same, or the same with
    /// more variants or another number of seeds.
    func difference(from wanted: Comparison) -> String? {
        if text != wanted.text {
            return text.name == wanted.text.name
                ? "its text or tokens have changed since" : "it is of the text \(text.name), not \(wanted.text.name)"
        }
        func differ(_ what: String, _ kept: String?, _ new: String?) -> String? {
            kept == new ? nil : "its \(what) is \(kept ?? "none"), here it is \(new ?? "none")"
        }
        if let difference = differ("budget", budget?.description, wanted.budget?.description)
            ?? differ("baseline", baseline, wanted.baseline)
            ?? differ("--match", matchesParameters ? "parameters" : nil, wanted.matchesParameters ? "parameters" : nil)
            ?? differ("number of evaluation tokens", String(evaluationTokens), String(wanted.evaluationTokens))
        {
            return difference
        }
        for kept in variants {
            guard let new = wanted.variants.first(where: { $0.name == kept.name }) else { return "it has the variant \(kept.name), too" }
            if let difference = kept.config.difference(from: new.config, ignoring: budget == nil ? [] : ["train.steps"]) {
                return "in its \(kept.name), \(difference)"
            }
        }
        return nil
    }
}

extension RunConfig {
    /// The first setting in which `wanted` is another config than this one; nil where they are the same but for what is
    /// said of them.
    func difference(from wanted: RunConfig, ignoring paths: Set<String> = []) -> String? {
        // As text, since a number may have been read as 1 and written as 1.0.
        func settings(_ config: RunConfig) -> [String: String] {
            config.resolved.flattened().filter { $0.key != "description" && !paths.contains($0.key) }.mapValues { $0.text(pretty: false) }
        }
        let (kept, new) = (settings(self), settings(wanted))
        return Set(kept.keys).union(new.keys).sorted().first { kept[$0] != new[$0] }
            .map { "\($0) is \(kept[$0] ?? "not there"), here it is \(new[$0] ?? "not there")" }
    }
}
