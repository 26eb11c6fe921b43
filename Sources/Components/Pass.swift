import Autograd

/// One run of tokens through a model: what all components may look at.
public final class Pass {
    /// int32 [B, T]
    public let tokens: Tensor
    /// The position of the first token.
    public var start: Int {
        position?.wasBypassed = true
        return first
    }
    /// Keys and values of earlier tokens when decoding.
    public let cache: KVCache?
    /// Where dropout masks come from; nil outside training.
    public let dropout: DropoutSource?
    /// Where the position lies when it is in the device's memory; nil where `start` is all there is to know.
    public let position: DecodePosition?
    /// Row t of a position table for token t: int32 [B·T], 0 … T − 1 for every sequence; of a table over `position.range` where there is one.
    public let positions: Tensor
    /// Who looks on; nil where nobody does, which costs nothing.
    public private(set) var observer: (any PassObserver)?
    /// Whether layers keep only what they read, and are computed again going back.
    public let recomputes: Bool
    /// What components add to the loss of training, each one element and of the size of a mean over the tokens.
    public private(set) var losses: [Tensor] = []
    private let first: Int
    private var dropouts: UInt64 = 0
    private var rotaryTables: [AnyHashable: RotaryTable] = [:]

    public init(
        tokens: Tensor, start: Int = 0, cache: KVCache? = nil, dropout: DropoutSource? = nil, observer: (any PassObserver)? = nil,
        recomputes: Bool = false
    ) {
        precondition(tokens.shape.count == 2 && tokens.dtype == .int32, "tokens are int32 [batch, time]")
        (self.tokens, first, self.cache, self.dropout) = (tokens, start, cache, dropout)
        (self.observer, self.recomputes) = (observer, recomputes)
        let (batch, time) = (tokens.shape[0], tokens.shape[1])
        position = time == 1 ? cache?.devicePosition : nil
        positions = position?.rows ?? tokens.context.tensor((0..<batch * time).map { Int32($0 % time) }, [batch * time])
    }

    /// The positions that tables of this pass have rows for, which `positions` counts: its own, or those of all passes that share them.
    public var tablePositions: Range<Int> { position?.range ?? first..<first + time }

    public var context: Context { tokens.context }
    public var batch: Int { tokens.shape[0] }
    public var time: Int { tokens.shape[1] }
    /// The first example's number in the step, earlier micro-batches counted.
    public var firstExample: Int { dropout?.firstExample ?? 0 }

    /// The mask for the next dropout of `probability` over tensors with `elements` elements an example. Masks are
    /// numbered in the order of the forward pass; micro-batches of one step continue one mask.
    public func mask(_ probability: Double, elementsPerExample: Int) -> DropoutMask? {
        guard let dropout, probability > 0 else { return nil }
        dropouts += 1
        return DropoutMask(
            probability: Float(probability), key: dropout.key, stream: dropout.step << 16 | dropouts,
            offset: UInt64(dropout.firstExample * elementsPerExample))
    }

    /// Adds to what training minimizes, besides predicting tokens.
    public func addLoss(_ loss: Tensor) { if context.expectsBackward { losses.append(loss) } }

    /// What `body`, a part of the model, makes of `inputs`; computed again going back where the pass does so. Whenever it runs it finds
    /// the same masks, and the observer and `losses` see it once.
    public func part(_ inputs: [Tensor], _ body: @escaping ([Tensor]) -> [Tensor]) -> [Tensor] {
        guard recomputes else { return body(inputs) }
        let (firstDropout, observer) = (dropouts, observer)
        var count = 0, isAgain = false
        let outputs = context.recomputing(inputs) { [self] inputs in
            let (lastDropout, others) = (dropouts, losses)
            (dropouts, losses, self.observer) = (firstDropout, [], isAgain ? nil : observer)
            defer {
                if isAgain { dropouts = lastDropout }
                (losses, self.observer, isAgain) = (others, observer, true)
            }
            let results = body(inputs)
            count = results.count
            return results + losses
        }
        losses += outputs.dropFirst(count)
        return Array(outputs.prefix(count))
    }

    /// Rotary angles of `tablePositions`, made once a pass for all layers that share them.
    /// - Parameter key: everything that the angles depend on besides these positions.
    public func rotary(_ key: AnyHashable, _ make: () -> RotaryTable) -> RotaryTable {
        if let position { return position.kept(key, make) }
        if let table = rotaryTables[key] { return table }
        let table = make()
        rotaryTables[key] = table
        return table
    }
}

extension Tensor {
    /// Dropout in training, this tensor otherwise. [B, ..]
    public func dropout(_ probability: Double, _ pass: Pass) -> Tensor {
        dropout(pass.mask(probability, elementsPerExample: count / max(pass.batch, 1)))
    }
}

/// Where the dropout masks of one micro-batch come from: seed, step and example, never history.
public struct DropoutSource: Sendable {
    public var key: UInt64
    public var step: UInt64
    public var firstExample: Int

    public init(seed: UInt64, step: Int, firstExample: Int = 0) {
        key = Philox(seed: seed, domain: .dropout).key
        self.step = UInt64(step)
        self.firstExample = firstExample
    }
}
