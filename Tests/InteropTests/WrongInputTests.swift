import Autograd
import Configuration
import Formats
import Foundation
import Interop
import TestSupport
import Testing
import Text
import Training

/// What a person may hand over by mistake, or somebody with intent: one line each that says what is wrong.
struct WrongInputTests {
    let scratch: Scratch
    init() throws { scratch = try Scratch() }

    func refusal(_ path: String, sourceLocation: SourceLocation = #_sourceLocation) -> String {
        message(sourceLocation) { _ = try Importer(path) }
    }

    /// A copy of a fixture whose config.json has other values; null takes a key away.
    func changed(_ name: String, _ changes: [String: JSON]) throws -> String {
        let folder = try scratch.source(name), path = "\(folder)/config.json"
        let data = try #require(FileManager.default.contents(atPath: path))
        var members = try #require(JSON(parsing: data).objectValue)
        for (key, value) in changes { members[key] = value == .null ? nil : value }
        try Data(JSON.object(members).text().utf8).write(to: URL(fileURLWithPath: path))
        return folder
    }

    /// What is there unless a config says that it is not.
    @Test(arguments: ["gpt2", "llama", "mixtral", "gemma2", "qwen3"]) func whatIsOffIsNamed(name: String) throws {
        #expect(refusal(try changed(name, ["is_causal": false])).contains("\"is_causal\" is false"))
    }

    /// Keys that a config leaves out mean what they mean to the family.
    @Test func whatIsLeftOut() throws {
        let mixtral = try Importer(changed("mixtral", ["rms_norm_eps": .null])).config.resolved
        #expect(mixtral[path: "model.norm.eps"]?.doubleValue == 1e-5)
        let mistral = try Importer(changed("mistral", ["sliding_window": .null, "max_position_embeddings": 8192])).config.resolved
        #expect(mistral[path: "model.attention.window"] == 4095)
    }

    /// The balance counts as much as in transformers, whose sum over experts is not divided by how many are active.
    @Test func balanceOfExperts() throws {
        let model = try Importer(changed("mixtral", ["router_aux_loss_coef": 0.02, "num_experts_per_tok": 2])).config.resolved
        #expect(model[path: "model.mlp.balance"] == 0.04)
    }

    @Test func nothingThere() throws {
        #expect(refusal("\(scratch.path)/none").contains("is not there"))
        #expect(refusal(scratch.path).contains("neither a config.json nor a checkpoint"))
        #expect(refusal(try scratch.write("empty", Data())).contains("is empty"))
        #expect(refusal(try scratch.write("text", Data("hello, this is no checkpoint".utf8))).contains("neither of safetensors"))
        let folder = try scratch.source("gpt2")
        try FileManager.default.removeItem(atPath: "\(folder)/model.safetensors")
        #expect(refusal(folder).contains("no weights: model.safetensors or pytorch_model.bin"))
        try FileManager.default.removeItem(atPath: "\(folder)/config.json")
        try FileManager.default.copyItem(atPath: "\(fixtures)/gpt2/source/model.safetensors", toPath: "\(folder)/model.safetensors")
        #expect(refusal("\(folder)/model.safetensors").contains("the config.json that says what they are of is not beside it"))
    }

