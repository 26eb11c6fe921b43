import Reports
import Testing

struct CurveTests {
    func chart(_ curves: [Curve], _ view: CurveChart.View, floor: Double? = nil) -> Chart? {
        CurveChart(name: "n", title: "a & b", xTitle: "steps", yTitle: "loss", view: view, curves: curves, floor: floor).chart
    }

    func curve(_ name: String, _ index: Int, _ points: [(Double, Double)], strays: [[(x: Double, y: Double)]] = []) -> Curve {
        Curve(
            name: name, style: SeriesStyle(index: index),
            points: points.map { Curve.Point(x: $0, mean: $1, low: $1 - 0.1, high: $1 + 0.1) }, strays: strays)
    }

    @Test(arguments: CurveChart.View.allCases) func wellFormed(view: CurveChart.View) throws {
        let curves = (0..<20).map { index in
            curve("<variant \(index)>", index, (1...50).map { (Double($0), 5 / Double($0) + Double(index) * 0.01) })
        }
        let parsed = try ParsedXML(try #require(chart(curves, view, floor: 0.05)).file)
        #expect(parsed.elements["svg"] == 1 && parsed.elements["desc"] == 1 && parsed.elements["title", default: 0] >= 1)
        #expect(parsed.text.contains("a & b") && parsed.text.contains("<variant 19>"))
        #expect(parsed.references.allSatisfy(parsed.ids.contains) && Set(parsed.ids).count == parsed.ids.count)
    }

    @Test(arguments: CurveChart.View.allCases) func strange(view: CurveChart.View) throws {
        #expect(chart([], view) == nil && chart([curve("a", 0, [])], view) == nil)
        // One point; a run that goes wild; a value that no drawing holds; nothing but a run that failed.
        for curves in [
            [curve("a", 0, [(1, 2)])], [curve("a", 0, [(1, 2), (2, 1)], strays: [[(1, 2), (2, 1e30)]])],
            [curve("a", 0, [(0, 3), (1, 1e300)])], [curve("a", 0, [], strays: [[(1, 7)]])],
        ] {
            guard let drawn = chart(curves, view, floor: 1) else { continue }
            _ = try ParsedXML(drawn.file)
            #expect(!drawn.file.contains("nan") && !drawn.file.contains("inf"), "\(drawn.file)")
        }
    }

    @Test func differences() {
        let found = ConfigDifferences([
            ["name": "a", "model": ["width": 8, "mlp": ["type": "gelu", "hidden": .null]], "train": ["seed": 1]],
            ["name": "b", "model": ["width": 8.0, "mlp": ["type": "swiglu"]], "train": ["seed": 2]],
        ])
        #expect(found.rows.map(\.path) == ["model.mlp.hidden", "model.mlp.type"])
        #expect(found.rows[0].values == [.null, nil] && found.rows[1].values == ["gelu", "swiglu"])
    }
}
