import Configuration
import Foundation

/// One line of metrics.jsonl. Losses are in nats a token; what was not measured is absent.
public struct Metrics: Codable, Sendable {
    public var step: Int
    public var tokens: Int
    public var seconds: Double
    public var trainLoss: Double?
    public var valLoss: Double?
    public var valBitsPerByte: Double?
    public var lr: Double?
    public var gradNorm: Double?
    public var tokensPerSecond: Double?

    enum CodingKeys: String, CodingKey {
        case step, tokens, seconds, lr
        case trainLoss = "train_loss", valLoss = "val_loss", valBitsPerByte = "val_bits_per_byte"
        case gradNorm = "grad_norm", tokensPerSecond = "tokens_per_second"
    }

    public init(step: Int, tokens: Int, seconds: Double) {
        (self.step, self.tokens, self.seconds) = (step, tokens, seconds)
    }
}

/// Appends to a run's metrics.jsonl.
final class MetricsFile {
    private let file: FileHandle
    private let encoder: JSONEncoder = {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }()

    /// Opens the file, dropping lines after `step`: a resumed run makes them again.
    init(_ folder: RunFolder, keepingThrough step: Int) throws {
        let kept = try MetricsFile.read(folder).filter { $0.step <= step }
        var text = Data()
        for line in kept {
            text += try encoder.encode(line)
            text.append(UInt8(ascii: "\n"))
        }
        try RunFolder.writeAtomically(text, to: folder.metricsPath)
        guard let file = FileHandle(forWritingAtPath: folder.metricsPath) else {
            throw Failure("cannot write \(folder.metricsPath)")
        }
        self.file = file
        try file.seekToEnd()
    }

    deinit { try? file.close() }

    func append(_ metrics: Metrics) throws {
        do {
            try file.write(contentsOf: encoder.encode(metrics) + Data("\n".utf8))
        } catch {
            throw Failure("cannot write metrics.jsonl: \(error.localizedDescription)")
        }
    }

    /// All whole lines; one that a kill cut short is left out.
    static func read(_ folder: RunFolder) throws -> [Metrics] { folder.readMetrics().lines }
}

extension RunFolder {
    /// What metrics.jsonl holds: its whole lines, how many there are that cannot be read, and whether it is there at all.
    public func readMetrics() -> (lines: [Metrics], unreadable: Int, exists: Bool) {
        guard let data = FileManager.default.contents(atPath: metricsPath) else { return ([], 0, false) }
        let all = data.split(separator: UInt8(ascii: "\n"))
        let lines = all.compactMap { try? JSONDecoder().decode(Metrics.self, from: $0) }
        return (lines, all.count - lines.count, true)
    }

    /// The metrics that have been logged so far.
    public func metrics() throws -> [Metrics] { try MetricsFile.read(self) }
}
