extension Tensor {
    /// f(x), element by element.
    public func activation(_ kind: Activation) -> Tensor {
        let y = context.empty(shape, dtype)
        backend.activation(kind, self, into: y)
        y.recordBackward(from: [self]) { [self] dy in
            guard let gradient else { return }
            let (dx, accumulate) = gradient.target()
            backend.activationBackward(kind, self, dy, into: dx, accumulate: accumulate)
        }
        y.setRecipe { [self] in
            let again = context.empty(shape, dtype)
            backend.activation(kind, self, into: again)
            return again
        }
        return y
    }

    /// A gated unit over packed halves, [.., 2F] as [gate, value] → [.., F]: f(gate)·value (Shazeer 2020,
    /// arXiv:2002.05202).
    public func gated(_ kind: Activation) -> Tensor {
        precondition(columns % 2 == 0, "a gated unit takes an even number of columns")
        let y = context.empty(shape.dropLast() + [columns / 2], dtype)
        backend.gated(kind, self, into: y)
        y.recordBackward(from: [self]) { [self] dy in
            guard let gradient else { return }
            let dx = context.empty(shape, dtype)
            backend.gatedBackward(kind, self, dy, into: dx)
            gradient.accumulate(dx)
        }
        y.setRecipe { [self] in
            let again = context.empty(shape.dropLast() + [columns / 2], dtype)
            backend.gated(kind, self, into: again)
            return again
        }
        return y
    }

    /// cap·tanh(x / cap) (Gemma 2, arXiv:2408.00118).
    public func softcapped(_ cap: Float) -> Tensor {
        let y = context.empty(shape, dtype)
        backend.softcap(self, cap: cap, into: y)
        // The derivative needs the output; a view of it keeps its memory without holding its own gradient.
        let saved = y.view(at: 0, y.shape)
        y.recordBackward(from: [self]) { [gradient, backend] dy in
            guard let gradient else { return }
            let (dx, accumulate) = gradient.target()
            backend.softcapBackward(saved, dy, cap: cap, into: dx, accumulate: accumulate)
        }
        return y
    }
}
