import Autograd
import Components

/// How one parameter moves, and what it remembers from step to step. Parameters move together where that is worth it: see `Optimizer`.
public protocol UpdateRule: AnyObject {
    /// What is remembered, by name, for checkpoints.
    var state: [(name: String, tensor: Tensor)] { get }
    /// Puts in what the rule derives from how many updates there were, this one counted: from 1.
    func complete(_ numbers: inout StepNumbers, step: Int)
}

extension UpdateRule {
    public func complete(_ numbers: inout StepNumbers, step: Int) {}
}

/// Adam with decoupled weight decay (Kingma and Ba 2015; Loshchilov and Hutter 2019, arXiv:1711.05101).
final class AdamW: UpdateRule {
    private let parameter: Tensor, gradient: Tensor, m: Tensor, v: Tensor
    private let beta1: Float, beta2: Float, epsilon: Float

    init(_ parameter: Tensor, _ gradient: Tensor, beta1: Double, beta2: Double, epsilon: Double) {
        (self.parameter, self.gradient) = (parameter, gradient)
        m = parameter.context.zeros(parameter.shape)
        v = parameter.context.zeros(parameter.shape)
        (self.beta1, self.beta2, self.epsilon) = (Float(beta1), Float(beta2), Float(epsilon))
    }

    var state: [(name: String, tensor: Tensor)] { [("m", m), ("v", v)] }

    /// The update, to be made together with others.
    func updating(_ numbers: Tensor) -> AdamWUpdate {
        AdamWUpdate(parameter, gradient, m, v, numbers: numbers, beta1: beta1, beta2: beta2, epsilon: epsilon)
    }

    func complete(_ numbers: inout StepNumbers, step: Int) { numbers.correct(beta1: beta1, beta2: beta2, step: step) }
}

/// Stochastic gradient descent with momentum, as PyTorch orders it; weight decay is coupled.
final class SGD: UpdateRule {
    private let parameter: Tensor, gradient: Tensor, buffer: Tensor
    private let nesterov: Bool

    init(_ parameter: Tensor, _ gradient: Tensor, nesterov: Bool) {
        (self.parameter, self.gradient, self.nesterov) = (parameter, gradient, nesterov)
        buffer = parameter.context.zeros(parameter.shape)
    }

    var state: [(name: String, tensor: Tensor)] { [("momentum", buffer)] }

    /// Moves the parameter by its gradient.
    func update(_ numbers: Tensor) { parameter.backend.sgd(parameter, gradient, buffer, numbers: numbers, nesterov: nesterov) }
}
