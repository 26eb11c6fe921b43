import Configuration
import Foundation

/// How much training each variant gets, so that what is compared had the same to learn from or cost the same.
public struct Budget: Sendable, Equatable, CustomStringConvertible {
    /// What is equal between variants.
    public enum Unit: String, CaseIterable, Sendable {
        /// Tokens of training text.
        case tokens
        /// Training FLOPs, as `Accounting.flopsPerToken` counts them.
        case flops
        /// Time spent in training steps, by the speed measured here before.
        case seconds
        /// Optimizer steps.
        case steps
    }

    public let unit: Unit
    public let amount: Double

    /// What a comparison spends on each run unless told otherwise: a few variants with three seeds take minutes.
    public static let usual = Budget(.tokens, 5e5)

    public init(_ unit: Unit, _ amount: Double) { (self.unit, self.amount) = (unit, amount) }

    /// Reads `tokens=2M`, `flops=1.5P`, `seconds=60`, `steps=500`. Suffixes: k, M, G (or B), T, P, E.
    /// - Throws: `ConfigError` that says what is wrong with `text`.
    public init(_ text: String) throws {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let names = Unit.allCases.map(\.rawValue)
        guard parts.count == 2 else {
            throw ConfigError("--budget \(text): expected UNIT=AMOUNT, such as tokens=2M; units: \(names.joined(separator: ", "))")
        }
        guard let unit = Unit(rawValue: parts[0]) else {
            let hint = nearest(to: parts[0], in: names).map { "did you mean \($0)? " } ?? ""
            throw ConfigError("--budget \(text): unknown unit \"\(parts[0])\"; \(hint)(units: \(names.joined(separator: ", ")))")
        }
        guard let amount = Budget.number(parts[1]) else {
            throw ConfigError("--budget \(text): \"\(parts[1])\" is not an amount; write a number such as 500, 2M or 1.5e15")
        }
        guard amount > 0, amount <= 1e30 else {
            throw ConfigError("--budget \(text): the amount must be above zero, and at most 1e30")
        }
        guard unit == .seconds || unit == .flops || amount == amount.rounded() else {
            throw ConfigError("--budget \(text): \(unit.rawValue) are counted; write a whole number")
        }
        (self.unit, self.amount) = (unit, amount)
    }

    /// A number with a decimal suffix. A small m would mean a thousandth, so it is none.
    private static func number(_ text: String) -> Double? {
        let factors: [Character: Double] = [
            "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
        ]
        // Double also reads names such as inf and nan, and hexadecimal.
        guard text.first?.isNumber == true || text.first == "." || text.first == "-", !text.lowercased().contains("x") else { return nil }
        if let last = text.last, let factor = factors[last] { return Double(text.dropLast()).map { $0 * factor } }
        return Double(text)
    }

    public var description: String {
        let whole = amount == amount.rounded() && amount < 1e15 ? String(Int(amount)) : "\(amount)"
        return "\(unit.rawValue)=\(whole)"
    }

    /// The steps that fit the budget: never more than it allows.
    /// - Parameters:
    ///   - tokensPerStep: tokens of one optimizer step.
    ///   - flopsPerToken: training FLOPs.
    ///   - secondsPerStep: as measured; needed for `seconds`.
    /// - Throws: `ConfigError` when not even one step fits.
    func steps(of variant: String, tokensPerStep: Int, flopsPerToken: Int, secondsPerStep: Double?) throws -> Int {
        let one: Double
        switch unit {
        case .tokens: one = Double(tokensPerStep)
        case .flops: one = Double(tokensPerStep) * Double(flopsPerToken)
        case .seconds: one = secondsPerStep ?? 1
        case .steps: one = 1
        }
        let steps = (amount / one).rounded(.down)
        guard steps >= 1 else {
            let needed = String(format: "%.3g", one)
            throw ConfigError("--budget \(self) is less than one step of \(variant), which takes \(unit.rawValue)=\(needed); raise it")
        }
        guard steps <= 1e9 else {
            throw ConfigError("--budget \(self) is more than a billion steps of \(variant); lower it")
        }
        return Int(steps)
    }
}
