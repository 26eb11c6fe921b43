import Architectures
import Autograd
import Components
import Configuration
import Foundation
import Optimizers

/// What memory training a config takes on a device: predicted by making a step over shapes, with the device's types and the model's own
/// optimizer, so that no component needs a formula. What a device's operations take for themselves while they run (sums of parts,
/// sorted places) is left out: it is small beside the tensors they work on.
public struct TrainingMemory: Sendable, Equatable {
    /// What is trained on.
    public enum Device: Sendable, Equatable {
        case cpu, gpu

        /// How many of Muon's matrices move together.
        var batchedElements: Int { self == .gpu ? CUDABackend.batchedElements : CPUBackend.batchedElements }
        /// Bytes it takes besides tensors: the workspace of matrix products, and what uploads go through.
        var workspace: Int { self == .gpu ? CUDABackend.workspaceByteCount : 0 }
    }

    public let batch: Int
    /// Whether layers are computed again going back.
    public let recomputes: Bool
    /// The type of activations.
    public let activationType: DType
    /// Bytes of the weights in float32.
    public let weights: Int
    /// Bytes of the copy of them that products multiply by, where activations are not float32.
    public let productWeights: Int
    public let gradients: Int
    /// Bytes that the optimizer remembers from step to step.
    public let optimizerState: Int
    /// Bytes that the tensors of a step take at their most: activations and gradients by them, batches, what the optimizer needs while it
    /// moves parameters.
    public let activations: Int
    /// Bytes that the pool rounds up by, and of blocks that it keeps for reuse and that are in no tensor at that moment.
    public let kept: Int
    public let workspace: Int

    /// Bytes that are there whether or not a step is on its way.
    public var atRest: Int { weights + productWeights + gradients + optimizerState }
    /// Bytes in tensors at their most: less than this certainly does not do.
    public var needed: Int { atRest + activations }
    /// Bytes that the device's pool takes: what a run reports as its peak.
    public var pool: Int { needed + kept }
    /// All of it.
    public var total: Int { pool + workspace }

    /// - Parameters:
    ///   - batch: sequences a micro-batch, instead of the config's.
    ///   - recomputes: instead of the config's `train.recompute`.
    /// - Throws: `ConfigError`, as making the model or the optimizer does.
    public init(_ config: RunConfig, vocabulary: Int, on device: Device, batch: Int? = nil, recomputes: Bool? = nil) throws {
        try self.init(
            config, vocabulary: vocabulary, on: device, activationType: config.train.precision.activationType(onGPU: device == .gpu),
            batch: batch, recomputes: recomputes)
    }

    init(
        _ config: RunConfig, vocabulary: Int, on device: Device, activationType: DType, batch: Int? = nil, recomputes: Bool? = nil
    ) throws {
        var options = config.train
        options.batch = batch ?? options.batch
        options.recompute = recomputes ?? options.recompute
        // One micro-batch is like another, but that their places on a GPU stay.
        let micros = options.gradAccumulation
        options.gradAccumulation = min(micros, 2)
        (self.batch, self.recomputes, self.activationType) = (options.batch, options.recompute, activationType)

        let context = Context.shapesOnly(activationType: activationType, batchedElements: device.batchedElements), pool = context.pool
        let model = try Model(config.model, vocabulary: vocabulary)
        model.materialize(on: context, training: true)
        (weights, gradients) = (model.store.values?.byteCount ?? 0, model.store.gradients?.byteCount ?? 0)
        productWeights = activationType == .float32 ? 0 : weights / DType.float32.size * activationType.size
        let optimizer: Optimizer
        do {
            optimizer = try Optimizer(config.plan, schedule: config.schedule, store: model.store, width: model.size.width)
        } catch let error as ConfigError {
            throw error.inFile(config.file)
        }
        optimizerState = optimizer.state.reduce(0) { $0 + $1.tensor.byteCount }
        let rest = pool.bytesInUse
        let shape = [options.batch, model.size.context]
        switch device {
        case .gpu:
            DeviceStep(model, optimizer, on: context, options).run(0) { _, _, _ in }
        case .cpu:
            let step = TrainingStep(model, optimizer, on: context, options)
            let (_, norm) = step.gradients(0) { _ in (context.empty(shape, .int32), context.empty(shape, .int32)) }
            step.update(0, gradientNorm: norm)
        }
        let places = device == .gpu ? (micros - options.gradAccumulation) * 2 * shape[0] * shape[1] * DType.int32.size : 0
        activations = pool.peakBytesInUse - rest + places
        kept = pool.peakBytesReserved + places - (weights + productWeights + gradients + optimizerState + activations)
        workspace = device.workspace
    }

    /// The most sequences a micro-batch with which `memory` bytes do; 0 where not even one does.
    public static func largestBatch(
        _ config: RunConfig, vocabulary: Int, on device: Device, memory: Int, recomputes: Bool
    ) throws -> Int {
        func total(_ batch: Int) throws -> Int {
            try TrainingMemory(config, vocabulary: vocabulary, on: device, batch: batch, recomputes: recomputes).total
        }
        var low = (batch: 1, total: try total(1)), none = max(1, min(1 << 20, RunConfig.largestMicroBatch / config.model.sizes.context)) + 1
        guard low.total <= memory else { return 0 }
        // Memory grows almost in proportion, in steps that the pool rounds to: so proportion says where to look, and halving ends it.
        let one = low.total, second = none > 2 ? try total(2) : one
        var halves = false
        while none - low.batch > 1 {
            let each = low.batch > 1 ? Double(low.total - one) / Double(low.batch - 1) : Double(second - one)
            let guess = Double(low.batch) + Double(memory - low.total) / max(1, each)
            let middle = low.batch + (none - low.batch) / 2
            let candidate = halves ? middle : min(max(Int(min(guess, Double(none))), low.batch + 1), none - 1)
            let found = try total(candidate)
            if found <= memory { low = (candidate, found) } else { none = candidate }
            // Near the end steps of one decide.
            halves = !halves && none - low.batch > 8
        }
        return low.batch
    }

    /// What to say where `memory` bytes, those of `device`, are certainly too few; nil where they may do.
    func refusal(memory: Int, device: String, file: String?) -> ConfigError? {
        guard needed > memory else { return nil }
        func size(_ bytes: Int) -> String {
            bytes < 1 << 30 ? String(format: "%.1f MiB", Double(bytes) / 0x1p20) : String(format: "%.1f GiB", Double(bytes) / 0x1p30)
        }
        let copy = productWeights > 0 ? "\(size(productWeights)) weights in \(activationType.rawValue), " : ""
        let parts =
            "\(size(weights)) weights, \(copy)\(size(gradients)) gradients, \(size(optimizerState)) optimizer state, \(size(activations)) activations"
        let start = "training takes at least \(size(needed)) (\(parts)), and \(device) has \(size(memory)); "
        if atRest > memory {
            return ConfigError(
                start + "make the model smaller: train.batch and train.recompute change activations alone", at: "model", file: file)
        }
        let remedies =
            (batch > 1 ? ["lower train.batch and raise train.grad_accumulation"] : []) + (recomputes ? [] : ["set train.recompute=true"])
            + ["make the model or its context smaller"]
        return ConfigError(start + remedies.joined(separator: ", or "), at: "train.batch", file: file)
    }
}
