import Foundation

/// The mean of independent measurements, such as one a seed, and how sure it is.
public struct Estimate: Sendable, Equatable {
    public let values: [Double]
    public let mean: Double
    /// Standard deviation of one measurement, with n − 1; nil for a single one.
    public let deviation: Double?
    /// Half the width of the 95 % interval of the mean, t(n − 1) · s / √n; nil for a single measurement.
    public let halfWidth: Double?

    /// The share of intervals that hold the true mean.
    public static let confidence = 0.95

    /// - Returns: nil where there is nothing to average.
    public init?(_ values: [Double]) {
        guard !values.isEmpty else { return nil }
        self.values = values
        let count = Double(values.count)
        // About the first value, so that equal values have exactly that mean and no deviation.
        let first = values[0]
        let mean = first + values.reduce(0) { $0 + ($1 - first) } / count
        self.mean = mean
        guard values.count > 1 else {
            (deviation, halfWidth) = (nil, nil)
            return
        }
        let deviation = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (count - 1)).squareRoot()
        self.deviation = deviation
        halfWidth = StudentT.halfWidth(share: Estimate.confidence, degrees: count - 1) * deviation / count.squareRoot()
    }

    /// The 95 % interval of the mean by Student's t; nil for a single measurement, which says nothing of its own spread.
    public var interval: ClosedRange<Double>? {
        guard let halfWidth, mean.isFinite, halfWidth.isFinite else { return nil }
        return mean - halfWidth...mean + halfWidth
    }
}

/// How far one variant is from another, seed by seed: what all variants have of a seed (batches, most starting weights)
/// falls out of the differences.
public struct PairedDifference: Sendable, Equatable {
    /// What can be said of the difference.
    public enum Verdict: String, Sendable {
        case lower, higher
        /// A difference as large would not be rare if there were none.
        case noise
        /// Every pair is the same to the last bit.
        case identical
        /// One pair, or pairs that differ by exactly the same: nothing to judge noise by.
        case unknown
    }

    /// The difference's mean and interval: below zero where the first is lower.
    public let estimate: Estimate
    /// Of the paired t test, two-sided; nil where it cannot be judged.
    public let pValue: Double?

    /// - Parameters:
    ///   - values: measurements by seed.
    ///   - others: what they are compared with; only seeds that both have count.
    /// - Returns: nil where they share no seed.
    public init?(_ values: [Int: Double], minus others: [Int: Double]) {
        let differences = values.keys.sorted().compactMap { seed in others[seed].map { (values[seed] ?? .nan) - $0 } }
        guard let estimate = Estimate(differences) else { return nil }
        self.estimate = estimate
        if let deviation = estimate.deviation, deviation > 0 {
            let t = estimate.mean / (deviation / Double(differences.count).squareRoot())
            pValue = StudentT.twoSidedTail(t, degrees: Double(differences.count - 1))
        } else if estimate.deviation == 0, estimate.mean == 0 {
            pValue = 1
        } else {
            pValue = nil
        }
    }

    public var mean: Double { estimate.mean }

    /// The 95 % interval; nil where the differences do not vary though there is one, as for a single pair.
    public var interval: ClosedRange<Double>? { pValue == nil ? nil : estimate.interval }

    public var verdict: Verdict {
        guard let pValue else { return .unknown }
        if estimate.deviation == 0 { return .identical }
        if pValue >= 1 - Estimate.confidence { return .noise }
        return mean < 0 ? .lower : .higher
    }
}
