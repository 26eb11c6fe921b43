import Configuration
import Testing

/// `by_layer` taken apart and put together.
struct LayersTests {
    @Test func listsAreTiled() throws {
        let json: JSON = ["a": ["by_layer": [1, 2, 3]], "b": ["c": ["by_layer": ["x", "y"]]], "d": 5]
        for layer in 0..<7 {
            let seen = try json.atLayer(layer)
            #expect(seen == ["a": .int(layer % 3 + 1), "b": ["c": .string(["x", "y"][layer % 2])], "d": 5])
        }
    }

    @Test func insideEachOther() throws {
        let json: JSON = ["by_layer": [["by_layer": [1, 2]], ["k": ["by_layer": [3, 4, 5]]]]]
        #expect(try (0..<4).map { try json.atLayer($0) } == [1, ["k": 4], 1, ["k": 3]])
    }

    @Test(
        arguments: [
            (["by_layer": []], "model"), (["by_layer": 3], "model"), (["by_layer": ["a": 1]], "model"), (["by_layer": .null], "model"),
            (["by_layer": [1], "type": "relu"], "model"), (["mlp": ["hidden": ["by_layer": []]]], "model.mlp.hidden"),
            (["by_layer": [["x": ["by_layer": "no"]]]], "model.x"),
        ] as [(JSON, String)])
    func mistakesAreNamed(json: JSON, path: String) throws {
        let error = try #require(throws: ConfigError.self) { try json.atLayer(0, at: "model") }
        #expect(error.path == path)
        #expect(error.message.contains("by_layer"), "\(error)")
        #expect(!error.description.contains { $0.isNewline })
    }

    @Test func foldingSaysEqualThingsOnce() {
        #expect(JSON.folding([1, 1, 1]) == 1)
        #expect(JSON.folding([["a": 1, "b": 2], ["a": 1, "b": 2]]) == ["a": 1, "b": 2])
        #expect(JSON.folding([["a": 1, "b": 2], ["a": 1, "b": 3]]) == ["a": 1, "b": ["by_layer": [2, 3]]])
        #expect(JSON.folding([]) == .null)
        let unlike: [JSON] = [["type": "x", "a": 1], ["type": "y", "a": 1]]
        #expect(JSON.folding(unlike) == ["by_layer": .array(unlike)], "components of two types stay apart")
        let keys: [JSON] = [["a": 1], ["b": 1]]
        #expect(JSON.folding(keys) == ["by_layer": .array(keys)])
    }

    static let stacks: [[JSON]] = [
        [1, 2, 3], [["a": ["b": 1]], ["a": ["b": 2]], ["a": ["b": 1]]], [["type": "x"], ["type": "y"]], ["a", 1, .null],
        [[1, 2], [1, 2]], [["a": [1]], ["a": [2]]], [["a": 1], 5], [[:], [:]], [["type": "x", "s": "L"], ["type": "x", "s": .null]],
    ]

    @Test(arguments: stacks)
    func foldingAndTakingApartAreInverse(layers: [JSON]) throws {
        let folded = JSON.folding(layers)
        #expect(try layers.indices.map { try folded.atLayer($0) } == layers)
    }

    @Test func flattenedPaths() {
        let json: JSON = ["a": ["b": 1, "c": ["d": [1, 2]]], "e": .null, "f": [:]]
        #expect(json.flattened() == ["a.b": 1, "a.c.d": [1, 2], "e": .null, "f": [:]])
        #expect(json[path: "a.c.d"] == [1, 2] && json[path: "a.x.d"] == nil && json[path: "a.b.c"] == nil)
    }
}
