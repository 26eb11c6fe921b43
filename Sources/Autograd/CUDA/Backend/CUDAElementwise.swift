extension CUDABackend {
    public func multiply(_ a: Tensor, _ b: Tensor, into y: Tensor, accumulate: Bool) {
        run(.elementwise, "multiply", fours(y.count), a.array, b.array, y.array, Int64(y.count), flag(accumulate))
    }

    public func scale(_ x: Tensor, by factor: Float, into y: Tensor) {
        run(.elementwise, "scale", fours(y.count), x.array, factor, y.array, Int64(y.count))
    }

    public func accumulate(_ x: Tensor, scale: Float, into y: Tensor) {
        run(.elementwise, "accumulate", fours(y.count), x.array, scale, y.array, Int64(y.count))
    }

    public func scaledSum(_ terms: [(x: Tensor, factor: Tensor)], into y: Tensor) {
        let factors = terms.map { converted($0.factor, to: .float32) }
        let all = zip(terms, factors).map { (x: $0.x.array, s: $1.deviceAddress) }
        for first in stride(from: 0, to: all.count, by: KernelTerms.most) {
            let some = KernelTerms(all[first..<min(first + KernelTerms.most, all.count)], accumulate: first > 0)
            run(.elementwise, "scaled_sum", fours(y.count), some, y.array, Int64(y.count))
        }
    }

    public func accumulateScaled(_ x: Tensor, factor: Tensor, into y: Tensor) {
        let factor = converted(factor, to: .float32)
        run(.elementwise, "accumulate_scaled", fours(y.count), x.array, factor.deviceAddress, y.array, Int64(y.count))
    }

    public func softcap(_ x: Tensor, cap: Float, into y: Tensor) {
        run(.elementwise, "softcap", fours(y.count), x.array, cap, y.array, Int64(y.count))
    }

    public func softcapBackward(_ y: Tensor, _ dy: Tensor, cap: Float, into dx: Tensor, accumulate: Bool) {
        run(.elementwise, "softcap_backward", fours(y.count), y.array, dy.array, cap, dx.array, Int64(y.count), flag(accumulate))
    }

    public func activation(_ kind: Activation, _ x: Tensor, into y: Tensor) {
        run(.activations, "activation", fours(y.count), kind.rawValue, x.array, y.array, Int64(y.count))
    }

    public func activationBackward(_ kind: Activation, _ x: Tensor, _ dy: Tensor, into dx: Tensor, accumulate: Bool) {
        run(
            .activations, "activation_backward", fours(x.count), kind.rawValue, x.array, dy.array, dx.array, Int64(x.count),
            flag(accumulate))
    }

    public func gated(_ kind: Activation, _ x: Tensor, into y: Tensor) {
        run(.activations, "gated", fours(y.count), kind.rawValue, x.array, y.array, Int64(y.rows), Int64(y.columns))
    }

    public func gatedBackward(_ kind: Activation, _ x: Tensor, _ dy: Tensor, into dx: Tensor) {
        run(
            .activations, "gated_backward", fours(dy.count), kind.rawValue, x.array, dy.array, dx.array, Int64(dy.rows),
            Int64(dy.columns))
    }

    public func dropout(_ x: Tensor, _ mask: DropoutMask, into y: Tensor, accumulate: Bool) {
        run(
            .random, "dropout", elements(y.count / 4 + 1), x.array, y.array, Int64(y.count), mask.offset, mask.probability, mask.key,
            mask.stream, flag(accumulate), stepAddress)
    }

    // MARK: Sums

    /// Leaves Σ x, or Σ x·y, in one element on the device, as a double.
    func total(_ x: Tensor, _ y: Tensor? = nil) -> Tensor {
        let total = x.context.empty([2])
        finish(partial(x, y), factor: 1, total: total.deviceAddress, into: 0, accumulate: false)
        return total
    }

    /// The numbers that blocks leave of a sum, and how many.
    private func partial(_ x: Tensor, _ y: Tensor?) -> (sums: Tensor, count: Int) {
        let geometry = LaunchGeometry.sums(x.count), sums = x.context.empty([2 * geometry.blocks.x])
        if let y {
            run(.sums, "dot_partial", geometry, x.array, y.array, Int64(x.count), sums.deviceAddress)
        } else {
            run(.sums, "sum_partial", geometry, x.array, Int64(x.count), sums.deviceAddress)
        }
        return (sums, geometry.blocks.x)
    }

    private func finish(
        _ partial: (sums: Tensor, count: Int), factor: Double, total: DeviceAddress, into y: DeviceAddress, accumulate: Bool
    ) {
        run(.sums, "finish_sum", .one, partial.sums.deviceAddress, Int32(partial.count), factor, total, y, flag(accumulate))
    }

    public func accumulateDot(_ x: Tensor, _ y: Tensor, into s: Tensor) {
        inFloat32(s) { finish(partial(x, y), factor: 1, total: 0, into: $0.deviceAddress, accumulate: true) }
    }

    public func sum(_ x: Tensor, scale: Float, into y: Tensor) {
        inFloat32(y) { finish(partial(x, nil), factor: Double(scale), total: 0, into: $0.deviceAddress, accumulate: false) }
    }

    public func sumOfSquares(_ x: Tensor, into total: Tensor) {
        finish(partial(x, x), factor: 1, total: total.deviceAddress, into: 0, accumulate: false)
    }

    public func sumOfSquares(_ x: Tensor) -> Double {
        let total = total(x, x)
        var value = 0.0
        withUnsafeMutableBytes(of: &value) { download(total, to: $0) }
        return value
    }

    public func firstNotFinite(_ x: Tensor) -> Int? {
        let first = x.context.empty([2])
        var index = UInt64.max
        withUnsafeBytes(of: &index) { upload($0, to: first) }
        run(.sums, "first_not_finite", elements(x.count), x.array, Int64(x.count), first.deviceAddress)
        withUnsafeMutableBytes(of: &index) { download(first, to: $0) }
        return failure == nil && index != .max ? Int(index) : nil
    }
}

/// A truth value as kernels take it.
func flag(_ value: Bool) -> Int32 { value ? 1 : 0 }
