import Architectures
import Configuration
import Foundation
import Testing
import Text
import Training

/// What is compared, decided before any training.
struct ComparisonTests {
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        let text = (0..<400).map { "the quick brown fox number \($0) jumps over the lazy dog\n" }.joined()
        let path = try folder.write("text.txt", text)
        let tiny = try RunConfig.applying(["data.source=\(path)", "data.order=random"], to: tinyConfig)
        var members = try #require(tiny.objectValue)
        members["name"] = nil
        try folder.write("tiny.json", JSON.object(members).text())
        for (name, model) in [
            ("wide", #"{"width": 36}"#), ("gated", #"{"mlp": "swiglu"}"#), ("mixed", #"{"mlp": {"hidden": {"by_layer": [30, 60]}}}"#),
        ] {
            try folder.write("\(name).json", #"{"extends": "tiny.json", "model": \#(model)}"#)
        }
    }

    func path(_ name: String) -> String { "\(folder.path)/\(name).json" }

    func request(_ names: String..., change: (inout Comparison.Request) throws -> Void = { _ in }) throws -> Comparison {
        var request = Comparison.Request(VariantRequest(configs: names.map { path($0) }))
        try change(&request)
        return try Comparison(request)
    }

    @Test func variantsAndTheirNames() throws {
        let two = try request("tiny", "gated")
        #expect(two.variants.map(\.name) == ["tiny", "gated"] && two.baseline == "tiny" && two.name == "tiny-vs-gated")
        #expect(two.runs.map(\.label) == ["tiny/5", "gated/5", "tiny/6", "gated/6", "tiny/7", "gated/7"], "seeds count on from train.seed")
        let grid = try request("tiny") { $0.variants.grid = [try GridAxis("model.layers=1,2"), try GridAxis("optimizer.lr=0.1,0.2")] }
        #expect(grid.variants.map(\.name) == ["layers=1,lr=0.1", "layers=1,lr=0.2", "layers=2,lr=0.1", "layers=2,lr=0.2"])
        #expect(grid.variants[1].config.resolved[path: "optimizer.lr"] == 0.2 && grid.variants[1].config.model.sizes.layers == 1)
        let both = try request("tiny", "gated") {
            $0.variants.grid = [try GridAxis("model.mlp.dropout=0,0.2"), try GridAxis("model.attention.dropout=0")]
        }
        #expect(both.variants.map(\.name)[0] == "tiny,model.mlp.dropout=0,model.attention.dropout=0", "a word that two keys end in")
        #expect(both.variants.count == 4)
        #expect(message { _ = try request("tiny", "tiny") }.contains("two variants are called \"tiny\""))
        #expect(message { _ = try request("nowhere") }.contains("no such file"))
        #expect(message { _ = try request("tiny") { $0.variants.grid = [try GridAxis("model.layrs=1")] } }.contains("with model.layrs=1"))
        let mistake = message {
            _ = try request("tiny") { $0.variants.grid = [try GridAxis("model.layers=1"), try GridAxis("model.layers=2")] }
        }
        #expect(mistake.contains("--grid model.layers stands twice"))
    }

    @Test func theBaseline() throws {
        #expect(try request("tiny", "gated") { $0.variants.baseline = "gated" }.baseline == "gated")
        #expect(try request("tiny", "gated") { $0.variants.baseline = path("gated") }.baseline == "gated")
        let added = try request("tiny", "gated") { $0.variants.baseline = path("wide") }
        #expect(added.baseline == "wide" && added.variants.map(\.name) == ["wide", "tiny", "gated"])
        #expect(message { _ = try request("tiny", "gated") { $0.variants.baseline = "gatd" } }.contains("did you mean gated?"))
        let many = message {
            _ = try request("tiny") {
                $0.variants.grid = [try GridAxis("model.layers=1,2")]
                $0.variants.baseline = path("tiny")
            }
        }
        #expect(many.contains("is 2 variants; name one: layers=1, layers=2"), "\(many)")
    }

    @Test func unlikeTexts() throws {
        try folder.write("other.txt", String(repeating: "something else entirely. ", count: 400))
        for change in [#""tokenizer": "char""#, #""source": "\#(folder.path)/other.txt""#, #""validation_fraction": 0.2"#] {
            try folder.write("other.json", #"{"extends": "tiny.json", "data": {\#(change)}}"#)
            let text = message { _ = try request("tiny", "other") }
            #expect(text.contains("would predict different tokens") && text.contains("other.json: data."), "\(text)")
        }
        // Of a text that is not generated, the generator's settings say nothing; nor does the order of batches.
        try folder.write("other.json", #"{"extends": "tiny.json", "data": {"seed": 3, "characters": 5000, "order": "sequential"}}"#)
        #expect(try request("tiny", "other").warnings().contains { $0.contains("since data.order differs") })
    }

    @Test func budgets() throws {
        func steps(_ budget: String) throws -> [Int] {
            try request("tiny", "wide") { $0.budget = try Budget(budget) }.variants.map(\.config.train.steps)
        }
        #expect(try steps("steps=7") == [7, 7])
        // A step of either is 2 × 2 × 16 tokens.
        #expect(try steps("tokens=1k") == [15, 15], "never more than the budget")
        let comparison = try request("tiny", "wide")
        let costs = try comparison.variants.map { try comparison.accounting(of: $0).flopsPerToken * 64 }
        #expect(try steps("flops=100M") == costs.map { 100_000_000 / $0 } && costs[0] < costs[1])
        #expect(message { _ = try steps("tokens=63") }.contains("is less than one step of tiny"))
        #expect(message { _ = try steps("tokens=1E") }.contains("more than a billion steps"))
        var timed = try request("tiny", "wide") { $0.budget = try Budget("seconds=0.2") }
        try timed.settleSteps(on: DeviceChoice(.cpu, threads: 1))
        #expect(timed.variants.allSatisfy { $0.config.train.steps >= 1 && $0.config.train.steps != 30 })
        let settled = timed.variants.map(\.config.train.steps)
        try timed.settleSteps(on: DeviceChoice(.cpu, threads: 1))
        #expect(timed.variants.map(\.config.train.steps) == settled, "measured once")
    }

    @Test func matchingParameters() throws {
        func counts(_ comparison: Comparison) throws -> [Int] {
            try comparison.variants.map { try comparison.accounting(of: $0).parameters }
        }
        let plain = try request("tiny", "gated", "wide")
        #expect(try plain.warnings().contains { $0.contains("by more than 5 %: gated +") && $0.contains("--match parameters") })
        let matched = try request("tiny", "gated", "wide") { $0.matchesParameters = true }
        let (before, after) = (try counts(plain), try counts(matched))
        #expect(after[0] == before[0] && matched.variants[0].change == nil, "the baseline stays as it is")
        for index in [1, 2] {
            #expect(abs(Double(after[index]) / Double(after[0]) - 1) < 0.02, "\(before) became \(after)")
            #expect(matched.variants[index].change?.contains("\(before[index]) → \(after[index]) parameters") == true)
        }
        #expect(matched.variants[1].change?.contains("model.mlp.hidden 96 → 6") == true, "\(matched.variants[1].change ?? "")")
        // A hidden size that differs by layer is left alone: the width changes.
        let mixed = try request("tiny", "mixed") { $0.matchesParameters = true }
        #expect(mixed.variants[1].change?.contains("model.width 24 → ") == true, "\(mixed.variants[1].change ?? "nothing")")
        let far = message {
            _ = try request("tiny", "mixed") {
                $0.matchesParameters = true
                $0.variants.overrides = ["model.vocab_size=100000"]
                $0.variants.baseline = "mixed"
                $0.variants.grid = []
            }
        }
        #expect(far.contains("for 100000 tokens"), "\(far)")
    }

    @Test func fairness() throws {
        #expect(try request("tiny").warnings() == [])
        try folder.write("long.json", #"{"extends": "tiny.json", "train": {"steps": 60, "batch": 4, "seed": 1}}"#)
        let plain = try request("tiny", "long").warnings()
        #expect(plain.contains { $0.contains("long +300.0 %; --budget tokens=N") }, "\(plain)")
        #expect(plain.contains { $0.contains("same batches, since train.batch, train.seed differ between") }, "\(plain)")
        let even = try request("tiny", "long") { $0.budget = try Budget("tokens=12800") }.warnings()
        #expect(!even.contains { $0.contains("amounts of text") }, "\(even)")
    }

    @Test func theFolderRemembers() throws {
        let out = "\(folder.path)/out"
        func take(_ names: String..., change: (inout Comparison.Request) throws -> Void = { _ in }) throws -> Comparison {
            var request = Comparison.Request(VariantRequest(configs: names.map { path($0) }))
            try change(&request)
            return try ComparisonFolder.take(for: Comparison(request), out: out).comparison
        }
        var first = try take("tiny", "gated") { $0.budget = try Budget("seconds=0.1") }
        try first.settleSteps(on: DeviceChoice(.cpu, threads: 1))
        let place = ComparisonFolder(path: out)
        let lock = try place.lock()
        try place.save(first)
        withExtendedLifetime(lock) {}
        let again = try take("tiny", "gated", "wide") {
            $0.budget = try Budget("seconds=0.1"); $0.seeds = 9
        }
        #expect(
            again.variants.map(\.config.train.steps).prefix(2) == first.variants.map(\.config.train.steps).prefix(2), "not measured again")
        #expect(try place.open().variants.map(\.config.resolved) == first.variants.map(\.config.resolved))
        let refusals: [(String, (inout Comparison.Request) throws -> Void)] = [
            ("its budget is seconds=0.1, here it is none", { _ in }),
            (
                "its baseline is tiny, here it is gated",
                {
                    $0.budget = try Budget("seconds=0.1"); $0.variants.baseline = "gated"
                }
            ),
            (
                "its --match is none",
                {
                    $0.budget = try Budget("seconds=0.1"); $0.matchesParameters = true
                }
            ),
            (
                "in its tiny, optimizer.lr is 0.01, here it is 0.5",
                {
                    $0.budget = try Budget("seconds=0.1"); $0.variants.overrides = ["optimizer.lr=0.5"]
                }
            ),
            (
                "its number of evaluation tokens",
                {
                    $0.budget = try Budget("seconds=0.1"); $0.evaluationTokens = 7
                }
            ),
        ]
        for (words, change) in refusals {
            let text = message { _ = try take("tiny", "gated", change: change) }
            #expect(text.contains("belongs to another comparison") && text.contains(words), "\(text)")
        }
        #expect(message { _ = try take("tiny") { $0.budget = try Budget("seconds=0.1") } }.contains("it has the variant gated, too"))
        try folder.write("text.txt", String(repeating: "other words in the same file. ", count: 900))
        #expect(message { _ = try take("tiny", "gated") { $0.budget = try Budget("seconds=0.1") } }.contains("have changed since"))
        #expect(message { try place.open().requireSameText() }.contains("has changed since"))
        try folder.write("thesis/chapter.txt", "years of work")
        let text = message { _ = try ComparisonFolder.take(for: request("tiny"), out: "\(folder.path)/thesis") }
        #expect(text.contains("is there already and is no comparison"))
        try folder.write("out/comparison.json", #"{"format": 1}"#)
        #expect(message { _ = try place.open() }.contains("is missing or damaged"))
    }

    /// Without a budget long runs are held to the usual one, short ones stay what they are.
    @Test func theUsualBudget() throws {
        let folder = try TemporaryFolder()
        try folder.write("short.json", tinyConfig.text())
        try folder.write("long.json", #"{"extends": "short.json", "train": {"steps": 50000}}"#)
        func steps(_ name: String, usual: Bool) throws -> [Int] {
            var request = Comparison.Request(VariantRequest(configs: ["\(folder.path)/\(name).json"]))
            request.usesUsualBudget = usual
            return try Comparison(request).variants.map(\.config.train.steps)
        }
        #expect(try steps("short", usual: true) == [30])
        #expect(try steps("long", usual: false) == [50000])
        #expect(try steps("long", usual: true) == [Int(Budget.usual.amount) / 64], "64 tokens a step")
    }
}
