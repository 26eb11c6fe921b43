import Architectures
import Autograd
import Components
import Configuration
import Foundation
import Testing
import Text
import Training

/// Continuing a text: what comes out, with and without a cache, inside and past the context.
struct SamplerTests {
    static let letters = "abcdefghijklmnopqrstuvwxyz"
    static let tokenizer = Result { try CharTokenizer(text: letters) }

    static let models: [String: JSON] = [
        "learned": ["context": 16, "layers": 2, "width": 24, "attention": ["heads": 2]],
        "sinusoidal": ["context": 16, "layers": 2, "width": 24, "position": "sinusoidal", "attention": ["heads": 2]],
        "rope": ["context": 16, "layers": 2, "width": 24, "position": "rope", "attention": ["type": "gqa", "heads": 4, "kv_heads": 2]],
        "rope with windows": ["context": 16, "layers": 3, "width": 24, "position": "rope", "attention": ["heads": 2, "window": 5]],
        "alibi": ["context": 16, "layers": 2, "width": 24, "position": "alibi", "attention": ["type": "mqa", "heads": 3]],
        "learned and rope": [
            "context": 16, "layers": 2, "width": 24, "position": ["by_layer": ["learned", "rope"]], "attention": ["heads": 2],
        ],
        "nanochat": [
            "context": 16, "layers": 4, "width": 24, "embedding": ["type": "token", "norm": true, "pad_to": 64],
            "position": ["type": "rope", "reverse": true], "norm": ["type": "rmsnorm", "weight": false],
            "attention": [
                "heads": 2, "window": "SSSL", "short_window": 4, "bias": false, "qk_norm": true, "qk_scale": 1.2,
                "value_embedding": "alternate",
            ], "mlp": ["type": "relu2", "bias": false], "residual": "mixed", "head": ["type": "untied", "softcap": 15],
        ],
    ]

    let context = Context.cpu(threads: 1)

    func sampler(_ name: String) throws -> (Sampler, Model) {
        let json = try #require(SamplerTests.models[name]), tokenizer = try SamplerTests.tokenizer.get()
        let model = try randomModel(json, vocabulary: tokenizer.vocabularySize, on: context)
        return (Sampler(model, tokenizer, on: context), model)
    }

    func options(_ tokens: Int, _ change: (inout SamplingOptions) -> Void = { _ in }) -> SamplingOptions {
        var options = SamplingOptions()
        (options.tokens, options.temperature, options.seed) = (tokens, 1, 11)
        change(&options)
        return options
    }

    /// Text of every sample.
    func texts(_ sampler: Sampler, _ prompt: String, _ options: SamplingOptions) throws -> [String] {
        var texts = Array(repeating: "", count: options.samples)
        try sampler.generate(prompt: prompt, options) {
            texts[$0] += $1
            return true
        }
        return texts
    }

