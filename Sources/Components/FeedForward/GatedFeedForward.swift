import Autograd

/// (f(x Wg) · (x Wu)) Wd: SwiGLU with f = SiLU, GeGLU with f = GELU (Shazeer 2020, arXiv:2002.05202). At equal hidden
/// size it has half as many parameters again as a plain feed-forward; 2/3 of the hidden size makes them equal.
public struct GatedFeedForward: FeedForward {
    let activation: Activation
    /// Gate and up in one product: [2F, C].
    let gateUp: ParameterBlock
    let gateUpBias: ParameterBlock?
    let down: Linear  // [F → C]
    let dropout: Double

    public init(_ activation: Activation, _ options: FeedForwardOptions, at site: Site) {
        let (width, hidden) = (site.size.width, options.hiddenSize(width: site.size.width))
        self.activation = activation
        gateUp = site.packed([("gate.weight", [hidden, width], .up), ("up.weight", [hidden, width], .up)])
        gateUpBias =
            options.bias
            ? site.packed([("gate.bias", [hidden], .bias(fanIn: width)), ("up.bias", [hidden], .bias(fanIn: width))])
            : nil
        down = site.linear("down", hidden, width, bias: options.bias, .down)
        dropout = options.dropout
    }

    public func callAsFunction(_ x: Tensor, _ pass: Pass) -> Tensor {
        down(x.linear(gateUp.product, bias: gateUpBias?.tensor).gated(activation)).dropout(dropout, pass)
    }
}
