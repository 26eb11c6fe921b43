import Analysis
import Foundation
import Testing
import Training

/// Singular values and their figures against matrices whose spectra are known.
struct SpectrumTests {
    func spectrum(_ matrix: [Float], _ rows: Int, _ columns: Int) throws -> Spectrum {
        try Spectrum(values: SingularValues.of(matrix, rows: rows, columns: columns, name: "w"), rows: rows, columns: columns)
    }

    /// The singular values by one-sided Jacobi rotations (Hestenes 1958) in float64: slow, plain, and another way.
    func jacobi(_ matrix: [Float], _ rows: Int, _ columns: Int) -> [Double] {
        var a = (0..<columns).map { column in (0..<rows).map { Double(matrix[$0 * columns + column]) } }
        for _ in 0..<60 {
            var largest = 0.0
            for p in 0..<columns {
                for q in p + 1..<max(p + 1, columns) {
                    let (x, y) = (a[p], a[q])
                    let (xx, yy, xy) = (
                        zip(x, x).reduce(0) { $0 + $1.0 * $1.1 }, zip(y, y).reduce(0) { $0 + $1.0 * $1.1 },
                        zip(x, y).reduce(0) { $0 + $1.0 * $1.1 }
                    )
                    guard abs(xy) > 1e-300 else { continue }
                    largest = max(largest, abs(xy) / (xx * yy).squareRoot())
                    let zeta = (yy - xx) / (2 * xy), t = (zeta >= 0 ? 1 : -1) / (abs(zeta) + (1 + zeta * zeta).squareRoot())
                    let c = 1 / (1 + t * t).squareRoot(), s = c * t
                    for row in 0..<rows { (a[p][row], a[q][row]) = (c * x[row] - s * y[row], s * x[row] + c * y[row]) }
                }
            }
            if largest < 1e-15 { break }
        }
        let norms = a.map { column in column.reduce(0) { $0 + $1 * $1 }.squareRoot() }
        return Array(norms.sorted(by: >).prefix(min(rows, columns)))
    }

