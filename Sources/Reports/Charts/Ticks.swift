import Foundation

/// Round values along an axis, and how they are written.
package struct Ticks: Sendable {
    /// What an axis counts.
    package enum Unit: Sendable { case number, whole, bytes }

    package let values: [Double]
    package let labels: [String]

    /// - Parameter count: about how many there is room for.
    package init(_ scale: Scale, unit: Unit = .number, count: Int = 5) {
        let domain = scale.domain
        let base = unit == .bytes ? Ticks.byteUnit(domain.upperBound).size : 1
        let inUnits = domain.lowerBound / base...domain.upperBound / base
        var marks = scale.kind == .log ? Ticks.logarithmic(inUnits, unit: unit) : []
        if scale.kind == .linear || marks.count < 2 { marks = Ticks.linear(inUnits, count: count) }
        if unit == .whole { marks = marks.filter { abs($0 - $0.rounded()) < 1e-9 } }
        while marks.count > count * 2 { marks = marks.enumerated().filter { $0.offset % 2 == 0 }.map(\.element) }
        values = marks.map { $0 * base }
        labels =
            unit == .bytes
            ? marks.map { "\(Ticks.plain($0)) \(Ticks.byteUnit(domain.upperBound).name)" } : Ticks.numbers(marks)
    }

    /// Multiples of 1, 2 or 5 times a power of ten within `domain`, about `count` of them.
    package static func linear(_ domain: ClosedRange<Double>, count: Int) -> [Double] {
        let span = domain.upperBound - domain.lowerBound
        guard span > 0, span.isFinite, count > 0 else { return [] }
        let rough = span / Double(count), power = pow(10, floor(log10(rough)))
        let step = ([1, 2, 5, 10].first { $0 * power >= rough * 0.999 } ?? 10) * power
        guard step > 0, step.isFinite, abs(domain.upperBound) / step < 1e12 else { return [] }
        let first = (domain.lowerBound / step - 1e-9).rounded(.up), last = (domain.upperBound / step + 1e-9).rounded(.down)
        guard last >= first else { return [] }
        return stride(from: first, through: last, by: 1).map { $0 * step + 0 }
    }

    /// Powers of ten, with their doubles and fivefolds where the domain is short; of bytes powers of two.
    package static func logarithmic(_ domain: ClosedRange<Double>, unit: Unit) -> [Double] {
        guard domain.lowerBound > 0, domain.upperBound < 1e90 else { return [] }
        let base = unit == .bytes ? 2.0 : 10.0
        let factors: [Double] = unit == .bytes || domain.upperBound / domain.lowerBound > 1000 ? [1] : [1, 2, 5]
        let first = Int(floor(log(domain.lowerBound) / log(base))), last = Int(ceil(log(domain.upperBound) / log(base)))
        return (first...last).flatMap { power in factors.map { $0 * pow(base, Double(power)) } }
            .filter { $0 >= domain.lowerBound * 0.999 && $0 <= domain.upperBound * 1.001 }
    }

    private static func byteUnit(_ value: Double) -> (name: String, size: Double) {
        let units = [("B", 1.0), ("KiB", 0x1p10), ("MiB", 0x1p20), ("GiB", 0x1p30), ("TiB", 0x1p40)]
        return units.last { value >= $0.1 } ?? ("B", 1)
    }

    /// All with the suffix that the largest needs, and no more digits than tell them apart.
    private static func numbers(_ values: [Double]) -> [String] {
        let largest = values.map(abs).max() ?? 0
        let suffixes = [("", 1.0), (" k", 1e3), (" M", 1e6), (" G", 1e9), (" T", 1e12), (" P", 1e15), (" E", 1e18)]
        let (suffix, size) = largest < 1e4 ? ("", 1) : suffixes.last { largest >= $0.1 } ?? ("", 1)
        return values.map { $0 == 0 ? "0" : "\(plain($0 / size))\(suffix)" }
    }

    private static func plain(_ value: Double) -> String {
        String(format: "%.6g", value).replacingOccurrences(of: "-", with: "−")
    }
}
