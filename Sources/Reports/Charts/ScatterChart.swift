import Foundation

/// What a variant costs against how good it is, with the front of those that no other beats in both.
struct ScatterChart {
    struct Point {
        let name: String
        let style: SeriesStyle
        let x: Double
        let y: Double
        let interval: ClosedRange<Double>?
    }

    let name: String
    let title: String
    let xTitle: String
    let yTitle: String
    let unit: Ticks.Unit
    let higherIsBetter: Bool
    let points: [Point]

    /// Names on the front, from its cheapest end.
    var front: [Int] { Pareto.front(points.map { ($0.x, $0.y) }, higherIsBetter: higherIsBetter) }

    /// nil where there is nothing to draw.
    var chart: Chart? {
        let frame = Frame(left: 58, right: Chart.width - 14, top: 14, bottom: 268)
        let xs = points.map(\.x)
        let spread = (xs.max() ?? 1) / max(xs.min() ?? 1, .leastNormalMagnitude)
        let ys = points.flatMap { point in [point.y] + (point.interval.map { [$0.lowerBound, $0.upperBound] } ?? []) }
        guard let x = Scale((xs.min() ?? 0) > 0 && spread > 5 ? .log : .linear, over: xs, to: (frame.left, frame.right), padding: 0.14),
            let y = Scale(over: ys, to: (frame.bottom, frame.top), padding: 0.08)
        else { return nil }
        var parts = frame.axes(
            x: x, xTitle: xTitle + (x.kind == .log ? ", log scale" : ""), xUnit: unit, y: y, yTitle: yTitle)
        let places = points.map { (x: x($0.x), y: y($0.y)) }
        parts.append(frontLine(places))
        for point in points {
            guard let interval = point.interval else { continue }
            let (a, low, high) = (x(point.x), coordinate(y(interval.lowerBound)), coordinate(y(interval.upperBound)))
            parts.append(
                .tag(
                    "path",
                    [
                        "d": "M\(coordinate(a)),\(low)V\(high)M\(coordinate(a - 4)),\(low)h8M\(coordinate(a - 4)),\(high)h8",
                        "class": "stroke \(point.style.name)", "stroke": point.style.colour, "stroke-width": "1.2", "fill": "none",
                        "stroke-opacity": "0.7",
                    ]))
        }
        for (point, place) in zip(points, places) {
            parts.append(point.style.marker(place.x, place.y, size: 6, title: words(point)))
        }
        let names = points.map { $0.name.shortenedInTheMiddle(to: 22) }
        let box = Labels.Box(left: frame.left, top: frame.top - 12, right: Chart.width, bottom: frame.bottom - 2)
        for (label, name) in zip(Labels.beside(places, names, in: box), names) {
            guard let label else { continue }
            parts.append(
                .tag(
                    "text",
                    [
                        "x": coordinate(label.x), "y": coordinate(label.y), "text-anchor": label.anchor, "font-size": "12.5",
                        "class": "on-paper",
                    ], name))
        }
        let onFront = front.map { points[$0].name }.joined(separator: ", ")
        return Chart(
            name: name, title: title,
            description: "\(points.map(words).joined(separator: "; ")). On the Pareto front: \(onFront).", height: frame.bottom + 46,
            content: parts)
    }

    /// Steps, since between two variants there is none.
    private func frontLine(_ places: [(x: Double, y: Double)]) -> Markup {
        var path = ""
        for (number, index) in front.enumerated() {
            let place = places[index]
            // To the right (where costs rise) first, then down to the next.
            path += number == 0 ? "M\(coordinate(place.x)),\(coordinate(place.y))" : "H\(coordinate(place.x))V\(coordinate(place.y))"
        }
        return .tag(
            "path",
            ["d": path, "class": "front", "stroke": "#5c5952", "stroke-width": "1.5", "stroke-dasharray": "5 4", "fill": "none"])
    }

    private func words(_ point: Point) -> String {
        let cost = unit == .bytes ? Int(exactly: point.x.rounded())?.asBytes ?? point.x.grouped : point.x.grouped
        return "\(point.name): \(point.y.fixed(4)) at \(cost)"
    }
}
