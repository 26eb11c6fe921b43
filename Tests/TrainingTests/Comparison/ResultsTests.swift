import Configuration
import Foundation
import Testing
import Training

/// The table from results that are made up.
struct ResultsTests {
    let folder: TemporaryFolder
    let comparison: Comparison

    init() throws {
        folder = try TemporaryFolder()
        try folder.write("a.json", JSON.object((tinyConfig.objectValue ?? [:]).filter { $0.key != "name" }).text())
        try folder.write("b.json", #"{"extends": "a.json", "model": {"mlp": "relu2"}}"#)
        try folder.write("c.json", #"{"extends": "a.json", "name": "c,\"x\"", "model": {"mlp": "silu"}}"#)
        let place = folder.path
        var request = Comparison.Request(VariantRequest(configs: ["a", "b", "c"].map { "\(place)/\($0).json" }))
        request.seeds = 5
        comparison = try Comparison(request)
    }

    func result(_ loss: Double, speed: Double = 100, memory: Int = 1000) throws -> ComparedRun.Status {
        let json = """
            {"steps": 30, "tokens": 1920, "train_seconds": 1.5, "val_loss": \(loss), "val_bits_per_byte": \(loss / 0.7), "val_accuracy": 0.3,
             "val_tokens": 1999, "train_tokens_per_second": \(speed), "decode_tokens_per_second": 50, "decode_context": 8,
             "peak_memory_bytes": \(memory), "threads": 2, "jobs": 1}
            """
        return .finished(try JSONDecoder().decode(RunResult.self, from: Data(json.utf8)))
    }

    func results(_ losses: [String: [Double?]]) throws -> ComparisonResults {
        var statuses: [String: ComparedRun.Status] = [:]
        for run in comparison.runs {
            guard let values = losses[run.variant.name] else { continue }
            statuses[run.label] = try values[run.index].map { try result($0, speed: 100 + Double(run.index)) } ?? .failed("it burst")
        }
        return try ComparisonResults(comparison, statuses: statuses)
    }

    static let base = [0.8241, 0.8310, 0.8199, 0.8267, 0.8222]

    @Test func sortedAndCompared() throws {
        let found = try results([
            "a": ResultsTests.base, "b": [0.8503, 0.8465, 0.8410, 0.8499, 0.8381], "c,\"x\"": [0.8250, 0.8290, 0.8215, 0.8260, 0.8228],
        ])
        #expect(found.rows.map(\.name) == ["a", "c,\"x\"", "b"] && found.best == "a" && found.isComplete && found.runsFinished == 15)
        #expect(found.withinNoiseOfBest == ["c,\"x\""])
        let rows = try #require(found.json["rows"]?.arrayValue)
        let wanted = [
            "name", "val_loss", "val_loss_interval", "difference", "p_value", "parameters", "flops_per_token", "train_tokens_per_second",
            "decode_tokens_per_second", "kv_bytes_per_token", "kv_bytes", "peak_memory_bytes",
        ]
        for row in rows { for key in wanted { #expect(row[key] != nil, "\(key) is missing") } }
        // As scipy.stats.ttest_rel has it; see StatisticsTests.
        #expect(abs((rows[2]["p_value"]?.doubleValue ?? 0) - 0.0006040867408272429) < 1e-12)
        #expect(abs((rows[2]["difference"]?.doubleValue ?? 0) - 0.02038) < 1e-12)
        #expect(abs((rows[2]["difference_interval"]?.arrayValue?.first?.doubleValue ?? 0) - 0.014615014094035195) < 1e-12)
        #expect(rows[2]["verdict"] == "higher" && rows[1]["verdict"] == "noise")
        #expect(rows[0]["difference"] == .null && rows[0]["p_value"] == .null && rows[0]["baseline"] == true && rows[0]["best"] == true)
        #expect(abs((rows[0]["val_loss_interval"]?.arrayValue?.last?.doubleValue ?? 0) - 0.8300955692321) < 1e-12)
        #expect(rows[0]["train_tokens_per_second"]?.doubleValue == 102, "the median")
        let floor = try #require(comparison.text.floor?.natsPerToken)
        #expect(abs((rows[0]["above_floor"]?.doubleValue ?? 0) - (0.82478 - floor)) < 1e-12)
    }

    /// A variant that lost its worst seeds is not the best for that.
    @Test func failures() throws {
        let found = try results(["a": ResultsTests.base, "b": [0.7, nil, nil, 0.7, nil], "c,\"x\"": [nil, nil, nil, nil, nil]])
        #expect(found.rows.map(\.name) == ["b", "a", "c,\"x\""] && found.best == "a")
        #expect(found.runsFinished == 7 && found.runsFailed == 8 && found.isComplete)
        #expect(found.rows[0].seedsFinished == 2 && found.rows[0].failures.map(\.seed) == [6, 7, 9])
        #expect(found.rows[0].difference?.estimate.values.count == 2)
        let last = try #require(found.json["rows"]?.arrayValue?.last)
        #expect(last["val_loss"] == .null && last["val_loss_interval"] == .null && last["failures"]?.arrayValue?.count == 5)
    }

    /// Where a budget of seconds was missed, losses are not of equal terms, and nothing is judged.
    @Test(arguments: [(1.5, true), (1.62, true), (3.0, false), (0.6, false)])
    func timesOfABudget(seconds: Double, isJudged: Bool) throws {
        let place = folder.path
        var request = Comparison.Request(VariantRequest(configs: ["a", "b"].map { "\(place)/\($0).json" }))
        (request.seeds, request.budget) = (2, Budget(.seconds, seconds))
        var timed = try Comparison(request)
        try timed.settleSteps(on: DeviceChoice(.cpu, threads: 1))
        var statuses: [String: ComparedRun.Status] = [:]
        for run in timed.runs {
            statuses[run.label] = try result((run.variant.name == "a" ? 0.8 : 0.5) + 0.001 * Double(run.index * run.index))
        }
        statuses["b/6"] = try result(0.52)
        let found = try ComparisonResults(timed, statuses: statuses)
        #expect(found.hasUnequalTimes != isJudged && found.warnings.contains { $0.contains("nothing is judged") } != isJudged)
        let verdicts = try #require(found.json["rows"]?.arrayValue).compactMap { $0["verdict"]?.stringValue }
        #expect(verdicts == [isJudged ? "lower" : "not_judged"])
        #expect(found.unjudgedAgainstBest == (isJudged ? [] : ["a"]) && found.withinNoiseOfBest.isEmpty)
    }

    @Test func commaSeparated() throws {
        let found = try results(["a": ResultsTests.base, "c,\"x\"": [0.9, nil, nil, nil, nil]])
        let lines = found.csv.components(separatedBy: "\r\n")
        #expect(
            lines.count == 5 && lines.last == "" && lines[0].hasPrefix("name,baseline,best,val_loss,val_loss_low,val_loss_high,difference,")
        )
        #expect(lines[1].hasPrefix("a,true,true,0.82478") && lines[2].hasPrefix("\"c,\"\"x\"\"\",false,false,0.9,,,"))
        #expect(lines[1].components(separatedBy: ",").count == lines[0].components(separatedBy: ",").count)
        #expect(lines[3].hasPrefix("b,false,false,,,,"))
    }
}
