import Architectures
import Autograd
import Components
import Formats
import Foundation
import Interop
import Testing
import Training

/// Every family and format: what the reference implementation says of a checkpoint, the run imported from it says too.
struct ParityTests {
    @Test func allFixturesAreThere() {
        let wanted = [
            "gemma", "gemma2", "gpt2", "gpt2_bin", "gpt2_sharded", "lecture", "llama", "llama_linear", "llmc_v3", "llmc_v5", "mistral",
            "mixtral",
            "nanochat", "nanochat_hub", "nanogpt", "nanogpt_plain", "openai-gpt", "qwen3",
        ]
        #expect(Set(wanted).isSubset(of: fixtureNames), "\(fixtureNames)")
    }

    @Test(arguments: fixtureNames)
    func logitsAndGreedyContinuation(name: String) throws {
        let scratch = try Scratch()
        let folder = try Importer("\(fixtures)/\(name)/source").write(out: "\(scratch.path)/run")
        let run = try LoadedRun(folder.path, checkpoint: nil, on: .cpu(threads: 2), Registries())
        let expected = try Safetensors.File(path: "\(fixtures)/\(name)/expected.safetensors")
        let tokens = try expected.int32s("tokens"), greedy = try expected.int32s("greedy")
        #expect(greedy.count == 64)

        let logits = run.model.logits(Pass(tokens: run.context.tensor(tokens, [1, tokens.count]))).floats
        expectClose(logits, try expected.floats("logits"), relative: 1e-4, "logits of \(name)")

        var options = SamplingOptions()
        (options.greedy, options.tokens) = (true, 64)
        for usesCache in [true, false] {
            options.usesCache = usesCache
            var made: [Int32] = []
            try Sampler(run.model, run.tokenizer, on: run.context).generate(ids: tokens, options) { _, id in
                made.append(id)
                return true
            }
            #expect(made == greedy, "\(name), \(usesCache ? "with" : "without") cache")
        }
    }
}
