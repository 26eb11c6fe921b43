import Training

/// The whole report as one HTML file, with everything that it needs in itself.
struct Page {
    let data: ReportData
    let charts: ReportCharts
    let samples: [(variant: ReportVariant, sample: VariantSample)]
    let sampleTokens: Int

    var source: String {
        let head: Markup = .tag(
            "head", [:],
            [
                .tag("meta", ["charset": "utf-8"]),
                .tag("meta", ["name": "viewport", "content": "width=device-width, initial-scale=1"]),
                .tag("meta", ["name": "color-scheme", "content": "light dark"]),
                // Nothing is fetched, whatever a name or a sample says; an icon that is there already is not asked for.
                .tag(
                    "meta",
                    [
                        "http-equiv": "Content-Security-Policy",
                        "content": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:",
                    ]),
                .tag("link", ["rel": "icon", "href": "data:,"]),
                .tag("title", [:], "\(data.title): report"),
                .tag("style", [:], [.verbatim(PageStyle.css + "\n" + ChartStyle.css)]),
            ])
        let sections = self.sections
        let body: Markup = .tag(
            "body", [:],
            [
                .tag("a", ["class": "skip", "href": "#main"], "Skip to the results"), header(sections),
                .tag("main", ["id": "main"], sections.map(\.markup)),
                .tag(
                    "footer", [:],
                    [
                        .tag(
                            "p", [:],
                            [
                                "Made by Loom's ", .tag("code", [:], "./runner report"), ". Each chart alone: ",
                                .tag("code", [:], "--svg DIR"), ".",
                            ])
                    ]),
                .tag("script", [:], [.verbatim(PageScript.source)]),
            ])
        return "<!DOCTYPE html>\n" + Markup.tag("html", ["lang": "en"], [head, body]).source + "\n"
    }

    private var sections: [PageSection] {
        [problems, results, curves, losses, costs, layers, settings, writing, method].compactMap { $0 }
    }

    private func header(_ sections: [PageSection]) -> Markup {
        let headline = Headline(data)
        return .tag(
            "header", [:],
            [
                .tag("p", ["class": "eyebrow"], "\(data.isComparison ? "Comparison" : "Runs"): \(data.title)"),
                .tag("h1", [:], headline.sentence),
            ] + headline.more.map { .tag("p", ["class": "more"], $0) } + [
                .tag(
                    "dl", ["class": "facts"],
                    data.facts.map { term, words in .tag("div", [:], [.tag("dt", [:], term), .tag("dd", [:], words)]) }),
                .tag(
                    "nav", ["aria-label": "Sections"],
                    [.tag("ul", [:], sections.map { .tag("li", [:], [.tag("a", ["href": "#\($0.id)"], $0.title)]) })]),
            ])
    }
}

struct PageSection {
    let id: String
    let title: String
    let content: [Markup]

    var markup: Markup {
        .tag("section", ["id": id, "aria-labelledby": "\(id)-h"], [.tag("h2", ["id": "\(id)-h"], title)] + content)
    }
}
