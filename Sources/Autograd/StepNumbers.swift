/// The numbers of an update that schedules and clipping change from step to step.
///
/// Updates read them from memory of their device, float32 in this order, when the work is done: so a step that was captured once is
/// replayed with the numbers of another.
public struct StepNumbers: BitwiseCopyable, Sendable {
    /// What gradients are multiplied by.
    public var gradientScale: Float
    /// The learning rate.
    public var lr: Float
    /// Decoupled: a step takes lr·weightDecay of a parameter; SGD adds it to the gradient.
    public var weightDecay: Float
    /// What momentum keeps of its average.
    public var momentum: Float
    /// Adam's 1 − betaᵗ.
    public var correction1: Float = 1, correction2: Float = 1

    /// Elements of a tensor that holds them.
    public static let count = MemoryLayout<StepNumbers>.size / MemoryLayout<Float>.size

    /// The numbers of a step, Adam's corrections left out.
    public init(lr: Float, weightDecay: Float = 0, momentum: Float = 0, gradientScale: Float = 1) {
        (self.lr, self.weightDecay, self.momentum, self.gradientScale) = (lr, weightDecay, momentum, gradientScale)
    }

    /// Adam's corrections after so many updates, counted from 1.
    public mutating func correct(beta1: Float, beta2: Float, step: Int) {
        correction1 = Float(1 - Double(beta1).power(step))
        correction2 = Float(1 - Double(beta2).power(step))
    }
}

extension Context {
    /// Numbers in memory of the device, [n, `StepNumbers.count`].
    public func tensor(_ numbers: [StepNumbers]) -> Tensor {
        let tensor = empty([numbers.count, StepNumbers.count])
        tensor.set(numbers)
        return tensor
    }
}

extension Tensor {
    /// Replaces step numbers [n, `StepNumbers.count`].
    public func set(_ numbers: [StepNumbers]) {
        precondition(count == numbers.count * StepNumbers.count)
        numbers.withUnsafeBytes { backend.upload($0, to: self) }
    }

    /// On a host.
    var stepNumbers: StepNumbers { UnsafeRawPointer(address).loadUnaligned(as: StepNumbers.self) }
}
