import Training

/// What `train.log_statistics` tells of a run, as curves: the root mean square of activations and gradients, by layer.
struct LayerCurves {
    enum Quantity: CaseIterable {
        case stream, attentionGradient, mlpGradient

        var name: String {
            switch self {
            case .stream: "stream"
            case .attentionGradient: "attention-gradient"
            case .mlpGradient: "mlp-gradient"
            }
        }

        var title: String {
            switch self {
            case .stream: "Residual stream"
            case .attentionGradient: "Gradients of attention"
            case .mlpGradient: "Gradients of the MLP"
            }
        }

        /// Gradients are so small that their own numbers do not fit an axis.
        var scale: Double { self == .stream ? 1 : 1000 }
        var unit: String { self == .stream ? "root mean square" : "root mean square, thousandths" }

        /// The layer and the value of each entry that is of this quantity; the stream before the first layer has none.
        func values(_ statistics: Statistics) -> [(layer: Int, rms: Double)] {
            let (entries, wanted) =
                switch self {
                case .stream: (statistics.activations, "stream")
                case .attentionGradient: (statistics.gradients, "attention")
                case .mlpGradient: (statistics.gradients, "mlp")
                }
            return entries.compactMap { entry in
                guard entry.name == wanted, let layer = entry.layer, layer >= 0, entry.rms.isFinite else { return nil }
                return (layer, entry.rms * scale)
            }
        }
    }

    let steps: [Statistics]

    /// - Returns: nil where the run logged none.
    init?(_ run: ReportRun) {
        let lines = run.folder.statistics()
        // A continued run logs a step again that it had logged before it was stopped.
        steps = lines.reduce(into: []) { kept, line in if line.step > kept.last?.step ?? -1 { kept.append(line) } }
        if steps.isEmpty { return nil }
    }

    /// The last step's values: a point a layer.
    func profile(_ quantity: Quantity, name: String, style: SeriesStyle) -> Curve {
        let points = steps.last.map { quantity.values($0).sorted { $0.layer < $1.layer } } ?? []
        return Curve(
            name: name, style: style,
            points: points.map { Curve.Point(x: Double($0.layer), mean: $0.rms, low: $0.rms, high: $0.rms) })
    }

    /// A curve a layer over steps; of more than eight layers eight, the first and the last among them.
    func development(_ quantity: Quantity, mostPoints: Int) -> [Curve] {
        let values = steps.map { ($0.step, Dictionary(quantity.values($0), uniquingKeysWith: { first, _ in first })) }
        let layers = Set(values.flatMap { $0.1.keys }).sorted()
        let shown = layers.count <= 8 ? layers : (0..<8).map { layers[$0 * (layers.count - 1) / 7] }
        return shown.enumerated().map { place, layer in
            let points = values.compactMap { step, byLayer in
                byLayer[layer].map { Curve.Point(x: Double(step), mean: $0, low: $0, high: $0) }
            }
            return Curve(
                name: "layer \(layer)", style: SeriesStyle(index: place), points: ReportVariant.thinned(points, to: mostPoints))
        }
    }
}
