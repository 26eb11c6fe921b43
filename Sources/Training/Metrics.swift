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
    /// The share of answers that were right, on a synthetic task.
    public var valAccuracy: Double?
    public var lr: Double?
    public var gradNorm: Double?
    public var tokensPerSecond: Double?

    enum CodingKeys: String, CodingKey {
        case step, tokens, seconds, lr
        case trainLoss = "train_loss", valLoss = "val_loss", valBitsPerByte = "val_bits_per_byte", valAccuracy = "val_accuracy"
        case gradNorm = "grad_norm", tokensPerSecond = "tokens_per_second"
    }

    public init(step: Int, tokens: Int, seconds: Double) {
        (self.step, self.tokens, self.seconds) = (step, tokens, seconds)
    }
}

extension Metrics: StepLine {}

extension RunFolder {
    /// What metrics.jsonl holds: its whole lines, how many there are that cannot be read, and whether it is there at all.
    public func readMetrics() -> (lines: [Metrics], unreadable: Int, exists: Bool) { LinesFile<Metrics>.readAll(metricsPath) }

    /// The metrics that have been logged so far.
    public func metrics() throws -> [Metrics] { LinesFile<Metrics>.read(metricsPath) }
}
