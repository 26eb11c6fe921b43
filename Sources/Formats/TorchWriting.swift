extension TorchFile {
    /// Writes a file that `torch.load(path, weights_only=True)` reads: a dictionary with a state dict and plain values beside it.
    /// - Parameters:
    ///   - weights: the state dict's tensors in order, as float32.
    ///   - shared: further names for tensors that are there under another.
    ///   - key: the state dict's key in the dictionary.
    ///   - values: what else the dictionary has.
    /// - Throws: `FormatError` when it cannot be written.
    public static func write(
        _ weights: [Safetensors.Source], shared: [(name: String, as: String)], key: String, values: [PickleValue.Pair], to path: String
    ) throws {
        func rebuilt(_ index: Int) -> PickleValue {
            let shape = weights[index].shape
            var strides = [Int](repeating: 1, count: shape.count)
            for dimension in shape.indices.dropLast().reversed() {
                strides[dimension] = strides[dimension + 1] * max(shape[dimension + 1], 1)
            }
            let count = shape.reduce(1, *)
            let storage: PickleValue = .external(
                .tuple([.string("storage"), .global("torch.FloatStorage"), .string(String(index)), .string("cpu"), .int(count)]))
            return .call(
                "torch._utils._rebuild_tensor_v2",
                [
                    storage, .int(0), .tuple(shape.map { .int($0) }), .tuple(strides.map { .int($0) }), .bool(false),
                    .call("collections.OrderedDict", []),
                ])
        }
        var state = weights.indices.map { PickleValue.Pair(key: .string(weights[$0].name), value: rebuilt($0)) }
        for (name, other) in shared {
            guard let index = weights.firstIndex(where: { $0.name == other }) else {
                throw FormatError(path, "has no tensor \(shown(other)) to share")
            }
            state.append(PickleValue.Pair(key: .string(name), value: rebuilt(index)))
        }
        var pickle = PickleWriter()
        pickle.write(.dictionary([PickleValue.Pair(key: .string(key), value: .dictionary(state))] + values))
        pickle.finish()
        let archive = try ZipWriter(path)
        try archive.add("archive/data.pkl", pickle.bytes)
        try archive.add("archive/byteorder", Array("little".utf8))
        for (index, weight) in weights.enumerated() {
            try archive.add("archive/data/\(index)", size: weight.shape.reduce(4, *), weight.write)
        }
        try archive.add("archive/version", Array("3\n".utf8))
        try archive.finish()
    }
}
