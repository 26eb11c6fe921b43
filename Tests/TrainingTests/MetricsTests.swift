import Configuration
import Foundation
import Testing
import Text
import Training

/// metrics.jsonl: the keys that scripts rely on, absent where nothing was measured.
struct MetricsTests {
    let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder() }

    func trained(_ changes: [String]) throws -> RunFolder {
        let run = try RunFolder.create(name: "run", out: "\(folder.path)/run")
        _ = try trainer(tiny(changes), in: run).run()
        return run
    }

    func lines(_ run: RunFolder) throws -> [JSON] {
        try String(decoding: bytes(run.metricsPath), as: UTF8.self).split(separator: "\n").map { try JSON(parsing: Data($0.utf8)) }
    }

    @Test func keys() throws {
        let found = try lines(trained(["train.steps=7", "train.log_interval=2", "train.eval_interval=4"]))
        let always: Set<String> = ["step", "tokens", "seconds", "train_loss", "lr", "grad_norm", "tokens_per_second"]
        #expect(found.compactMap { $0["step"]?.intValue } == [1, 2, 4, 6, 7], "the first, every second, evaluations, the last")
        for line in found {
            let step = try #require(line["step"]?.intValue)
            let evaluated = step == 4 || step == 7
            #expect(
                Set(line.objectValue?.keys.map { $0 } ?? []) == always.union(evaluated ? ["val_loss", "val_bits_per_byte"] : []),
                "step \(step)")
            #expect(line["tokens"] == .int(step * 2 * 2 * 16), "batch · accumulation · context a step")
            for value in line.objectValue ?? [:] { #expect(value.value.doubleValue.map { $0 > 0 } ?? false, "\(value) of step \(step)") }
        }
        let seconds = found.compactMap { $0["seconds"]?.doubleValue }
        #expect(seconds == seconds.sorted())
    }

    /// Nats a token, bits a byte: with bytes as tokens they differ by ln 2 alone.
    @Test func units() throws {
        let run = try trained(["train.steps=2", "train.eval_interval=1"])
        let all = try run.metrics()
        #expect(all.count == 2)
        for line in all {
            let loss = try #require(line.valLoss), bits = try #require(line.valBitsPerByte)
            #expect(abs(bits - loss / log(2)) < 1e-12)
            #expect(loss > 3 && loss < 6.5, "an untrained model of 256 bytes is near ln 256, found \(loss)")
        }
        let config = try tiny()
        #expect(try #require(all.first?.lr) == config.schedule.factor(0) * 0.01)
    }

    /// The logged validation loss is the one of the weights that were saved.
    @Test func theLossIsOfTheSavedWeights() throws {
        let config = try tiny(["train.steps=3", "train.eval_batches=null", "data.characters=3000"])
        let run = try RunFolder.create(name: "run", out: "\(folder.path)/run")
        _ = try trainer(config, in: run).run()
        let logged = try #require(run.metrics().last?.valLoss)
        let again = try trainer(config, in: run, resuming: true).evaluate()
        #expect(again.loss == logged)
    }

    /// A kill in the middle of a line costs that line.
    @Test func aHalfWrittenLastLine() throws {
        let run = try trained(["train.steps=4", "train.eval_interval=2"])
        let whole = try bytes(run.metricsPath)
        try FileManager.default.removeItem(atPath: Checkpoint.find("4", in: run).path)
        for cut in [1, 2, 20, 60] {
            try folder.write("run/metrics.jsonl", whole.dropLast(cut))
            let last = try run.metrics().map(\.step)
            #expect(last == (cut == 1 ? [1, 2, 3, 4] : [1, 2, 3]), "cut \(cut) bytes off")
        }
        let resumed = try trainer(tiny(["train.steps=4", "train.eval_interval=2"]), in: run, resuming: true)
        #expect(try lines(run).count == 2, "lines after the checkpoint of step 2 are gone")
        _ = try resumed.run()
        #expect(try lines(run).compactMap { $0["step"]?.intValue } == [1, 2, 3, 4])
    }

    @Test func eventsAreTheLines() throws {
        let run = try RunFolder.create(name: "run", out: "\(folder.path)/run")
        var steps: [Int] = [], evaluated: [Int] = [], saved: [Int] = [], samples = 0
        _ = try trainer(tiny(["train.steps=5", "train.eval_interval=2", "train.sample_tokens=3"]), in: run).run(on: { event in
            switch event {
            case .step(let metrics, let validation):
                steps.append(metrics.step)
                if let validation {
                    evaluated.append(metrics.step)
                    #expect(validation.loss == metrics.valLoss && validation.tokens == 2 * 2 * 16)
                }
            case .saved(let checkpoint): saved.append(checkpoint.step)
            case .sample: samples += 1
            }
        })
        #expect(steps == [1, 2, 3, 4, 5] && evaluated == [2, 4, 5] && saved == [2, 4, 5] && samples == 3)
        #expect(try run.metrics().map(\.step) == steps)
    }
}
