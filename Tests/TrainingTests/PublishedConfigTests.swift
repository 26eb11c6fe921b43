import Architectures
import Configuration
import Foundation
import Testing
import Training

/// Every file in configs/ loads, and the published models have their published sizes.
struct PublishedConfigTests {
    @Test func allAreThere() {
        for name in ["gpt1", "gpt2", "gpt2-xl", "small", "gqa-rope", "nanochat-d12", "nanochat-small", "lecture"] {
            #expect(configNames.contains(name), "configs/\(name).json is missing")
        }
    }

    @Test(arguments: configNames)
    func loads(name: String) throws {
        let path = "\(repository)/configs/\(name).json"
        let config = try RunConfig(path: path)
        #expect(config.name == name)
        _ = try Model(config.model, vocabulary: 1024)
        let file = try RunConfig.load(path)
        #expect(file["$schema"] == "schema.json", "editors find the schema by it")
        #expect(file["description"]?.stringValue?.isEmpty == false, "a config says what it is for")
    }

    static let published: [(name: String, vocabulary: Int?, parameters: Int)] = [
        ("gpt1", nil, 116_534_784), ("gpt2", nil, 124_439_808), ("gpt2-medium", nil, 354_823_168),
        ("gpt2-large", nil, 774_030_080), ("gpt2-xl", nil, 1_557_611_200), ("nanochat-d12", nil, 286_261_730),
        ("lecture", 65, 209_729), ("nanogpt-baby", 65, 10_745_088),
        // 4 · (4 + 8) · 128² + 9 norms of 128 + (65 + 64) · 128.
        ("nanogpt-cpu", 65, 12 * 4 * 128 * 128 + 9 * 128 + 129 * 128),
        // 4 · (12 · 192² + 9 · 192 biases + 4 · 192 of norms) + 2 · 192 + (1024 + 256) · 192.
        ("small", 1024, 4 * (12 * 192 * 192 + 13 * 192) + 2 * 192 + 1280 * 192),
    ]

    @Test(arguments: published)
    func parameters(name: String, vocabulary: Int?, parameters: Int) throws {
        let config = try RunConfig(path: "\(repository)/configs/\(name).json")
        #expect(try Model(config.model, vocabulary: vocabulary).accounting.parameters == parameters)
    }

    /// The small configs are ablations: each changes what it says and nothing of how it is trained.
    @Test func smallOnesDifferInTheirModelAlone() throws {
        let base = try RunConfig(path: "\(repository)/configs/small.json")
        for name in configNames where name != "small" && name != "nanochat-small" {
            let path = "\(repository)/configs/\(name).json"
            guard try JSON(parsing: bytes(path))["extends"] == "small.json" else { continue }
            let config = try RunConfig(path: path)
            for section in ["optimizer", "schedule", "data", "train"] {
                #expect(config.resolved[section] == base.resolved[section], "\(name) differs from small in \(section)")
            }
            #expect(config.resolved["model"] != base.resolved["model"], "\(name) differs from small in nothing")
        }
    }
}
