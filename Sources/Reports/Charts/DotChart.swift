/// Means with their intervals, a row each, and the single measurements they are made of.
struct DotChart {
    struct Row {
        let name: String
        let style: SeriesStyle
        let estimate: [Double]
        let mean: Double
        let interval: ClosedRange<Double>?
        /// What is written at the end of the row.
        let note: String
    }

    /// A value that rows are read against.
    struct Line {
        let value: Double
        let name: String
    }

    let name: String
    let title: String
    let xTitle: String
    let rows: [Row]
    let line: Line?

    private static let rowHeight = 46.0

    /// nil where there is nothing to draw.
    var chart: Chart? {
        guard !rows.isEmpty else { return nil }
        var values = rows.flatMap { [$0.mean] + $0.estimate + ($0.interval.map { [$0.lowerBound, $0.upperBound] } ?? []) }
        var far: String?
        if let line, let low = values.min(), let high = values.max() {
            if line.value >= low - (high - low) * 0.6, line.value <= high + (high - low) * 0.6 {
                values.append(line.value)
            } else {
                far = line.value < low ? "← \(line.name) \(line.value.fixed(3))" : "\(line.name) \(line.value.fixed(3)) →"
            }
        }
        let top = 24.0, bottom = top + Double(rows.count) * DotChart.rowHeight + 2
        let frame = Frame(left: 16, right: Chart.width - 16, top: top, bottom: bottom)
        guard let x = Scale(over: values, to: (frame.left, frame.right), padding: 0.03) else { return nil }
        var parts = frame.axes(x: x, xTitle: xTitle, y: nil, yTitle: "")
        if let line {
            if let far {
                parts.append(
                    .tag(
                        "text", ["x": coordinate(frame.left), "y": "14", "class": "muted", "font-size": "11.5"], far))
            } else {
                let place = x(line.value), atRight = place > Chart.width / 2
                parts.append(
                    .tag(
                        "line",
                        [
                            "x1": coordinate(place), "x2": coordinate(place), "y1": "6", "y2": coordinate(bottom), "class": "floor",
                            "stroke": "#1d1c1a", "stroke-dasharray": "1.5 3",
                        ]))
                parts.append(
                    .tag(
                        "text",
                        [
                            "x": coordinate(place + (atRight ? -6 : 6)), "y": "14", "class": "muted", "font-size": "11.5",
                            "text-anchor": atRight ? "end" : "start",
                        ], line.name))
            }
        }
        for (index, row) in rows.enumerated() { parts += drawn(row, top + Double(index) * DotChart.rowHeight, frame, x) }
        let words = rows.map { "\($0.name) \($0.note)" }.joined(separator: "; ")
        return Chart(name: name, title: title, description: "\(xTitle): \(words).", height: bottom + 44, content: parts)
    }

    private func drawn(_ row: Row, _ top: Double, _ frame: Frame, _ x: Scale) -> [Markup] {
        let base = top + 18, middle = coordinate(top + 33)
        let room = Int((frame.right - frame.left - Labels.width(row.note) - 14) / 6.9)
        var parts: [Markup] = [
            .tag(
                "text", ["x": coordinate(frame.left), "y": coordinate(base), "class": "on-paper"],
                [.tag("title", [:], row.name), .text(row.name.shortenedInTheMiddle(to: max(8, room)))]),
            .tag(
                "text",
                [
                    "x": coordinate(frame.right), "y": coordinate(base), "text-anchor": "end", "class": "muted on-paper",
                    "font-size": "12.5",
                ], row.note),
        ]
        if let interval = row.interval {
            let low = coordinate(x(interval.lowerBound)), high = coordinate(x(interval.upperBound))
            parts.append(
                .tag(
                    "path",
                    [
                        "d": "M\(low),\(middle)H\(high)M\(low),\(coordinate(top + 28))v10M\(high),\(coordinate(top + 28))v10",
                        "class": "stroke \(row.style.name)", "stroke": row.style.colour, "stroke-width": "2", "fill": "none",
                    ]))
        }
        for value in row.estimate where row.estimate.count > 1 {
            parts.append(
                .tag(
                    "circle",
                    [
                        "cx": coordinate(x(value)), "cy": middle, "r": "3", "class": "stroke \(row.style.name)", "fill": "none",
                        "stroke": row.style.colour, "stroke-opacity": "0.75",
                    ], [.tag("title", [:], value.fixed(4))]))
        }
        return parts + [row.style.marker(x(row.mean), top + 33, size: 5.5, title: "\(row.name): \(row.note)")]
    }
}
