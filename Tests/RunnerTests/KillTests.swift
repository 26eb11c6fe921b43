import Autograd
import Configuration
import Foundation
import Testing

/// The real program, killed and interrupted: resumed, it is the run that was left alone.
@Suite(.serialized)
struct KillTests {
    /// Losses by step, and the weights at the end.
    func record(_ place: Place, _ run: String, step: Int) throws -> (losses: [Int: Double], weights: Data, optimizer: Data) {
        var losses: [Int: Double] = [:]
        for line in String(decoding: try place.bytes("\(run)/metrics.jsonl"), as: UTF8.self).split(separator: "\n") {
            let json = try JSON(parsing: Data(line.utf8))
            let step = try #require(json["step"]?.intValue)
            #expect(losses[step] == nil, "step \(step) is logged twice")
            losses[step] = json["train_loss"]?.doubleValue
        }
        let folder = "\(run)/checkpoints/step-" + String(format: "%08d", step)
        return (losses, try place.bytes("\(folder)/model.safetensors"), try place.bytes("\(folder)/optimizer.safetensors"))
    }

    func expectSame(_ place: Place, _ run: String, as other: String, step: Int) throws {
        let found = try record(place, run, step: step), wanted = try record(place, other, step: step)
        #expect(found.losses.count == step)
        let differing = found.losses.filter { wanted.losses[$0.key] != $0.value }.keys.sorted()
        #expect(differing == [], "losses differ at steps \(differing)")
        #expect(found.weights == wanted.weights, "the weights differ")
        #expect(found.optimizer == wanted.optimizer, "the optimizer's state differs")
    }

    @Test(arguments: [1, 2] as [UInt64])
    func killedAtRandomMoments(seed: UInt64) throws {
        let place = try Place(), steps = 1000
        try place.writeTiny(steps: steps)
        let straight = try place.run("train", "tiny.json", "--out", "straight", "--threads", "1")
        #expect(straight.status == 0, "\(straight.errors)")
        var draw = Philox(key: seed).sequence(stream: 0), kills = 0, resumed = 0
        while kills < 8 {
            let exists = place.has("killed/config.json")
            // Killed before it was a run at all: nothing to resume, and in the way of a new one.
            if !exists { try? FileManager.default.removeItem(atPath: "\(place.path)/killed") }
            let running = try place.start(
                ["train"] + (exists ? ["killed", "--resume"] : ["tiny.json", "--out", "killed"]) + ["--threads", "1"])
            usleep(UInt32(20_000 + draw.below(130_000)))
            running.signal(SIGKILL)
            let result = running.wait()
            if result.status == 0, !result.wasKilled { break }
            #expect(result.wasKilled && result.errors == "", "\(result.errors)")
            kills += 1
            resumed += exists ? 1 : 0
        }
        #expect(kills >= 2, "the run was over before it could be killed; give it more steps")
        let last = try place.run(
            place.has("killed/config.json")
                ? ["train", "killed", "--resume", "--threads", "1"] : ["train", "tiny.json", "--out", "killed", "--threads", "1"])
        #expect(last.status == 0, "after \(kills) kills: \(last.errors)")
        try expectSame(place, "killed", as: "straight", step: steps)
        let hidden = try FileManager.default.contentsOfDirectory(atPath: "\(place.path)/killed/checkpoints").filter { $0.hasPrefix(".") }
        #expect(hidden == [], "left behind: \(hidden)")
    }

    @Test(arguments: [SIGINT, SIGTERM])
    func interrupted(signal: Int32) throws {
        let place = try Place()
        try place.writeTiny(steps: 1_000_000)
        let running = try place.start(["train", "tiny.json", "--out", "stopped", "--threads", "1"])
        try wait(for: "a few steps") { place.size("stopped/metrics.jsonl") > 2000 }
        running.signal(signal)
        let result = running.wait()
        #expect(result.status == 130 && !result.wasKilled && result.errors == "", "\(result)")
        #expect(result.output.contains("and saved; continue with\n  ./runner train stopped --resume"), "\(result.output.suffix(300))")
        let names = try FileManager.default.contentsOfDirectory(atPath: "\(place.path)/stopped/checkpoints").sorted()
        let step = try #require(names.last.flatMap { Int($0.dropFirst(5)) })
        #expect(result.output.replacingOccurrences(of: ",", with: "").contains("stopped after step \(step) "))

        // The advice works, and the run is the one that was never stopped.
        let end = step + 15
        #expect(try place.run("train", "stopped", "--resume", "--threads", "1", "--set", "train.steps=\(end)").status == 0)
        #expect(try place.run("train", "tiny.json", "--out", "straight", "--threads", "1", "--set", "train.steps=\(end)").status == 0)
        try expectSame(place, "stopped", as: "straight", step: end)
    }

    @Test func twoProcessesOneFolder() throws {
        let place = try Place()
        try place.writeTiny(steps: 1_000_000)
        let running = try place.start(["train", "tiny.json", "--out", "run", "--threads", "1"])
        try wait(for: "the first step") { place.size("run/metrics.jsonl") > 0 }
        expectRefused(try place.run("train", "run", "--resume"), ["another process is training in run", "--out"], status: 1)
        expectRefused(try place.run("train", "tiny.json", "--out", "run"), ["never overwritten"], status: 1)
        #expect(running.process.isRunning)
        running.signal(SIGINT)
        #expect(running.wait().status == 130)
    }

    /// Runs of one name that start together get a folder each.
    @Test func manyAtOnce() throws {
        let place = try Place()
        try place.writeTiny(steps: 3)
        let all = try (0..<4).map { _ in try place.start(["train", "tiny.json", "--threads", "1"]) }.map { $0.wait() }
        #expect(all.map(\.status) == [0, 0, 0, 0], "\(all.map(\.errors))")
        let names = try FileManager.default.contentsOfDirectory(atPath: "\(place.path)/runs").sorted()
        #expect(names == ["tiny", "tiny-2", "tiny-3", "tiny-4"])
        for name in names { try expectSame(place, "runs/\(name)", as: "runs/tiny", step: 3) }
    }
}
