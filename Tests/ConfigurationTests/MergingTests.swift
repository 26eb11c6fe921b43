import Configuration
import Testing

/// How an override is laid over a base: key by key, one changed word being a whole ablation.
struct MergingTests {
    /// Two slots: norm (layernorm: eps, bias; rmsnorm: eps, weight) and mlp (relu: bias; swiglu: none).
    static func known(_ path: String, _ type: String) -> Set<String>? {
        switch (path, type) {
        case ("model.norm", "layernorm"): ["type", "eps", "bias"]
        case ("model.norm", "rmsnorm"): ["type", "eps", "weight"]
        case ("model.mlp", "relu"): ["type", "bias"]
        case ("model.mlp", "swiglu"): ["type"]
        default: nil
        }
    }

    static let base: JSON = [
        "model": ["width": 64, "norm": ["type": "layernorm", "eps": 1e-5, "bias": false], "mlp": "relu"],
        "training": ["steps": 100, "list": [1, 2, 3]],
    ]

    static func model(_ override: JSON) -> JSON? { base.merging(["model": override], known: known)["model"] }

    @Test func nothingChangesNothing() {
        #expect(MergingTests.base.merging([:], known: MergingTests.known) == MergingTests.base)
    }

    @Test func objectsMergeAndTheRestIsReplaced() {
        let merged = MergingTests.base.merging(
            ["model": ["width": 128], "training": ["list": [9], "seed": 4], "new": ["a": 1]], known: MergingTests.known)
        #expect(merged["model"]?["width"] == 128)
        #expect(merged["model"]?["norm"] == MergingTests.base["model"]?["norm"])
        #expect(merged["training"] == ["steps": 100, "list": [9], "seed": 4])
        #expect(merged["new"] == ["a": 1])
        #expect(MergingTests.base.merging(["training": 5], known: MergingTests.known)["training"] == 5)
        #expect(MergingTests.base.merging(["training": .null], known: MergingTests.known)["training"] == .null)
    }

    @Test func aNewTypeDropsOptionsItDoesNotHave() {
        #expect(MergingTests.model(["norm": ["type": "rmsnorm"]])?["norm"] == ["type": "rmsnorm", "eps": 1e-5])
        #expect(
            MergingTests.model(["norm": ["type": "rmsnorm", "weight": false]])?["norm"] == [
                "type": "rmsnorm", "eps": 1e-5, "weight": false,
            ])
        #expect(MergingTests.model(["mlp": ["type": "swiglu"]])?["mlp"] == ["type": "swiglu"])
    }

    @Test func theSameTypeKeepsOptions() {
        let norm: JSON = ["type": "layernorm", "eps": 1e-5, "bias": false]
        #expect(MergingTests.model(["norm": ["type": "layernorm"]])?["norm"] == norm)
        #expect(MergingTests.model(["norm": "layernorm"])?["norm"] == norm)
        #expect(MergingTests.model(["norm": ["bias": true]])?["norm"] == ["type": "layernorm", "eps": 1e-5, "bias": true])
    }

    @Test func aBareNameIsAType() {
        #expect(MergingTests.model(["norm": "rmsnorm"])?["norm"] == ["type": "rmsnorm", "eps": 1e-5])
        // Over a bare name too: options join the name that stands there.
        #expect(MergingTests.model(["mlp": ["bias": false]])?["mlp"] == ["type": "relu", "bias": false])
        #expect(MergingTests.model(["mlp": "swiglu"])?["mlp"] == ["type": "swiglu"])
    }

    /// What the new type lacks is an error of the override's own writing, so it stays for the decoder to name.
    @Test func foreignOptionsOfTheOverrideStay() {
        #expect(MergingTests.model(["norm": ["type": "rmsnorm", "bias": true]])?["norm"]?["bias"] == true)
    }

    @Test func anUnknownTypeKeepsEverythingForTheErrorToSpeakOf() {
        #expect(MergingTests.model(["norm": "rmsnrom"])?["norm"] == ["type": "rmsnrom", "eps": 1e-5, "bias": false])
    }

    @Test func aListOverAComponentKeepsItsOptions() {
        #expect(
            MergingTests.model(["norm": ["by_layer": ["rmsnorm", ["eps": 3], ["type": "layernorm"]]]])?["norm"] == [
                "by_layer": [
                    ["type": "rmsnorm", "eps": 1e-5], ["type": "layernorm", "eps": 3, "bias": false],
                    ["type": "layernorm", "eps": 1e-5, "bias": false],
                ]
            ])
    }

    @Test func optionsOverAListGoToEveryElement() {
        let patterned: JSON = ["model": ["norm": ["by_layer": ["rmsnorm", ["type": "layernorm", "bias": false]]]]]
        #expect(
            patterned.merging(["model": ["norm": ["eps": 3]]], known: MergingTests.known)["model"]?["norm"] == [
                "by_layer": [["type": "rmsnorm", "eps": 3], ["type": "layernorm", "bias": false, "eps": 3]]
            ])
    }

    @Test func aListIsReplacedByAListOrAComponent() {
        let pattern: JSON = ["by_layer": ["relu", "swiglu"]]
        let patterned: JSON = ["model": ["mlp": pattern, "norm": ["type": "rmsnorm", "eps": ["by_layer": [1, 2]]]]]
        let other: JSON = ["by_layer": ["relu"]]
        #expect(patterned.merging(["model": ["mlp": other]], known: MergingTests.known)["model"]?["mlp"] == other)
        #expect(patterned.merging(["model": ["mlp": "relu"]], known: MergingTests.known)["model"]?["mlp"] == ["type": "relu"])
        #expect(patterned.merging(["model": ["norm": ["eps": 3]]], known: MergingTests.known)["model"]?["norm"]?["eps"] == 3)
    }

    /// Overrides one after another are as good as each on what came before.
    @Test func overridesChain() {
        let first: JSON = ["model": ["norm": "rmsnorm"]], second: JSON = ["model": ["norm": ["weight": false], "width": 9]]
        let chained = MergingTests.base.merging(first, known: MergingTests.known).merging(second, known: MergingTests.known)
        #expect(chained["model"]?["norm"] == ["type": "rmsnorm", "eps": 1e-5, "weight": false])
        #expect(chained["model"]?["width"] == 9)
    }
}
