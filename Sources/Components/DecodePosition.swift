import Autograd

/// Where a pass of one token a sequence stands when its position lies in the device's memory: the same work, asked for once and replayed,
/// then serves every token.
///
/// What depends on the position is looked up by `rows` in tables that `kept` makes once, or by `positions` in parameters. Whatever asks the
/// host for the position instead (`Pass.start`, `KVCache.position`) is right in this pass and would be wrong when it is replayed: that is
/// noted in `wasBypassed`, and the pass must not be captured then.
public final class DecodePosition {
    /// The positions that tables have rows for.
    public let range: Range<Int>
    /// The position, an int64.
    public let value: Tensor
    /// The position, for each sequence: int32 [B].
    public let positions: Tensor
    /// The row of a table over `range`, for each sequence: int32 [B].
    public let rows: Tensor
    /// Whether something asked for the position on the host.
    public internal(set) var wasBypassed = false
    /// The row that comes next, an int64.
    private let row: Tensor
    private var tables: [AnyHashable: Any] = [:]

    /// Stands at the first position of `range`.
    public init(_ range: Range<Int>, batch: Int, on context: Context) {
        self.range = range
        (value, row) = (context.int64(range.lowerBound), context.int64(0))
        positions = context.tensor([Int32](repeating: Int32(truncatingIfNeeded: range.lowerBound), count: batch), [batch])
        rows = context.tensor([Int32](repeating: 0, count: batch), [batch])
    }

    /// Moves on by one token, on the device.
    public func advance() {
        value.backend.advance(value, by: 1, rows: positions)
        value.backend.advance(row, by: 1, rows: rows)
    }

    /// What is made once for all tokens.
    /// - Parameter key: everything that it depends on besides `range`.
    public func kept<Value>(_ key: AnyHashable, _ make: () -> Value) -> Value {
        if let value = tables[key] as? Value { return value }
        let value = make()
        tables[key] = value
        return value
    }
}
