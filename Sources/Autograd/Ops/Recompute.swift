extension Context {
    /// What `body` makes of `inputs`, keeping nothing that it made on its way: going back runs it again, recorded this time, and then back
    /// through it. Memory for a second pass forward (Chen et al. 2016, arXiv:1604.06174).
    ///
    /// The gradients are those of `body` by itself to the last bit, since the same operations go back in the same order into the same
    /// places, the inputs' own. So `body` must do the same whenever it is run, may use other tensors besides `inputs`, which it then keeps,
    /// and must not make gradients going forward, as `headLoss` does.
    ///
    /// - Parameter body: gets `inputs` as they are. It may hand on inputs among its outputs, and one output several times.
    /// - Returns: what `body` returned. Tensors that it made want a gradient, whether or not any by them reaches a parameter.
    public func recomputing(_ inputs: [Tensor], _ body: @escaping ([Tensor]) -> [Tensor]) -> [Tensor] {
        guard let recorded = tape else { return body(inputs) }
        let outputs = unrecorded { body(inputs) }
        // Of an output that stands several times the first; inputs handed on have gradients of their own.
        var known = Set(inputs.map { ObjectIdentifier($0) }), made: [(place: Int, gradient: Gradient)] = []
        for (place, output) in outputs.enumerated() where !output.requiresGradient && known.insert(ObjectIdentifier(output)).inserted {
            let gradient = Gradient(context: self, shape: output.shape, dtype: output.dtype)
            output.gradient = gradient
            made.append((place, gradient))
        }
        recorded.append { [self] in
            guard made.contains(where: { $0.gradient.tensor != nil }) else { return }
            let again = Tape()
            tape = again
            // The outputs' values are there already; only where their gradients gather is wanted.
            let gradients = body(inputs).map(\.gradient)
            tape = nil
            // Handed over and held by nobody else, so that they may be added to in place.
            for (place, gradient) in made {
                if let upstream = gradient.take() { gradients[place]?.accumulate(upstream) }
            }
            again.goBack()
        }
        return outputs
    }

    /// Runs `body` without recording what is to be recorded when it is run again.
    private func unrecorded<Result>(_ body: () -> Result) -> Result {
        let (outer, wasRecordedLater) = (tape, isRecordedLater)
        (tape, isRecordedLater) = (nil, true)
        defer { (tape, isRecordedLater) = (outer, wasRecordedLater) }
        return body()
    }
}
