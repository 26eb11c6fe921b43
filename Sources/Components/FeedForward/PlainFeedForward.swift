import Autograd

/// f(x W₁ + b₁) W₂ + b₂ (Vaswani et al. 2017) with f one of ReLU, GELU (Hendrycks and Gimpel 2016, arXiv:1606.08415),
/// SiLU, or squared ReLU (So et al. 2021, arXiv:2109.08668).
public struct PlainFeedForward: FeedForward {
    let activation: Activation
    let up: Linear  // [C → F]
    let down: Linear  // [F → C]
    let dropout: Double

    public init(_ activation: Activation, _ options: FeedForwardOptions, at site: Site) {
        let (width, hidden) = (site.size.width, options.hiddenSize(width: site.size.width))
        self.activation = activation
        up = site.linear("up", width, hidden, bias: options.bias, .up)
        down = site.linear("down", hidden, width, bias: options.bias, .down)
        dropout = options.dropout
    }

    public func callAsFunction(_ x: Tensor, _ pass: Pass) -> Tensor {
        down(up(x).activation(activation)).dropout(dropout, pass)
    }
}
