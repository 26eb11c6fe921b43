import Autograd
import Configuration
import Foundation
import Reports
import Testing
import Training

/// A report over a comparison that is trained here.
@Suite(.serialized)
struct ReportTests {
    let folder: TemporaryFolder

    static let name = "<img src=x onerror=alert(1)> & \"b\""

    init() throws {
        folder = try TemporaryFolder()
        try folder.write(
            "a.json",
            """
            {"model": {"context": 16, "layers": 1, "width": 16, "attention": {"heads": 2}}, "optimizer": {"lr": 0.01},
             "data": {"source": "stories", "characters": 20000, "tokenizer": "byte"},
             "train": {"steps": 20, "batch": 2, "eval_interval": 5, "eval_batches": 1, "log_interval": 1, "seed": 3, "sample_tokens": 5}}
            """)
        let quoted = JSON.string(ReportTests.name).text(pretty: false)
        try folder.write(
            "b.json", #"{"extends": "a.json", "name": \#(quoted), "model": {"mlp": "swiglu", "attention": {"type": "gqa", "kv_heads": 1}}}"#
        )
        try folder.write("c.json", #"{"extends": "a.json", "optimizer": {"lr": 1e38}}"#)
    }

    /// A comparison of three configs, the last of which diverges.
    func compare(seeds: Int = 2) throws -> ComparisonFolder {
        let place = folder.path
        var request = Comparison.Request(VariantRequest(configs: ["a", "b", "c"].map { "\(place)/\($0).json" }))
        (request.seeds, request.evaluationTokens) = (seeds, 500)
        let comparison = try Comparison(request), made = ComparisonFolder(path: "\(folder.path)/comparison")
        try FileManager.default.createDirectory(atPath: made.path, withIntermediateDirectories: true)
        try made.save(comparison)
        for run in comparison.runs { _ = try? RunWorker(made, run: run.label, on: DeviceChoice(.cpu, threads: 1), jobs: 1).work { false } }
        return made
    }

    func report(_ paths: [String], tokens: Int = 20) throws -> Report {
        var request = Report.Request(paths)
        request.sampleTokens = tokens
        return try Report(request, on: .cpu(threads: 1))
    }

    /// What every page must be.
    func check(_ report: Report) throws -> ParsedXML {
        let page = try ParsedXML(report.html.replacingOccurrences(of: "<!DOCTYPE html>\n", with: ""))
        #expect(Set(page.ids).count == page.ids.count, "no id twice: \(page.ids.sorted())")
        #expect(page.references.allSatisfy(page.ids.contains), "\(page.references.filter { !page.ids.contains($0) })")
        #expect(page.elements["script"] == 1 && page.elements["img"] == nil && page.elements["h1"] == 1)
        #expect(!report.html.contains("http://") && !report.html.contains("https://") && !report.html.contains(" src=\""))
        for chart in report.charts { _ = try ParsedXML(chart.file) }
        #expect(Set(report.charts.map(\.name)).count == report.charts.count)
        return page
    }

    @Test func ofLayers() throws {
        try folder.write(
            "logged.json",
            #"{"extends": "a.json", "model": {"layers": 3}, "train": {"log_statistics": 5, "steps": 10, "sample_tokens": 0}}"#)
        let config = try RunConfig(path: "\(folder.path)/logged.json")
        let plain = try RunConfig(path: "\(folder.path)/a.json")
        for (config, name) in [(config, "logged"), (plain, "plain")] {
            let run = try RunFolder.create(name: name, out: "\(folder.path)/\(name)")
            let trainer = try Trainer(config, dataset: config.dataset(), on: .cpu(threads: 1), folder: run, resuming: false)
            _ = try trainer.run()
        }
        let found = try report(["\(folder.path)/logged", "\(folder.path)/plain"], tokens: 0), page = try check(found)
        for words in ["Inside the layers", "Residual stream by layer", "at step 10", "logged, over its steps", "layer 2"] {
            #expect(page.text.contains(words), "\"\(words)\"")
        }
        // What is drawn is what was logged: the stream after the last layer, at the last step.
        let logged = try RunFolder.open("\(folder.path)/logged").statistics()
        let end = try #require(logged.last?.activations.last { $0.name == "stream" && $0.layer == 2 }).rms
        #expect(found.charts.first { $0.name == "layers-stream" }?.file.contains("logged ends at \(end.fixed(4))") == true)
        #expect(found.charts.filter { $0.name.hasPrefix("layers-") }.count == 6)
        let without = try check(report(["\(folder.path)/plain"], tokens: 0))
        #expect(!without.text.contains("Inside the layers"), "nothing logged, nothing shown")
    }

    @Test func ofAComparison() throws {
        let made = try compare(), found = try report([made.path]), page = try check(found)
        // Twelve drawings of each loss, and four more.
        #expect(found.charts.count == 28 && page.elements["svg"] == 28 && page.elements["table"] == 2)
        for words in [
            "Failures and warnings", "Results", "Loss curves", "Final loss", "What it costs", "What differs", "How each writes",
            "How each figure was obtained", ReportTests.name, "lowest loss", "model.mlp.type", "swiglu", "is not finite", "c, seeds 3, 4",
            "0 of 2 seeds finished", "checkpoint of step 20, train.seed 3", "entropy floor", "Pareto front", "over 2 seeds on stories",
        ] {
            #expect(page.text.contains(words), "\"\(words)\"")
        }
        #expect(found.problems.count == 1, "\(found.problems)")
        #expect(try report([made.path]).html == found.html, "the same folder gives the same page")

        // Damage of every kind: told, never fatal.
        let runs = "\(made.path)/runs"
        try Data("{\"step\": 1, \"tok\nnot JSON\n".utf8).write(to: URL(fileURLWithPath: "\(runs)/a/seed-3/metrics.jsonl"))
        try FileManager.default.removeItem(atPath: "\(runs)/a/seed-4/metrics.jsonl")
        try FileManager.default.removeItem(atPath: "\(runs)/a/seed-3/checkpoints")
        try FileManager.default.removeItem(atPath: "\(runs)/\(ReportTests.name)/seed-4/result.json")
        try Data("{".utf8).write(to: URL(fileURLWithPath: "\(runs)/c/seed-3/config.json"))
        try FileManager.default.removeItem(atPath: "\(runs)/c/seed-4")
        let damaged = try report([made.path])
        let text = try check(damaged).text
        for words in [
            "a/3: 2 lines of its metrics.jsonl cannot be read", "a/4: its metrics.jsonl is missing", "c/4: not begun",
            "/4: begun, not finished", "written while training, samples/step-00000020.txt", "not valid JSON",
        ] {
            #expect(text.contains(words), "\"\(words)\" in \(damaged.problems)")
        }

        // Nothing left but the manifest.
        try FileManager.default.removeItem(atPath: runs)
        #expect(try check(report([made.path])).text.contains("Nothing has been measured yet."))
    }

    @Test func ofRuns() throws {
        let made = try compare(), runs = "\(made.path)/runs"
        let own = ["\(runs)/a/seed-3", "\(runs)/\(ReportTests.name)/seed-3", "\(runs)/a/seed-4", "\(runs)/\(ReportTests.name)/seed-4"]
        let found = try report(own + ["\(runs)/nowhere"], tokens: 0), page = try check(found)
        #expect(found.problems.count == 1 && found.problems[0].contains("nowhere"))
        // Two variants of two seeds each, paired.
        #expect(page.text.contains("over 2 seeds on stories") && page.text.contains("Difference to a"))
        #expect(!page.text.contains("How each writes"), "no samples were asked for")
        let alone = try report([own[0]], tokens: 5)
        #expect(try check(alone).text.contains("a reaches a validation loss of "))
        // Losses of other texts do not compare.
        let other = "\(folder.path)/other"
        try FileManager.default.copyItem(atPath: own[1], toPath: other)
        let config = try RunConfig(path: "\(other)/config.json", overrides: ["data.validation_fraction=0.2"])
        try Data(config.resolved.text().utf8).write(to: URL(fileURLWithPath: "\(other)/config.json"))
        #expect(try check(report([own[0], other], tokens: 0)).text.contains("These runs do not compare"))
        #expect(throws: Failure.self) { try report(["\(runs)/nowhere"]) }
        #expect(throws: Failure.self) { try report([own[0], made.path]) }
    }
}