    /// What lies there in place of weights is named, in a folder, as a shard and by itself.
    @Test func otherKindsOfFiles() throws {
        let kinds: [(String, Data, String)] = [
            (
                "model.safetensors", Data("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 548105171\n".utf8),
                "pointer of Git LFS"
            ),
            ("model.safetensors", Data("<!DOCTYPE html><html>Sign in".utf8), "is a web page"),
            ("model.safetensors", Data([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0]), "compressed with gzip"),
            ("model.gguf", Data("GGUF".utf8) + Data(count: 60), "GGUF file of llama.cpp"),
            ("tf_model.h5", Data([0x89]) + Data("HDF\r\n\u{1A}\n".utf8), "HDF5"), ("model.onnx", Data([8, 7, 18, 7]), "ONNX"),
        ]
        for (name, data, words) in kinds {
            let folder = "\(scratch.path)/kind-\(UUID().uuidString)"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try data.write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
            #expect(refusal("\(folder)/\(name)").contains(words) && refusal(folder).contains(words), "\(refusal(folder))")
            guard name == "model.safetensors" else { continue }
            try FileManager.default.copyItem(atPath: "\(fixtures)/gpt2/source/config.json", toPath: "\(folder)/config.json")
            #expect(refusal(folder).contains(words), "\(refusal(folder))")
        }
        let shards = try scratch.source("gpt2_sharded")
        try kinds[0].1.write(to: URL(fileURLWithPath: "\(shards)/model-00001-of-00002.safetensors"))
        #expect(refusal(shards).contains("00001-of-00002.safetensors: is a pointer of Git LFS"))
        // A config, and a tokenizer, without which the weights are still of use.
        let pointers = try scratch.source("gpt2")
        try kinds[0].1.write(to: URL(fileURLWithPath: "\(pointers)/tokenizer.json"))
        #expect(try Importer(pointers).notes.first?.contains("tokenizer.json: is a pointer of Git LFS") == true)
        try kinds[0].1.write(to: URL(fileURLWithPath: "\(pointers)/config.json"))
        #expect(refusal(pointers).contains("config.json: is a pointer of Git LFS"))
        // What PyTorch wrote long ago is told so in a folder, too.
        let old = "\(scratch.path)/old"
        try FileManager.default.createDirectory(atPath: old, withIntermediateDirectories: true)
        try Data([0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E]).write(
            to: URL(fileURLWithPath: "\(old)/ckpt.pt"))
        #expect(refusal(old).contains("bare pickle"))
        // A pipe has no end to wait for.
        #expect(mkfifo("\(scratch.path)/pipe", 0o600) == 0)
        #expect(refusal("\(scratch.path)/pipe").contains("no regular file"))
    }

    @Test func nanochatWithoutItsDescription() throws {
        let folder = try scratch.source("nanochat")
        try Data("{".utf8).write(to: URL(fileURLWithPath: "\(folder)/meta_000100.json"))
        #expect(refusal(folder).contains("model_000100.pt: is a state dict of nanochat, but no usable meta_"), "\(refusal(folder))")
    }

    /// A state dict within an entry of its own, beside a config.json: what training loops save.
    @Test func wrappedStateDict() throws {
        let folder = try scratch.source("gpt2"), file = "\(folder)/model.safetensors"
        let tensors = try WeightFiles.tensors(path: file)
        func sources() -> [Safetensors.Source] {
            tensors.map { name, tensor in
                Safetensors.Source(name: name, shape: tensor.shape) { write in try tensor.forEachPiece(write) }
            }
        }
        try FileManager.default.removeItem(atPath: file)
        try TorchFile.write(sources(), shared: [], key: "state_dict", values: [], to: "\(folder)/pytorch_model.bin")
        let imported = try Importer(folder).write(out: "\(scratch.path)/wrapped")
        let plain = try Importer("\(fixtures)/gpt2/source").write(out: "\(scratch.path)/plain")
        let weights = [imported, plain].map {
            FileManager.default.contents(atPath: "\($0.path)/checkpoints/step-00000000/model.safetensors")
        }
        #expect(weights[0] != nil && weights[0] == weights[1])
    }

