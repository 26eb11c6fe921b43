import Architectures
import Configuration
import Foundation
import Text

/// Makes a variant as large as the baseline: by the hidden size of its feed-forward, or where that does not suffice by
/// its width.
struct ParameterMatch {
    let target: Int
    let tokenizer: any Tokenizer
    let registries: Registries

    /// How far the hidden size may go, as a factor: further, the feed-forward would be another one.
    private static let hiddenRange = 0.25...4.0
    /// Parameter counts this near, as a share, need no change.
    private static let nearEnough = 0.001

    /// The variant with as nearly `target` parameters as can be, saying what was changed.
    /// - Throws: `ConfigError` where nothing comes near.
    func matched(_ variant: Variant) throws -> Variant {
        let count = try parameters(variant.config)
        guard !isNear(count) else { return variant }
        guard let found = byHidden(variant.config, count) ?? byWidth(variant.config) else {
            throw ConfigError(
                "--match parameters: no hidden size or width brings the \(count) parameters of \(variant.name) near the baseline's \(target); "
                    + "leave that variant out, or give it sizes that come nearer",
                file: variant.source)
        }
        let share = (Double(found.parameters) / Double(target) - 1) * 100
        let change =
            "\(found.key) \(found.old) → \(found.new): \(count) → \(found.parameters) parameters, "
            + String(format: "%+.2f %% of the baseline's", share)
        return Variant(found.config, source: variant.source, change: change)
    }

    private struct Found {
        let config: RunConfig
        let parameters: Int
        let key: String, old: Int, new: Int
    }

    private func isNear(_ count: Int) -> Bool { abs(Double(count - target)) <= ParameterMatch.nearEnough * Double(target) }

    private func parameters(_ config: RunConfig) throws -> Int {
        try Trainer.model(config, tokenizer: tokenizer).accounting.parameters
    }

    /// By `model.mlp.hidden`, which parameters grow with in a straight line; nil where the feed-forward has no such one
    /// size for all layers, or where the size would have to change by more than fourfold.
    private func byHidden(_ config: RunConfig, _ count: Int) -> Found? {
        let mlp = config.resolved[path: "model.mlp"]
        guard let mlp, mlp["by_layer"] == nil, mlp["hidden"] == .null || mlp["hidden"]?.intValue != nil,
            mlp["expansion"]?.objectValue == nil
        else { return nil }
        func with(_ hidden: Int) -> (config: RunConfig, parameters: Int)? {
            guard let changed = try? config.setting(["model": ["mlp": ["hidden": .int(hidden)]]], registries),
                let parameters = try? parameters(changed)
            else { return nil }
            return (changed, parameters)
        }
        guard let one = with(1), let two = with(2), two.parameters > one.parameters else { return nil }
        let slope = Double(two.parameters - one.parameters)
        let old = Double(count - one.parameters) / slope + 1, new = (Double(target - one.parameters) / slope + 1).rounded()
        guard old >= 1, new >= 1, ParameterMatch.hiddenRange.contains(new / old), let found = with(Int(new)) else { return nil }
        return Found(config: found.config, parameters: found.parameters, key: "model.mlp.hidden", old: Int(old.rounded()), new: Int(new))
    }

    /// By `model.width`, among the widths that the config allows; nil where none from half to twice its own comes within
    /// the share that is warned of.
    private func byWidth(_ config: RunConfig) -> Found? {
        let old = config.model.sizes.width
        var best: Found?
        // Parameters grow with the width: the far side of the target need not be searched once it is passed.
        func search(_ widths: some Sequence<Int>, past: (Int) -> Bool) {
            for width in widths {
                guard let changed = try? config.setting(["model": ["width": .int(width)]], registries),
                    let parameters = try? parameters(changed)
                else { continue }
                if abs(parameters - target) < abs((best?.parameters ?? .max) - target) {
                    best = Found(config: changed, parameters: parameters, key: "model.width", old: old, new: width)
                }
                if past(parameters) { return }
            }
        }
        search(old...old * 2) { $0 >= target }
        search((max(1, old / 2)..<old).reversed()) { $0 <= target }
        guard let best, abs(Double(best.parameters - target)) <= Comparison.parameterTolerance * Double(target) else { return nil }
        return best
    }
}
