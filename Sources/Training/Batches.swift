import Autograd
import Text

/// Batches of one dataset as tensors.
final class Batches {
    private let sampler: BatchSampler
    private let context: Context
    private let batch: Int, length: Int
    private var inputs: [Int32], targets: [Int32]

    init(_ sampler: BatchSampler, on context: Context) {
        (self.sampler, self.context, batch, length) = (sampler, context, sampler.batch, sampler.context)
        inputs = Array(repeating: 0, count: sampler.batch * sampler.context)
        targets = inputs
    }

    /// Targets that count in `micros` micro-batches of a step together.
    func countedTargets(step: Int, micros: Int = 1) -> Int { sampler.countedTargets(step: step, rows: micros * batch) }

    /// Whether as many targets count in every step.
    var countsAreConstant: Bool { !sampler.isIsolated }

    /// The share of places that count, nil where all do.
    var filled: Double? { sampler.isIsolated ? sampler.filled(steps: 20) : nil }

    /// Inputs and targets [B, T] of micro-batch `micro` of `step`.
    func callAsFunction(step: Int, micro: Int = 0) -> (inputs: Tensor, targets: Tensor) {
        sample(step, micro)
        return (context.tensor(inputs, [batch, length]), context.tensor(targets, [batch, length]))
    }

    /// The same into tensors that are there.
    func fill(step: Int, micro: Int, inputs: Tensor, targets: Tensor) {
        sample(step, micro)
        self.inputs.withUnsafeBytes { context.backend.upload($0, to: inputs) }
        self.targets.withUnsafeBytes { context.backend.upload($0, to: targets) }
    }

    private func sample(_ step: Int, _ micro: Int) {
        inputs.withUnsafeMutableBufferPointer { inputs in
            targets.withUnsafeMutableBufferPointer { targets in
                sampler.batch(step: step, rowOffset: micro * batch, into: inputs, targets: targets)
            }
        }
    }
}
