import Text
import Training

/// What came out: warnings, the table, the losses.
extension Page {
    /// What a reader must know before believing the rest; before everything else, since it may change what to think of it.
    var problems: PageSection? {
        let said = data.problems.map { ("Problem", $0) } + data.warnings.map { ("Warning", $0) }
        guard !said.isEmpty else { return nil }
        return PageSection(
            id: "warnings", title: data.problems.isEmpty ? "Warnings" : "Failures and warnings",
            content: [
                .tag(
                    "ul", ["class": "said card"],
                    said.map { kind, words in
                        .tag("li", [:], [.tag("span", ["class": "kind"], "\(kind): "), .text(words)])
                    })
            ])
    }

    var results: PageSection? {
        // A first column for the name, then those of the table on the terminal.
        let isTask = SyntheticTask.named(data.textName) != nil
        let table = TextTable(
            head: CompareTable.head(isTask: isTask), rows: data.variants.map { [$0.name] + CompareTable.cells($0.row) })
        let verdict = table.head.firstIndex(of: "verdict")
        let rows = zip(data.variants, table.rows).map { variant, cells -> Markup in
            let isBest = variant.name == data.best
            var name = breakable(variant.name, behind: [",", "="])
            if isBest { name.append(.tag("span", ["class": "badge"], "lowest loss")) }
            if variant.row.seedsFinished < data.seeds, data.isComparison {
                name.append(.tag("span", ["class": "sub"], "\(variant.row.seedsFinished) of \(data.seeds) seeds finished"))
            }
            let body = cells.indices.dropFirst().map { column -> Markup in
                let words = cells[column].isEmpty ? "–" : cells[column]
                let isJudged = column == verdict && ["better", "worse"].contains(words)
                // How sure a figure is goes below it: the table is wide enough.
                let parts = words.split(separator: " ± ", maxSplits: 1).map(String.init)
                guard parts.count == 2 else { return .tag("td", ["class": isJudged ? words : nil], words) }
                return .tag("td", [:], [.text(parts[0]), .tag("span", ["class": "sub"], " ± \(parts[1])")])
            }
            return .tag("tr", ["class": isBest ? "best" : nil], [.tag("th", ["scope": "row"], name)] + body)
        }
        let head = table.head.enumerated().map { column, words -> Markup in
            .tag("th", ["scope": "col"], column == 0 ? "variant" : words)
        }
        return PageSection(
            id: "results", title: "Results",
            content: [
                scrolling(
                    "Results",
                    .tag(
                        "table", [:],
                        [
                            caption("The lowest validation loss first; losses in nats a token."),
                            .tag("thead", [:], [.tag("tr", [:], head)]), .tag("tbody", [:], rows),
                        ])),
                .tag(
                    "ul", ["class": "notes"],
                    // Warnings stand on their own above.
                    data.notes.filter { !$0.hasPrefix("warning: ") }.map { .tag("li", [:], $0.trimmingStar) }),
            ])
    }

    var losses: PageSection? {
        let parts = [charts.losses, charts.differences].compactMap { $0 }
        guard !parts.isEmpty else { return nil }
        var captions = ["Marker: the mean. Rings: single seeds. Bar: the 95 % interval of the mean."]
        if parts.count > 1 { captions.append("Paired by seed. A bar that crosses the line cannot be told from the baseline.") }
        return PageSection(
            id: "losses", title: "Final loss",
            content: [.tag("div", ["class": "charts"], zip(parts, captions).map { figure($0, $1) })])
    }

    /// A table that is wider than a phone scrolls in a box of its own, by keyboard too.
    func scrolling(_ label: String, _ table: Markup) -> Markup {
        .tag("div", ["class": "scroll card", "role": "region", "aria-label": "\(label), table", "tabindex": "0"], [table])
    }

    /// A caption that stays in sight as its table scrolls.
    func caption(_ words: String) -> Markup { .tag("caption", [:], [.tag("span", [:], words)]) }

    /// Words that may be broken behind some characters.
    func breakable(_ words: String, behind characters: Set<Character>) -> [Markup] {
        var parts: [Markup] = [], part = ""
        for character in words {
            part.append(character)
            guard characters.contains(character) else { continue }
            parts += [.text(part), .tag("wbr")]
            part = ""
        }
        return parts + [.text(part)]
    }

    func figure(_ chart: Chart, _ caption: String? = nil) -> Markup {
        .tag(
            "figure", ["class": "card"],
            [.tag("h3", [:], chart.title), chart.inline] + (caption.map { [.tag("figcaption", [:], $0)] } ?? []))
    }
}

extension String {
    /// A table on a terminal marks its best with a star, a page with words.
    fileprivate var trimmingStar: String { hasPrefix("* ") ? String(dropFirst(2)) : self }
}
