import Configuration
import Foundation

/// What a finished run of a comparison came to: result.json in its folder.
public struct RunResult: Codable, Sendable, Equatable {
    public var steps: Int
    public var tokens: Int
    /// Seconds in training steps, validation left out.
    public var trainSeconds: Double
    /// Nats a token over the comparison's validation tokens, with the weights of the last step.
    public var valLoss: Double
    /// Absent for a synthetic task, whose answers are no bytes of a text.
    public var valBitsPerByte: Double?
    public var valAccuracy: Double
    /// Tokens that the loss is the mean of.
    public var valTokens: Int
    /// The median over the logged stretches of the run.
    public var trainTokensPerSecond: Double?
    /// One sequence, one token at a time, `decodeContext` tokens in the cache; absent where the context has no room.
    public var decodeTokensPerSecond: Double?
    public var decodeContext: Int?
    /// The most that the process had in memory while training.
    public var peakMemoryBytes: Int
    /// Threads of this run, and runs at work at once: speeds depend on both.
    public var threads: Int
    public var jobs: Int
    /// The GPU; nil for the CPU.
    public var device: String?

    enum CodingKeys: String, CodingKey {
        case steps, tokens, threads, jobs, device
        case trainSeconds = "train_seconds", valLoss = "val_loss", valBitsPerByte = "val_bits_per_byte"
        case valAccuracy = "val_accuracy", valTokens = "val_tokens", trainTokensPerSecond = "train_tokens_per_second"
        case decodeTokensPerSecond = "decode_tokens_per_second", decodeContext = "decode_context"
        case peakMemoryBytes = "peak_memory_bytes"
    }
}

/// One run of a comparison, as it stands in its folder.
public struct ComparedRun: Sendable {
    public let folder: RunFolder

    public enum Status: Sendable {
        /// Not begun, or not far enough to be continued.
        case missing
        /// Begun, and to be continued.
        case started
        case finished(RunResult)
        /// It cannot be done, such as a loss that is not finite: the message.
        case failed(String)
    }

    var resultPath: String { "\(folder.path)/result.json" }
    var failurePath: String { "\(folder.path)/failure.json" }
    var memoryPath: String { "\(folder.path)/memory.json" }

    /// How far the run is.
    /// - Throws: `Failure` where the folder holds a run of another config than `config`.
    public func status(_ config: RunConfig, _ registries: Registries = Registries()) throws -> Status {
        guard FileManager.default.fileExists(atPath: folder.configPath) else { return .missing }
        let kept = try RunConfig(path: folder.configPath, registries: registries)
        if let difference = kept.difference(from: config) {
            throw Failure("\(folder.path) is the run of another config: \(difference); remove it, or choose another --out")
        }
        if let data = FileManager.default.contents(atPath: resultPath), let result = try? JSONDecoder().decode(RunResult.self, from: data) {
            return .finished(result)
        }
        if let data = FileManager.default.contents(atPath: failurePath), let message = try? JSON(parsing: data)["message"]?.stringValue {
            return .failed(message)
        }
        return .started
    }

    /// Forgets that the run failed, so that it is tried again from its last checkpoint.
    public func forgetFailure() { try? FileManager.default.removeItem(atPath: failurePath) }

    func save(_ result: RunResult) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try RunFolder.writeAtomically(encoder.encode(result) + Data("\n".utf8), to: resultPath)
    }

    func save(failure: String) throws {
        try RunFolder.writeAtomically(Data((JSON.object(["message": .string(failure)]).text() + "\n").utf8), to: failurePath)
    }

    /// The most memory that the processes of this run have had, all that trained it counted.
    var peakMemory: Int {
        FileManager.default.contents(atPath: memoryPath).flatMap { try? JSON(parsing: $0)["peak_memory_bytes"]?.intValue } ?? 0
    }

    func save(peakMemory bytes: Int) throws {
        try RunFolder.writeAtomically(Data((JSON.object(["peak_memory_bytes": .int(bytes)]).text() + "\n").utf8), to: memoryPath)
    }

    /// The last line of the metrics, read from the end of the file: cheap however long the run is.
    public var lastMetrics: Metrics? {
        guard let file = FileHandle(forReadingAtPath: folder.metricsPath) else { return nil }
        defer { try? file.close() }
        guard let end = try? file.seekToEnd(), (try? file.seek(toOffset: end - min(end, 4096))) != nil,
            let data = try? file.readToEnd()
        else { return nil }
        for line in data.split(separator: UInt8(ascii: "\n")).reversed() {
            if let metrics = try? JSONDecoder().decode(Metrics.self, from: line) { return metrics }
        }
        return nil
    }
}
