extension CUDABackend {
    /// One launch for all parameters; a block takes a share of one.
    public func adamW(_ updates: [AdamWUpdate], clip: GradientClip?) {
        guard let context = updates.first?.p.context else { return }
        let table = updates.map { KernelUpdate($0) }
        var chunks: [KernelChunk] = []
        for (which, update) in updates.enumerated() {
            for start in stride(from: 0, to: update.p.count, by: KernelChunk.size) {
                let count = min(KernelChunk.size, update.p.count - start)
                chunks.append(KernelChunk(start: Int64(start), which: Int32(which), count: Int32(count)))
            }
        }
        guard !chunks.isEmpty else { return }
        let updates = uploaded(table, on: context), shares = uploaded(chunks, on: context)
        run(
            .optimizers, "adamw", LaunchGeometry(blocks: (chunks.count, 1, 1), threads: LaunchGeometry.threads), updates.deviceAddress,
            shares.deviceAddress, clip?.squares.deviceAddress ?? 0, clip?.limit ?? 0)
    }

    public func clip(_ x: Tensor, by clip: GradientClip) {
        guard clip.limit > 0 else { return }
        run(.optimizers, "clip", elements(x.count), x.array, Int64(x.count), clip.squares.deviceAddress, clip.limit)
    }

    /// Structs in memory of the device.
    func uploaded<Value: BitwiseCopyable>(_ values: [Value], on context: Context) -> Tensor {
        let tensor = context.empty([(values.count * MemoryLayout<Value>.stride + 3) / 4], .int32)
        values.withUnsafeBytes { upload($0, to: tensor) }
        return tensor
    }

    public func sgd(_ p: Tensor, _ g: Tensor, _ buffer: Tensor, numbers: Tensor, nesterov: Bool) {
        run(
            .optimizers, "sgd", fours(p.count), p.deviceAddress, g.deviceAddress, buffer.deviceAddress, Int64(p.count),
            numbers.deviceAddress, flag(nesterov), DeviceAddress(0), Float(0), DeviceAddress(0))
    }
}
