import Architectures
import Autograd
import Components
import Configuration
import Foundation
import Optimizers

/// How fast a config trains and decodes here, and where the time goes.
public struct TrainingBenchmark: Sendable {
    /// Seconds of each timed step.
    public let stepSeconds: [Double]
    public let tokensPerStep: Int
    /// From making the model to the end of the first step.
    public let firstStepSeconds: Double
    /// Bytes that steps after the first took from the system.
    public let bytesAllocatedAfterFirst: Int
    /// The most that tensors took at once, and that the process had in memory.
    public let poolPeakBytes: Int, residentPeakBytes: Int
    public let flopsPerToken: Int
    /// Seconds a step by phase and operation, with clocks on.
    public let profile: [(phase: ProfilingBackend.Phase, operation: String, seconds: Double, calls: Int)]

    public var medianStepSeconds: Double { stepSeconds.sorted()[stepSeconds.count / 2] }
    public var tokensPerSecond: Double { Double(tokensPerStep) / medianStepSeconds }
    public var flopsPerSecond: Double { Double(flopsPerToken) * tokensPerSecond }
}

/// One point of the decoding benchmark.
public struct DecodeBenchmark: Sendable {
    public let batch: Int
    /// Tokens in the cache when decoding begins.
    public let context: Int
    public let prefillTokensPerSecond: Double
    /// Over all sequences.
    public let decodeTokensPerSecond: Double
    /// Weights and cache that one step reads.
    public let bytesReadPerStep: Int
    public let cacheBytes: Int

    public var bytesReadPerSecond: Double { decodeTokensPerSecond / Double(batch) * Double(bytesReadPerStep) }
}

public enum Benchmark {
    /// Times `steps` training steps on random tokens, after one to warm up.
    /// - Throws: `ConfigError`.
    public static func training(
        _ config: RunConfig, vocabulary: Int, steps: Int, on device: Context, progress: (Int) -> Void = { _ in }
    ) throws -> TrainingBenchmark {
        let start = Date()
        // Of its own, so that what it counts is of this alone.
        let context = Context(backend: device.backend, activationType: device.activationType)
        let step = try make(config, vocabulary, on: context)
        let tokens = RandomTokens(vocabulary: vocabulary, shape: [config.train.batch, step.model.size.context], on: context)
        let deviceStep = context.backend.isAsynchronous ? DeviceStep(step.model, step.optimizer, on: context, config.train) : nil
        func run(_ index: Int) {
            if let deviceStep {
                deviceStep.run(index) { tokens.fill($1, $2) }
            } else {
                let (_, norm) = step.gradients(index) { _ in tokens.batch() }
                step.update(index, gradientNorm: norm)
            }
            context.backend.synchronize()
        }
        run(0)
        try context.check()
        let first = Date().timeIntervalSince(start)
        let reserved = context.pool.bytesReserved
        var seconds: [Double] = []
        for index in 1...max(1, steps) {
            let begin = DispatchTime.now().uptimeNanoseconds
            run(index)
            seconds.append(Double(DispatchTime.now().uptimeNanoseconds - begin) * 1e-9)
            progress(index)
        }
        let allocated = context.pool.bytesReserved - reserved
        // Before the profile, which makes a second model.
        let resident = context.peakMemoryBytes
        return TrainingBenchmark(
            stepSeconds: seconds, tokensPerStep: config.train.batch * config.train.gradAccumulation * step.model.size.context,
            firstStepSeconds: first, bytesAllocatedAfterFirst: allocated, poolPeakBytes: context.pool.peakBytesInUse,
            residentPeakBytes: resident,
            flopsPerToken: step.model.accounting.flopsPerToken,
            profile: try profile(config, vocabulary, context))
    }

    private static func make(_ config: RunConfig, _ vocabulary: Int, on context: Context) throws -> TrainingStep {
        let model = try Model(config.model, vocabulary: vocabulary)
        model.materialize(on: context, training: true, seed: UInt64(config.train.seed))
        let optimizer = try Optimizer(config.plan, schedule: config.schedule, store: model.store, width: model.size.width)
        return TrainingStep(model, optimizer, on: context, config.train)
    }

