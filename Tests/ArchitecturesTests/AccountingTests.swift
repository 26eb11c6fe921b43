import Architectures
import Autograd
import Components
import Configuration
import Testing

/// What models cost against published figures and plain formulas.
struct AccountingTests {
    struct Published: Sendable, CustomTestStringConvertible {
        let name: String
        let json: JSON
        let parameters: Int
        var testDescription: String { name }
    }

    static func gpt2(layers: Int, width: Int, heads: Int) -> JSON {
        [
            "context": 1024, "layers": .int(layers), "width": .int(width), "vocab_size": 50257,
            "attention": ["type": "mha", "heads": .int(heads)],
        ]
    }
    static let nanochat: JSON = [
        "context": 2048, "layers": 12, "width": 768, "vocab_size": 32768,
        "embedding": ["type": "token", "norm": true, "pad_to": 64],
        "position": ["type": "rope", "base": 100000, "reverse": true],
        "norm": ["type": "rmsnorm", "weight": false],
        "attention": [
            "type": "gqa", "heads": 6, "kv_heads": 6, "bias": false, "qk_norm": true, "qk_scale": 1.2, "window": "SSSL",
            "value_embedding": "alternate",
        ],
        "mlp": ["type": "relu2", "bias": false], "residual": "mixed", "head": ["type": "untied", "softcap": 15],
        "init": "nanochat",
    ]

    static let published = [
        Published(
            name: "GPT-1",
            json: [
                "context": 512, "layers": 12, "width": 768, "vocab_size": 40478,
                "attention": ["type": "mha", "heads": 12], "norm": ["type": "layernorm", "placement": "post"], "init": "gpt1",
            ], parameters: 116_534_784),
        Published(name: "GPT-2", json: gpt2(layers: 12, width: 768, heads: 12), parameters: 124_439_808),
        Published(name: "GPT-2 medium", json: gpt2(layers: 24, width: 1024, heads: 16), parameters: 354_823_168),
        Published(name: "GPT-2 large", json: gpt2(layers: 36, width: 1280, heads: 20), parameters: 774_030_080),
        Published(name: "GPT-2 xl", json: gpt2(layers: 48, width: 1600, heads: 25), parameters: 1_557_611_200),
        Published(
            name: "nanoGPT baby",
            json: [
                "context": 256, "layers": 6, "width": 384, "vocab_size": 65,
                "attention": ["type": "mha", "heads": 6, "bias": false], "norm": ["type": "layernorm", "bias": false],
                "mlp": ["type": "gelu", "approximate": "none", "bias": false],
            ], parameters: 10_745_088),
        Published(
            name: "lecture GPT",
            json: [
                "context": 32, "layers": 4, "width": 64, "vocab_size": 65,
                "attention": ["type": "mha", "heads": 4, "bias": false, "output_bias": true, "scale": 0.125],
                "mlp": "relu", "head": ["type": "untied", "bias": true], "init": "torch",
            ], parameters: 209_729),
        Published(name: "nanochat d12", json: nanochat, parameters: 286_261_730),
    ]

    @Test(arguments: published)
    func publishedParameters(_ model: Published) throws {
        let accounting = try Model(ModelConfig(model.json)).accounting
        #expect(accounting.parameters == model.parameters)
        #expect(accounting.parametersByGroup.values.reduce(0, +) == model.parameters)
    }

    @Test func nanochatFLOPs() throws {
        let accounting = try Model(ModelConfig(AccountingTests.nanochat)).accounting
        #expect(accounting.flopsPerToken == 759_696_048)
        #expect(accounting.parametersByGroup["value_embedding"] == 150_994_944)
    }

    @Test func gpt2FLOPs() throws {
        let accounting = try Model(ModelConfig(AccountingTests.gpt2(layers: 12, width: 768, heads: 12))).accounting
        let products = 12 * 12 * 768 * 768 + 50257 * 768
        #expect(accounting.productParameters == products)
        #expect(accounting.flopsPerToken == 6 * products + 12 * 12 * 768 * 1024)
    }

