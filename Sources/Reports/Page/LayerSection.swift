/// What went on inside, where runs logged it.
extension Page {
    var layers: PageSection? {
        guard !charts.layers.all.isEmpty else { return nil }
        let steps = charts.layers.developments.map(\.step)
        let last = Set(steps).count == 1 ? "step \(steps[0].grouped)" : "each run's last logged step"
        return PageSection(
            id: "layers", title: "Inside the layers",
            content: [
                .tag(
                    "p", ["class": "lead"],
                    "Activations and gradients as train.log_statistics wrote them, of the first run of each variant that has them, at \(last). A gradient that grows or dies from layer to layer, or a stream that keeps growing, shows here before the loss tells."
                        + (charts.layers.missing.isEmpty ? "" : " Not logged: \(charts.layers.missing.joined(separator: ", ")).")
                ),
                .tag("div", ["class": "charts"], charts.layers.profiles.map { figure($0) }),
            ]
                + charts.layers.developments.map { one in
                    .tag(
                        "details", [:],
                        [
                            .tag("summary", [:], "\(one.variant), over its steps"),
                            .tag("div", ["class": "charts"], one.charts.map { figure($0) }),
                        ])
                })
    }
}
