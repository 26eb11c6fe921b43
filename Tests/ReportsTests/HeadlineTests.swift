import Autograd
import Configuration
import Foundation
import Reports
import Testing
import Training

/// The sentence at the top, over results that are made up.
struct HeadlineTests {
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try folder.write(
            "a.json",
            """
            {"model": {"context": 16, "layers": 1, "width": 16, "attention": {"heads": 2}},
             "data": {"source": "stories", "characters": 20000, "tokenizer": "byte"}, "train": {"steps": 20, "batch": 2}}
            """)
        for (name, mlp) in [("b", "swiglu"), ("c", "relu2")] {
            try folder.write("\(name).json", #"{"extends": "a.json", "model": {"mlp": "\#(mlp)"}}"#)
        }
    }

    /// The page's first heading for these losses of a, b and c by seed.
    func headline(_ losses: [[Double]]) throws -> String {
        let place = folder.path
        var request = Comparison.Request(VariantRequest(configs: ["a", "b", "c"].prefix(losses.count).map { "\(place)/\($0).json" }))
        request.seeds = losses[0].count
        let comparison = try Comparison(request), made = ComparisonFolder(path: "\(folder.path)/\(UUID().uuidString)")
        try FileManager.default.createDirectory(atPath: made.path, withIntermediateDirectories: true)
        try made.save(comparison)
        for (variant, values) in zip(comparison.variants, losses) {
            for (index, loss) in values.enumerated() {
                let run = made.run(variant, seedIndex: index).folder
                try FileManager.default.createDirectory(atPath: run.path, withIntermediateDirectories: true)
                try Data(variant.config(seedIndex: index).resolved.text().utf8).write(to: URL(fileURLWithPath: run.configPath))
                let result: JSON = [
                    "steps": 20, "tokens": 640, "train_seconds": 1.5, "val_loss": .double(loss), "val_bits_per_byte": 1,
                    "val_accuracy": 0.3,
                    "val_tokens": 100, "peak_memory_bytes": 1000, "threads": 1, "jobs": 1,
                ]
                try Data(result.text().utf8).write(to: URL(fileURLWithPath: "\(run.path)/result.json"))
            }
        }
        var report = Report.Request([made.path])
        report.sampleTokens = 0
        let html = try Report(report, on: .cpu(threads: 1)).html
        let start = try #require(html.range(of: "<h1>")).upperBound, end = try #require(html.range(of: "</h1>")).lowerBound
        return html[start..<end].replacingOccurrences(of: "\u{A0}", with: " ").replacingOccurrences(of: "&lt;", with: "<")
    }

    static let base = [2.01, 2.02, 2.03]

    @Test func sentences() throws {
        let base = HeadlineTests.base
        // Differences −0.10, −0.11, −0.09: mean −0.1, t(2) · 0.01 / √3 = 0.0248, p 0.0033.
        #expect(
            try headline([base, [1.91, 1.91, 1.94]])
                == "b is best: 0.1000 ± 0.0248 nats a token below the baseline a (p = 0.003), over 3 seeds on stories.")
        #expect(
            try headline([base, [2.11, 2.14, 2.12]]) == "a is best, and it is the baseline: nothing beat it, over 3 seeds on stories.")
        #expect(
            try headline([base, [2.00, 2.04, 2.01]])
                == "No winner: b has the lowest loss, but a is within noise of it, over 3 seeds on stories.")
        let some = try headline([base, [1.91, 1.91, 1.94], [1.92, 1.90, 1.95]])
        #expect(some.hasPrefix("b has the lowest loss: 0.1000") && some.hasSuffix("; within noise of it: c."), "\(some)")
        #expect(try headline([[2.0], [1.9]]) == "b has the lowest validation loss, 1.9000 nats a token over one seed on stories.")
        // One pair is no ground for a verdict, and a variant that lost seeds is not called the best.
        #expect(
            try headline([base, [1.91]])
                == "a has the lowest validation loss of those whose seeds all finished, 2.0200 ± 0.0248 nats a token over 3 seeds on stories."
        )
        #expect(try headline([base]).hasPrefix("a reaches a validation loss of 2.0200 ± 0.0248 nats a token on stories"))
    }
}
