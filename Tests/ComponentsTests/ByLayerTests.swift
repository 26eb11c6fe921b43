import Architectures
import Autograd
import Components
import Configuration
import Testing

/// Options and components that differ by layer: `{"by_layer": [a, b, …]}`, tiled over the layers.
struct ByLayerTests {
    static let base: JSON = ["context": 16, "layers": 5, "width": 24, "vocab_size": 11]

    static func shapes(_ json: JSON) throws -> [String: [Int]] {
        let model = try Model(ModelConfig(json))
        return Dictionary(uniqueKeysWithValues: model.store.parameters.map { ($0.name, $0.shape) })
    }

    @Test func windowsAndHeads() throws {
        let json = with(
            ByLayerTests.base,
            ["attention": ["type": "gqa", "heads": 6, "kv_heads": ["by_layer": [1, 2, 3]], "window": ["by_layer": [4, .null]]]])
        let model = try Model(ModelConfig(json))
        #expect(model.cacheShapes.map(\.window) == [4, nil, 4, nil, 4])
        #expect(model.cacheShapes.map(\.kvHeads) == [1, 2, 3, 1, 2])
        let shapes = try ByLayerTests.shapes(json)
        #expect((0..<5).map { shapes["layers.\($0).attention.k.weight"] } == [[4, 24], [8, 24], [12, 24], [4, 24], [8, 24]])
    }

    @Test func patternOfLetters() throws {
        func windows(_ options: [String: JSON], context: Int = 1024) throws -> [Int?] {
            let attention = options.merging(["type": "mha"]) { $1 }
            return try Model(ModelConfig(with(ByLayerTests.base, ["context": .int(context), "attention": .object(attention)])))
                .cacheShapes.map(\.window)
        }
        #expect(try windows(["window": "SSSL"]) == [256, 256, 256, nil, nil])
        #expect(try windows(["window": "SSSL", "full_last": false]) == [256, 256, 256, nil, 256])
        #expect(try windows(["window": "SL", "short_window": 7]) == [7, nil, 7, nil, nil])
        #expect(try windows(["window": "S"], context: 2000) == [512, 512, 512, 512, nil], "a quarter, rounded up to 128s")
        let short = try windows(["window": "S"], context: 16)
        #expect(short.dropLast().allSatisfy { ($0 ?? 17) <= 16 }, "never over the context")
    }

    @Test func feedForwards() throws {
        let shapes = try ByLayerTests.shapes(
            with(ByLayerTests.base, ["mlp": ["by_layer": ["swiglu", ["type": "relu", "hidden": 7]]]]))
        #expect(shapes["layers.0.mlp.gate.weight"] == [96, 24])
        #expect(shapes["layers.1.mlp.gate.weight"] == nil && shapes["layers.1.mlp.up.weight"] == [7, 24])
        #expect(shapes["layers.4.mlp.gate.weight"] == [96, 24])
    }

    @Test func norms() throws {
        let shapes = try ByLayerTests.shapes(
            with(
                ByLayerTests.base, ["norm": ["type": ["by_layer": ["layernorm", "rmsnorm"]], "placement": ["by_layer": ["pre", "both"]]]]))
        #expect(shapes["layers.0.attention_norm.bias"] != nil && shapes["layers.1.attention_norm.bias"] == nil)
        #expect(shapes["layers.0.mlp_norm_post.weight"] == nil && shapes["layers.1.mlp_norm_post.weight"] == [24])
    }

    static func logits(position: JSON) throws -> [Float] {
        let context = Context.cpu(threads: 1)
        let model = try randomModel(with(base, ["position": position]), on: context)
        return model.logits(Pass(tokens: context.tensor(randomTokens(16, vocabulary: 11), [1, 16]))).floats
    }

    @Test func positions() throws {
        let rope = try ByLayerTests.logits(position: "rope"), none = try ByLayerTests.logits(position: "none")
        #expect(try ByLayerTests.logits(position: ["by_layer": ["rope", "rope"]]) == rope)
        let mixed = try ByLayerTests.logits(position: ["by_layer": ["rope", "rope", "none"]])
        #expect((distance(mixed, rope) ?? 0) > 1e-3 && (distance(mixed, none) ?? 0) > 1e-3)
        let bases = try ByLayerTests.logits(position: ["type": "rope", "base": ["by_layer": [10000, 100]]])
        #expect((distance(bases, rope) ?? 0) > 1e-3)
    }

    /// A rope layer and a learned one share nothing; two learned layers share their table.
    @Test func layersShareASchemeTheySayTheSameOf() throws {
        let shapes = try ByLayerTests.shapes(with(ByLayerTests.base, ["position": ["by_layer": ["learned", "rope"]]]))
        #expect(shapes.keys.filter { $0.hasPrefix("position") } == ["position.weight"])
    }

    @Test func resolvedConfigMakesTheSameModel() throws {
        let json = with(
            ByLayerTests.base,
            [
                "position": ["by_layer": ["rope", "none"]], "mlp": ["by_layer": ["swiglu", ["type": "gelu", "approximate": "none"]]],
                "attention": ["type": "gqa", "heads": ["by_layer": [4, 6]], "window": "SL", "short_window": 3],
            ])
        let config = try ModelConfig(json), again = try ModelConfig(config.resolved)
        #expect(again.resolved == config.resolved)
        #expect(try ByLayerTests.shapes(config.resolved) == ByLayerTests.shapes(json))
    }
}
