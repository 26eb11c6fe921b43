import Architectures
import Autograd
import Components
import Foundation
import Text

/// How well a model predicts a text.
public struct Evaluation: Sendable {
    /// Nats a token.
    public var loss: Double
    /// Tokens predicted.
    public var tokens: Int
    /// Bytes of text a token, on average; 0 where nobody knows, for tokens without text.
    public var bytesPerToken: Double
    /// Share of tokens that were the likeliest.
    public var accuracy: Double

    public var perplexity: Double { exp(loss) }
    public var bitsPerByte: Double? { bytesPerToken > 0 ? loss / log(2) / bytesPerToken : nil }
}

public enum Evaluator {
    /// The mean loss over every token of `tokens` but the first, in windows of the model's context.
    /// - Parameters:
    ///   - stride: how far windows are apart; the context by default, where they do not overlap. A smaller stride gives
    ///     every token but the first ones at least context − stride tokens before it.
    ///   - progress: called with tokens done and tokens in all; returns false to stop.
    /// - Throws: `TextError` for a text shorter than a window, `CancellationError` when stopped.
    public static func evaluate(
        _ model: Model, on context: Context, tokens: TokenFile, bytesPerToken: Double, stride: Int? = nil, batch: Int = 8,
        progress: (Int, Int) -> Bool = { _, _ in true }
    ) throws -> Evaluation {
        let length = tokens.isIsolated ? model.size.context : min(model.size.context, max(1, tokens.count - 1))
        let windows = try tokens.stridedWindows(context: length, stride: min(stride ?? length, length))
        var (sum, count, correct) = (0.0, 0, 0)
        var index = 0
        while index < windows.count {
            let rows = min(batch, windows.count - index)
            var inputs = [Int32](repeating: 0, count: rows * length), targets = inputs
            for row in 0..<rows {
                let window = windows[index + row]
                inputs.withUnsafeMutableBufferPointer { inputs in
                    targets.withUnsafeMutableBufferPointer { targets in
                        tokens.copyWindow(
                            start: window.start,
                            into: UnsafeMutableBufferPointer(rebasing: inputs[row * length..<(row + 1) * length]),
                            targets: UnsafeMutableBufferPointer(rebasing: targets[row * length..<(row + 1) * length]))
                    }
                }
                for position in 0..<window.countedFrom { targets[row * length + position] = -1 }
            }
            let part = batchLoss(model, on: context, inputs, targets, shape: [rows, length])
            sum += part.sum
            correct += part.correct
            count += targets.count { $0 >= 0 }
            index += rows
            guard progress(count, tokens.count - 1) else { throw CancellationError() }
        }
        try context.check()
        return Evaluation(
            loss: sum / Double(max(count, 1)), tokens: count, bytesPerToken: bytesPerToken,
            accuracy: Double(correct) / Double(max(count, 1)))
    }

    /// The mean loss over `batches` random batches, the same ones for the same seed.
    static func evaluate(
        _ model: Model, on context: Context, _ batches: Batches, count: Int, bytesPerToken: Double
    ) throws -> Evaluation {
        var (sum, correct, tokens) = (0.0, 0, 0)
        for index in 0..<count {
            let (inputs, targets) = batches(step: index)
            let hits = context.empty([inputs.count], .int32)
            let loss = model.loss(Pass(tokens: inputs), targets: targets, scale: 1, hits: hits)
            sum += Double(loss.item)
            correct += hits.int32s.reduce(0) { $0 + Int($1) }
            tokens += batches.countedTargets(step: index)
        }
        try context.check()
        return Evaluation(
            loss: sum / Double(tokens), tokens: tokens, bytesPerToken: bytesPerToken,
            accuracy: Double(correct) / Double(tokens))
    }

    /// The mean loss of windows of the text read token by token through a KV cache whose contents are kept in `type`: what
    /// generating with such a cache really sees.
    /// - Parameters:
    ///   - windows: how many, spread evenly over the text.
    ///   - length: tokens predicted in each, the context at most.
    /// - Throws: `TextError` for a text shorter than a window.
    public static func decoding(
        _ model: Model, on context: Context, tokens: TokenFile, type: DType, windows: Int = 32, length: Int,
        progress: (Int, Int) -> Void = { _, _ in }
    ) throws -> Double {
        let length = min(length, model.size.context)
        guard tokens.count > length else {
            throw TextError.tooFewTokens(source: tokens.name, tokens: tokens.count, needed: length + 1)
        }
        let all = try tokens.stridedWindows(context: length, stride: length), count = min(windows, all.count)
        var inputs = [Int32](repeating: 0, count: count * length), targets = inputs
        inputs.withUnsafeMutableBufferPointer { inputs in
            targets.withUnsafeMutableBufferPointer { targets in
                for row in 0..<count {
                    let range = row * length..<(row + 1) * length
                    tokens.copyWindow(
                        start: all[count == 1 ? 0 : (all.count - 1) * row / (count - 1)].start,
                        into: UnsafeMutableBufferPointer(rebasing: inputs[range]),
                        targets: UnsafeMutableBufferPointer(rebasing: targets[range]))
                }
            }
        }
        func column(_ ids: [Int32], _ position: Int) -> Tensor {
            context.tensor((0..<count).map { ids[$0 * length + position] }, [count, 1])
        }
        let cache = model.cache(batch: count, type: type, on: context)
        var sum = 0.0
        for position in 0..<length {
            let pass = Pass(tokens: column(inputs, position), start: position, cache: cache)
            sum += Double(model.loss(pass, targets: column(targets, position), scale: 1).item)
            cache.advance(by: 1)
            progress(position + 1, length)
        }
        try context.check()
        return sum / Double(targets.count { $0 >= 0 })
    }

    private static func batchLoss(
        _ model: Model, on context: Context, _ inputs: [Int32], _ targets: [Int32], shape: [Int]
    ) -> (sum: Double, correct: Int) {
        let hits = context.empty([inputs.count], .int32)
        let loss = model.loss(
            Pass(tokens: context.tensor(inputs, shape)), targets: context.tensor(targets, shape), scale: 1, hits: hits)
        return (Double(loss.item), hits.int32s.reduce(0) { $0 + Int($1) })
    }
}