    /// Tied tensors are compared by their numbers, however they lie in the file.
    @Test func sameNumbers() throws {
        func source(_ name: String, _ shape: [Int], _ numbers: [Float]) -> Safetensors.Source {
            Safetensors.Source(name: name, shape: shape) { write in try numbers.withUnsafeBytes { try write($0) } }
        }
        let path = "\(scratch.path)/same.safetensors", long = (0..<70_000 * 2).map { Float($0) }
        let columns = (0..<2).flatMap { column in (0..<70_000).map { long[$0 * 2 + column] } }
        var other = columns
        other[140_000 - 1] += 1
        try Safetensors.write(
            [source("a", [70_000, 2], long), source("b", [2, 70_000], columns), source("c", [2, 70_000], other)], metadata: [:], to: path)
        let tensors = try WeightFiles.tensors(path: path)
        let a = try #require(tensors["a"]), b = try #require(tensors["b"]), c = try #require(tensors["c"])
        #expect(a.hasSameNumbers(as: a) && a.hasSameNumbers(as: b.transposed) && b.hasSameNumbers(as: a.transposed))
        #expect(!a.hasSameNumbers(as: b) && !a.hasSameNumbers(as: c.transposed) && !b.hasSameNumbers(as: c))
    }

    /// The hub's cache: a folder of revisions, whose files are links to where they lie.
    @Test func hubCache() throws {
        let cache = "\(scratch.path)/models--someone--tiny", revision = "\(cache)/snapshots/607a30d783dfa663caf39e06633721c8d4cfcd7e"
        for folder in ["\(cache)/blobs", revision] {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        }
        let tokenizers = URL(fileURLWithPath: fixtures).deletingLastPathComponent().path + "/tokenizers"
        let files = [
            "config.json": "\(fixtures)/gpt2/source/config.json", "model.safetensors": "\(fixtures)/gpt2/source/model.safetensors",
            "tokenizer.json": "\(tokenizers)/gpt2.json",
        ]
        for (name, source) in files {
            try FileManager.default.copyItem(atPath: source, toPath: "\(cache)/blobs/\(name)-blob")
            try FileManager.default.createSymbolicLink(atPath: "\(revision)/\(name)", withDestinationPath: "../../blobs/\(name)-blob")
        }
        #expect(refusal(cache).contains("name the folder of one model, such as \(revision)"))
        let importer = try Importer(revision)
        #expect(importer.config.name == "tiny")
        let run = try importer.write(out: "\(scratch.path)/run")
        let kept = "\(run.path)/tokenizer/tokenizer.json"
        #expect(try FileManager.default.attributesOfItem(atPath: kept)[.type] as? FileAttributeType == .typeRegular)
        #expect(FileManager.default.contents(atPath: kept) == FileManager.default.contents(atPath: "\(tokenizers)/gpt2.json"))
    }

    @Test(arguments: ["gpt2/source/model.safetensors", "nanogpt/source/ckpt.pt", "llmc_v3/source/gpt2.bin", "lecture/source/model.pth"])
    func cutShort(name: String) throws {
        let whole = try #require(FileManager.default.contents(atPath: "\(fixtures)/\(name)"))
        let folder = try scratch.source(String(name.prefix { $0 != "/" })),
            file = "\(folder)/\(URL(fileURLWithPath: name).lastPathComponent)"
        try whole.prefix(whole.count * 2 / 3).write(to: URL(fileURLWithPath: file))
        let text = refusal(file)
        #expect(text.contains("cut short") || text.contains("damaged") || text.contains("wrongly"), "\(text)")
    }

    /// A checkpoint that would run a command in Python.
    @Test func pickleThatWouldExecute() throws {
        let code = Data([0x80, 2] + Array("cposix\nsystem\nX".utf8) + [7, 0, 0, 0] + Array("echo hi".utf8) + [0x85] + Array("R.".utf8))
        #expect(refusal(try scratch.write("old.pt", code)).contains("bare pickle"))
        // The same within an archive: the pickle is found by its bytes, and has room for the other.
        var archive = try #require(FileManager.default.contents(atPath: "\(fixtures)/nanogpt_plain/source/ckpt.pt"))
        let place = try #require(archive.range(of: Data([0x80, 2, UInt8(ascii: "}")])))
        archive.replaceSubrange(place.lowerBound..<place.lowerBound + code.count, with: code)
        let text = refusal(try scratch.write("evil.pt", archive))
        #expect(text.contains("\"posix.system\"") && text.contains("nothing of it was executed"), "\(text)")
    }

