import Foundation

/// The singular values of one matrix and what they say about it.
public struct Spectrum: Sendable {
    /// Largest first.
    public let values: [Double]
    public let rows: Int, columns: Int
    /// Σ σᵢ² over i ≥ r, for r = 0 … count; added from the smallest up, so that small tails keep their digits.
    private let tails: [Double]

    public init(values: [Double], rows: Int, columns: Int) {
        (self.values, self.rows, self.columns) = (values, rows, columns)
        var tails = [Double](repeating: 0, count: values.count + 1)
        for index in values.indices.reversed() { tails[index] = tails[index + 1] + values[index] * values[index] }
        self.tails = tails
    }

    /// ‖W‖₂, the largest singular value.
    public var largest: Double { values.first ?? 0 }
    /// ‖W‖_F², the sum of the squares.
    public var energy: Double { tails[0] }
    /// Singular values above a tenth of the largest.
    public var countAboveTenth: Int { values.count { $0 > 0.1 * largest } }

    /// The smallest rank whose best approximation keeps `share` of the energy; 0 for a matrix of zeros.
    public func rank(keeping share: Double) -> Int {
        let lost = max(0, 1 - share) * energy
        return tails.firstIndex { $0 <= lost } ?? values.count
    }

    /// ‖W‖_F² / ‖W‖₂² (Rudelson and Vershynin 2007, arXiv:math/0503442); 0 for a matrix of zeros.
    public var stableRank: Double { largest > 0 ? energy / (largest * largest) : 0 }

    /// The exponential of the entropy of σᵢ / Σσ (Roy and Vetterli 2007, "The effective rank"); 0 for a matrix of zeros.
    public var effectiveRank: Double {
        let sum = values.reduce(0, +)
        guard sum > 0 else { return 0 }
        return exp(values.reduce(0) { $1 > 0 ? $0 - $1 / sum * log($1 / sum) : $0 })
    }

    /// Largest through smallest singular value; infinite where the smallest cannot be told from zero in float64.
    public var conditionNumber: Double {
        guard let smallest = values.last, smallest > largest * Double.ulpOfOne * Double(max(rows, columns)) else { return .infinity }
        return largest / smallest
    }

    /// How far the best approximation of a rank is from the matrix, as shares of its own norms (Eckart and Young 1936).
    public struct ApproximationError: Sendable, Equatable {
        /// ‖W − Wᵣ‖_F / ‖W‖_F
        public let frobenius: Double
        /// ‖W − Wᵣ‖₂ / ‖W‖₂ = σᵣ₊₁ / σ₁
        public let spectral: Double
    }

    /// Nothing is lost of a matrix of zeros.
    public func error(rank: Int) -> ApproximationError {
        precondition(rank >= 0, "a rank is not negative")
        guard largest > 0, rank < values.count else { return ApproximationError(frobenius: 0, spectral: 0) }
        return ApproximationError(frobenius: (tails[rank] / energy).squareRoot(), spectral: values[rank] / largest)
    }

    /// The Frobenius error with a quarter of the full rank, one number to compare matrices by.
    public var quarterError: Double { error(rank: max(1, values.count / 4)).frobenius }
}

/// The means of several matrices' figures, such as those of the heads of one.
public struct SpectrumAverage: Sendable {
    public let largest: Double, countAboveTenth: Double, rank95: Double, rank99: Double
    public let stableRank: Double, effectiveRank: Double, conditionNumber: Double
    /// Of the approximation with a quarter of the full rank, Frobenius.
    public let quarterError: Double

    public init(_ spectra: [Spectrum]) {
        func mean(_ figure: (Spectrum) -> Double) -> Double { spectra.reduce(0) { $0 + figure($1) } / Double(max(1, spectra.count)) }
        largest = mean(\.largest)
        countAboveTenth = mean { Double($0.countAboveTenth) }
        rank95 = mean { Double($0.rank(keeping: 0.95)) }
        rank99 = mean { Double($0.rank(keeping: 0.99)) }
        stableRank = mean(\.stableRank)
        effectiveRank = mean(\.effectiveRank)
        conditionNumber = mean(\.conditionNumber)
        quarterError = mean(\.quarterError)
    }
}
