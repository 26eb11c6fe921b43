import Foundation

/// From values to places along an axis.
package struct Scale: Sendable {
    package enum Kind: String, Sendable { case linear, log }

    package let kind: Kind
    package let domain: ClosedRange<Double>
    /// Where the ends of the domain come to lie; the first may be the larger, as on an axis that goes up.
    package let range: (Double, Double)

    /// A scale over `values`, which widens a domain of no width. A logarithm of what is not above zero there is none of:
    /// such values must be left out before.
    /// - Parameter padding: the share of the domain that is added at each end.
    /// - Returns: nil where there is no finite value.
    package init?(_ kind: Kind = .linear, over values: [Double], to range: (Double, Double), padding: Double = 0) {
        let usable = values.filter { $0.isFinite && abs($0) < 1e100 && (kind == .linear || $0 > 0) }
        guard var low = usable.min(), var high = usable.max() else { return nil }
        switch kind {
        case .linear:
            if high - low <= abs(high) * 1e-12 {
                let room = high == 0 ? 1 : abs(high) * 0.05
                (low, high) = (low - room, high + room)
            }
            let room = (high - low) * padding
            (low, high) = (low - room, high + room)
        case .log:
            if high / low < 1.001 { (low, high) = (low / 1.5, high * 1.5) }
            let room = pow(high / low, padding)
            (low, high) = (low / room, high * room)
        }
        (self.kind, self.range, domain) = (kind, range, low...high)
    }

    /// Values outside the domain come to lie outside the range.
    package func callAsFunction(_ value: Double) -> Double {
        let share =
            switch kind {
            case .linear: (value - domain.lowerBound) / (domain.upperBound - domain.lowerBound)
            case .log: log(value / domain.lowerBound) / log(domain.upperBound / domain.lowerBound)
            }
        // What lies far outside stays a number that a drawing can hold.
        return range.0 + max(-10, min(11, share.isNaN ? 11 : share)) * (range.1 - range.0)
    }
}
