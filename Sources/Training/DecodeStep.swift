import Architectures
import Autograd
import Components

/// Passes of one token a sequence through a cache. On a device that works while the host goes on, one pass is captured and replayed for
/// every further token, as it is the host's asking that takes most of the time.
///
/// What cannot be replayed is asked for anew each time, with the same result: mixtures of experts, which route on the host, and components
/// that ask for the position on the host or keep something in `KVCache.carried` by themselves.
final class DecodeStep {
    /// What a pass is for.
    enum Wanted {
        case logits
        /// One of so many tokens: the likeliest where there is no sampling.
        case token(of: Int, TokenSampling?)
    }
    /// What it gave, sequence by sequence: all logits, or the next token.
    enum Outcome { case logits([Float]), tokens([Int32]) }

    let cache: KVCache
    private let model: Model
    private let context: Context
    private let wanted: Wanted
    /// Tokens that may come still.
    private var left: Int
    private var canReplay: Bool
    private var replay: DecodeReplay?

    /// - Parameter most: how many tokens there will be at most.
    init(_ model: Model, _ cache: KVCache, on context: Context, _ wanted: Wanted, most: Int) {
        (self.model, self.cache, self.context, self.wanted, left) = (model, cache, context, wanted, most)
        canReplay = context.backend.isAsynchronous
    }

    /// Takes the next token of each sequence. There must be a position for them.
    /// - Parameter draws: a number from 0 to 1 for each sequence, or none where nothing is drawn.
    func callAsFunction(_ tokens: [Int32], draws: [Double] = []) -> Outcome {
        defer {
            cache.advance(by: 1)
            left -= 1
        }
        if canReplay, tokens.count == cache.batch {
            if replay?.range.contains(cache.position) != true {
                // The one before first: it holds on to memory.
                replay = nil
                replay = DecodeReplay(model, cache, on: context, wanted, most: left)
            }
            if let replay, let outcome = replay(tokens, draws) { return outcome }
            (canReplay, replay) = (false, nil)
        }
        let logits = model.logits(Pass(tokens: context.tensor(tokens, [tokens.count, 1]), start: cache.position, cache: cache))
        guard case .token = wanted else { return .logits(logits.floats) }
        let ids = context.empty([tokens.count], .int32)
        context.sample(logits, wanted, draws: context.doubles(draws), into: ids)
        return .tokens(ids.int32s)
    }
}

extension Context {
    fileprivate func sample(_ logits: Tensor, _ wanted: DecodeStep.Wanted, draws: Tensor, into ids: Tensor) {
        guard case .token(let columns, let sampling) = wanted else { return }
        if let sampling {
            backend.sample(logits, of: columns, sampling, draws: draws, into: ids)
        } else {
            backend.likeliest(logits, of: columns, into: ids)
        }
    }

    fileprivate func doubles(_ values: [Double]) -> Tensor {
        let tensor = empty([values.count, 2])
        values.withUnsafeBytes { backend.upload($0, to: tensor) }
        return tensor
    }
}

/// One pass for all positions of a range: its tokens and its position lie in the device's memory. The first token is computed at once,
/// which makes tables and finds out which algorithms are fast; with the second the pass is captured.
private final class DecodeReplay {
    /// Tables have so many rows at most; what is made again after so many tokens is no matter.
    private static let mostRows = 1024

    let range: Range<Int>
    private let model: Model
    private let cache: KVCache
    private let context: Context
    private let wanted: DecodeStep.Wanted
    private let position: DecodePosition
    /// int32 [B, 1], where the next tokens go as well: the next pass finds them there.
    private let tokens: Tensor
    /// Doubles [B, 2]: what the next tokens are drawn with.
    private let draws: Tensor
    /// What is in there, where the host knows.
    private var known: [Int32] = []
    private var logits: Tensor?
    private var captured: (any CapturedWork)?
    private var pin: PoolPin?
    private var isWarm = false

    init(_ model: Model, _ cache: KVCache, on context: Context, _ wanted: DecodeStep.Wanted, most: Int) {
        (self.model, self.cache, self.context, self.wanted) = (model, cache, context, wanted)
        let first = cache.position, (end, overflow) = first.addingReportingOverflow(max(1, min(most, Self.mostRows)))
        // Learned positions have no row past their end.
        range = first..<max(first + 1, min(overflow ? .max : end, model.positionLimit ?? .max))
        position = DecodePosition(range, batch: cache.batch, on: context)
        tokens = context.empty([cache.batch, 1], .int32)
        draws = context.zeros([cache.batch, 2])
    }

    /// - Returns: Nil where the pass cannot be replayed; then nothing was done.
    func callAsFunction(_ next: [Int32], _ draws: [Double]) -> DecodeStep.Outcome? {
        if isWarm, captured == nil {
            capture()
            guard captured != nil else { return nil }
        }
        if next != known { next.withUnsafeBytes { context.backend.upload($0, to: tokens) } }
        if !draws.isEmpty { draws.withUnsafeBytes { context.backend.upload($0, to: self.draws) } }
        if let captured { captured.replay() } else { warm() }
        switch wanted {
        case .logits:
            known = next
            return .logits(logits?.floats ?? [])
        case .token:
            known = tokens.int32s
            return .tokens(known)
        }
    }

    /// Whether something goes on by itself, outside of what is replayed.
    private var isOutside = false

    private func warm() {
        let before = cache.carried
        pass()
        // What is carried was there before, or is in a new place with every token.
        isOutside = position.wasBypassed || !before.allSatisfy { cache.carried[$0.key] === $0.value } || before.count != cache.carried.count
        isWarm = true
    }

    private func capture() {
        guard !isOutside else { return }
        let pin = context.pool.pin()
        captured = context.backend.capture { pass() }
        // Anew, for blocks that the capture took.
        if captured != nil { self.pin = context.pool.pin() }
        withExtendedLifetime(pin) {}
    }

    private func pass() {
        let start = cache.position
        cache.devicePosition = position
        defer { cache.devicePosition = nil }
        let logits = model.logits(Pass(tokens: tokens, start: start, cache: cache))
        context.sample(logits, wanted, draws: draws, into: tokens)
        position.advance()
        self.logits = logits
    }
}
