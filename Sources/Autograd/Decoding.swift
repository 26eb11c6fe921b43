// Decoding's own operations in terms of others, for devices that have nothing better.
extension Backend {
    public func append(_ call: RingAppend) { copyToRings(call) }

    /// Run by run of slots that lie behind one another.
    func copyToRings(_ call: RingAppend) {
        let start = call.position?.storedInt64 ?? call.start
        for (heads, ring) in [(call.key, call.keys), (call.value, call.values)] {
            let (batch, capacity, time, width) = (ring.shape[0], ring.shape[1], heads.tensor.shape[1], ring.columns)
            var token = call.first
            while token < time {
                let slot = (start + token) % capacity, run = min(time - token, capacity - slot)
                for b in 0..<batch {
                    let source = heads.tensor.rowsView(b * time + token, run), target = ring.rowsView(b * capacity + slot, run)
                    let plain = ring.dtype == .float32 ? target : ring.context.empty([run, width])
                    copyColumns(source, from: heads.offset, to: plain, at: 0, count: width, accumulate: false)
                    if ring.dtype != .float32 { compress(plain, into: target) }
                }
                token += run
            }
        }
    }

    public func likeliest(_ logits: Tensor, of columns: Int, into ids: Tensor) {
        sampleOnHost(logits, of: columns, into: ids) { _, row in TokenSampling.likeliest(row) }
    }

    public func sample(_ logits: Tensor, of columns: Int, _ sampling: TokenSampling, draws: Tensor, into ids: Tensor) {
        let draws = draws.doubles
        sampleOnHost(logits, of: columns, into: ids) { sampling.token(of: $1, draw: draws[$0]) }
    }

    private func sampleOnHost(
        _ logits: Tensor, of columns: Int, into ids: Tensor, _ one: (Int, UnsafeBufferPointer<Float>) -> Int32
    ) {
        let stride = logits.columns
        let found = logits.floats.withUnsafeBufferPointer { all in
            (0..<logits.rows).map { one($0, UnsafeBufferPointer(rebasing: all[$0 * stride..<$0 * stride + columns])) }
        }
        found.withUnsafeBytes { upload($0, to: ids) }
    }

    public func advance(_ position: Tensor, by count: Int, rows: Tensor) {
        let next = Int64(position.storedInt64 + count)
        withUnsafeBytes(of: next) { upload($0, to: position) }
        let all = [Int32](repeating: Int32(truncatingIfNeeded: next), count: rows.count)
        all.withUnsafeBytes { upload($0, to: rows) }
    }
}

extension Tensor {
    /// What every two float32 elements hold as a double, fetched from the device.
    var doubles: [Double] {
        [Double](unsafeUninitializedCapacity: count / 2) { buffer, written in
            backend.download(self, to: UnsafeMutableRawBufferPointer(start: buffer.baseAddress, count: count / 2 * 8))
            written = count / 2
        }
    }

    /// What two int32 elements hold as one int64, fetched from the device.
    var storedInt64: Int {
        var value: Int64 = 0
        withUnsafeMutableBytes(of: &value) { backend.download(self, to: $0) }
        return Int(value)
    }
}

extension Context {
    /// An int64 in two elements of an int32 tensor, as positions in memory are.
    public func int64(_ value: Int) -> Tensor {
        let tensor = empty([2], .int32)
        withUnsafeBytes(of: Int64(value)) { backend.upload($0, to: tensor) }
        return tensor
    }
}
