import Autograd

/// A learned vector for each position, added to the embedded token (Gehring et al. 2017; GPT-1 and GPT-2). A sequence
/// cannot be longer than the table.
public struct LearnedPosition: Position {
    /// [context, C]
    let table: ParameterBlock
    public let limit: Int?

    public init(at site: Site) {
        table = site.parameter("weight", [site.size.context, site.size.width], .position)
        limit = site.size.context
    }

    public func embedding(_ pass: Pass) -> Tensor? {
        if let position = pass.position { return table.tensor.rows(at: position.positions.reshaped([pass.batch, 1])) }
        let ids = (0..<pass.batch * pass.time).map { Int32(pass.start + $0 % pass.time) }
        return table.tensor.rows(at: pass.context.tensor(ids, [pass.batch, pass.time]))
    }
}
