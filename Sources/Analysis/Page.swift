import Foundation

/// A self-contained HTML page, well-formed as XML, for light and dark and any width; and the charts in it, inline SVG.
package enum Page {
    /// - Parameter body: markup; text in it has been escaped.
    package static func html(title: String, body: String) -> String {
        """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8"/>
        <meta name="viewport" content="width=device-width, initial-scale=1"/>
        <meta name="color-scheme" content="light dark"/>
        <title>\(escaped(title))</title>
        <style>\(style)</style>
        </head>
        <body>
        <main>
        \(body)
        </main>
        </body>
        </html>

        """
    }

    /// For text and attributes. Control characters, which XML does not have, become spaces.
    package static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "\u{FFFE}", "\u{FFFF}": result += "\u{FFFD}"
            default: result.unicodeScalars.append(scalar.value < 32 || scalar.value == 127 ? " " : scalar)
            }
        }
        return result
    }

    /// A number with `digits` significant digits; whole below a million.
    package static func number(_ value: Double, _ digits: Int = 3) -> String {
        guard value.isFinite else { return value.isNaN ? "–" : "∞" }
        return String(format: (1000..<1_000_000).contains(abs(value)) ? "%.0f" : "%.\(digits)g", value)
    }

    /// A share as 42 % or 4.2 %.
    package static func percent(_ share: Double) -> String { String(format: share < 0.0995 ? "%.1f %%" : "%.0f %%", 100 * share) }

    /// A place in a drawing: a tenth of a unit is finer than any screen.
    package static func place(_ value: Double) -> String {
        let text = String(format: "%.1f", value)
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }

    /// Rows of cells, the first of each its heading; scrolls sideways where the screen is narrow.
    package static func table(_ headings: [String], _ rows: [[String]]) -> String {
        let head = headings.map { "<th scope=\"col\">\(escaped($0))</th>" }.joined()
        let body = rows.map { row in
            "<tr><th scope=\"row\">\(escaped(row.first ?? ""))</th>"
                + row.dropFirst().map { "<td>\(escaped($0))</td>" }.joined() + "</tr>"
        }
        return "<div class=\"wide\"><table><thead><tr>\(head)</tr></thead><tbody>\n\(body.joined(separator: "\n"))\n</tbody></table></div>"
    }

    /// The color of the `index`th of `count` ordered things: blue for the first through red for the last, bright enough for
    /// dark and dark enough for light.
    package static func color(_ index: Int, of count: Int) -> String {
        let share = count > 1 ? Double(index) / Double(count - 1) : 0
        return "hsl(\(Int((220 + 150 * share).rounded()) % 360) 70% 52%)"
    }

    private static let style = """

        :root { color-scheme: light dark; --ink: #1c2024; --soft: #60646c; --line: #d9dce1; --paper: #ffffff; --card: #f6f7f9; --mark: #2f5fd0; }
        @media (prefers-color-scheme: dark) {
          :root { --ink: #e8eaed; --soft: #a0a6b0; --line: #3a3f47; --paper: #15181c; --card: #1d2126; --mark: #8ab0ff; }
        }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
        main { max-width: 1240px; margin: 0 auto; padding: 20px 16px 60px; }
        h1 { font-size: 1.6rem; margin: 0 0 4px; overflow-wrap: anywhere; } h2 { font-size: 1.2rem; margin: 36px 0 8px; }
        h3 { font-size: 1rem; margin: 24px 0 8px; }
        p { max-width: 75ch; margin: 6px 0; } .soft { color: var(--soft); }
        .grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 290px), 1fr)); gap: 14px; }
        figure { margin: 0; padding: 10px; background: var(--card); border: 1px solid var(--line); border-radius: 8px; min-width: 0; }
        figcaption { font-size: 0.85rem; overflow-wrap: anywhere; } svg { display: block; width: 100%; height: auto; }
        svg text { fill: var(--soft); font: 11px system-ui, sans-serif; }
        .axis { stroke: var(--line); stroke-width: 1; fill: none; } .curve { fill: none; stroke-width: 1.6; }
        .key { display: flex; flex-wrap: wrap; gap: 2px 14px; font-size: 0.85rem; margin: 8px 0; padding: 0; list-style: none; }
        .key i { display: inline-block; width: 18px; height: 3px; margin-right: 5px; vertical-align: middle; }
        .wide { overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; }
        table { border-collapse: collapse; font-size: 0.85rem; width: 100%; font-variant-numeric: tabular-nums; }
        th, td { padding: 4px 10px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
        th:first-child { text-align: left; font-weight: 500; position: sticky; left: 0; background: var(--paper); }
        thead th { font-weight: 600; } code { overflow-wrap: anywhere; }
        .w1 { fill-opacity: 0.12; } .w2 { fill-opacity: 0.25; } .w3 { fill-opacity: 0.4; } .w4 { fill-opacity: 0.55; }
        .w5 { fill-opacity: 0.7; } .w6 { fill-opacity: 0.85; } .w7 { fill-opacity: 1; } .weights { fill: var(--mark); }
        .frame { fill: none; stroke: var(--line); }
        @media print { figure, tr { break-inside: avoid; } }

        """
}

