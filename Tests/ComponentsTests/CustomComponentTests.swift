import Architectures
import Autograd
import Components
import Configuration
import Testing

/// A component that is not Loom's: registered by its user and named in a config like any other.
struct CustomComponentTests {
    /// A ReLU-gated unit with a learned slope, written with tensor operations alone.
    struct ReGLU: FeedForward {
        struct Options: OptionGroup {
            var hidden = 8
            var slope = 1.0
            static var options: [Option<Options>] {
                [
                    Option("hidden", \.hidden, .atLeast(1), help: "hidden size"),
                    Option("slope", \.slope, .above(0), help: "factor on the gate"),
                ]
            }
        }
        let gate: Linear, up: Linear, down: Linear
        let slope: Float

        init(_ options: Options, at site: Site) {
            gate = site.linear("gate", site.size.width, options.hidden, bias: false, .up)
            up = site.linear("up", site.size.width, options.hidden, bias: false, .up)
            down = site.linear("down", options.hidden, site.size.width, bias: true, .down)
            slope = Float(options.slope)
        }

        func callAsFunction(_ x: Tensor, _ pass: Pass) -> Tensor {
            down((gate(x) * slope).activation(.relu) * up(x))
        }
    }

    static let registry: Registry = {
        var registry = Registry.standard
        registry.mlp.register("reglu", "ReLU-gated unit", ReGLU.Options.self) { options in { ReGLU(options, at: $0) } }
        return registry
    }()
    static let json: JSON = [
        "context": 8, "layers": 2, "width": 12, "vocab_size": 11, "attention": ["type": "mha", "heads": 3],
        "mlp": ["type": "reglu", "hidden": 10, "slope": 0.5],
    ]

    @Test func isUsedFromAConfig() throws {
        let config = try ModelConfig(CustomComponentTests.json, registry: CustomComponentTests.registry)
        #expect(config.resolved["mlp"] == ["type": "reglu", "hidden": 10, "slope": 0.5])
        let shapes = try Model(config).store.parameters.filter { $0.name.hasPrefix("layers.1.mlp.") }
            .map { "\($0.name) \($0.shape)" }
        #expect(
            shapes == [
                "layers.1.mlp.gate.weight [10, 12]", "layers.1.mlp.up.weight [10, 12]",
                "layers.1.mlp.down.weight [12, 10]", "layers.1.mlp.down.bias [12]",
            ])
    }

    /// Sizes that overflow every counter are refused, whoever forgot to bound them.
    @Test(arguments: [Int.max, Int.max / 2 + 1, 1 << 61, 1 << 45]) func absurdSizes(hidden: Int) throws {
        let json = CustomComponentTests.json.merging(["mlp": ["hidden": .int(hidden)]], known: { _, _ in nil })
        let config = try ModelConfig(json, registry: CustomComponentTests.registry)
        #expect {
            try Model(config)
        } throws: { error in
            "\(error)".contains("layers.0.mlp.gate.weight") && "\(error)".contains("more than any machine holds")
        }
    }

    @Test func computesWhatItSays() throws {
        let context = Context.cpu(threads: 1), store = ParameterStore()
        let size = ModelSize(context: 8, layers: 1, width: 2, vocabulary: 3)
        let site = Site(size: size, layer: 0, name: "mlp", path: "model.mlp", store: store)
        let mlp = try CustomComponentTests.registry.mlp.read(["type": "reglu", "hidden": 2, "slope": 2], at: "model.mlp").make(site)
        store.materialize(on: context, training: false)
        let numbers: [String: [Float]] = [
            "mlp.gate.weight": [1, 0, 0, 1], "mlp.up.weight": [1, 1, 1, -1], "mlp.down.weight": [1, 2, 3, 4],
            "mlp.down.bias": [10, 20],
        ]
        for parameter in store.parameters {
            let values = try #require(numbers[parameter.name]), target = try #require(parameter.value)
            values.withUnsafeBytes { context.backend.upload($0, to: target) }
        }
        // gate 2·(3, −5) → (6, 0); up (−2, 8); product (−12, 0); down (−12 + 10, −36 + 20)
        let x = context.tensor([3, -5] as [Float], [1, 1, 2])
        #expect(mlp(x, Pass(tokens: context.tensor([0] as [Int32], [1, 1]))).floats == [-2, -16])
    }

    @Test func learns() throws {
        let losses = try AllPairsTests.descend(
            CustomComponentTests.json, .cpu(threads: 1), steps: 3, registry: CustomComponentTests.registry)
        #expect(zip(losses, losses.dropFirst()).allSatisfy { $0 > $1 }, "losses \(losses)")
    }

    @Test func isUnknownWithoutItsRegistry() {
        let error = #expect(throws: ConfigError.self) { try ModelConfig(CustomComponentTests.json) }
        #expect(error?.path == "model.mlp.type")
        #expect(error?.message.contains("did you mean \"geglu\"") == true, "\(String(describing: error))")
    }

    @Test func theRegistryDescribesIt() {
        let slot = CustomComponentTests.registry.slots.first { $0.name == "mlp" }
        #expect(slot?.keys(of: "reglu") == ["type", "hidden", "slope"])
        #expect(Registry.standard.slots.first { $0.name == "mlp" }?.keys(of: "reglu") == nil, "a registry is a value")
    }
}
