import Architectures
import Autograd
import Components
import Configuration
import Foundation
import Reports
import Training

/// Measures how fast a config trains and decodes on this machine.
enum BenchCommand: Command {
    static let name = "bench"
    static let summary = "Training and decoding speed of a config here, and where the time goes."
    static let usage = "CONFIG [--set KEY.PATH=VALUE …] [--decode] | --attention"
    static let example = "./runner bench configs/gpt2.json --set train.batch=1 --set train.grad_accumulation=1"
    static let flags = [
        Flag.set,
        Flag("--steps", "N", "training steps to time, or tokens to decode (10; 32 with --decode)"),
        Flag("--decode", "time prefilling and decoding instead of training"),
        Flag("--attention", "time the attention kernels alone, forward and backward, at sizes given by flags"),
        Flag("--batch", "N,…", "with --decode: sequences at once (1,16); with --attention (1)"),
        Flag("--context", "N,…", "with --decode: tokens before decoding (half the context); with --attention (1024)"),
        Flag("--heads", "N", "with --attention: query heads (12)"),
        Flag("--kv-heads", "N", "with --attention: key heads (as many)"),
        Flag("--head-dim", "N,…", "with --attention: dimensions of a head (64)"),
        Flag("--window", "N", "with --attention: how many positions back a token sees (all)"),
        Flag.weights, Flag.kv, Flag.device, Flag.threads, Flag.json,
    ]

    static func run(_ arguments: Arguments, _ registries: Registries) throws {
        if arguments.has("--attention") {
            guard !arguments.has("--decode") else { throw UsageError("bench: --attention and --decode are two benchmarks; give one") }
            let result = try BenchAttention.run(arguments)
            if arguments.has("--json") { emit(result.text() + "\n") }
            return
        }
        if let flag = ["--heads", "--kv-heads", "--head-dim", "--window"].first(where: arguments.has) {
            throw UsageError("bench: \(flag) goes with --attention; a config's own is changed by --set")
        }
        let path = try arguments.exactly(1, "one config")[0]
        let config = try RunConfig(path: path, overrides: arguments.overrides(), registries: registries)
        let vocabulary = try config.model.sizes.vocabSize ?? config.dataset().tokenizer.vocabularySize
        let device = try arguments.device().context(config.train.precision)
        let decodes = arguments.has("--decode")
        let steps = try arguments.int("--steps", in: 1...100_000) ?? (decodes ? 32 : 10)
        let result =
            decodes
            ? try decode(config, vocabulary, steps, device, arguments) : try train(config, vocabulary, steps, device, arguments)
        if arguments.has("--json") { emit(result.text() + "\n") }
    }

    private static func train(
        _ config: RunConfig, _ vocabulary: Int, _ steps: Int, _ device: Context, _ arguments: Arguments
    ) throws -> JSON {
        let progress = ProgressLine()
        let measured = try Benchmark.training(config, vocabulary: vocabulary, steps: steps, on: device) { done in
            progress.show("step \(done) of \(steps)")
        }
        let memory = measured.residentPeakBytes
        progress.clear()
        let peaks = try device.measurePeaks()
        let ofMultiplyAdd = peaks.fma.map {
            ", \((measured.flopsPerSecond / $0 * 100).fixed(0)) % of the multiply-add peak (\(($0 / 1e9).fixed(0)))"
        }
        let sorted = measured.stepSeconds.sorted()
        if !arguments.has("--json") {
            say("\(config.name): \(measured.tokensPerStep.grouped) tokens a step on \(device.title)")
            say(
                "  step               \((measured.medianStepSeconds * 1000).fixed(1)) ms (\((sorted[0] * 1000).fixed(1))–\((sorted[sorted.count - 1] * 1000).fixed(1)) over \(steps))"
            )
            say("  throughput         \(Int(measured.tokensPerSecond).grouped) tokens/s")
            say(
                "  model FLOPs        \((measured.flopsPerSecond / 1e9).fixed(1)) GFLOP/s: \((measured.flopsPerSecond / peaks.product * 100).fixed(0)) % of a large matrix product (\((peaks.product / 1e9).fixed(0)))\(ofMultiplyAdd ?? "")"
            )
            say("  first step after   \(measured.firstStepSeconds.fixed(3)) s")
            say(
                "  memory             \(memory.asBytes) at most, \(measured.poolPeakBytes.asBytes) of it tensors; \(measured.bytesAllocatedAfterFirst.grouped) bytes allocated after the first step"
            )
            showProfile(measured)
        }
        return [
            "name": .string(config.name), "device": .string(device.title), "threads": threads(device),
            "tokens_per_step": .int(measured.tokensPerStep),
            "seconds_per_step": .double(measured.medianStepSeconds), "step_seconds": .array(measured.stepSeconds.map { .double($0) }),
            "train_tokens_per_second": .double(measured.tokensPerSecond), "flops_per_token": .int(measured.flopsPerToken),
            "flops_per_second": .double(measured.flopsPerSecond), "matrix_product_flops_per_second": .double(peaks.product),
            "fma_flops_per_second": peaks.fma.map { .double($0) } ?? .null, "memory_bytes_per_second": .double(peaks.bandwidth),
            "first_step_seconds": .double(measured.firstStepSeconds), "peak_memory_bytes": .int(memory),
            "tensor_peak_bytes": .int(measured.poolPeakBytes), "bytes_allocated_after_first_step": .int(measured.bytesAllocatedAfterFirst),
            "operations": .array(
                measured.profile.map {
                    [
                        "phase": .string($0.phase.rawValue), "operation": .string($0.operation), "seconds": .double($0.seconds),
                        "calls": .int($0.calls),
                    ]
                }),
        ]
    }

