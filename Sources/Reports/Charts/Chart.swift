/// A drawing that stands in the page, and in a file of its own.
public struct Chart: Sendable {
    /// A short name for its file: `loss-by-kv`.
    public let name: String
    public let title: String
    let description: String
    let width: Double
    let height: Double
    let content: [Markup]

    init(name: String, title: String, description: String, width: Double = Chart.width, height: Double, content: [Markup]) {
        (self.name, self.title, self.description) = (name, title, description)
        (self.width, self.height, self.content) = (width, height, content)
    }

    /// Small enough that a phone shrinks the type little, large enough that two stand side by side on a desk.
    static let width = 420.0

    /// The drawing within a page, whose style sheet it uses.
    var inline: Markup { svg([:], []) }

    /// A whole file, with its title above and its own style.
    public var file: String {
        let head: [Markup] = [
            .tag("style", [:], [.verbatim(ChartStyle.css)]),
            .tag("rect", ["width": "100%", "height": "100%", "y": "-34", "class": "paper", "fill": "#ffffff"]),
            .tag("text", ["x": "12", "y": "-12", "font-size": "15", "font-weight": "600"], title),
        ]
        return #"<?xml version="1.0" encoding="UTF-8"?>"# + "\n" + svg(["xmlns": "http://www.w3.org/2000/svg"], head, top: 34).source + "\n"
    }

    private func svg(_ extra: KeyValuePairs<String, String?>, _ head: [Markup], top: Double = 0) -> Markup {
        var attributes: [(String, String)] = extra.compactMap { key, value in value.map { (key, $0) } }
        attributes += [
            ("class", "chart"), ("role", "img"), ("aria-labelledby", "\(name)-t \(name)-d"),
            ("viewBox", "0 \(coordinate(-top)) \(coordinate(width)) \(coordinate(height + top))"),
        ]
        if top > 0 { attributes += [("width", coordinate(width * 1.6)), ("height", coordinate((height + top) * 1.6))] }
        return .element(
            name: "svg", attributes: attributes,
            children: [.tag("title", ["id": "\(name)-t"], title), .tag("desc", ["id": "\(name)-d"], description)] + head + content)
    }
}

/// Axes and what lies between them.
struct Frame {
    let left: Double, right: Double, top: Double, bottom: Double

    /// Grid lines, axis lines, ticks and titles.
    func axes(
        x: Scale, xTitle: String, xUnit: Ticks.Unit = .number, y: Scale?, yTitle: String, yUnit: Ticks.Unit = .number
    ) -> [Markup] {
        var parts: [Markup] = []
        func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ name: String, _ colour: String) {
            parts.append(
                .tag(
                    "line",
                    [
                        "x1": coordinate(x1), "y1": coordinate(y1), "x2": coordinate(x2), "y2": coordinate(y2), "class": name,
                        "stroke": colour,
                    ]))
        }
        func text(_ words: String, _ x: Double, _ y: Double, _ anchor: String, muted: Bool = true, turned: Bool = false) {
            parts.append(
                .tag(
                    "text",
                    [
                        "x": coordinate(x), "y": coordinate(y), "text-anchor": anchor, "class": muted ? "muted" : nil,
                        "font-size": "12", "transform": turned ? "rotate(-90 \(coordinate(x)) \(coordinate(y)))" : nil,
                    ], words))
        }
        if let y {
            let ticks = Ticks(y, unit: yUnit)
            for (value, label) in zip(ticks.values, ticks.labels) {
                line(left, y(value), right, y(value), "grid", "#e4e0d8")
                text(label, left - 6, y(value) + 4, "end")
            }
            text(yTitle, 12, (top + bottom) / 2, "middle", turned: true)
        }
        let ticks = Ticks(x, unit: xUnit)
        var occupied = -Double.infinity
        for (value, label) in zip(ticks.values, ticks.labels) {
            line(x(value), y == nil ? top : bottom, x(value), y == nil ? bottom : bottom + 4, y == nil ? "grid" : "axis", "#8a867d")
            // Ticks of a logarithm crowd towards the end.
            let half = Labels.width(label) / 2
            guard x(value) - half > occupied else { continue }
            occupied = x(value) + half + 4
            text(label, min(x(value), Chart.width - half), bottom + 18, "middle")
        }
        line(left, bottom, right, bottom, "axis", "#8a867d")
        text(xTitle, (left + right) / 2, bottom + 36, "middle")
        return parts
    }
}
