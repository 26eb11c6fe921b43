import Architectures
import Configuration
import Foundation
import Reports
import Training

/// Shows how two configs differ once everything is filled in, and what that costs.
enum DiffCommand: Command {
    static let name = "diff"
    static let summary = "The differences of two configs or runs, settings and costs."
    static let usage = "A B [--set KEY.PATH=VALUE …]"
    static let example = "./runner diff configs/small.json configs/gqa-rope.json"
    static let flags = [Flag("--set", "KEY.PATH=VALUE", repeats: true, "change one setting of both; repeatable"), Flag.json]

    static func run(_ arguments: Arguments, _ registries: Registries) throws {
        let paths = try arguments.exactly(2, "two configs or runs")
        let overrides = try arguments.overrides()
        let configs = try paths.map { path in
            try RunConfig(
                path: RunFolder.exists(path) ? RunFolder(path: path).configPath : path, overrides: overrides,
                registries: registries)
        }
        let settings = difference(configs[0].resolved, configs[1].resolved)
        var costs = try zip(paths, configs).map { path, config -> [String: JSON] in
            var figures = try cost(path, config)
            figures["parameters_by_group"] = nil
            figures.merge(try results(path)) { $1 }
            return figures
        }
        let stored = paths.map(stored)
        if stored.contains(where: { $0.matrices > 0 }) {
            for (index, stored) in stored.enumerated() {
                costs[index]["stored_parameters"] = stored.numbers.map { .int($0) }
                costs[index]["low_rank_matrices"] = .int(stored.matrices)
            }
        }
        let figures = difference(.object(costs[0]), .object(costs[1]))
        if arguments.has("--json") {
            func json(_ rows: [(String, JSON, JSON)]) -> JSON {
                .object(Dictionary(rows.map { ($0.0, ["a": $0.1, "b": $0.2]) }, uniquingKeysWith: { a, _ in a }))
            }
            emit(JSON.object(["settings": json(settings), "costs": json(figures)]).text() + "\n")
            return
        }
        for (index, stored) in stored.enumerated() where stored.matrices > 0 {
            let origin = configs[index].resolved["description"]?.stringValue.map { " (\($0))" } ?? ""
            let matrices = stored.matrices == 1 ? "one matrix is" : "\(stored.matrices) matrices are"
            say("\(paths[index]) is a low-rank copy\(origin): \(matrices) stored as two factors\n")
        }
        if settings.isEmpty {
            say(figures.isEmpty ? "the two are the same" : "the two have the same settings; what came of them differs\n")
            if figures.isEmpty { return }
        }
        let rows =
            settings.map { ($0.0, $0.1 == "—" ? "—" : $0.1.brief, $0.2 == "—" ? "—" : $0.2.brief) }
            + (settings.isEmpty || figures.isEmpty ? [] : [("", "", "")])
            + figures.map { name, a, b in (name, number(a), number(b) + change(a, b)) }
        // Two runs of one config have one name; their folders tell them apart.
        let names = paths.map { URL(fileURLWithPath: $0).deletingPathExtension().lastPathComponent }
        let widths = (rows.map(\.0.count).max() ?? 0, max(rows.map(\.1.count).max() ?? 0, names[0].count))
        say("\("".padded(to: widths.0))  \(names[0].padded(to: widths.1))  \(names[1])")
        for (name, a, b) in rows {
            say(name.isEmpty ? "" : "\(name.padded(to: widths.0))  \(a.padded(to: widths.1))  \(b)")
        }
    }

    /// Leaves that are not the same, by path; one that is missing is shown as null.
    private static func difference(_ a: JSON, _ b: JSON) -> [(String, JSON, JSON)] {
        let (a, b) = (a.flattened(), b.flattened())
        return Set(a.keys).union(b.keys).sorted().compactMap { key in
            let (x, y) = (a[key] ?? "—", b[key] ?? "—")
            return x == y || key == "description" ? nil : (key, x, y)
        }
    }

    private static func cost(_ path: String, _ config: RunConfig) throws -> [String: JSON] {
        if config.model.sizes.vocabSize != nil { return try Model(config.model).accounting.json }
        let tokenizer = RunFolder.exists(path) ? try RunFolder(path: path).loadTokenizer() : try config.dataset().tokenizer
        return try Trainer.model(config, tokenizer: tokenizer).accounting.json
    }

    /// What training a run has come to, where it is one.
    private static func results(_ path: String) throws -> [String: JSON] {
        guard RunFolder.exists(path) else { return [:] }
        let lines = try RunFolder(path: path).metrics()
        var figures: [String: JSON] = [:]
        if let last = lines.last(where: { $0.valLoss != nil }) {
            figures["step"] = .int(last.step)
            figures["val_loss"] = last.valLoss.map { .double($0) }
            figures["val_bits_per_byte"] = last.valBitsPerByte.map { .double($0) }
            figures["val_accuracy"] = last.valAccuracy.map { .double($0) }
        }
        let speeds = lines.compactMap(\.tokensPerSecond).sorted()
        if !speeds.isEmpty { figures["train_tokens_per_second"] = .double(speeds[speeds.count / 2].rounded()) }
        return figures
    }

    /// What the last checkpoint of a run stores, and how many of its matrices as two factors of lower rank: the model is that of the run
    /// it was made of, so nothing else tells the two apart.
    private static func stored(_ path: String) -> (numbers: Int?, matrices: Int) {
        guard RunFolder.exists(path), let last = Checkpoint.all(in: RunFolder(path: path)).last,
            let matrices = try? last.factoredMatrices()
        else { return (nil, 0) }
        return (try? last.storedNumbers(), matrices.count)
    }

    private static func number(_ json: JSON) -> String {
        json.intValue?.grouped ?? json.doubleValue.map { $0.magnitude < 1e6 ? $0.fixed(4) : $0.grouped } ?? json.stringValue ?? json.brief
    }

    private static func change(_ a: JSON, _ b: JSON) -> String {
        guard let x = a.doubleValue, let y = b.doubleValue, x != 0 else { return "" }
        return "  (\(((y / x - 1) * 100).signedFixed(1)) %)"
    }
}
