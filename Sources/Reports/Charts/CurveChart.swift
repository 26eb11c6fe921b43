/// One variant's line in a chart of curves.
package struct Curve {
    package struct Point {
        package var x: Double, mean: Double, low: Double, high: Double

        package init(x: Double, mean: Double, low: Double, high: Double) {
            (self.x, self.mean, self.low, self.high) = (x, mean, low, high)
        }
    }

    package let name: String
    package let style: SeriesStyle
    /// The mean over seeds, and the least and most of any.
    package let points: [Point]
    /// Runs that do not belong to the mean, such as ones that failed: drawn thin, each by itself.
    package let strays: [[(x: Double, y: Double)]]

    package init(name: String, style: SeriesStyle, points: [Point], strays: [[(x: Double, y: Double)]] = []) {
        (self.name, self.style, self.points, self.strays) = (name, style, points, strays)
    }
}

/// Losses on their way down: means as lines, seeds as bands.
package struct CurveChart {
    /// What part of the runs is shown, and on what scale.
    package enum View: String, CaseIterable {
        case whole, log, end

        var title: String {
            switch self {
            case .whole: "whole run"
            case .log: "logarithmic axes"
            case .end: "second half"
            }
        }
    }

    let name: String
    let title: String
    let xTitle: String
    let yTitle: String
    let view: View
    let curves: [Curve]
    /// The lowest loss there is, where it is known.
    let floor: Double?
    let xUnit: Ticks.Unit

    package init(
        name: String, title: String, xTitle: String, yTitle: String, view: View, curves: [Curve], floor: Double?,
        xUnit: Ticks.Unit = .number
    ) {
        self.xUnit = xUnit
        (self.name, self.title, self.xTitle, self.yTitle) = (name, title, xTitle, yTitle)
        (self.view, self.curves, self.floor) = (view, curves, floor)
    }

    /// nil where there is nothing to draw.
    package var chart: Chart? {
        let last = curves.flatMap { $0.points.map(\.x) }.max() ?? curves.flatMap { $0.strays.flatMap { $0.map(\.x) } }.max() ?? 0
        func isShown(_ x: Double) -> Bool { view == .end ? x >= last / 2 : view == .whole || x > 0 }
        let shown = curves.map { curve in
            Curve(
                name: curve.name, style: curve.style, points: curve.points.filter { isShown($0.x) },
                strays: curve.strays.map { $0.filter { isShown($0.x) } }.filter { !$0.isEmpty })
        }
        let kind: Scale.Kind = view == .log ? .log : .linear
        var values = shown.flatMap { $0.points.flatMap { [$0.low, $0.high] } }
        // A run that went wild must not flatten the others; alone it is all there is.
        if values.isEmpty { values = shown.flatMap { $0.strays.flatMap { $0.map(\.y) } } }
        guard let low = values.min(), let high = values.max() else { return nil }
        var note: String?
        if let floor {
            // Far below, it would press the curves together.
            let isNear = floor > low - max(high - low, low * 0.02) * 0.5
            if isNear { values.append(floor) } else { note = "entropy floor \(floor.fixed(3)), below" }
        }
        let xs = shown.flatMap { $0.points.map(\.x) + $0.strays.flatMap { $0.map(\.x) } }
        let frame = frame(shown)
        guard let x = Scale(kind, over: xs, to: (frame.left, frame.right)),
            let y = Scale(kind, over: values, to: (frame.bottom, frame.top), padding: 0.04)
        else { return nil }
        return Chart(
            name: name, title: title, description: description(shown), height: frame.bottom + 44 + Double(legendRows(shown).count) * 20,
            content: frame.axes(x: x, xTitle: xTitle, xUnit: xUnit, y: y, yTitle: yTitle) + floorLine(frame, y, note)
                + drawn(shown, frame, x, y) + endLabels(shown, frame, y) + legend(shown, frame))
    }

    private func frame(_ shown: [Curve]) -> Frame {
        Frame(left: 58, right: Chart.width - (hasLabels(shown) ? labelWidth + 12 : 12), top: 10, bottom: 268)
    }

    private static let longestLabel = 14

    private var labelWidth: Double { curves.map { Labels.width($0.name.shortenedInTheMiddle(to: CurveChart.longestLabel)) }.max() ?? 0 }

    /// Whether names fit beside the ends; otherwise the legend must do.
    private func hasLabels(_ shown: [Curve]) -> Bool {
        let names = shown.filter { !$0.points.isEmpty }.map { $0.name.shortenedInTheMiddle(to: CurveChart.longestLabel) }
        return names.count <= 8 && Set(names).count == names.count
    }

    private func description(_ shown: [Curve]) -> String {
        let ends = shown.compactMap { curve in curve.points.last.map { "\(curve.name) ends at \($0.mean.fixed(4))" } }
        return "\(yTitle) by \(xTitle), \(view.title). \(ends.joined(separator: "; "))."
    }

    private func drawn(_ shown: [Curve], _ frame: Frame, _ x: Scale, _ y: Scale) -> [Markup] {
        var lines: [Markup] = []
        for curve in shown where curve.points.contains(where: { $0.high > $0.low }) {
            let up = curve.points.map { (x($0.x), y($0.high)) }, down = curve.points.reversed().map { (x($0.x), y($0.low)) }
            lines.append(curve.style.band(path(up + down) + "Z"))
        }
        for curve in shown {
            for stray in curve.strays {
                let places = stray.map { (x($0.x), y($0.y)) }
                lines.append(curve.style.line(path(places), thin: true))
                if let end = places.last {
                    let (a, b) = (end.0, max(frame.top + 4, min(frame.bottom - 4, end.1)))
                    lines.append(curve.style.line("M\(a - 4),\(b - 4)l8,8m0,-8l-8,8", thin: true))
                }
            }
            guard !curve.points.isEmpty else { continue }
            let values = curve.points.map { $0.mean.fixed(4) }.joined(separator: " ")
            lines.append(curve.style.line(path(curve.points.map { (x($0.x), y($0.mean)) }), data: (curve.name, values)))
        }
        // What leaves the frame is cut off at it.
        let clip = "\(name)-clip"
        return [
            .tag(
                "clipPath", ["id": clip],
                [
                    .tag(
                        "rect",
                        [
                            "x": coordinate(frame.left), "y": coordinate(frame.top), "width": coordinate(frame.right - frame.left),
                            "height": coordinate(frame.bottom - frame.top),
                        ])
                ]),
            .tag(
                "g",
                [
                    "clip-path": "url(#\(clip))",
                    // From places back to values, for the page's script.
                    "data-x":
                        "\(x.kind.rawValue) \(x.domain.lowerBound) \(x.domain.upperBound) \(coordinate(frame.left)) \(coordinate(frame.right))",
                ], lines),
        ] + shown.compactMap { curve in curve.points.last.map { curve.style.marker(x($0.x), y($0.mean), size: 4) } }
    }

    private func path(_ places: [(Double, Double)]) -> String {
        places.enumerated().map { "\($0 == 0 ? "M" : "L")\(coordinate($1.0)),\(coordinate($1.1))" }.joined()
    }

    private func floorLine(_ frame: Frame, _ y: Scale, _ note: String?) -> [Markup] {
        if let note {
            return [
                .tag(
                    "text", ["x": coordinate(frame.left + 6), "y": coordinate(frame.bottom - 7), "class": "muted", "font-size": "11.5"],
                    note + " ↓")
            ]
        }
        guard let floor else { return [] }
        let place = coordinate(y(floor))
        return [
            .tag(
                "line",
                [
                    "x1": coordinate(frame.left), "x2": coordinate(frame.right), "y1": place, "y2": place, "class": "floor",
                    "stroke": "#1d1c1a", "stroke-dasharray": "1.5 3",
                ]),
            .tag(
                "text", ["x": coordinate(frame.left + 6), "y": coordinate(y(floor) - 5), "class": "muted", "font-size": "11.5"],
                "entropy floor \(floor.fixed(3))"),
        ]
    }

    private func endLabels(_ shown: [Curve], _ frame: Frame, _ y: Scale) -> [Markup] {
        guard hasLabels(shown) else { return [] }
        let ends = shown.compactMap { curve in curve.points.last.map { (curve, $0) } }
        let places = Labels.spread(ends.map { y($0.1.mean) + 4 }, gap: 16, in: frame.top + 6...frame.bottom)
        return zip(ends, places ?? []).map { end, place in
            .tag(
                "text", ["x": coordinate(frame.right + 9), "y": coordinate(place), "font-size": "12.5"],
                [
                    .tag("title", [:], "\(end.0.name): \(end.1.mean.fixed(4))"),
                    .text(end.0.name.shortenedInTheMiddle(to: CurveChart.longestLabel)),
                ])
        }
    }

    /// The curves, in rows that are not wider than the chart.
    private func legendRows(_ shown: [Curve]) -> [[Curve]] {
        var rows: [[Curve]] = [], used = Double.infinity
        for curve in shown where !curve.points.isEmpty || !curve.strays.isEmpty {
            let need = 52 + Labels.width(curve.name.shortenedInTheMiddle(to: 40))
            if used + need > Chart.width - 20 {
                rows.append([])
                used = 0
            }
            rows[rows.count - 1].append(curve)
            used += need
        }
        return rows
    }

    private func legend(_ shown: [Curve], _ frame: Frame) -> [Markup] {
        legendRows(shown).enumerated().flatMap { number, row in
            var left = 14.0
            let base = frame.bottom + 58 + Double(number) * 20
            return row.flatMap { curve -> [Markup] in
                let start = left, name = curve.name.shortenedInTheMiddle(to: 40)
                left += 52 + Labels.width(name)
                return [
                    curve.style.line("M\(coordinate(start)),\(coordinate(base - 4))h26"),
                    curve.style.marker(start + 13, base - 4, size: 4),
                    .tag("text", ["x": coordinate(start + 33), "y": coordinate(base), "font-size": "12.5"], name),
                ]
            }
        }
    }
}
