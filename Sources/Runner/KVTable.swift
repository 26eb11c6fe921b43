import Autograd
import Components
import Configuration
import Reports
import Training

/// How measurements of the KV cache are shown.
enum KVTable {
    private static let columns = [
        ("type", 9), ("batch", 7), ("context", 9), ("a token", 11), ("formula", 12), ("allocated", 12), ("measured", 12), ("fixed", 11),
        ("saved", 8),
        ("a step reads", 14), ("tokens/s", 10),
    ]

    static var header: String { "  " + columns.map { $0.0.leftPadded(to: $0.1) }.joined() }

    static func show(_ point: KVMeasurement, _ capacity: KVCapacity?, _ question: KVCommand.Question, weights: Int) {
        let token = point.layers.reduce(0) { $0 + $1.shape.bytesPerToken(point.type) }
        let fields = [
            point.type.rawValue, String(point.batch), point.context.grouped, token.asBytes, point.formulaBytes.asBytes,
            point.allocatedBytes == point.formulaBytes ? "the same" : point.allocatedBytes.asBytes,
            point.residentBytes?.asBytes ?? "unknown", point.fixedBytes?.asBytes ?? "unknown",
            "\((saved(point) * 100).fixed(1)) %", point.bytesReadPerStep.asBytes,
            point.decodeTokensPerSecond.fixed(1),
        ]
        say("  " + zip(fields, columns).map { $0.leftPadded(to: $1.1) }.joined())
        if question.layers {
            for (index, layer) in point.layers.enumerated() {
                let window = layer.shape.window.map { "window \($0)" } ?? "no window"
                say("    layer \(index): \(window), \(layer.capacity.grouped) positions, \(layer.allocatedBytes.asBytes)")
            }
        }
        if let capacity, let memory = question.memory, capacity.lacksRoomForWeights {
            say("    \(memory.asBytes) do not hold the weights (\(weights.asBytes))")
        } else if let capacity, let memory = question.memory {
            let context = capacity.context == KVCapacity.unlimited ? "any number of tokens" : "\(capacity.context.grouped) tokens"
            say(
                "    \(memory.asBytes) hold the weights (\(weights.asBytes)) and \(capacity.batch.grouped) sequences of \(point.context.grouped) "
                    + "tokens, or \(point.batch) of \(context)")
        }
    }

    /// The share saved against a key/value head for every query head and no windows.
    static func saved(_ point: KVMeasurement) -> Double { 1 - Double(point.formulaBytes) / Double(max(1, point.fullBytes)) }

    static func json(_ point: KVMeasurement, _ capacity: KVCapacity?) -> JSON {
        var row: [String: JSON] = [
            "dtype": .string(point.type.rawValue), "batch": .int(point.batch), "context": .int(point.context),
            "kv_bytes_per_token": .int(point.layers.reduce(0) { $0 + $1.shape.bytesPerToken(point.type) }),
            "kv_bytes": .int(point.formulaBytes), "kv_bytes_allocated": .int(point.allocatedBytes),
            "kv_bytes_full_attention": .int(point.fullBytes), "saved": .double(saved(point)),
            "kv_bytes_read": .int(point.bytesReadPerStep), "decode_tokens_per_second": .double(point.decodeTokensPerSecond),
            "layers": .array(
                point.layers.map {
                    [
                        "kv_heads": .int($0.shape.kvHeads), "head_dim": .int($0.shape.headDim),
                        "window": $0.shape.window.map { .int($0) } ?? .null, "positions": .int($0.capacity),
                        "kv_bytes_allocated": .int($0.allocatedBytes),
                    ]
                }),
        ]
        row["kv_bytes_measured"] = point.residentBytes.map { .int($0) }
        row["fixed_bytes"] = point.fixedBytes.map { .int($0) }
        if let capacity {
            row["largest_batch"] = .int(capacity.batch)
            row["largest_context"] = .int(capacity.context)
        }
        return .object(row)
    }
}
