/// Drawings of `train.log_statistics`: the last step's values over layers, all variants in one; and each variant's layers
/// over its steps.
struct LayerCharts {
    struct Development {
        let variant: String
        let step: Int
        let charts: [Chart]
    }

    let profiles: [Chart]
    let developments: [Development]
    /// Variants whose runs logged nothing.
    let missing: [String]

    init(_ data: ReportData) {
        let variants = data.variants.sorted { $0.style.index < $1.style.index }
        // The first run of a variant that has any: layers of several runs have no mean that tells more.
        let logged = variants.compactMap { variant in
            variant.runs.lazy.compactMap { LayerCurves($0) }.first.map { (variant, $0) }
        }
        profiles = LayerCurves.Quantity.allCases.compactMap { quantity in
            CurveChart(
                name: "layers-\(quantity.name)", title: "\(quantity.title) by layer", xTitle: "layer",
                yTitle: quantity.unit, view: .whole,
                curves: logged.map { $1.profile(quantity, name: $0.name, style: $0.style) }.filter { !$0.points.isEmpty }, floor: nil,
                xUnit: .whole
            ).chart
        }
        missing = logged.isEmpty ? [] : variants.map(\.name).filter { name in !logged.contains { $0.0.name == name } }
        developments = logged.enumerated().compactMap { place, item in
            let (variant, curves) = item
            let charts = LayerCurves.Quantity.allCases.compactMap { quantity in
                CurveChart(
                    name: "layers-\(quantity.name)-\(place + 1)", title: "\(quantity.title): \(variant.name)",
                    xTitle: "optimizer steps", yTitle: quantity.unit, view: .log,
                    curves: curves.development(quantity, mostPoints: 60).filter { !$0.points.isEmpty }, floor: nil
                ).chart
            }
            guard !charts.isEmpty, let last = curves.steps.last?.step else { return nil }
            return Development(variant: variant.name, step: last, charts: charts)
        }
    }

    var all: [Chart] { profiles + developments.flatMap(\.charts) }
}
