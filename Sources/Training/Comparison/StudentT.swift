import Foundation

/// Student's t distribution, from the regularized incomplete beta function.
public enum StudentT {
    /// The chance that |T| is at least |`t`|: the p-value of a two-sided test.
    ///
    /// With ν degrees of freedom it is I_x(ν/2, 1/2) at x = ν / (ν + t²) (DLMF 8.17; Abramowitz and Stegun 26.7.1).
    public static func twoSidedTail(_ t: Double, degrees: Double) -> Double {
        guard t.isFinite else { return t.isNaN ? .nan : 0 }
        let square = t * t
        guard square.isFinite else { return 0 }
        return regularizedBeta(degrees / (degrees + square), complement: square / (degrees + square), degrees / 2, 0.5)
    }

    /// The t whose interval −t … t holds `share` of the distribution: 12.7062… for 95 % and one degree of freedom.
    ///
    /// The tail falls as t grows, so t is found by halving an interval until it is two neighbouring numbers.
    public static func halfWidth(share: Double, degrees: Double) -> Double {
        precondition(share > 0 && share < 1 && degrees > 0, "a share between 0 and 1, and degrees of freedom")
        let tail = 1 - share
        var (low, high) = (0.0, 1.0)
        while twoSidedTail(high, degrees: degrees) > tail, high < 1e300 { (low, high) = (high, high * 2) }
        while true {
            let middle = low + (high - low) / 2
            if middle <= low || middle >= high { return high }
            if twoSidedTail(middle, degrees: degrees) > tail { low = middle } else { high = middle }
        }
    }

    /// The regularized incomplete beta function I_x(a, b) for a, b > 0 and 0 ≤ x ≤ 1 (DLMF 8.17.2).
    /// - Parameter complement: 1 − x, asked for so that it is exact where x is near 1; by default computed.
    public static func regularizedBeta(_ x: Double, complement: Double? = nil, _ a: Double, _ b: Double) -> Double {
        let y = complement ?? 1 - x
        if x <= 0 { return 0 }
        if y <= 0 { return 1 }
        // The fraction converges fast below the mean; above it, the other tail's does: I_x(a, b) = 1 − I_{1−x}(b, a).
        return x <= (a + 1) / (a + b + 2) ? lowerBeta(x, y, a, b) : 1 - lowerBeta(y, x, b, a)
    }

    /// x^a (1−x)^b / (a B(a, b)) over the continued fraction of DLMF 8.17.22.
    private static func lowerBeta(_ x: Double, _ y: Double, _ a: Double, _ b: Double) -> Double {
        let logBeta = logGamma(a) + logGamma(b) - logGamma(a + b)
        // The logarithm of the smaller of x and 1 − x is exact; of the larger it is made from the smaller.
        let (logX, logY) = x <= y ? (log(x), log1p(-x)) : (log1p(-y), log(y))
        return exp(a * logX + b * logY - logBeta) / (a * fraction(x, a, b))
    }

    /// 1 + d₁/(1 + d₂/(1 + …)), by Lentz's method, which builds it from the front as a product of ratios.
    private static func fraction(_ x: Double, _ a: Double, _ b: Double) -> Double {
        // Stands for a zero, which a ratio must not be.
        let tiny = 1e-300
        var (value, numerator, denominator) = (1.0, 1.0, 0.0)
        for n in 1...10_000 {
            let m = Double(n / 2)
            let d =
                n % 2 == 0
                ? m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
                : -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
            denominator = 1 + d * denominator
            if abs(denominator) < tiny { denominator = tiny }
            denominator = 1 / denominator
            numerator = 1 + d / numerator
            if abs(numerator) < tiny { numerator = tiny }
            let ratio = numerator * denominator
            value *= ratio
            if abs(ratio - 1) < 1e-16 { break }
        }
        return value
    }

    private static func logGamma(_ x: Double) -> Double { lgamma(x).0 }
}
