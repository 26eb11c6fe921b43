import Architectures
import Autograd
import Components
import Optimizers

/// One optimizer step on a device that works while the host goes on: nothing is fetched until somebody asks, and all of the step is
/// captured once and replayed from then on, so that the host has little to do.
///
/// The same arithmetic as `TrainingStep`, but for the order in which a clip meets the gradients.
public final class DeviceStep {
    private let model: Model
    private let optimizer: Optimizer
    private let context: Context
    private let options: TrainOptions
    /// A micro-batch's place: its tokens lie there in every step, so that a captured pass finds them.
    private let inputs: [Tensor], targets: [Tensor]
    /// The mean loss of the step, and Σ g² as a double.
    private let loss: Tensor, squares: Tensor
    /// The sum of what every step since the last reading came to: not finite where one of theirs was not.
    private let sinceRead: Tensor
    private var captured: (any CapturedWork)?
    /// As long as the step may be replayed.
    private var pin: PoolPin?
    private var stepsUntilCapture = 2

    public init(_ model: Model, _ optimizer: Optimizer, on context: Context, _ options: TrainOptions) {
        (self.model, self.optimizer, self.context, self.options) = (model, optimizer, context, options)
        let shape = [options.batch, model.size.context]
        func places() -> [Tensor] { (0..<options.gradAccumulation).map { _ in context.empty(shape, .int32) } }
        (inputs, targets) = (places(), places())
        (loss, squares, sinceRead) = (context.zeros([1]), context.zeros([2]), context.zeros([1]))
    }

    /// Asks for a step; returns before it is done.
    /// - Parameters:
    ///   - countedTargets: targets of the step that are not negative, where not all of them count.
    ///   - isConstant: whether they are as many in every step; only such steps are replayed.
    ///   - fill: puts the tokens of a micro-batch into inputs and targets [B, T].
    public func run(
        _ step: Int, countedTargets: Int? = nil, isConstant: Bool = true,
        fill: (_ micro: Int, _ inputs: Tensor, _ targets: Tensor) -> Void
    ) {
        for micro in inputs.indices { fill(micro, inputs[micro], targets[micro]) }
        optimizer.prepare(step)
        if let captured, isConstant {
            captured.replay(step: UInt64(step))
        } else {
            work(step: step, countedTargets: countedTargets)
        }
        if isConstant, captured == nil { captureWhenWarm(countedTargets) }
    }

    /// The first steps find out which algorithms are fast and fill the pool. What fetches something on its way, as routing to experts
    /// does, cannot be captured and is asked for anew in every step.
    private func captureWhenWarm(_ countedTargets: Int?) {
        stepsUntilCapture -= 1
        guard stepsUntilCapture == 0 else { return }
        let pin = context.pool.pin()
        // The number of the step comes with each replay.
        captured = context.backend.capture { work(step: 0, countedTargets: countedTargets) }
        // Anew, for blocks that the capture took.
        if captured != nil { self.pin = context.pool.pin() }
        withExtendedLifetime(pin) {}
    }

    private func work(step: Int, countedTargets: Int?) {
        gradients(step: step, countedTargets: countedTargets)
        context.backend.accumulate(loss, scale: 1, into: sinceRead)
        optimizer.move(clippingBy: squares)
    }

    private func gradients(step: Int, countedTargets: Int?) {
        let backend = context.backend
        optimizer.clearGradients()
        backend.fill(loss, 0)
        let all = options.batch * model.size.context * options.gradAccumulation
        let scale = 1 / Float(countedTargets ?? all)
        for micro in inputs.indices {
            let source = DropoutSource(seed: UInt64(options.seed), step: step, firstExample: micro * options.batch)
            let part = context.recording {
                let part = model.loss(
                    Pass(tokens: inputs[micro], dropout: source, recomputes: options.recompute), targets: targets[micro], scale: scale)
                part.backward()
                return part
            }
            backend.accumulate(part, scale: 1, into: loss)
        }
        optimizer.sumSquares(into: squares)
    }

    /// The last step's mean loss and the norm of its gradients; waits until it is done.
    /// - Returns: Also whether all steps since the last reading were finite.
    public func read() -> (loss: Double, norm: Double, wereFinite: Bool) {
        let value = Double(loss.item), wereFinite = sinceRead.item.isFinite
        var sum = 0.0
        withUnsafeMutableBytes(of: &sum) { context.backend.download(squares, to: $0) }
        context.backend.fill(sinceRead, 0)
        return (value, sum.squareRoot(), wereFinite && value.isFinite && sum.isFinite)
    }
}