    @Test func unknownFamiliesAndOptions() throws {
        let cases: [(String, [String: JSON], String)] = [
            ("gpt2", ["model_type": "bloom"], "model_type is \"bloom\", which is not known here"),
            ("gpt2", ["model_type": .null], "model_type is not there"),
            ("gpt2", ["scale_attn_by_inverse_layer_idx": true], "scale_attn_by_inverse_layer_idx is true"),
            ("gpt2", ["activation_function": "mish"], "activation_function is \"mish\""),
            ("gpt2", ["quantization_config": ["bits": 4]], "\"quantization_config\" is"),
            ("llama", ["is_encoder_decoder": true], "is_encoder_decoder"), ("llama", ["auto_map": ["AutoModel": "own.Model"]], "auto_map"),
            ("gpt2", ["n_layer": 3], "has no tensor \"transformer.h.2."), ("gpt2", ["n_layer": 1], "has no place in a gpt2"),
            ("gpt2", ["n_head": 5], "heads do not divide width"), ("gpt2", ["n_embd": 32], "the config asks for"),
            ("gpt2", ["n_embd": -1], "n_embd is -1"), ("gpt2", ["n_embd": "16"], "n_embd is \"16\""),
            ("gpt2", ["vocab_size": 999], "the config asks for"),
            ("llama", ["rope_scaling": ["rope_type": "llama3", "factor": 8]], "rope_scaling.rope_type is \"llama3\""),
            ("llama", ["rope_parameters": ["rope_type": "yarn", "rope_theta": 10000]], "rope_parameters.rope_type is \"yarn\""),
            ("llama", ["hidden_act": "gelu"], "hidden_act is \"gelu\""), ("llama", ["num_key_value_heads": 3], "does not divide 4 heads"),
            ("llama", ["partial_rotary_factor": 0.5], "partial_rotary_factor is 0.5"),
            ("gemma", ["use_bidirectional_attention": true], "use_bidirectional_attention is true"),
            ("gemma2", ["layer_types": ["sliding_attention"]], "layer_types"),
            ("gemma2", ["query_pre_attn_scalar": 0], "query_pre_attn_scalar is 0"),
            ("qwen3", ["layer_types": ["full_attention", "linear_attention"]], "layer_types"),
            ("mistral", ["sliding_window": 0], "sliding_window is 0"),
        ]
        for (name, changes, words) in cases {
            let folder = try changed(name, changes), text = refusal(folder)
            #expect(text.contains(words), "\(changes): \(text)")
            try FileManager.default.removeItem(atPath: folder)
        }
        // A window as long as the context is none, whatever it says of the token itself.
        let open = try Importer(try changed("mistral", ["sliding_window": 96]))
        #expect(open.config.model.resolved[path: "attention.window"] == .null)
    }

    /// Configs with values of every kind in every place: a model or one line, in no time.
    @Test(arguments: ["gpt2", "openai-gpt", "gemma2", "mixtral", "nanochat_hub", "llama"])
    func changedConfigs(name: String) throws {
        let folder = try scratch.source(name), path = "\(folder)/config.json"
        let data = try #require(FileManager.default.contents(atPath: path))
        let members = try #require(JSON(parsing: data).objectValue)
        let values: [JSON] = [
            .null, true, false, 0, 1, -1, 7, 1e300, 0.5, "", "gelu", [], ["a"], [:], .int(.max), .int(.min), 1024, 131_072, 16_777_216,
            ["rope_type": "linear", "factor": 1e-300, "rope_theta": 0],
        ]
        for key in members.keys.sorted() where key != "architectures" {
            for value in values {
                var changed = members
                changed[key] = value
                try Data(JSON.object(changed).text().utf8).write(to: URL(fileURLWithPath: path))
                let took = processorSeconds {
                    do {
                        _ = try Importer(folder)
                    } catch {
                        let text = "\(error)"
                        #expect(error is FormatError || error is ConfigError, "\(key) \(value.brief): \(text)")
                        #expect(!text.contains("\n") && text.count < 700, "\(text)")
                    }
                }
                #expect(took < 1, "\(key) \(value.brief)")
            }
        }
    }

