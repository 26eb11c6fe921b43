/// The operations of one pass in order, each with what it takes to go back through it.
///
/// A node holds its outputs' gradients, not the outputs: an activation that no backward function asks for is gone as
/// soon as the forward pass drops it, and one that is asked for goes when its node has run.
final class Tape {
    private var nodes: [() -> Void] = []

    /// Adds an operation: `goBack` takes its outputs' gradients and hands on its inputs' shares.
    func append(_ goBack: @escaping () -> Void) { nodes.append(goBack) }

    /// Goes back through everything, the last first, each gone once it has run.
    func goBack() {
        while let node = nodes.popLast() { node() }
    }
}

extension Tensor {
    /// Records that this tensor was made from `inputs`. `backward` gets the gradient by this tensor and hands on the
    /// inputs' shares; it must hold an input's value only if it needs it.
    public func recordBackward(from inputs: [Tensor?], _ backward: @escaping (Tensor) -> Void) {
        guard let tape = context.tape, inputs.contains(where: { $0?.requiresGradient == true }) else { return }
        let gradient = Gradient(context: context, shape: shape, dtype: dtype)
        self.gradient = gradient
        tape.append {
            if let upstream = gradient.take() { backward(upstream) }
        }
    }

    /// Goes back from this tensor, whose own gradient is taken to be one everywhere, and empties the tape.
    public func backward() {
        guard let tape = context.tape, let gradient else { return }
        let seed = context.empty(shape, dtype)
        backend.fill(seed, 1)
        gradient.accumulate(seed)
        // The tape is off while going back: backward functions may use ordinary operations.
        context.tape = nil
        tape.goBack()
        context.tape = tape
    }
}
