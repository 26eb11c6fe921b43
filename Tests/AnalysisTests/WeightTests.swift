import Analysis
import Architectures
import Autograd
import Configuration
import Formats
import Foundation
import Testing
import Training

/// Which matrices a model and a file have, and how heads are cut out of them.
struct WeightTests {
    let context = Context.cpu(threads: 1)

    static let grouped: JSON = [
        "context": 8, "layers": 2, "width": 12, "embedding": ["type": "token", "pad_to": 8],
        "attention": ["type": "gqa", "heads": 4, "kv_heads": 2, "head_dim": 5], "mlp": ["type": "swiglu", "hidden": 20],
    ]

    func saved(_ model: Model) throws -> (file: Safetensors.File, path: String) {
        let path = temporaryPath("model.safetensors")
        try writeSafetensors(model.store.parameters.map { ($0.name, $0.shape, $0.value?.floats ?? []) }, to: path)
        return (try Safetensors.File(path: path), path)
    }

    @Test func matricesOfAModel() throws {
        let model = try randomModel(WeightTests.grouped, vocabulary: 21, on: context)
        let tensors = WeightTensor.all(of: model)
        #expect(
            tensors.filter { $0.layer == 1 }.map(\.part) == [
                "attention.q", "attention.k", "attention.v", "attention.output", "mlp.gate", "mlp.up", "mlp.down",
            ])
        #expect(tensors.first { $0.part == "embedding" }?.rows == 21, "padding of the vocabulary is no weight")
        let heads = tensors.filter { $0.layer == 0 }.compactMap { $0.heads }
        #expect(heads.map(\.count) == [4, 2, 2, 4] && heads.allSatisfy { $0.dim == 5 })
        #expect(heads.map(\.alongColumns) == [false, false, false, true])
    }

    @Test func spectraOfHeads() throws {
        let model = try randomModel(WeightTests.grouped, vocabulary: 21, on: context)
        let (file, path) = try saved(model)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let tensors = WeightTensor.all(of: model)
        let all = try MatrixSpectrum.all(tensors, in: file)
        #expect(all.count == tensors.count + 2 * 12, "4 + 2 + 2 + 4 heads a layer")
        func values(_ name: String) throws -> [Float] {
            try #require(model.store.parameters.first { $0.name == name }?.value?.floats)
        }
        func found(_ name: String, _ head: Int?) throws -> [Double] {
            try #require(all.first { $0.tensor.name == name && $0.head == head }?.spectrum.values)
        }
        let q = try values("layers.1.attention.q.weight"), output = try values("layers.1.attention.output.weight")
        #expect(
            try found("layers.1.attention.q.weight", 2)
                == SingularValues.of(Array(q[10 * 12..<15 * 12]), rows: 5, columns: 12, name: ""))
        let columns = (0..<12).flatMap { row in output[row * 20 + 15..<row * 20 + 20] }
        #expect(
            try found("layers.1.attention.output.weight", 3) == SingularValues.of(columns, rows: 12, columns: 5, name: ""))
        // The heads of a matrix share its energy.
        let whole = try found("layers.0.attention.k.weight", nil).reduce(0) { $0 + $1 * $1 }
        let parts = try (0..<2).flatMap { try found("layers.0.attention.k.weight", $0) }.reduce(0) { $0 + $1 * $1 }
        #expect(abs(whole - parts) < 1e-9 * whole)
    }

    @Test func oneHeadIsTheMatrix() throws {
        let model = try Model(ModelConfig(["width": 12, "attention": ["type": "mqa", "heads": 2]]), vocabulary: 5)
        let tensors = WeightTensor.all(of: model).filter { $0.layer == 0 }
        #expect(tensors.first { $0.part == "attention.q" }?.heads?.count == 2)
        #expect(tensors.first { $0.part == "attention.k" }?.heads == nil)
    }

    @Test func names() {
        for (name, layer, part) in [
            ("layers.3.attention.q.weight", 3, "attention.q"), ("head.weight", nil, "head"), ("h.11.attn.c_attn.weight", 11, "attn.c_attn"),
            ("weight", nil, "weight"), ("blocks.4", 4, "blocks"),
        ] as [(String, Int?, String)] {
            let found = WeightTensor.place(of: name)
            #expect(found.layer == layer && found.part == part, "\(name): \(found)")
        }
    }

    @Test func halfPrecision() {
        for (bits, value) in [
            (0x3C00, 1), (0xC000, -2), (0x3555, 0.333251953125), (0x7BFF, 65504), (0x0001, 0x1p-24), (0x8001, -0x1p-24), (0, 0),
            (0x0400, 0x1p-14),
        ] as [(UInt16, Float)] { #expect(WeightTensor.half(bits) == value) }
        #expect(WeightTensor.half(0x7C00) == .infinity && WeightTensor.half(0x7E00).isNaN)
    }

    /// A file of bfloat16 and half precision gives the spectra of what it holds.
    @Test(arguments: ["BF16", "F16"]) func smallerTypes(dtype: String) throws {
        let path = temporaryPath("small.safetensors")
        defer { try? FileManager.default.removeItem(atPath: path) }
        let bits: [UInt16] = dtype == "BF16" ? [0x4040, 0, 0, 0x4000] : [0x4200, 0, 0, 0x4000]  // 3, 0, 0, 2
        let header = "{\"w\":{\"dtype\":\"\(dtype)\",\"shape\":[2,2],\"data_offsets\":[0,8]}}"
        var data = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) } + Data(header.utf8)
        bits.withUnsafeBytes { data.append(contentsOf: $0) }
        try data.write(to: URL(fileURLWithPath: path))
        let file = try Safetensors.File(path: path)
        let found = try MatrixSpectrum.all(WeightTensor.all(in: file), in: file).flatMap(\.spectrum.values)
        #expect(found.count == 2 && zip(found, [3, 2]).allSatisfy { abs($0 - $1) < 1e-14 }, "\(found)")
    }

    @Test func aFileThatIsNotTheModels() throws {
        let model = try randomModel(WeightTests.grouped, vocabulary: 21, on: context), path = temporaryPath("other.safetensors")
        defer { try? FileManager.default.removeItem(atPath: path) }
        try writeSafetensors([("embedding.weight", [4, 4], randomNumbers(16, stream: 2)), ("bias", [3], [1, 2, 3])], to: path)
        let file = try Safetensors.File(path: path)
        #expect(WeightTensor.all(in: file).map(\.name) == ["embedding.weight"], "vectors are no matrices")
        let text = message { _ = try MatrixSpectrum.all(WeightTensor.all(of: model), in: file) }
        #expect(text.contains("F32 [24, 12] is wanted"), "\(text)")
    }

    @Test func stopping() throws {
        let model = try randomModel(WeightTests.grouped, vocabulary: 21, on: context), (file, path) = try saved(model)
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(throws: CancellationError.self) { try MatrixSpectrum.all(WeightTensor.all(of: model), in: file) { $0 == 0 } }
    }
}