    @Test func indexThatLies() throws {
        let folder = try scratch.source("gpt2_sharded"), index = "\(folder)/model.safetensors.index.json"
        let text = String(decoding: try #require(FileManager.default.contents(atPath: index)), as: UTF8.self)
        try Data(text.replacing("model-00001-of-00002", with: "../../etc/passwd").utf8).write(to: URL(fileURLWithPath: index))
        #expect(refusal(folder).contains("as a file beside it"))
        try Data(text.replacing("00001-of-00002", with: "00007-of-00002").utf8).write(to: URL(fileURLWithPath: index))
        #expect(refusal(folder).contains("cannot be read; is it there"))
        try Data("{}".utf8).write(to: URL(fileURLWithPath: index))
        #expect(refusal(folder).contains("is no index of weights"))
    }

    /// A run that is written by export says the same as before when it is imported again.
    @Test(arguments: ["gpt2", "openai-gpt", "llama", "llama_linear", "mistral", "gemma", "gemma2", "qwen3", "nanochat_hub"])
    func exportAndImportAgain(name: String) throws {
        let first = try Importer("\(fixtures)/\(name)/source").write(out: "\(scratch.path)/first")
        let run = try LoadedRun(first.path, checkpoint: nil, on: .cpu(threads: 1), Registries())
        #expect(try Exporter(run).write(.hf, to: "\(scratch.path)/hf").kind.contains("of Hugging Face"))
        let second = try Importer("\(scratch.path)/hf").write(out: "\(scratch.path)/second")
        let weights = [first, second].map { FileManager.default.contents(atPath: "\($0.path)/checkpoints/step-00000000/model.safetensors") }
        #expect(weights[0] != nil && weights[0] == weights[1])
        #expect(message { _ = try Exporter(run).write(.hf, to: "\(scratch.path)/hf") }.contains("is there already"))
    }

    /// In half the bytes: each number is the nearest that the type has, and comes back so.
    @Test(arguments: [ElementType.bfloat16, .float16]) func exportInHalf(type: ElementType) throws {
        let first = try Importer("\(fixtures)/llama/source").write(out: "\(scratch.path)/first")
        let run = try LoadedRun(first.path, checkpoint: nil, on: .cpu(threads: 1), Registries())
        _ = try Exporter(run, type: type).write(.hf, to: "\(scratch.path)/half")
        _ = try Exporter(run).write(.hf, to: "\(scratch.path)/full")
        func size(_ folder: String) -> Int {
            FileManager.default.contents(atPath: "\(scratch.path)/\(folder)/model.safetensors")?.count ?? 0
        }
        #expect(Double(size("half")) < 0.6 * Double(size("full")))
        let again = try Importer("\(scratch.path)/half").write(out: "\(scratch.path)/second")
        let other = try LoadedRun(again.path, checkpoint: nil, on: .cpu(threads: 1), Registries())
        // Eight bits of a bfloat16's number, eleven of a float16's, and no smaller than its smallest.
        let (relative, least): (Float, Float) = type == .bfloat16 ? (0x1p-8, 0) : (0x1p-11, 0x1p-25)
        var changed = 0
        for (a, b) in zip(run.model.store.parameters, other.model.store.parameters) {
            let (old, new) = (try #require(a.value).floats, try #require(b.value).floats)
            #expect(old.count == new.count && zip(old, new).allSatisfy { abs($0 - $1) <= max(relative * abs($0), least) }, "\(a.name)")
            changed += zip(old, new).count { $0 != $1 }
        }
        #expect(changed > 0)
        #expect(message { _ = try Exporter(run, type: type).write(.nanogpt, to: "\(scratch.path)/no") }.contains("in float32"))
    }

    @Test func nanoGPTRoundTripAndRefusal() throws {
        let first = try Importer("\(fixtures)/nanogpt/source").write(out: "\(scratch.path)/first")
        let run = try LoadedRun(first.path, checkpoint: nil, on: .cpu(threads: 1), Registries())
        #expect(run.tokenizer.kind == "char" && run.tokenizer.decode([0, 1, 10]) == "01:")
        #expect(FileManager.default.fileExists(atPath: "\(first.path)/tokenizer/meta.pkl"))
        _ = try Exporter(run).write(.nanogpt, to: "\(scratch.path)/out")
        let second = try Importer("\(scratch.path)/out").write(out: "\(scratch.path)/second")
        let weights = [first, second].map { FileManager.default.contents(atPath: "\($0.path)/checkpoints/step-00000000/model.safetensors") }
        #expect(weights[0] != nil && weights[0] == weights[1])
        let llama = try Importer("\(fixtures)/llama/source").write(out: "\(scratch.path)/llama")
        let other = try LoadedRun(llama.path, checkpoint: nil, on: .cpu(threads: 1), Registries())
        #expect(
            message { _ = try Exporter(other).write(.nanogpt, to: "\(scratch.path)/no") }.contains("nanoGPT cannot express this config"))
        #expect(!FileManager.default.fileExists(atPath: "\(scratch.path)/no"))
    }

    @Test func gpt1sPairGoesAlong() throws {
        let source = "\(scratch.path)/gpt1"
        try FileManager.default.copyItem(atPath: "\(fixtures)/openai-gpt/source", toPath: source)
        let tokens = ["<unk>", ".</w>", "a", "t", "h", "e</w>", "t</w>", "th", "the</w>", "at</w>", "h</w>"]
        let vocabulary = "{" + tokens.enumerated().map { "\"\($1)\": \($0)" }.joined(separator: ", ") + "}"
        try Data(vocabulary.utf8).write(to: URL(fileURLWithPath: "\(source)/vocab.json"))
        try Data("#version: 0.2\nt h\nth e</w>\na t</w>\n".utf8).write(to: URL(fileURLWithPath: "\(source)/merges.txt"))
        let importer = try Importer(source)
        #expect(importer.notes.isEmpty, "\(importer.notes)")
        let folder = try importer.write(out: "\(scratch.path)/gpt1-run")
        let run = try LoadedRun(folder.path, checkpoint: nil, on: .cpu(threads: 1), Registries())
        #expect(try run.tokenizer.encode("The  hat. ÀT?") == [8, 4, 9, 1, 9, 0])
        #expect(run.tokenizer.decode([8, 4, 9, 1, 9]) == "the hat . at")
        // What continues a prompt begins with the space that its last word lacks.
        var options = SamplingOptions()
        (options.tokens, options.greedy) = (12, true)
        var text = "", ids: [Int32] = []
        let sampler = Sampler(run.model, run.tokenizer, on: run.context)
        _ = try sampler.generate(ids: [8], options) { _, id in
            ids.append(id)
            return true
        }
        _ = try sampler.generate(prompt: "the", options) { _, piece in
            text += piece
            return true
        }
        #expect(ids.count == 12 && run.tokenizer.decode([8]) + text == run.tokenizer.decode([8] + ids))
    }

    @Test func tokenizersGoAlong() throws {
        let tokenizers = URL(fileURLWithPath: fixtures).deletingLastPathComponent().path + "/tokenizers"
        // Trained here with a tokenizer of the hub's kind; its export is imported again, text and all.
        func trained(_ name: String, _ tokenizer: JSON) throws -> LoadedRun {
            let config = try RunConfig([
                "name": .string(name),
                "model": [
                    "context": 32, "layers": 1, "width": 16, "position": "learned", "mlp": ["type": "gelu", "approximate": "none"],
                    "attention": ["type": "mha", "heads": 2],
                ],
                "data": ["source": "stories", "characters": 20000, "tokenizer": tokenizer],
                "train": ["steps": 1, "batch": 1, "eval_batches": 1],
            ])
            let folder = try RunFolder.create(name: name, out: "\(scratch.path)/\(name)")
            let trainer = try Trainer(config, dataset: config.dataset(), on: .cpu(threads: 1), folder: folder, resuming: false)
            _ = try trainer.run()
            return try LoadedRun(folder.path, checkpoint: nil, on: .cpu(threads: 1), Registries())
        }
        let run = try trained("hub", ["type": "file", "path": .string("\(tokenizers)/gpt2.json")])
        let exported = try Exporter(run).write(.hf, to: "\(scratch.path)/hub-out")
        #expect(exported.notes.isEmpty && exported.kind.contains("gpt2"))
        let again = try Importer("\(scratch.path)/hub-out")
        let text = "Once upon a time, naïve 42 🙂\n"
        #expect(try again.notes.isEmpty && again.tokenizer.encode(text) == run.tokenizer.encode(text))
        let folder = try again.write(out: "\(scratch.path)/hub-again")
        let loaded = try LoadedRun(folder.path, checkpoint: nil, on: .cpu(threads: 1), Registries())
        #expect(try loaded.tokenizer.decode(loaded.tokenizer.encode(text)) == text)
        // Our own byte pairs become a tokenizer.json too; characters do not, and say so; nanoGPT has a file for them.
        let pairs = try trained("pairs", ["type": "bpe", "vocab_size": 300])
        #expect(try Exporter(pairs).write(.hf, to: "\(scratch.path)/pairs-out").notes.isEmpty)
        #expect(try Importer("\(scratch.path)/pairs-out").tokenizer.encode(text) == pairs.tokenizer.encode(text))
        let characters = try trained("characters", "char")
        #expect(try Exporter(characters).write(.hf, to: "\(scratch.path)/hf").notes.first?.contains("no tokenizer was written") == true)
        #expect(try Exporter(characters).write(.nanogpt, to: "\(scratch.path)/nano").notes.isEmpty)
        let nano = try Importer("\(scratch.path)/nano")
        #expect(try nano.tokenizer.kind == "char" && nano.tokenizer.encode("the") == characters.tokenizer.encode("the"))
        // Tokenizers that do not fit leave the weights usable, by ids.
        let larger = try Importer("\(fixtures)/gpt2/source", tokenizer: "\(scratch.path)/hub-out")
        #expect(larger.tokenizer.kind == "ids" && larger.notes.contains { $0.contains("belongs to another model") })
        try FileManager.default.createDirectory(atPath: "\(scratch.path)/odd", withIntermediateDirectories: true)
        try Data("{}".utf8).write(to: URL(fileURLWithPath: "\(scratch.path)/odd/tokenizer.json"))
        let odd = try Importer("\(fixtures)/gpt2/source", tokenizer: "\(scratch.path)/odd")
        #expect(odd.tokenizer.kind == "ids" && odd.notes.contains { $0.contains("odd") && !$0.contains("\n") })
    }

    @Test func withoutATokenizer() throws {
        let folder = try Importer("\(fixtures)/gpt2/source").write(out: "\(scratch.path)/run")
        let run = try LoadedRun(folder.path, checkpoint: nil, on: .cpu(threads: 1), Registries())
        #expect(message { _ = try run.tokenizer.encode("text") }.contains("--ids 1,2,3"))
        let sampler = Sampler(run.model, run.tokenizer, on: run.context)
        #expect(message { _ = try sampler.generate(ids: [61], SamplingOptions()) { _, _ in true } }.contains("token id 61 is outside"))
        #expect(message { _ = try sampler.generate(ids: [], SamplingOptions()) { _, _ in true } }.contains("at least one"))
    }
}