    /// The likeliest token of a full pass over everything, again and again.
    @Test(arguments: models.keys.sorted())
    func greedyIsTheArgmaxOfAFullPass(name: String) throws {
        let (sampler, model) = try sampler(name), tokenizer = try SamplerTests.tokenizer.get()
        var ids = try tokenizer.encode("thequick")
        for _ in 0..<8 {
            let row = Array(model.logits(Pass(tokens: context.tensor(ids, [1, ids.count]))).floats.suffix(tokenizer.vocabularySize))
            ids.append(Int32(try #require(row.indices.max { (row[$0], $1) < (row[$1], $0) })))
        }
        let found = try sampler.text(prompt: "thequick", options(8) { $0.greedy = true })
        #expect(found == tokenizer.decode(Array(ids.dropFirst(8))))
    }

    /// Prompts shorter than the context, as long, and longer, each continued to well past it.
    @Test(arguments: models.keys.sorted(), [1, 16, 40])
    func theCacheChangesNothing(name: String, length: Int) throws {
        let (sampler, _) = try sampler(name)
        let prompt = String(String(repeating: SamplerTests.letters, count: 2).prefix(length))
        for greedy in [true, false] {
            let cached = try texts(sampler, prompt, options(40) { ($0.greedy, $0.samples) = (greedy, 3) })
            let plain = try texts(sampler, prompt, options(40) { ($0.greedy, $0.samples, $0.usesCache) = (greedy, 3, false) })
            #expect(cached == plain, "\(name), prompt of \(length), greedy \(greedy)")
            #expect(cached.allSatisfy { $0.count == 40 })
            #expect(Set(cached).count == (greedy ? 1 : 3), "samples differ, unless greedy")
        }
    }

    /// From one pass over the prompt, every sample is what it is on its own.
    @Test(arguments: ["learned", "rope", "nanochat"], [true, false])
    func theFirstOfManyIsTheOnlyOne(name: String, usesCache: Bool) throws {
        let (sampler, _) = try sampler(name)
        let alone = try texts(sampler, "hello", options(30) { $0.usesCache = usesCache })
        let many = try texts(sampler, "hello", options(30) { ($0.samples, $0.usesCache) = (4, usesCache) })
        #expect(many[0] == alone[0])
        #expect(try texts(sampler, "hello", options(30) { ($0.samples, $0.usesCache) = (2, usesCache) }) == Array(many.prefix(2)))
        #expect(try texts(sampler, "hello", options(30) { ($0.seed, $0.usesCache) = (12, usesCache) }) != alone)
    }

    @Test func lengths() throws {
        let (sampler, _) = try sampler("rope")
        var calls = 0
        let made = try sampler.generate(prompt: "abc", options(0)) { _, _ in
            calls += 1
            return true
        }
        #expect(made == 0 && calls == 0, "no tokens, no text")
        #expect(try sampler.generate(prompt: "abc", options(7) { $0.samples = 3 }) { _, _ in true } == 21)
        #expect(try texts(sampler, "abc", options(1)).map(\.count) == [1])
        // A long text is the beginning of a longer one.
        let long = try sampler.text(prompt: "abc", options(30))
        #expect(try sampler.text(prompt: "abc", options(12)) == String(long.prefix(12)))
    }

    /// An empty prompt stands for a line break, or for the first token where there is none.
    @Test func emptyPrompt() throws {
        let (sampler, _) = try sampler("learned")
        #expect(try sampler.text(prompt: "", options(10)) == sampler.text(prompt: "a", options(10)))
        let lines = try CharTokenizer(text: "ab\nc")
        let model = try randomModel(try #require(SamplerTests.models["rope"]), vocabulary: 4, on: context)
        let other = Sampler(model, lines, on: context)
        #expect(try other.text(prompt: "", options(10)) == other.text(prompt: "\n", options(10)))
    }

    @Test func aPromptThatTheTokenizerCannotRead() throws {
        let (sampler, _) = try sampler("learned")
        #expect(message { _ = try sampler.text(prompt: "naïve", options(3)) }.contains("'ï' (U+00EF) at offset 2"))
    }

    @Test func stoppingFromOutside() throws {
        let (sampler, _) = try sampler("rope")
        var pieces: [String] = []
        let made = try sampler.generate(prompt: "abc", options(50)) { _, piece in
            pieces.append(piece)
            return pieces.count < 5
        }
        #expect(made == 5 && pieces.count == 5)
    }

    @Test func rangesAreRefused() throws {
        let (sampler, _) = try sampler("rope")
        let wrong: [(String, String, (inout SamplingOptions) -> Void)] = [
            ("--temperature 0.0", "above 0 and at most 100", { $0.temperature = 0 }),
            ("--temperature -1.0", "above 0", { $0.temperature = -1 }),
            ("--temperature nan", "above 0", { $0.temperature = .nan }), ("--temperature inf", "above 0", { $0.temperature = .infinity }),
            ("--temperature 101.0", "at most 100", { $0.temperature = 101 }), ("--top-k 0", "at least 1", { $0.topK = 0 }),
            ("--top-k -3", "at least 1", { $0.topK = -3 }), ("--top-p 0.0", "above 0 and at most 1", { $0.topP = 0 }),
            ("--top-p 1.5", "at most 1", { $0.topP = 1.5 }), ("--top-p nan", "above 0", { $0.topP = .nan }),
            ("--repetition-penalty 0.0", "above 0", { $0.repetitionPenalty = 0 }),
            ("--repetition-penalty inf", "above 0", { $0.repetitionPenalty = .infinity }),
            ("--samples 0", "from 1 to 10000", { $0.samples = 0 }), ("--tokens -1", "from 0 to", { $0.tokens = -1 }),
            ("--stop", "a text with something in it", { $0.stop = ["x", ""] }),
        ]
        for (option, range, change) in wrong {
            let text = message { _ = try sampler.text(prompt: "abc", options(3, change)) }
            #expect(text.contains(option) && text.contains(range), "\(option): \(text)")
        }
    }
}
