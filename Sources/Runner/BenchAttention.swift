import Autograd
import Configuration
import Foundation
import Reports
import Training

/// `bench --attention`: the attention kernels alone, forward and backward, over sizes given on the command line.
enum BenchAttention {
    /// More elements in the packed queries, keys and values than this are refused: 4 Gi of bfloat16.
    private static let mostElements = 1 << 31

    /// - Throws: `UsageError`; what the device says where it fails.
    static func run(_ arguments: Arguments) throws -> JSON {
        guard arguments.positions.isEmpty, arguments.strings("--set").isEmpty else {
            throw UsageError(
                "bench: --attention takes no config; give sizes by --batch, --context, --heads, --kv-heads, --head-dim, --window")
        }
        let heads = try arguments.int("--heads", in: 1...1024) ?? 12
        let keyHeads = try arguments.int("--kv-heads", in: 1...1024) ?? heads
        guard heads.isMultiple(of: keyHeads) else {
            throw UsageError("bench: --kv-heads \(keyHeads) does not divide --heads \(heads)")
        }
        let window = try arguments.int("--window", in: 0...1 << 30)
        let rounds = try arguments.int("--steps", in: 1...100_000) ?? 10
        var sizes: [AttentionSize] = []
        for batch in try arguments.ints("--batch", in: 1...1 << 16) ?? [1] {
            for time in try arguments.ints("--context", in: 1...1 << 20) ?? [1024] {
                for dim in try arguments.ints("--head-dim", in: 1...1 << 10) ?? [64] {
                    sizes.append(AttentionSize(batch: batch, time: time, heads: heads, keyHeads: keyHeads, dim: dim, window: window))
                }
            }
        }
        if let large = sizes.first(where: { $0.elements > mostElements }) {
            throw UsageError(
                "bench: queries, keys and values of batch \(large.batch), context \(large.time) and head dimension \(large.dim) are "
                    + "\(large.elements.grouped) numbers; at most \(mostElements.grouped) are timed: lower --batch, --context or --heads")
        }
        let device = try arguments.device().context(.auto)
        let shows = !arguments.has("--json")
        if shows {
            say("attention of \(heads) heads on \(keyHeads) key heads on \(device.title)")
            say("  batch  context  head dim  window      forward   TFLOP/s     backward   TFLOP/s")
        }
        var rows: [JSON] = []
        for size in sizes {
            let speed = try device.measureAttention(size, rounds: rounds)
            if shows { say(line(size, speed)) }
            rows.append(row(size, speed))
        }
        return [
            "device": .string(device.title), "type": .string(device.activationType.rawValue), "rounds": .int(rounds),
            "attention": .array(rows),
        ]
    }

    private static func line(_ size: AttentionSize, _ speed: AttentionSpeed) -> String {
        func milliseconds(_ seconds: Double) -> String { "\((seconds * 1000).fixed(3)) ms" }
        return [
            String(size.batch).leftPadded(to: 7), String(size.time).leftPadded(to: 9), String(size.dim).leftPadded(to: 10),
            (size.window.map { String($0) } ?? "all").leftPadded(to: 8), milliseconds(speed.forwardSeconds).leftPadded(to: 13),
            (speed.forwardFlops / speed.forwardSeconds / 1e12).fixed(2).leftPadded(to: 10),
            milliseconds(speed.backwardSeconds).leftPadded(to: 13),
            (speed.backwardFlops / speed.backwardSeconds / 1e12).fixed(2).leftPadded(to: 10),
        ].joined()
    }

    private static func row(_ size: AttentionSize, _ speed: AttentionSpeed) -> JSON {
        [
            "batch": .int(size.batch), "context": .int(size.time), "heads": .int(size.heads), "kv_heads": .int(size.keyHeads),
            "head_dim": .int(size.dim), "window": size.window.map { .int($0) } ?? .null,
            "forward_seconds": .double(speed.forwardSeconds), "backward_seconds": .double(speed.backwardSeconds),
            "forward_rounds": .array(speed.forward.map { .double($0) }), "backward_rounds": .array(speed.backward.map { .double($0) }),
            "forward_flops": .double(speed.forwardFlops), "backward_flops": .double(speed.backwardFlops),
        ]
    }
}
