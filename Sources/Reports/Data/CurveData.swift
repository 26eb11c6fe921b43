import Training

/// What a curve is drawn over.
enum CurveAxis: String, CaseIterable, Sendable {
    case steps, tokens, flops, seconds

    var title: String {
        switch self {
        case .steps: "optimizer steps"
        case .tokens: "training tokens"
        case .flops: "training FLOPs"
        case .seconds: "seconds in training steps"
        }
    }

    var button: String { self == .flops ? "FLOPs" : rawValue }

    func value(_ metrics: Metrics, flopsPerToken: Int) -> Double {
        switch self {
        case .steps: Double(metrics.step)
        case .tokens: Double(metrics.tokens)
        case .flops: Double(metrics.tokens) * Double(flopsPerToken)
        case .seconds: metrics.seconds
        }
    }
}

extension ReportVariant {
    /// More points than a line shows only make the file larger, the more so the more lines there are.
    static func mostPoints(variants: Int) -> Int { max(30, min(120, 1440 / max(variants, 1))) }

    /// The variant's curve: at each step that several runs logged, their mean, least and most; runs that failed or are not
    /// finished where others are stand alone.
    func curve(_ axis: CurveAxis, _ loss: KeyPath<Metrics, Double?>, mostPoints: Int) -> Curve {
        let last = runs.filter { !$0.hasFailed }.compactMap { $0.metrics.last?.step }.max() ?? 0
        // A mean over fewer seeds towards the end would jump where one leaves it.
        let whole = runs.filter { !$0.hasFailed && $0.metrics.last?.step == last }
        let others = runs.filter { run in !whole.contains { $0.folder.path == run.folder.path } }
        func measured(_ run: ReportRun) -> [(step: Int, x: Double, y: Double)] {
            run.metrics.compactMap { line in
                guard let y = line[keyPath: loss], y.isFinite else { return nil }
                return (line.step, axis.value(line, flopsPerToken: row.flopsPerToken), y)
            }
        }
        var byStep: [Int: [(x: Double, y: Double)]] = [:]
        for run in whole { for point in measured(run) { byStep[point.step, default: []].append((point.x, point.y)) } }
        let points = byStep.filter { $0.value.count == whole.count }.sorted { $0.key < $1.key }.map { _, values in
            let ys = values.map(\.y), count = Double(values.count)
            return Curve.Point(
                x: values.reduce(0) { $0 + $1.x } / count, mean: ys.reduce(0, +) / count, low: ys.min() ?? 0, high: ys.max() ?? 0)
        }
        return Curve(
            name: name, style: style, points: ReportVariant.thinned(points, to: mostPoints),
            strays: others.map { run in measured(run).map { ($0.x, $0.y) } }.filter { !$0.isEmpty })
    }

    /// Neighbours averaged, so that there are few enough; the last point stays what it is.
    static func thinned(_ points: [Curve.Point], to mostPoints: Int) -> [Curve.Point] {
        guard points.count > mostPoints, let last = points.last else { return points }
        let bucket = (points.count + mostPoints - 2) / (mostPoints - 1)
        let means = stride(from: 0, to: points.count - 1, by: bucket).map { start in
            let part = points[start..<min(start + bucket, points.count - 1)], count = Double(part.count)
            func mean(_ path: KeyPath<Curve.Point, Double>) -> Double { part.reduce(0) { $0 + $1[keyPath: path] } / count }
            return Curve.Point(
                x: mean(\.x), mean: mean(\.mean), low: mean(\.low), high: mean(\.high))
        }
        return means + [last]
    }
}
