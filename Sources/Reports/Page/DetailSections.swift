import Training

/// How it came about: curves, costs, settings, samples, method.
extension Page {
    var curves: PageSection? {
        guard !charts.training.isEmpty || !charts.validation.isEmpty else { return nil }
        func choice(_ name: String, _ legend: String, _ options: [(value: String, label: String)]) -> Markup {
            .tag(
                "fieldset", [:],
                [.tag("legend", [:], legend)]
                    + options.enumerated().map { index, option in
                        .tag(
                            "label", ["class": "option"],
                            [
                                .tag(
                                    "input",
                                    ["type": "radio", "name": name, "value": option.value, "checked": index == 0 ? "checked" : nil]),
                                .tag("span", [:], option.label),
                            ])
                    })
        }
        // Shown by the script, without which its buttons do nothing.
        let form: Markup = .tag(
            "form", ["class": "choice", "id": "curve-choice", "hidden": "hidden"],
            [
                choice("axis", "Over", CurveAxis.allCases.map { ($0.rawValue, $0.button) }),
                choice("view", "Show", CurveChart.View.allCases.map { ($0.rawValue, $0.title) }),
            ])
        func figures(_ all: [ReportCharts.CurveFigure]) -> [Markup] {
            all.map { one in
                let isFirst = one.axis == .steps && one.view == .whole
                return .tag(
                    "figure",
                    [
                        "class": "card", "data-axis": one.axis.rawValue, "data-view": one.view.rawValue,
                        "data-unit": one.axis.button, "hidden": isFirst ? nil : "hidden",
                    ],
                    [
                        .tag("h3", [:], one.chart.title), one.chart.inline,
                        .tag("p", ["class": "readout", "role": "status"]),
                    ])
            }
        }
        let bands = data.seeds > 1 ? "Lines: the mean over seeds. Bands: from the least to the most of any seed." : "One run each."
        let strays = data.variants.contains { $0.runs.contains(where: \.hasFailed) } ? " Thin lines that end in ×: runs that failed." : ""
        return PageSection(
            id: "curves", title: "Loss curves",
            content: [
                .tag("p", ["class": "lead"], bands + strays), form,
                .tag("div", ["class": "charts"], figures(charts.training) + figures(charts.validation)),
            ])
    }

    var costs: PageSection? {
        func caption(_ front: [String]) -> String { "Lower is better. Dashed: the Pareto front, \(front.joined(separator: " → "))." }
        let parts =
            (charts.kvBytes.map { [figure($0, "Left and " + caption(charts.kvFront).decapitalized)] } ?? [])
            + (charts.decoding.map { [figure($0, "Right and " + caption(charts.decodeFront).decapitalized)] } ?? [])
        guard data.variants.count > 1, !parts.isEmpty else { return nil }
        return PageSection(
            id: "costs", title: "What it costs",
            content: [
                .tag("p", ["class": "lead"], "A variant on the front is one that no other beats in both loss and cost."),
                .tag("div", ["class": "charts"], parts),
            ])
    }

    var settings: PageSection? {
        guard data.variants.count > 1 else { return nil }
        // The baseline first, the rest as in the table.
        let variants = data.variants.filter { $0.name == data.baseline } + data.variants.filter { $0.name != data.baseline }
        let differences = ConfigDifferences(variants.map(\.config.resolved))
        let changes = variants.filter { $0.change != nil }
        var content: [Markup] = []
        if differences.rows.isEmpty {
            content.append(.tag("p", ["class": "lead"], "All variants have the same settings."))
        } else {
            let rows = differences.rows.map { path, values -> Markup in
                let cells = values.map { value -> Markup in
                    let isOther = value?.text(pretty: false) != values[0]?.text(pretty: false)
                    return .tag("td", ["class": isOther ? "other" : nil], value.map { $0.stringValue ?? $0.text(pretty: false) } ?? "–")
                }
                return .tag("tr", [:], [.tag("th", ["scope": "row"], breakable(path, behind: ["."]))] + cells)
            }
            let head =
                [Markup.tag("th", ["scope": "col"], "setting")]
                + variants.map { variant in
                    .tag(
                        "th", ["scope": "col"],
                        [.text(variant.name)] + (variant.name == data.baseline ? [.tag("span", ["class": "sub"], "baseline")] : []))
                }
            content.append(
                scrolling(
                    "Settings",
                    .tag(
                        "table", ["class": "settings"],
                        [
                            caption(
                                "Only what is not the same in all. Bold: other than the baseline. A dash: the variant has no such setting."),
                            .tag("thead", [:], [.tag("tr", [:], head)]), .tag("tbody", [:], rows),
                        ])))
        }
        if !changes.isEmpty {
            content.append(
                .tag("ul", ["class": "notes"], changes.map { .tag("li", [:], "\($0.name), matched to the baseline: \($0.change ?? "")") }))
        }
        return PageSection(id: "settings", title: "What differs", content: content)
    }

    var writing: PageSection? {
        guard !samples.isEmpty else { return nil }
        return PageSection(
            id: "samples", title: "How each writes",
            content: [
                .tag(
                    "div", ["class": "samples"],
                    samples.map { variant, sample in
                        .tag(
                            "article", ["class": "sample card"],
                            [
                                .tag("h3", [:], variant.name), .tag("p", [:], sample.origin),
                                .tag("pre", ["tabindex": "0", "aria-label": "Sample of \(variant.name)"], sample.text.trimmed),
                            ])
                    })
            ])
    }

    var method: PageSection? {
        PageSection(
            id: "method", title: "How each figure was obtained",
            content: [
                .tag(
                    "dl", ["class": "method"],
                    Method(data, sampleTokens: samples.isEmpty ? 0 : sampleTokens).entries.map { term, words in
                        .tag("div", [:], [.tag("dt", [:], term), .tag("dd", [:], words)])
                    })
            ])
    }
}

extension String {
    fileprivate var decapitalized: String { prefix(1).lowercased() + dropFirst() }
    /// Without the line break that a sample begins with; one of nothing else says so.
    fileprivate var trimmed: String {
        let text = String(drop(while: \.isNewline))
        return text.isEmpty ? "(nothing but line breaks)" : text
    }
}
