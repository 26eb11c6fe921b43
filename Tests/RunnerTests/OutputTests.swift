import Foundation
import Testing

/// A disk that fills up, and words that look like flags.
struct OutputTests {
    /// The program with standard output on a device that is always full, through a shell.
    func run(_ place: Place, _ command: String) throws -> Finished {
        let program = try #require(executable)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", "'\(program)' \(command)"]
        process.currentDirectoryURL = URL(fileURLWithPath: place.path)
        let errors = Pipe()
        process.standardError = errors
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return Finished(
            status: process.terminationStatus, output: "", errors: text, wasKilled: process.terminationReason == .uncaughtSignal)
    }

    @Test(.enabled(if: FileManager.default.fileExists(atPath: "/dev/full")), arguments: ["components", "--help", "inspect tiny.json"])
    func standardOutputIsFull(command: String) throws {
        let place = try Place()
        try place.writeTiny()
        expectRefused(try run(place, "\(command) > /dev/full"), ["standard output could not be written"], status: 1)
    }

    /// Training is worth more than its report: it goes on to the end and is saved.
    @Test(.enabled(if: FileManager.default.fileExists(atPath: "/dev/full")))
    func trainingGoesOn() throws {
        let place = try Place()
        try place.writeTiny(steps: 20)
        expectRefused(try run(place, "train tiny.json --out run > /dev/full"), ["standard output could not be written"], status: 1)
        #expect(place.has("run/checkpoints/step-00000020/state.json"))
    }

    @Test(.enabled(if: FileManager.default.fileExists(atPath: "/dev/full")))
    func standardErrorIsFull() throws {
        let place = try Place()
        let result = try run(place, "train nothing.json 2> /dev/full")
        #expect(result.status == 2 && !result.wasKilled)
    }

    @Test func aPromptThatLooksLikeAFlag() throws {
        let place = try Place()
        try place.writeTiny(steps: 1)
        #expect(try place.run("train", "tiny.json", "--out", "run").status == 0)
        let result = try place.run("sample", "run", "--prompt", "-h", "--tokens", "3", "--greedy")
        #expect(result.status == 0 && result.output.hasPrefix("-h") && !result.output.contains("usage"), "\(result)")
        #expect(try place.run("sample", "run", "-h").output.contains("usage: ./runner sample"))
    }
}
