import Training

/// All drawings of a report, those that a page shows one of at a time among them.
struct ReportCharts {
    struct CurveFigure {
        let axis: CurveAxis
        let view: CurveChart.View
        let chart: Chart
    }

    let training: [CurveFigure]
    let validation: [CurveFigure]
    let losses: Chart?
    let differences: Chart?
    let kvBytes: Chart?
    let decoding: Chart?
    let layers: LayerCharts
    /// Who is on the fronts, cheapest first.
    let kvFront: [String], decodeFront: [String]

    init(_ data: ReportData) {
        let mostPoints = ReportVariant.mostPoints(variants: data.variants.count)
        func curves(_ kind: String, _ title: String, _ loss: KeyPath<Metrics, Double?>) -> [CurveFigure] {
            CurveAxis.allCases.flatMap { axis in
                // In the order of the comparison, whatever came out.
                let curves = data.variants.sorted { $0.style.index < $1.style.index }.map { $0.curve(axis, loss, mostPoints: mostPoints) }
                    .filter { !$0.points.isEmpty || !$0.strays.isEmpty }
                return CurveChart.View.allCases.compactMap { view in
                    let name = "\(kind)-loss-by-\(axis.rawValue)\(view == .whole ? "" : "-\(view.rawValue)")"
                    return CurveChart(
                        name: name, title: title, xTitle: axis.title, yTitle: "nats a token", view: view, curves: curves,
                        floor: kind == "validation" ? data.floor?.natsPerToken : nil
                    ).chart.map { CurveFigure(axis: axis, view: view, chart: $0) }
                }
            }
        }
        training = curves("training", "Training loss", \.trainLoss)
        validation = curves("validation", "Validation loss", \.valLoss)
        losses =
            DotChart(
                name: "final-loss", title: "Final validation loss", xTitle: "nats a token",
                rows: data.variants.compactMap { variant in
                    variant.row.loss.map {
                        DotChart.Row(
                            name: variant.name, style: variant.style, estimate: $0.values, mean: $0.mean, interval: $0.interval,
                            note: $0.mean.fixed(4) + CompareTable.spread($0.halfWidth))
                    }
                }, line: data.floor.map { DotChart.Line(value: $0.natsPerToken, name: "entropy floor") }
            ).chart
        differences =
            DotChart(
                name: "differences", title: "Difference to \(data.baseline.shortenedInTheMiddle(to: 30))",
                xTitle: "nats a token; below zero is better",
                rows: data.variants.compactMap { variant in
                    guard let difference = variant.row.difference else { return nil }
                    let words = CompareTable.verdict(variant.row) ?? ""
                    return DotChart.Row(
                        name: variant.name, style: variant.style, estimate: difference.estimate.values, mean: difference.mean,
                        interval: difference.interval, note: "\(difference.mean.signedFixed(4)), \(words)")
                }, line: DotChart.Line(value: 0, name: "as the baseline")
            ).chart
        func costs(
            _ name: String, _ title: String, _ xTitle: String, _ unit: Ticks.Unit, higher: Bool, _ x: (ComparisonRow) -> Double?
        ) -> ScatterChart {
            ScatterChart(
                name: name, title: title, xTitle: xTitle, yTitle: "validation loss, nats a token", unit: unit, higherIsBetter: higher,
                points: data.variants.compactMap { variant in
                    guard let loss = variant.row.loss, let x = x(variant.row) else { return nil }
                    return ScatterChart.Point(name: variant.name, style: variant.style, x: x, y: loss.mean, interval: loss.interval)
                })
        }
        let kv = costs("loss-by-kv-bytes", "Loss against KV cache", "KV bytes at full context", .bytes, higher: false) {
            Double($0.kvBytes)
        }
        let decode = costs("loss-by-decode-speed", "Loss against decode speed", "decode tokens/s", .number, higher: true) {
            $0.decodeTokensPerSecond
        }
        layers = LayerCharts(data)
        (kvBytes, decoding) = (kv.chart, decode.chart)
        (kvFront, decodeFront) = (kv.front.map { kv.points[$0].name }, decode.front.map { decode.points[$0].name })
    }

    /// Every drawing there is.
    var all: [Chart] {
        (training + validation).map(\.chart) + [losses, differences, kvBytes, decoding].compactMap { $0 } + layers.all
    }
}
