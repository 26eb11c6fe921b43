extension Tensor {
    /// A copy of columns `range` of the last dimension.
    public func columns(_ range: Range<Int>) -> Tensor {
        precondition(range.lowerBound >= 0 && range.upperBound <= columns, "columns out of range")
        let y = context.empty(shape.dropLast() + [range.count], dtype)
        backend.copyColumns(self, from: range.lowerBound, to: y, at: 0, count: range.count, accumulate: false)
        y.recordBackward(from: [self]) { [gradient, backend] dy in
            guard let gradient else { return }
            let (dx, accumulate) = gradient.columnsTarget(range)
            backend.copyColumns(dy, from: 0, to: dx, at: range.lowerBound, count: range.count, accumulate: accumulate)
        }
        return y
    }

    /// x[r, c]·s[r]: each row (all dimensions but the last, flattened) times a number of its own. s has one element a row.
    public func scaledRows(by s: Tensor) -> Tensor {
        precondition(s.count == rows, "\(rows) rows, \(s.count) factors")
        let y = context.empty(shape, dtype)
        backend.scaleRows(self, by: s, into: y, accumulate: false)
        y.recordBackward(from: [self, s]) { [self] dy in
            if let gradient {
                let (dx, accumulate) = gradient.target()
                backend.scaleRows(dy, by: s, into: dx, accumulate: accumulate)
            }
            if let gradient = s.gradient {
                let (ds, accumulate) = gradient.target()
                backend.rowDots(self, dy, into: ds, accumulate: accumulate)
            }
        }
        return y
    }

    /// [B, T, C] one step later in time: y[t] = x[t − 1], y[0] = `first` [B, C] or zero.
    public func shiftedInTime(first: Tensor? = nil) -> Tensor {
        precondition(shape.count == 3, "shiftedInTime takes [batch, time, width]")
        let y = context.empty(shape, dtype)
        backend.shift(self, first: first, into: y, reverse: false, accumulate: false)
        y.recordBackward(from: [self]) { [gradient, backend] dy in
            guard let gradient else { return }
            let (dx, accumulate) = gradient.target()
            backend.shift(dy, first: nil, into: dx, reverse: true, accumulate: accumulate)
        }
        return y
    }
}