    /// Stored: L·2·K·D·bytes a token. Read at context n: Σ over layers of 2·K·D·bytes·min(n, what the layer holds).
    @Test func keyValueBytes() throws {
        let gpt2 = try Model(ModelConfig(AccountingTests.gpt2(layers: 12, width: 768, heads: 12)))
        #expect(gpt2.accounting.kvBytesPerToken == 12 * 2 * 768 * 4)
        #expect(gpt2.accounting.kvBytesAtContext == 12 * 2 * 768 * 4 * 1024)
        #expect(Accounting.kvBytesRead(gpt2.cacheShapes, tokens: 100, context: 1024) == 12 * 2 * 768 * 4 * 100)
        #expect(Accounting.kvBytesRead(gpt2.cacheShapes, tokens: 5000, context: 1024, elementSize: 2) == 12 * 2 * 768 * 2 * 1024)

        // Windows of 512 on 3 of 4 layers, which hold the window and the token itself; the last layer is full anyway.
        let nanochat = try Model(ModelConfig(AccountingTests.nanochat)), token = 2 * 6 * 128 * 4
        #expect(nanochat.cacheShapes.map(\.window) == (0..<12).map { $0 % 4 == 3 ? nil : 512 })
        #expect(nanochat.accounting.kvBytesPerToken == 12 * token)
        #expect(nanochat.accounting.kvBytesAtContext == token * (9 * 513 + 3 * 2048))
        #expect(Accounting.kvBytesRead(nanochat.cacheShapes, tokens: 1000, context: 2048) == token * (9 * 512 + 3 * 1000))

        let grouped = with(
            AccountingTests.gpt2(layers: 12, width: 768, heads: 12), ["attention": ["type": "gqa", "heads": 12, "kv_heads": 3]])
        #expect(try Model(ModelConfig(grouped)).accounting.kvBytesPerToken == 12 * 2 * 3 * 64 * 4)
        let shared = with(grouped, ["attention": ["type": "mqa", "heads": 12]])
        #expect(try Model(ModelConfig(shared)).accounting.kvBytesPerToken == 12 * 2 * 64 * 4)
    }

    @Test func theCacheTakesWhatTheFormulaSays() throws {
        let json = with(AccountingTests.nanochat, ["width": 96, "context": 300, "layers": 5, "vocab_size": 50])
        let model = try Model(ModelConfig(json))
        #expect(model.cache(on: .shapesOnly()).byteCount == model.accounting.kvBytesAtContext)
    }

    func with(_ json: JSON, _ changes: [String: JSON]) -> JSON {
        .object((json.objectValue ?? [:]).merging(changes) { $1 })
    }

    static let small: [JSON] = [
        ["context": 40, "layers": 2, "width": 24, "vocab_size": 50, "attention": ["type": "mha", "dropout": 0.1]],
        [
            "context": 70, "layers": 3, "width": 36, "vocab_size": 50, "embedding": ["type": "token", "norm": true, "pad_to": 64],
            "position": "rope", "norm": ["type": "rmsnorm", "placement": "both"], "residual": "mixed",
            "attention": [
                "type": "gqa", "heads": 6, "qk_norm": true, "value_embedding": "all", "window": 20, "output_dropout": 0.2,
            ], "mlp": ["type": "geglu", "dropout": 0.1], "head": ["type": "untied", "bias": true, "softcap": 15],
        ],
        [
            "context": 33, "layers": 2, "width": 24, "vocab_size": 9, "position": ["by_layer": ["alibi", "sinusoidal"]],
            "norm": ["type": "layernorm", "placement": "post"], "attention": ["type": "mqa"],
            "mlp": ["by_layer": ["swiglu", "relu2"]],
        ],
    ]

    /// The estimate, made over shapes, is the peak of the pool when the step is really done.
    @Test(arguments: small, [1, 3])
    func activationBytesAreThePeak(json: JSON, batch: Int) throws {
        let config = try ModelConfig(json)
        let model = try Model(config), context = Context.cpu(threads: 2)
        model.materialize(on: context, training: true)
        let before = context.pool.bytesInUse
        context.pool.resetPeak()
        let time = model.size.context
        let tokens = context.tensor([Int32](repeating: 1, count: batch * time), [batch, time])
        let targets = context.tensor([Int32](repeating: 2, count: batch * time), [batch, time])
        // A batch lives as long as its step.
        withExtendedLifetime((tokens, targets)) {
            context.recording {
                let pass = Pass(tokens: tokens, dropout: DropoutSource(seed: 1, step: 0))
                model.loss(pass, targets: targets, scale: 0.1).backward()
            }
        }
        let measured = context.pool.peakBytesInUse - before
        let estimated = try Model.activationBytes(config, vocabulary: 50, batch: batch)
        #expect(estimated == measured)
    }
}
