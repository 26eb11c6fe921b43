/// How one variant looks in every chart: a colour that colour-blind readers can tell from the others, and a dash and a
/// marker for readers who see none.
package struct SeriesStyle: Sendable {
    /// The variant's place in its comparison, so that it looks the same wherever it is sorted.
    package let index: Int

    package init(index: Int) { self.index = index }

    /// After Okabe and Ito (2008), each a little darker or lighter where white or black paper needs it.
    static let light = ["#0072b2", "#c14a00", "#00795a", "#a4407f", "#6b5bd0", "#8a6500", "#4a4a4a", "#1f93c9"]
    static let dark = ["#56b4e9", "#ff8a4c", "#2fc99a", "#e48fc6", "#a79bff", "#e0bb2e", "#c2c2c2", "#8fd3f5"]
    private static let dashes: [String?] = [nil, "7 3", "2 2.5", "9 3 2 3", "12 3", "4 2 1 2", "1.5 4", "8 2 2 2 2 2"]

    /// The class that carries the colour.
    var name: String { "c\(index % SeriesStyle.light.count)" }
    var colour: String { SeriesStyle.light[index % SeriesStyle.light.count] }
    /// A second round of colours has other dashes and markers.
    var dash: String? { SeriesStyle.dashes[(index + index / 8) % SeriesStyle.dashes.count] }

    func marker(_ x: Double, _ y: Double, size r: Double = 5, title: String? = nil) -> Markup {
        func polygon(_ points: [(Double, Double)]) -> Markup {
            let text = points.map { "\(coordinate(x + $0.0 * r)),\(coordinate(y + $0.1 * r))" }.joined(separator: " ")
            return shape("polygon", ("points", text))
        }
        func shape(_ tag: String, _ attributes: (String, String)...) -> Markup {
            .element(
                name: tag, attributes: attributes + [("class", "fill \(name)"), ("fill", colour)],
                children: title.map { [.tag("title", [:], $0)] } ?? [])
        }
        switch (index + index / 8) % 8 {
        case 0: return shape("circle", ("cx", coordinate(x)), ("cy", coordinate(y)), ("r", coordinate(r)))
        case 1:
            let side = r * 0.9
            return shape(
                "rect", ("x", coordinate(x - side)), ("y", coordinate(y - side)), ("width", coordinate(2 * side)),
                ("height", coordinate(2 * side)))
        case 2: return polygon([(0, -1.25), (1.15, 0.85), (-1.15, 0.85)])
        case 3: return polygon([(0, -1.35), (1.35, 0), (0, 1.35), (-1.35, 0)])
        case 4: return polygon([(0, 1.25), (1.15, -0.85), (-1.15, -0.85)])
        case 5:
            return polygon([
                (-0.4, -1.2), (0.4, -1.2), (0.4, -0.4), (1.2, -0.4), (1.2, 0.4), (0.4, 0.4), (0.4, 1.2), (-0.4, 1.2), (-0.4, 0.4),
                (-1.2, 0.4), (-1.2, -0.4), (-0.4, -0.4),
            ])
        case 6: return polygon([(0, -1.3), (1.24, -0.4), (0.76, 1.05), (-0.76, 1.05), (-1.24, -0.4)])
        default: return polygon([(-1.2, -0.6), (1.2, -0.6), (1.2, 0.6), (-1.2, 0.6)])
        }
    }

    /// - Parameter data: the name and values that the page's script reads out.
    func line(_ path: String, thin: Bool = false, data: (name: String, values: String)? = nil) -> Markup {
        .tag(
            "path",
            [
                "d": path, "class": "stroke \(name)\(thin ? " thin" : "")", "fill": "none", "stroke": colour,
                "stroke-width": thin ? "1" : "2", "stroke-dasharray": dash, "stroke-linejoin": "round", "data-name": data?.name,
                "data-values": data?.values,
            ])
    }

    func band(_ path: String) -> Markup {
        .tag("path", ["d": path, "class": "band fill \(name)", "fill": colour, "fill-opacity": "0.16"])
    }
}

/// The rules that charts need, in a page and alone.
enum ChartStyle {
    static let css: String = {
        func rules(_ colours: [String]) -> String {
            colours.enumerated().map { ".stroke.c\($0){stroke:\($1)}.fill.c\($0){fill:\($1)}" }.joined()
        }
        func inks(ink: String, muted: String, grid: String, paper: String) -> String {
            "svg.chart text{fill:\(ink)}svg.chart text.muted{fill:\(muted)}.grid{stroke:\(grid)}.axis{stroke:\(muted)}"
                + ".floor{stroke:\(ink)}.front{stroke:\(muted)}.on-paper{stroke:\(paper)}.paper{fill:\(paper)}"
        }
        let light = inks(ink: "#1d1c1a", muted: "#5c5952", grid: "#e4e0d8", paper: "#ffffff") + rules(SeriesStyle.light)
        let dark = inks(ink: "#e9e7e2", muted: "#a8a49b", grid: "#34383e", paper: "#1d2024") + rules(SeriesStyle.dark)
        return "svg.chart{font:13px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}"
            + ".on-paper{paint-order:stroke;stroke-width:4px;stroke-linejoin:round}" + light
            + "@media screen and (prefers-color-scheme:dark){\(dark)}"
    }()
}
