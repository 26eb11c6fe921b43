import Analysis
import Foundation
import Reports

/// Spectra as lines for a terminal: the figures of one checkpoint, or effective ranks over several.
struct SpectrumTable {
    private let snapshots: [SpectrumSnapshot]
    private let showsHeads: Bool

    init(_ snapshots: [SpectrumSnapshot], heads: Bool) { (self.snapshots, showsHeads) = (snapshots, heads) }

    func lines(title: String) -> [String] {
        guard snapshots.count == 1, let only = snapshots.first else { return evolution(title: title) }
        let matrices = only.matrices, count = matrices.count { $0.head == nil }
        let step = only.step.map { ", step \($0.grouped)" } ?? ""
        let rows = grouped(matrices) { figures($0) }
        return ["\(title)\(step): singular values of \(count) matrices\n"] + SpectrumTable.aligned(SpectrumTable.headings, rows) + [
            "", ">10 %: values above a tenth of the largest, σ₁. 95 %, 99 %: ranks that keep that share of the energy.",
            "stable: ‖W‖²/σ₁². eff.: effective rank. cond.: σ₁ through the smallest. ¼ err: what the best",
            "approximation with a quarter of the full rank misses, as a share of the norm.",
        ]
    }

    private static let headings = ["matrix", "shape", "σ₁", ">10 %", "95 %", "99 %", "stable", "eff.", "cond.", "¼ err"]

    private func figures(_ matrix: MatrixSpectrum) -> [String] {
        let s = matrix.spectrum
        return ["\(s.rows)×\(s.columns)"]
            + [
                s.largest, Double(s.countAboveTenth), Double(s.rank(keeping: 0.95)), Double(s.rank(keeping: 0.99)), s.stableRank,
                s.effectiveRank, s.conditionNumber, s.quarterError,
            ].map(SpectrumTable.short)
    }

    /// Rows under a heading for each layer; heads as one row of means, or each with a row of its own.
    private func grouped(_ matrices: [MatrixSpectrum], _ cells: (MatrixSpectrum) -> [String]) -> [[String]] {
        var rows: [[String]] = []
        var layer: Int?
        for (index, matrix) in matrices.enumerated() {
            if let own = matrix.tensor.layer, own != layer { rows.append(["layer \(own)"]) }
            layer = matrix.tensor.layer
            let indent = layer == nil ? "" : "  "
            if let head = matrix.head {
                if showsHeads { rows.append(["\(indent)  head \(head)"] + cells(matrix)) }
            } else {
                rows.append([indent + matrix.tensor.part] + cells(matrix))
                let heads = matrices[(index + 1)...].prefix { $0.head != nil }
                if !showsHeads, !heads.isEmpty { rows.append(["\(indent)  mean of \(heads.count) heads"] + mean(Array(heads))) }
            }
        }
        return rows
    }

    private func mean(_ heads: [MatrixSpectrum]) -> [String] {
        let means = SpectrumAverage(heads.map(\.spectrum))
        return ["\(heads[0].spectrum.rows)×\(heads[0].spectrum.columns)"]
            + [
                means.largest, means.countAboveTenth, means.rank95, means.rank99, means.stableRank, means.effectiveRank,
                means.conditionNumber, means.quarterError,
            ].map(SpectrumTable.short)
    }

    /// Effective ranks of whole matrices, a column a checkpoint; of many, the first, the last and some between.
    private func evolution(title: String) -> [String] {
        let most = 6, all = snapshots
        let shown = all.count <= most ? all : (0..<most).map { all[(all.count - 1) * $0 / (most - 1)] }
        let whole = all[all.count - 1].matrices.filter { $0.head == nil }
        let rows = SpectrumTable(all, heads: true).grouped(whole) { matrix in
            [String(matrix.spectrum.values.count)]
                + shown.map { snapshot in
                    snapshot.matrices.first { $0.head == nil && $0.tensor.name == matrix.tensor.name }
                        .map { SpectrumTable.short($0.spectrum.effectiveRank) } ?? ""
                }
        }
        let left = all.count > shown.count ? " (\(shown.count) of \(all.count) checkpoints; --json and --html have all)" : ""
        return ["\(title): effective rank over the steps\(left)\n"]
            + SpectrumTable.aligned(["matrix", "of"] + shown.map { $0.step.map { $0.grouped } ?? "" }, rows)
    }

    /// At most six characters.
    static func short(_ value: Double) -> String {
        guard value.isFinite else { return "∞" }
        if value >= 10000 {
            return String(format: "%.0e", value).replacingOccurrences(of: "e+0", with: "e").replacingOccurrences(of: "e+", with: "e")
        }
        if value == value.rounded() || value >= 1000 { return String(format: "%.0f", value) }
        return value.fixed(value < 10 ? 3 : 1)
    }

    private static func aligned(_ headings: [String], _ rows: [[String]]) -> [String] {
        let widths = headings.indices.map { column in
            ([headings] + rows).map { $0.indices.contains(column) && $0.count > 1 ? $0[column].count : 0 }.max() ?? 0
        }
        return ([headings] + rows).map { row in
            row.count == 1
                ? row[0]
                : row.indices.map { $0 == 0 ? row[0].padded(to: widths[0]) : row[$0].leftPadded(to: widths[$0]) }.joined(separator: "  ")
        }
    }
}
