import Configuration
import Foundation
import Testing
import Training

/// statistics.jsonl: what is in it, when, and that looking changes nothing.
struct LayerStatisticsTests {
    let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder() }

    func trained(_ name: String, _ changes: [String]) throws -> RunFolder {
        let run = try RunFolder.create(name: "run", out: "\(folder.path)/\(name)")
        _ = try trainer(tiny(changes), in: run).run()
        return run
    }

    @Test func lines() throws {
        let all = try trained("run", ["train.steps=7", "train.log_statistics=3"]).statistics()
        #expect(all.map(\.step) == [1, 3, 6], "the first and every third")
        for line in all {
            #expect(line.activations.map(\.name) == ["stream"] + Array(repeating: ["attention", "mlp", "stream"], count: 2).flatMap { $0 })
            #expect(line.activations.map(\.layer) == [nil, 0, 0, 0, 1, 1, 1])
            let parts = Set(line.gradients.map { "\($0.layer ?? -1) \($0.name)" })
            #expect(parts.isSuperset(of: ["-1 embedding", "-1 final_norm", "0 attention", "0 mlp", "1 attention", "1 mlp", "1 mlp_norm"]))
            #expect(parts.count == line.gradients.count, "a part stands once")
            for entry in line.activations + line.gradients {
                #expect(entry.rms > 0 && entry.maxAbs >= entry.rms && entry.std <= entry.rms * (1 + 1e-9))
                #expect(abs(entry.rms * entry.rms - entry.std * entry.std - entry.mean * entry.mean) < 1e-6 * entry.rms * entry.rms)
            }
        }
    }

    /// The squares of all parts' gradients add up to the logged norm.
    @Test func gradientsAreThoseOfTheNorm() throws {
        let run = try trained("run", ["train.steps=2", "train.log_statistics=1", "optimizer.grad_clip=0.01"])
        let config = try tiny(), model = try Trainer.model(config, tokenizer: dataset(config).tokenizer)
        for (line, metrics) in zip(run.statistics(), try run.metrics()) {
            var sum = 0.0
            for entry in line.gradients {
                let prefix = entry.layer.map { "layers.\($0).\(entry.name)." } ?? "\(entry.name)."
                let count = model.store.parameters.filter { $0.name.hasPrefix(prefix) }.reduce(0) { $0 + $1.count }
                sum += entry.rms * entry.rms * Double(count)
            }
            #expect(abs(sum.squareRoot() - (metrics.gradNorm ?? 0)) < 1e-4 * sum.squareRoot())
        }
    }

    @Test func lookingChangesNothing() throws {
        let plain = try trained("plain", ["train.steps=5"]), looked = try trained("looked", ["train.steps=5", "train.log_statistics=1"])
        #expect(plain.statistics().isEmpty && !FileManager.default.fileExists(atPath: plain.statisticsPath), "none by default")
        let name = "checkpoints/step-00000005/model.safetensors"
        #expect(try bytes("\(plain.path)/\(name)") == bytes("\(looked.path)/\(name)"))
    }

    /// A resumed run makes the lines after its checkpoint again, and no line twice.
    @Test func resuming() throws {
        let run = try trained("run", ["train.steps=4", "train.log_statistics=2", "train.eval_interval=4"])
        let whole = run.statistics()
        let more = try tiny(["train.steps=8", "train.log_statistics=2", "train.eval_interval=4"])
        var stale = try bytes(run.statisticsPath)
        stale.append(
            contentsOf: Data(String(decoding: stale, as: UTF8.self).replacingOccurrences(of: "\"step\":4", with: "\"step\":6").utf8))
        try stale.write(to: URL(fileURLWithPath: run.statisticsPath))
        _ = try trainer(more, in: run, resuming: true).run()
        #expect(run.statistics().map(\.step).filter { $0 > 4 } == [6, 8])
        #expect(run.statistics().first?.activations == whole.first?.activations)
    }

    @Test func summaries() {
        let found = Summary([1, -3, 2, 4])
        #expect(found.mean == 1 && abs(found.std - (26.0 / 4).squareRoot()) < 1e-12 && abs(found.rms - (30.0 / 4).squareRoot()) < 1e-12)
        #expect(found.maxAbs == 4 && Summary([-5]).maxAbs == 5 && Summary([]).rms == 0)
    }

    @Test func intervalsThatCannotBe() throws {
        let text = message { _ = try tiny(["train.log_statistics=0"]) }
        #expect(text.contains("train.log_statistics"), "\(text)")
        #expect(try tiny(["train.log_statistics=null"]).train.logStatistics == nil)
    }
}
