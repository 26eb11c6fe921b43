import Configuration
import Foundation
import Testing

/// The report through the program itself.
struct ReportCommandTests {
    let place: Place

    init() throws {
        place = try Place()
        try place.writeTiny(steps: 10)
    }

    @Test func filesAndMistakes() throws {
        try place.write("gated.json", #"{"extends": "tiny.json", "model": {"mlp": {"type": "swiglu", "dropout": 0.1}}}"#)
        let compared = try place.run("compare", "tiny.json", "gated.json", "--seeds", "2", "--threads", "1", "--out", "c")
        #expect(compared.status == 0, "\(compared.errors)")
        let plain = try place.run("report", "c", "--threads", "1")
        #expect(plain.status == 0 && plain.errors == "" && plain.output == "written: c/report.html\n", "\(plain.output)\(plain.errors)")
        let page = String(decoding: try place.bytes("c/report.html"), as: UTF8.self)
        #expect(page.hasPrefix("<!DOCTYPE html>") && page.contains("How each writes"))

        let result = try place.run("report", "c/runs/tiny/seed-5", "c/runs/gated/seed-5", "--out", "p.html", "--svg", "s", "--json")
        let json = try JSON(parsing: Data(result.output.utf8)), files = try #require(json["charts"]?.arrayValue).compactMap(\.stringValue)
        #expect(result.status == 0 && json["report"] == "p.html" && json["problems"] == [] && place.has("p.html"))
        // No decoding speed was measured in these runs by the runs themselves.
        #expect(files.count == 27 && files.contains("s/validation-loss-by-flops-log.svg") && files.allSatisfy { place.has($0) })

        for (arguments, status, words) in [
            ([], 2, "expected a comparison's folder"), (["nowhere"], 2, "is neither a comparison"), (["c", "nowhere"], 2, "is neither"),
            (["tiny.json"], 2, "is neither"), (["c", "c/runs/tiny/seed-5"], 1, "is reported alone"),
            (["c", "--out", "no/p.html"], 1, "no/p.html"),
            (["c", "--tokens", "-1"], 2, "--tokens"), (["c", "--svg", "tiny.json"], 1, "cannot make the folder"),
        ] as [([String], Int32, String)] {
            let wrong = try place.run(["report"] + arguments)
            #expect(wrong.status == status && wrong.errors.contains(words), "\(arguments): \(wrong.errors)")
            #expect(wrong.errors.split(separator: "\n").count == 1 && wrong.output == "")
        }
    }
}