    private static func profile(
        _ config: RunConfig, _ vocabulary: Int, _ device: Context
    ) throws -> [(phase: ProfilingBackend.Phase, operation: String, seconds: Double, calls: Int)] {
        let profiler = ProfilingBackend(device.backend)
        let context = Context(backend: profiler, activationType: device.activationType)
        let step = try make(config, vocabulary, on: context)
        let tokens = RandomTokens(vocabulary: vocabulary, shape: [config.train.batch, step.model.size.context], on: context)
        let rounds = 2
        for index in 0...rounds {
            if index == 1 { profiler.reset() }
            let (_, norm) = step.gradients(index, batch: { _ in tokens.batch() }, phase: { profiler.phase = $0 })
            step.update(index, gradientNorm: norm)
        }
        try context.check()
        return profiler.times.flatMap { phase, operations in
            operations.map { (phase, $0.key, $0.value.seconds / Double(rounds), $0.value.calls / rounds) }
        }.sorted { $0.seconds > $1.seconds }
    }

    /// Times a prompt of `context` tokens and then `steps` tokens more, for each of `batch` sequences.
    public static func decoding(
        _ model: Model, on device: Context, batch: Int, context: Int, steps: Int, cacheType: DType = .float32
    ) throws -> DecodeBenchmark {
        let tokens = RandomTokens(vocabulary: model.size.vocabulary, shape: [batch, context], on: device)
        let prompt = tokens.batch().inputs
        var cache = model.cache(batch: batch, type: cacheType, on: device)
        func prefill() -> Double {
            cache = model.cache(batch: batch, type: cacheType, on: device)
            let start = DispatchTime.now().uptimeNanoseconds
            _ = model.lastLogits(Pass(tokens: prompt, cache: cache)).floats
            cache.advance(by: context)
            return Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9
        }
        let prefills = (0..<3).map { _ in prefill() }.sorted()
        var next = tokens.column()
        let step = DecodeStep(model, cache, on: device, .token(of: model.size.vocabulary, nil), most: steps + 2)
        var seconds: [Double] = []
        for _ in 0..<steps + 2 {
            let start = DispatchTime.now().uptimeNanoseconds
            if case .tokens(let chosen) = step(next) { next = chosen }
            seconds.append(Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9)
        }
        try device.check()
        // The first ones find out which algorithms are fast, and are captured where that helps.
        let median = seconds.dropFirst(2).sorted()[steps / 2]
        // Of tables, a step reads a row; of everything that is multiplied by, all.
        let weights = model.store.productBytes
        let read =
            batch
            * Accounting.kvBytesRead(
                model.cacheShapes, tokens: context, context: model.size.context, elementSize: cacheType.size)
        return DecodeBenchmark(
            batch: batch, context: context, prefillTokensPerSecond: Double(batch * context) / prefills[1],
            decodeTokensPerSecond: Double(batch) / median, bytesReadPerStep: weights + read, cacheBytes: cache.byteCount)
    }
}

/// Batches of tokens that mean nothing.
private struct RandomTokens {
    let vocabulary: Int
    let shape: [Int]
    let context: Context

    init(vocabulary: Int, shape: [Int], on context: Context) {
        (self.vocabulary, self.shape, self.context) = (vocabulary, shape, context)
    }

    private func numbers(_ count: Int, stream: UInt64) -> [Int32] {
        var random = Philox(seed: 0, domain: .batches).sequence(stream: stream)
        return (0..<count).map { _ in Int32(random.below(vocabulary)) }
    }

    private func tokens(_ shape: [Int], stream: UInt64) -> Tensor {
        context.tensor(numbers(shape.reduce(1, *), stream: stream), shape)
    }

    /// A batch's tokens into tensors that are there.
    func fill(_ inputs: Tensor, _ targets: Tensor) {
        for (stream, tensor) in [inputs, targets].enumerated() {
            context.backend.copy(tokens(shape, stream: UInt64(stream)), to: tensor)
        }
    }

    func batch() -> (inputs: Tensor, targets: Tensor) { (tokens(shape, stream: 0), tokens(shape, stream: 1)) }
    /// One token a sequence.
    func column() -> [Int32] { numbers(shape[0], stream: 2) }
}