    @Test(arguments: [(1, 1), (5, 5), (7, 3), (3, 7), (40, 24), (24, 40), (64, 64), (200, 9)])
    func equalsTheReference(rows: Int, columns: Int) throws {
        let matrix = randomNumbers(rows * columns, stream: UInt64(rows * 1000 + columns))
        let found = try spectrum(matrix, rows, columns).values, wanted = jacobi(matrix, rows, columns)
        #expect(found.count == min(rows, columns) && found == found.sorted(by: >))
        for (a, b) in zip(found, wanted) { #expect(abs(a - b) < 1e-11 * wanted[0], "\(a) is not \(b)") }
    }

    @Test func diagonal() throws {
        let values: [Float] = [8, 4, 2, 1, 0.5]
        var matrix = [Float](repeating: 0, count: 5 * 6)
        for (index, value) in values.shuffled().enumerated() { matrix[index * 6 + index] = value }
        let s = try spectrum(matrix, 5, 6)
        for (a, b) in zip(s.values, values) { #expect(abs(a - Double(b)) < 1e-14) }
        #expect(s.largest == s.values[0] && abs(s.energy - 85.25) < 1e-12)
        #expect(s.countAboveTenth == 4, "0.5 is not above 0.8")
        #expect(s.rank(keeping: 0.95) == 3 && s.rank(keeping: 0.99) == 4, "64, 80, 84, 85 of 85.25")
        #expect(s.rank(keeping: 1) == 5 && s.rank(keeping: 64 / 85.25 - 1e-9) == 1)
        #expect(abs(s.stableRank - 85.25 / 64) < 1e-12)
        let shares = values.map { Double($0) / 15.5 }
        #expect(abs(s.effectiveRank - exp(-shares.reduce(0) { $0 + $1 * log($1) })) < 1e-12)
        #expect(abs(s.conditionNumber - 16) < 1e-12)
        let error = s.error(rank: 2)
        #expect(abs(error.frobenius - (5.25 / 85.25).squareRoot()) < 1e-12 && abs(error.spectral - 0.25) < 1e-14)
        #expect(abs(s.error(rank: 0).frobenius - 1) < 1e-14 && s.error(rank: 0).spectral == 1)
        #expect(s.error(rank: 5).frobenius == 0 && s.error(rank: 5).spectral == 0 && s.error(rank: 50).frobenius == 0)
        #expect(s.quarterError == s.error(rank: 1).frobenius)
    }

    /// All directions alike: a rotation, as a product of plane ones.
    @Test func orthogonal() throws {
        let n = 16
        var q = (0..<n).map { row in (0..<n).map { $0 == row ? 1.0 : 0 } }
        for (turn, (i, j)) in (0..<n).flatMap({ i in (i + 1..<max(i + 1, n)).map { (i, $0) } }).enumerated() {
            let (c, s) = (cos(Double(turn)), sin(Double(turn)))
            for row in 0..<n { (q[row][i], q[row][j]) = (c * q[row][i] - s * q[row][j], s * q[row][i] + c * q[row][j]) }
        }
        let s = try spectrum(q.flatMap { $0.map(Float.init) }, n, n)
        for value in s.values { #expect(abs(value - 1) < 1e-6) }
        #expect(s.countAboveTenth == n && s.rank(keeping: 0.95) == n && s.rank(keeping: 0.5) == n / 2)
        #expect(abs(s.stableRank - Double(n)) < 1e-4 && abs(s.effectiveRank - Double(n)) < 1e-6)
        #expect(abs(s.conditionNumber - 1) < 1e-5)
        #expect(abs(s.error(rank: 4).frobenius - 0.75.squareRoot()) < 1e-6)
    }

    @Test func rankOne() throws {
        // Powers of two: the products are exact.
        let u: [Float] = [1, 2, -4, 0.5, 8], v: [Float] = [0.25, -1, 2]
        let s = try spectrum(u.flatMap { a in v.map { a * $0 } }, 5, 3)
        let norm = Double(u.reduce(0) { $0 + $1 * $1 } * v.reduce(0) { $0 + $1 * $1 }).squareRoot()
        #expect(abs(s.largest - norm) < 1e-12 && s.values[1] < 1e-14 * norm)
        #expect(s.countAboveTenth == 1 && s.rank(keeping: 0.99) == 1 && abs(s.stableRank - 1) < 1e-12)
        #expect(abs(s.effectiveRank - 1) < 1e-9 && s.conditionNumber == .infinity)
        #expect(s.error(rank: 1).frobenius < 1e-14)
    }

    @Test func zeros() throws {
        let s = try spectrum([Float](repeating: 0, count: 12), 4, 3)
        #expect(s.values == [0, 0, 0] && s.energy == 0 && s.countAboveTenth == 0 && s.rank(keeping: 0.95) == 0)
        #expect(s.stableRank == 0 && s.effectiveRank == 0 && s.conditionNumber == .infinity)
        #expect(s.error(rank: 0).frobenius == 0 && s.error(rank: 0).spectral == 0)
    }

    /// Sizes at the ends of float32 neither overflow nor vanish in float64.
    @Test(arguments: [Float(1e38), 1e-38]) func extremes(scale: Float) throws {
        let s = try spectrum([scale, 0, 0, scale / 2], 2, 2)
        #expect(abs(s.stableRank - 1.25) < 1e-6 && abs(s.conditionNumber - 2) < 1e-5 && s.rank(keeping: 0.75) == 1)
    }

    @Test(arguments: [Float.nan, .infinity, -.infinity]) func notFinite(value: Float) throws {
        var matrix = randomNumbers(12, stream: 1)
        matrix[7] = value
        let text = message { _ = try SingularValues.of(matrix, rows: 3, columns: 4, name: "layers.0.mlp.up.weight") }
        #expect(text.contains("layers.0.mlp.up.weight") && text.contains("row 1, column 3") && text.contains("not finite"), "\(text)")
    }

    @Test(arguments: [(6, 4), (4, 6), (5, 5)]) func factorsGiveTheMatrixBack(rows: Int, columns: Int) throws {
        let matrix = randomNumbers(rows * columns, stream: 4), k = min(rows, columns)
        let f = try SingularValues.factors(matrix, rows: rows, columns: columns, name: "w")
        #expect(f.left.count == rows * k && f.right.count == k * columns)
        for row in 0..<rows {
            for column in 0..<columns {
                let sum = (0..<k).reduce(0.0) { $0 + f.left[row * k + $1] * f.values[$1] * f.right[$1 * columns + column] }
                #expect(abs(sum - Double(matrix[row * columns + column])) < 1e-12)
            }
        }
    }

    @Test func averages() {
        let a = Spectrum(values: [4, 2], rows: 2, columns: 2), b = Spectrum(values: [2, 2], rows: 2, columns: 2)
        let mean = SpectrumAverage([a, b])
        #expect(mean.largest == 3 && mean.countAboveTenth == 2 && mean.stableRank == (1.25 + 2) / 2 && mean.conditionNumber == 1.5)
        #expect(mean.effectiveRank == (a.effectiveRank + b.effectiveRank) / 2 && mean.quarterError == (a.quarterError + b.quarterError) / 2)
        #expect(mean.rank95 == 2 && mean.rank99 == 2)
    }
}