    /// Threads of the CPU; null on a GPU.
    private static func threads(_ device: Context) -> JSON { (device.backend as? CPUBackend).map { .int($0.threads) } ?? .null }

    private static func showProfile(_ measured: TrainingBenchmark) {
        let total = measured.profile.reduce(0) { $0 + $1.seconds }
        say("\n  \("operation".padded(to: 24))\("ms".leftPadded(to: 9))\("share".leftPadded(to: 8))\("calls".leftPadded(to: 8))")
        for phase in ProfilingBackend.Phase.allCases {
            let rows = measured.profile.filter { $0.phase == phase }
            let sum = rows.reduce(0) { $0 + $1.seconds }
            guard sum > 0 else { continue }
            func line(_ name: String, _ seconds: Double, _ calls: String) {
                say(
                    "  \(name.padded(to: 24))\((seconds * 1000).fixed(2).leftPadded(to: 9))\(((seconds / total * 100).fixed(1) + " %").leftPadded(to: 8))\(calls.leftPadded(to: 8))"
                )
            }
            line(phase.rawValue, sum, "")
            for row in rows where row.seconds > total * 0.002 { line("  \(row.operation)", row.seconds, String(row.calls)) }
        }
    }

    private static func decode(
        _ config: RunConfig, _ vocabulary: Int, _ steps: Int, _ device: Context, _ arguments: Arguments
    ) throws -> JSON {
        let model = try Model(config.model, vocabulary: vocabulary)
        model.materialize(on: device, training: false, seed: UInt64(config.train.seed))
        let (weights, kv) = (try arguments.type("--weights"), try arguments.type("--kv"))
        if weights != .float32 { model.store.compressProducts(to: weights) }
        let batches = try arguments.ints("--batch", in: 1...1 << 20) ?? [1, 16]
        let lengths = try arguments.ints("--context", in: 1...1 << 20) ?? [max(1, model.size.context / 2)]
        if let longest = lengths.max(), longest + steps + 2 > model.positionLimit ?? .max {
            throw UsageError(
                "bench: \(longest) tokens and \(steps + 2) more do not fit the context of \(model.size.context); lower --context or --steps"
            )
        }
        let peaks = try device.measurePeaks()
        if !arguments.has("--json") {
            say(
                "\(config.name): decoding with weights in \(weights.rawValue) and cache in \(kv.rawValue) on \(device.title), memory read at \((peaks.bandwidth / 1e9).fixed(1)) GB/s"
            )
            say("  batch  context  prefill tok/s   decode tok/s   read a step    GB/s  of memory's")
        }
        var rows: [JSON] = []
        for batch in batches {
            for length in lengths {
                let point = try Benchmark.decoding(model, on: device, batch: batch, context: length, steps: steps, cacheType: kv)
                if !arguments.has("--json") {
                    let fields = [
                        String(batch).leftPadded(to: 7), String(length).leftPadded(to: 9),
                        Int(point.prefillTokensPerSecond).grouped.leftPadded(to: 15),
                        point.decodeTokensPerSecond.fixed(1).leftPadded(to: 15),
                        point.bytesReadPerStep.asBytes.leftPadded(to: 14), (point.bytesReadPerSecond / 1e9).fixed(1).leftPadded(to: 8),
                        "\((point.bytesReadPerSecond / peaks.bandwidth * 100).fixed(0)) %".leftPadded(to: 13),
                    ]
                    say(fields.joined())
                }
                rows.append([
                    "batch": .int(batch), "context": .int(length), "weights": .string(weights.rawValue), "kv": .string(kv.rawValue),
                    "prefill_tokens_per_second": .double(point.prefillTokensPerSecond),
                    "decode_tokens_per_second": .double(point.decodeTokensPerSecond),
                    "bytes_read_per_step": .int(point.bytesReadPerStep), "bytes_per_second": .double(point.bytesReadPerSecond),
                    "kv_bytes": .int(point.cacheBytes),
                ])
            }
        }
        return [
            "name": .string(config.name), "device": .string(device.title), "threads": threads(device),
            "memory_bytes_per_second": .double(peaks.bandwidth), "peak_memory_bytes": .int(device.peakMemoryBytes), "decode": .array(rows),
        ]
    }
}
