import Autograd

/// Cuts tokens into batches of windows; the batch of a step depends on the seed and the step and on nothing before.
public struct BatchSampler: Sendable {
    /// Where the windows of a step come from.
    public enum Order: String, Sendable, Codable, CaseIterable {
        /// Anywhere, each drawn on its own.
        case random
        /// One after another, starting over at the end.
        case sequential
    }

    /// What the windows are for; the same seed gives others for another purpose.
    public enum Purpose: Sendable { case training, evaluation }

    /// Tokens per window.
    public let context: Int
    /// Windows per batch.
    public let batch: Int
    private let tokens: TokenFile
    private let rowsPerStep: Int
    private let order: Order
    private let philox: Philox
    /// Where windows begin, if not anywhere.
    private let documents: DocumentWindows?

    /// A sampler of batches of `batch` windows of `context` tokens.
    ///
    /// With gradient accumulation a step has `accumulation` batches; batch number a of a step is asked for with a
    /// `rowOffset` of a · `batch`, and all of them together are the batch of a sampler with `batch` · `accumulation` rows.
    public init(
        _ tokens: TokenFile, context: Int, batch: Int, accumulation: Int = 1, seed: UInt64, order: Order = .random,
        purpose: Purpose = .training
    ) throws {
        try BatchSampler.require(context, named: "the context")
        try BatchSampler.require(batch, named: "the batch size")
        try BatchSampler.require(accumulation, named: "the number of accumulated batches")
        let (needed, overflow) = context.addingReportingOverflow(1)
        guard !overflow, tokens.count >= needed || (tokens.isIsolated && tokens.count > 1) else {
            throw TextError.tooFewTokens(source: tokens.name, tokens: tokens.count, needed: overflow ? context : needed)
        }
        precondition(tokens.examples.map { $0.length == needed } ?? true, "examples fill the context")
        documents = try DocumentWindows(tokens, context: context)
        let (rows, tooManyRows) = batch.multipliedReportingOverflow(by: accumulation)
        guard !tooManyRows else {
            throw TextError.invalidSetting(
                name: "the number of accumulated batches", value: "\(accumulation)", requirement: "smaller")
        }
        (self.tokens, self.context, self.batch, self.order, rowsPerStep) = (tokens, context, batch, order, rows)
        philox = Philox(seed: seed, domain: purpose == .training ? .batches : .evaluation)
    }

    /// Where window number `row` of a step starts.
    public func start(step: Int, row: Int) -> Int {
        if let documents { return documents.starts[choice(step, row, of: documents.starts.count)] }
        if let length = tokens.examples?.length { return choice(step, row, of: tokens.count / length) * length }
        switch order {
        case .random: return choice(step, row, of: tokens.count - context)
        // One after another they overlap by the token between them.
        case .sequential: return choice(step, row, of: (tokens.count - 1) / context) * context
        }
    }

    /// One of `count` windows, drawn or the next.
    private func choice(_ step: Int, _ row: Int, of count: Int) -> Int {
        switch order {
        case .random:
            let (a, b, _, _) = philox.block(stream: UInt64(bitPattern: Int64(step)), index: UInt64(bitPattern: Int64(row)))
            let number = UInt64(a) << 32 | UInt64(b)
            // The high half of the product is uniform over the windows, to within one part in 2^64 / count.
            return Int(number.multipliedFullWidth(by: UInt64(count)).high)
        case .sequential:
            let number = UInt64(bitPattern: Int64(step)) &* UInt64(rowsPerStep) &+ UInt64(bitPattern: Int64(row))
            return Int(number % UInt64(count))
        }
    }

    /// Targets that count in the first `rows` windows of a step together; by default in those of one batch.
    public func countedTargets(step: Int, rows: Int? = nil) -> Int {
        let rows = rows ?? batch
        guard isIsolated, let documents else { return rows * tokens.targetsPerWindow(context: context) }
        return (0..<rows).reduce(0) { $0 + documents.targets(of: choice(step, $1, of: documents.starts.count)) }
    }

    /// Whether windows hold one document each, so that not all places count.
    public var isIsolated: Bool { tokens.isIsolated }

    /// The share of places in windows that count, over the windows of the first steps.
    public func filled(steps: Int) -> Double {
        let counted = (0..<steps).reduce(0) { $0 + countedTargets(step: $1, rows: rowsPerStep) }
        return Double(counted) / Double(max(1, steps * rowsPerStep * context))
    }

    /// Fills `inputs` and `targets` (both batch × context, row by row) with the windows of `step` from row `rowOffset` on;
    /// a target is the token after its input, −1 where it does not count.
    public func batch(
        step: Int, rowOffset: Int = 0, into inputs: UnsafeMutableBufferPointer<Int32>,
        targets: UnsafeMutableBufferPointer<Int32>
    ) {
        precondition(
            inputs.count == batch * context && targets.count == batch * context, "buffers must hold batch × context tokens")
        for row in 0..<batch {
            let start = start(step: step, row: rowOffset + row)
            let range = row * context..<(row + 1) * context
            tokens.copyWindow(
                start: start, into: UnsafeMutableBufferPointer(rebasing: inputs[range]),
                targets: UnsafeMutableBufferPointer(rebasing: targets[range]))
        }
    }

    static func require(_ value: Int, named name: String) throws {
        guard value > 0 else { throw TextError.invalidSetting(name: name, value: "\(value)", requirement: "at least 1") }
    }
}
