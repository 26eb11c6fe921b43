/// The operations of one pass in order, each with what it takes to go back through it.
///
/// A node holds the output's gradient, not the output: an activation that no backward function asks for is gone as
/// soon as the forward pass drops it, and one that is asked for goes when its node has run.
final class Tape {
    struct Node {
        let output: Gradient
        let backward: (Tensor) -> Void
    }
    var nodes: [Node] = []
}

extension Tensor {
    /// Records that this tensor was made from `inputs`. `backward` gets the gradient by this tensor and hands on the
    /// inputs' shares; it must hold an input's value only if it needs it.
    public func recordBackward(from inputs: [Tensor?], _ backward: @escaping (Tensor) -> Void) {
        guard let tape = context.tape, inputs.contains(where: { $0?.requiresGradient == true }) else { return }
        let gradient = Gradient(context: context, shape: shape, dtype: dtype)
        self.gradient = gradient
        tape.nodes.append(Tape.Node(output: gradient, backward: backward))
    }

    /// Goes back from this tensor, whose own gradient is taken to be one everywhere, and empties the tape.
    public func backward() {
        guard let tape = context.tape, let gradient else { return }
        let seed = context.empty(shape, dtype)
        backend.fill(seed, 1)
        gradient.accumulate(seed)
        // The tape is off while going back: backward functions may use ordinary operations.
        context.tape = nil
        while let node = tape.nodes.popLast() {
            if let upstream = node.output.take() { node.backward(upstream) }
        }
        context.tape = tape
    }
}
