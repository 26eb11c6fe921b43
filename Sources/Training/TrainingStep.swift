import Architectures
import Autograd
import Components
import Optimizers

/// One optimizer step: micro-batches forward and back, then the update.
public final class TrainingStep {
    public let model: Model
    public let optimizer: Optimizer
    let context: Context
    let options: TrainOptions

    public init(_ model: Model, _ optimizer: Optimizer, on context: Context, _ options: TrainOptions) {
        (self.model, self.optimizer, self.context, self.options) = (model, optimizer, context, options)
    }

    /// Gathers the gradients of step `step`; the mean loss of its micro-batches and the norm of the gradients.
    /// - Parameters:
    ///   - countedTargets: targets of the whole step that are not negative, where not all of them count.
    ///   - observer: looks into the first micro-batch.
    ///   - batch: inputs and targets [B, T] of a micro-batch.
    ///   - phase: called as each part begins.
    public func gradients(
        _ step: Int, countedTargets: Int? = nil, observer: (any PassObserver)? = nil,
        batch: (_ micro: Int) -> (inputs: Tensor, targets: Tensor),
        phase: (ProfilingBackend.Phase) -> Void = { _ in }
    ) -> (loss: Double, norm: Double) {
        phase(.optimizer)
        optimizer.clearGradients()
        var sum = 0.0
        for micro in 0..<options.gradAccumulation {
            phase(.data)
            let (inputs, targets) = batch(micro)
            let scale = 1 / Float(countedTargets ?? inputs.count * options.gradAccumulation)
            let source = DropoutSource(seed: UInt64(options.seed), step: step, firstExample: micro * options.batch)
            let loss = context.recording {
                phase(.forward)
                let loss = model.loss(
                    Pass(tokens: inputs, dropout: source, observer: micro == 0 ? observer : nil, recomputes: options.recompute),
                    targets: targets, scale: scale)
                phase(.backward)
                loss.backward()
                return loss
            }
            sum += Double(loss.item)
        }
        phase(.optimizer)
        return (sum, optimizer.gradientNorm)
    }

    /// Moves the parameters by the gradients that `gradients` gathered.
    public func update(_ step: Int, gradientNorm: Double) { optimizer.step(step, gradientNorm: gradientNorm) }
}
