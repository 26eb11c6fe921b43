import Foundation

/// The spectra of a model at one checkpoint.
public struct SpectrumSnapshot: Sendable {
    /// nil for a file that is no checkpoint.
    public let step: Int?
    public let matrices: [MatrixSpectrum]
    public init(step: Int?, matrices: [MatrixSpectrum]) { (self.step, self.matrices) = (step, matrices) }
}

/// Decay curves by layer and by head, their change over the checkpoints, and all figures, as one HTML page.
public struct SpectrumPage {
    private let title: String
    private let snapshots: [SpectrumSnapshot]

    /// - Parameter snapshots: oldest first, at least one; the last is shown in full.
    public init(title: String, snapshots: [SpectrumSnapshot]) {
        precondition(!snapshots.isEmpty, "a page without a spectrum")
        (self.title, self.snapshots) = (title, snapshots)
    }

    public var html: String {
        let last = snapshots[snapshots.count - 1], whole = last.matrices.filter { $0.head == nil }
        let step = last.step.map { ", step \($0)" } ?? ""
        var body = [
            "<h1>Singular values of \(Page.escaped(title))\(step)</h1>",
            "<p class=\"soft\">\(whole.count) matrices. A curve that falls fast is a matrix that a few directions explain. "
                + "Every curve is divided by its largest singular value, and its index by its full rank, so that sizes compare; "
                + "values below 0.0001 of the largest are left out.</p>",
        ]
        body += byLayer(whole)
        if snapshots.count > 1 { body += evolution(whole) }
        body += byHead(last.matrices)
        body.append("<h2>All figures</h2>")
        body.append(definitions)
        body.append(figures(last.matrices))
        return Page.html(title: "Spectrum of \(title)", body: body.joined(separator: "\n"))
    }

    /// One chart a part, a curve a layer.
    private func byLayer(_ whole: [MatrixSpectrum]) -> [String] {
        let layers = Set(whole.compactMap(\.tensor.layer)).sorted()
        let charts = SpectrumPage.parts(whole).map { part in
            let members = whole.filter { $0.tensor.part == part }
            let curves = members.map { matrix in
                decay(
                    matrix, name: matrix.tensor.layer.map { "layer \($0)" } ?? matrix.tensor.name,
                    color: matrix.tensor.layer.map { Page.color(layers.firstIndex(of: $0) ?? 0, of: layers.count) } ?? "var(--mark)")
            }
            let size = members.first.map { ", \($0.spectrum.rows) × \($0.spectrum.columns)" } ?? ""
            return chart(part + size, curves)
        }
        let key = layers.count > 1 ? colorKey(layers.map { "layer \($0)" }) : ""
        return ["<h2>By layer</h2>", key, "<div class=\"grid\">"] + charts + ["</div>"]
    }

    /// For each layer one chart a part that has heads, a curve a head.
    private func byHead(_ matrices: [MatrixSpectrum]) -> [String] {
        let heads = matrices.filter { $0.head != nil }
        guard !heads.isEmpty else { return [] }
        var lines = ["<h2>By head</h2>"]
        let most = (heads.compactMap(\.head).max() ?? 0) + 1
        lines.append(colorKey((0..<most).map { "head \($0)" }))
        for layer in Set(heads.compactMap(\.tensor.layer)).sorted() {
            let members = heads.filter { $0.tensor.layer == layer }
            lines += ["<h3>Layer \(layer)</h3>", "<div class=\"grid\">"]
            for part in SpectrumPage.parts(members) {
                let curves = members.filter { $0.tensor.part == part }.map { matrix in
                    decay(matrix, name: "head \(matrix.head ?? 0)", color: Page.color(matrix.head ?? 0, of: most))
                }
                lines.append(chart("\(part), layer \(layer)", curves))
            }
            lines.append("</div>")
        }
        return lines
    }

    /// Effective rank as a share of the full one over the steps.
    private func evolution(_ whole: [MatrixSpectrum]) -> [String] {
        let layers = Set(whole.compactMap(\.tensor.layer)).sorted()
        let charts = SpectrumPage.parts(whole).map { part in
            let names = whole.filter { $0.tensor.part == part }
            let curves = names.map { matrix in
                LineChart.Curve(
                    name: matrix.tensor.name,
                    color: matrix.tensor.layer.map { Page.color(layers.firstIndex(of: $0) ?? 0, of: layers.count) } ?? "var(--mark)",
                    points: snapshots.compactMap { snapshot in
                        guard let step = snapshot.step,
                            let found = snapshot.matrices.first(where: { $0.head == nil && $0.tensor.name == matrix.tensor.name })
                        else { return nil }
                        return (Double(step), found.spectrum.effectiveRank)
                    })
            }
            return LineChart(title: part, xLabel: "step", yLabel: "effective rank", curves: curves).figure
        }
        return ["<h2>Over the checkpoints</h2>", "<div class=\"grid\">"] + charts + ["</div>"]
    }

    private func chart(_ title: String, _ curves: [LineChart.Curve]) -> String {
        LineChart(title: title, xLabel: "share of the full rank", yLabel: "σ / σ₁", isLogarithmic: true, curves: curves).figure
    }

    /// At most about sixty points: more are not seen.
    private func decay(_ matrix: MatrixSpectrum, name: String, color: String) -> LineChart.Curve {
        let values = matrix.spectrum.values, largest = matrix.spectrum.largest
        guard largest > 0 else { return LineChart.Curve(name: name, color: color, points: []) }
        let step = max(1, values.count / 60)
        var places = Array(stride(from: 0, to: values.count, by: step))
        if places.last != values.count - 1 { places.append(values.count - 1) }
        let points = places.map { (x: Double($0) / Double(max(1, values.count - 1)), y: values[$0] / largest) }
        let text = "\(name): effective rank \(Page.number(matrix.spectrum.effectiveRank)) of \(values.count)"
        return LineChart.Curve(name: text, color: color, points: points)
    }

    private var definitions: String {
        "<p class=\"soft\">above 10 %: singular values above a tenth of the largest. 95 % and 99 %: the smallest rank that keeps that share "
            + "of the energy, the sum of the squares. Stable rank: energy over the largest one's square. Effective rank: the exponential of "
            + "the entropy of σ / Σσ (Roy and Vetterli 2007). Condition: largest over smallest. Error: ‖W − Wᵣ‖ / ‖W‖ of the best "
            + "approximation with a quarter of the full rank (Frobenius norm).</p>"
    }

    private func figures(_ matrices: [MatrixSpectrum]) -> String {
        Page.table(
            [
                "matrix", "rows", "columns", "largest", "above 10 %", "95 %", "99 %", "stable rank", "effective rank", "condition",
                "error at ¼",
            ],
            matrices.map { matrix in
                let s = matrix.spectrum
                return [
                    matrix.tensor.name + (matrix.head.map { ", head \($0)" } ?? ""), String(s.rows), String(s.columns),
                    Page.number(s.largest), String(s.countAboveTenth), String(s.rank(keeping: 0.95)), String(s.rank(keeping: 0.99)),
                    Page.number(s.stableRank), Page.number(s.effectiveRank), Page.number(s.conditionNumber),
                    Page.number(s.quarterError),
                ]
            })
    }

    /// Parts in the order they come.
    static func parts(_ matrices: [MatrixSpectrum]) -> [String] {
        var seen: Set<String> = []
        return matrices.map(\.tensor.part).filter { seen.insert($0).inserted }
    }
}