/// Curves over a common pair of axes.
package struct LineChart {
    package struct Curve {
        let name: String
        let color: String
        let points: [(x: Double, y: Double)]

        package init(name: String, color: String, points: [(x: Double, y: Double)]) {
            (self.name, self.color, self.points) = (name, color, points)
        }
    }
    let title: String
    let xLabel: String, yLabel: String
    /// Whether y is drawn by its logarithm, down to `floor`.
    let isLogarithmic: Bool
    let floor: Double
    let curves: [Curve]

    package init(
        title: String, xLabel: String, yLabel: String, isLogarithmic: Bool = false, floor: Double = 1e-4, curves: [Curve]
    ) {
        (self.title, self.xLabel, self.yLabel) = (title, xLabel, yLabel)
        (self.isLogarithmic, self.floor, self.curves) = (isLogarithmic, floor, curves)
    }

    private static let width = 360.0, height = 230.0, left = 44.0, right = 8.0, top = 8.0, bottom = 36.0

    /// A figure with its caption.
    package var figure: String { "<figure><figcaption>\(Page.escaped(title))</figcaption>\n\(svg)\n</figure>" }

    package var svg: String {
        let all = curves.flatMap(\.points).filter { $0.x.isFinite && $0.y.isFinite }
        let xs = LineChart.range(all.map(\.x)), ys = yRange(all.map(\.y))
        func x(_ value: Double) -> Double {
            LineChart.left + (value - xs.lowerBound) / (xs.upperBound - xs.lowerBound)
                * (LineChart.width - LineChart.left - LineChart.right)
        }
        func y(_ value: Double) -> Double {
            let share = (scaled(value) - ys.lowerBound) / (ys.upperBound - ys.lowerBound)
            return LineChart.height - LineChart.bottom - share * (LineChart.height - LineChart.top - LineChart.bottom)
        }
        let (foot, end) = (LineChart.height - LineChart.bottom, LineChart.width - LineChart.right)
        var parts = [
            "<svg viewBox=\"0 0 \(Int(LineChart.width)) \(Int(LineChart.height))\" role=\"img\" aria-label=\"\(Page.escaped(title))\">"
        ]
        for tick in yTicks(ys) {
            let at = Page.place(y(tick))
            parts.append("<path class=\"axis\" d=\"M\(Int(LineChart.left)) \(at)H\(Page.place(end))\"/>")
            parts.append(
                "<text x=\"\(Int(LineChart.left) - 5)\" y=\"\(Page.place(y(tick) + 4))\" text-anchor=\"end\">\(Page.number(tick, 4))</text>"
            )
        }
        for (tick, anchor) in zip([xs.lowerBound, (xs.lowerBound + xs.upperBound) / 2, xs.upperBound], ["start", "middle", "end"]) {
            parts.append(
                "<text x=\"\(Page.place(x(tick)))\" y=\"\(Page.place(foot + 14))\" text-anchor=\"\(anchor)\">\(Page.number(tick, 6))</text>"
            )
        }
        parts.append(
            "<text x=\"\(Page.place((LineChart.left + end) / 2))\" y=\"\(Page.place(LineChart.height - 6))\" text-anchor=\"middle\">"
                + "\(Page.escaped(yLabel)) by \(Page.escaped(xLabel))</text>")
        for curve in curves {
            let points = curve.points.filter { $0.x.isFinite && $0.y.isFinite && (!isLogarithmic || $0.y >= floor) }
            let path = points.enumerated().map { "\($0 == 0 ? "M" : "L")\(Page.place(x($1.x))) \(Page.place(y($1.y)))" }.joined()
            guard !path.isEmpty else { continue }
            parts.append(
                "<path class=\"curve\" style=\"stroke:\(curve.color)\" d=\"\(path)\"><title>\(Page.escaped(curve.name))</title></path>")
        }
        return (parts + ["</svg>"]).joined(separator: "\n")
    }

    private func scaled(_ value: Double) -> Double { isLogarithmic ? log10(max(value, floor)) : value }

    private static func range(_ values: [Double]) -> ClosedRange<Double> {
        guard let low = values.min(), let high = values.max() else { return 0...1 }
        return high > low ? low...high : low - 0.5...high + 0.5
    }

    /// Of plain values what they span and some more, so that a small change is seen; the ticks say where zero is.
    private func yRange(_ values: [Double]) -> ClosedRange<Double> {
        guard isLogarithmic else {
            let around = LineChart.range(values), span = around.upperBound - around.lowerBound
            let least = 0.02 * max(abs(around.lowerBound), abs(around.upperBound)), margin = max(0.1 * span, (least - span) / 2)
            return around.lowerBound - margin...around.upperBound + margin
        }
        let low = values.map(scaled).min() ?? -1
        return Foundation.floor(min(low, -1))...max(0, values.map(scaled).max() ?? 0)
    }

    private func yTicks(_ range: ClosedRange<Double>) -> [Double] {
        if isLogarithmic {
            let decades = Foundation.ceil(range.upperBound - range.lowerBound)
            return stride(from: range.lowerBound, through: range.upperBound, by: max(1, (decades / 8).rounded())).map { pow(10, $0) }
        }
        let unit = pow(10, Foundation.floor(log10((range.upperBound - range.lowerBound) / 4)))
        let step = [1.0, 2, 5, 10].map { $0 * unit }.first { (range.upperBound - range.lowerBound) / $0 <= 6 } ?? unit * 10
        let first = (range.lowerBound / step).rounded(.up)
        return (0..<8).map { (first + Double($0)) * step }.filter { $0 <= range.upperBound }
    }
}

/// What the colors of several charts stand for.
func colorKey(_ names: [String]) -> String {
    let items = names.enumerated().map {
        "<li><i style=\"background:\(Page.color($0, of: names.count))\"></i>\(Page.escaped($1))</li>"
    }
    return "<ul class=\"key\">\(items.joined())</ul>"
}
