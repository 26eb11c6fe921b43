import Configuration
import Foundation
import Reports
import Text
import Training

/// Writes one page that tells what a comparison or some runs came to.
enum ReportCommand: Command {
    static let name = "report"
    static let summary = "One HTML page of a comparison or of runs: curves, intervals, costs, settings, samples."
    static let usage = "DIR [RUN …] [--out FILE] [--svg DIR]"
    static let example = "./runner report comparisons/small-vs-gqa-rope --svg charts"
    static let flags = [
        Flag("--out", "FILE", "the page; by default report.html in the (first) folder"),
        Flag("--svg", "DIR", "each chart as a file of its own, too"),
        Flag("--tokens", "N", "tokens of each variant's sample; 0 for none (240)"),
        Flag.threads, Flag.json,
    ]

    static func run(_ arguments: Arguments, _ registries: Registries) throws {
        guard let first = arguments.positions.first else {
            throw UsageError("report: expected a comparison's folder, or runs, none was given; ./runner report --help shows an example")
        }
        for path in arguments.positions where !RunFolder.exists(path) && !ComparisonFolder.exists(path) {
            // Runs that are damaged are told of in the report; what is no folder at all is a slip of the keyboard.
            guard arguments.positions.count > 1, FileManager.default.fileExists(atPath: path) else {
                throw UsageError("report: \(path) is neither a comparison (comparison.json) nor a run (config.json); is the path right?")
            }
        }
        var request = Report.Request(arguments.positions)
        request.sampleTokens = try arguments.int("--tokens", in: 0...100_000) ?? request.sampleTokens
        let progress = ProgressLine()
        let report = try Report(request, on: arguments.device(.cpu).context(), registries) { progress.show($0) }
        progress.clear()
        let page = arguments.string("--out") ?? (first.hasSuffix("/") ? "\(first)report.html" : "\(first)/report.html")
        try write(report.html, to: page)
        var files: [String] = []
        if let folder = arguments.string("--svg") {
            do {
                try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            } catch {
                throw Failure("cannot make the folder \(folder); is a part of it a file, or the place read-only?")
            }
            for chart in report.charts {
                files.append("\(folder)/\(chart.name).svg")
                try write(chart.file, to: "\(folder)/\(chart.name).svg")
            }
        }
        if arguments.has("--json") {
            emit(
                JSON.object([
                    "report": .string(page), "charts": .array(files.map { .string($0) }),
                    "problems": .array(report.problems.map { .string($0) }),
                ]).text() + "\n")
            return
        }
        for problem in report.problems { say(wrapped("problem: \(problem)", width: outputWidth)) }
        say("written: \(page)" + (files.isEmpty ? "" : ", and \(files.count) charts in \(arguments.string("--svg") ?? "")"))
    }

    private static func write(_ text: String, to path: String) throws {
        do {
            try Files.writeAtomically(Data(text.utf8), to: path)
        } catch {
            throw Failure("cannot write \(path): \(error)")
        }
    }
}
