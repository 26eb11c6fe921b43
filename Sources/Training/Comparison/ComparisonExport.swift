import Configuration
import Foundation

extension ComparisonRow {
    /// The row for machines. What was not measured, or cannot be judged, is null.
    ///
    /// Losses are in nats a token; intervals are [low, high], of 95 %; `difference` is to the baseline, below zero where
    /// this variant is better.
    public func json(isBest: Bool) -> JSON {
        func number(_ value: Double?) -> JSON { value.map { $0.isFinite ? .double($0) : .null } ?? .null }
        func interval(_ value: ClosedRange<Double>?) -> JSON { value.map { [.double($0.lowerBound), .double($0.upperBound)] } ?? .null }
        return [
            "name": .string(name), "baseline": .bool(isBaseline), "best": .bool(isBest), "val_loss": number(loss?.mean),
            "val_loss_interval": interval(loss?.interval), "val_losses": .array((loss?.values ?? []).map { .double($0) }),
            "val_bits_per_byte": number(bitsPerByte), "val_accuracy": number(accuracy), "above_floor": number(aboveFloor),
            "difference": number(difference?.mean), "difference_interval": interval(difference?.interval),
            "p_value": number(difference?.pValue),
            "verdict": difference.map { .string(isJudged ? $0.verdict.rawValue : "not_judged") } ?? .null,
            "difference_to_best": number(differenceToBest?.mean), "p_value_to_best": number(differenceToBest?.pValue),
            "parameters": .int(parameters), "flops_per_token": .int(flopsPerToken), "kv_bytes_per_token": .int(kvBytesPerToken),
            "kv_bytes": .int(kvBytes), "train_steps": .int(steps), "train_tokens": .int(tokens), "train_flops": .double(flops),
            "train_seconds": number(trainSeconds), "train_tokens_per_second": number(trainTokensPerSecond),
            "decode_tokens_per_second": number(decodeTokensPerSecond), "peak_memory_bytes": peakMemoryBytes.map { .int($0) } ?? .null,
            "seeds_finished": .int(seedsFinished),
            "failures": .array(failures.map { ["seed": .int($0.seed), "message": .string($0.message)] }),
        ]
    }
}

extension ComparisonResults {
    /// All of it for machines; `rows` has a row a variant, the lowest loss first.
    public var json: JSON {
        [
            "name": .string(comparison.name), "baseline": .string(comparison.baseline), "best": best.map { .string($0) } ?? .null,
            "within_noise_of_best": .array(withinNoiseOfBest.map { .string($0) }),
            "unjudged_against_best": .array(unjudgedAgainstBest.map { .string($0) }),
            "budget": comparison.budget.map { .string($0.description) } ?? .null, "seeds": .int(comparison.seeds),
            "runs": .int(comparison.runs.count), "runs_finished": .int(runsFinished), "runs_failed": .int(runsFailed),
            "complete": .bool(isComplete), "text": .string(comparison.text.name), "evaluated_tokens": .int(judgedTokens),
            "floor": comparison.text.floor.map {
                ["nats_per_token": .double($0.natsPerToken), "bits_per_byte": .double($0.bitsPerByte)]
            } ?? .null,
            "conditions": .array(conditions.map { ["threads": .int($0.threads), "jobs": .int($0.jobs)] }),
            "changes": .object(
                Dictionary(
                    comparison.variants.compactMap { variant in variant.change.map { (variant.name, .string($0)) } },
                    uniquingKeysWith: { first, _ in first })),
            "warnings": .array(warnings.map { .string($0) }), "rows": .array(rows.map { $0.json(isBest: $0.name == best) }),
        ]
    }

    /// The rows as comma-separated values (RFC 4180), a column a figure; lists are left to the JSON.
    public var csv: String {
        let columns = [
            "name", "baseline", "best", "val_loss", "val_loss_low", "val_loss_high", "difference", "difference_low", "difference_high",
            "p_value", "verdict", "val_bits_per_byte", "above_floor", "val_accuracy", "parameters", "flops_per_token", "train_steps",
            "train_tokens", "train_flops", "train_seconds", "train_tokens_per_second", "decode_tokens_per_second", "kv_bytes_per_token",
            "kv_bytes", "peak_memory_bytes", "seeds_finished",
        ]
        func field(_ value: JSON?) -> String {
            guard let value, value != .null else { return "" }
            let text = value.stringValue ?? value.text(pretty: false)
            return text.contains(where: { $0 == "," || $0 == "\"" || $0.isNewline })
                ? "\"\(text.replacingOccurrences(of: "\"", with: "\"\""))\"" : text
        }
        let lines = rows.map { row in
            var members = row.json(isBest: row.name == best).objectValue ?? [:]
            for key in ["val_loss", "difference"] {
                let bounds = members["\(key)_interval"]?.arrayValue
                (members["\(key)_low"], members["\(key)_high"]) = (bounds?.first, bounds?.last)
            }
            return columns.map { field(members[$0]) }.joined(separator: ",")
        }
        return ([columns.joined(separator: ",")] + lines).map { $0 + "\r\n" }.joined()
    }

    /// Writes results.json and results.csv, and results.md from `markdown`.
    /// - Throws: `Failure` where they cannot be written.
    public func write(to folder: ComparisonFolder, markdown: String) throws {
        for (name, text) in [("json", json.text() + "\n"), ("csv", csv), ("md", markdown)] {
            try RunFolder.writeAtomically(Data(text.utf8), to: "\(folder.path)/results.\(name)")
        }
    }
}
