import Autograd
import Configuration

/// A mixture of SwiGLU feed-forwards (Shazeer et al. 2017, arXiv:1701.06538; Jiang et al. 2024, arXiv:2401.04088, Mixtral): a router
/// picks `active` of `experts` for each token, and their outputs are added, weighted by the router's renormalized probabilities.
///
///     p = softmax(x Wr);  y = Σ over the likeliest experts e of  pₑ / Σ p · (silu(x Wgₑ) · (x Wuₑ)) Wdₑ
public struct MixtureOfExperts: FeedForward {
    public struct Options: OptionGroup {
        public var experts = 8
        public var active = 2
        public var expansion = 4.0
        public var hidden: Int?
        public var balance = 0.01
        public var dropout = 0.0
        public init() {}
        public static var options: [Option<Self>] {
            [
                Option("experts", \.experts, .within(1...256), help: "feed-forwards to choose from"),
                Option("active", \.active, .within(1...256), help: "feed-forwards that each token goes through"),
                Option(
                    "expansion", \.expansion, Bounds(minimum: 0, maximum: 1024, exclusiveMinimum: true),
                    help: "hidden size of one expert as a multiple of the width"),
                Option("hidden", \.hidden, .within(1...16_777_216), help: "hidden size of one expert itself; goes before expansion"),
                Option("balance", \.balance, .atLeast(0), help: "weight of the load-balancing loss in training, averaged over layers"),
                Option("dropout", \.dropout, .fraction, help: "dropout of the sublayer's output"),
            ]
        }

        public func validate() throws {
            guard active <= experts else { throw OptionMismatch("active \(active) is more than experts \(experts); use at most as many") }
        }
    }

    private struct Expert {
        /// [2F, C]
        let gateUp: ParameterBlock
        /// [C, F]
        let down: ParameterBlock
    }

    private let options: Options
    private let layer: Int, layers: Int
    /// [E, C]
    private let router: ParameterBlock
    private let experts: [Expert]

    public init(_ options: Options, at site: Site) {
        let width = site.size.width, hidden = options.hidden ?? max(1, Int((options.expansion * Double(width)).rounded()))
        (self.options, layer, layers) = (options, site.layer ?? 0, site.size.layers)
        router = site.parameter("router.weight", [options.experts, width], .gate)
        experts = (0..<options.experts).map { index in
            // A token goes through `active` of them: so many count in what a pass multiplies by.
            let inner = site.inside("experts.\(index)"), counts = index < options.active
            return Expert(
                gateUp: inner.packed([("gate.weight", [hidden, width], .up), ("up.weight", [hidden, width], .up)], inProduct: counts),
                down: inner.parameter("down.weight", [width, hidden], .down, inProduct: counts))
        }
    }

    public func callAsFunction(_ x: Tensor, _ pass: Pass) -> Tensor {
        let flat = x.reshaped([x.rows, x.columns])  // [N, C]
        let routing = flat.linear(router.tensor).routed(top: options.active)
        if options.balance > 0 { pass.addLoss(routing.balance * Float(options.balance / Double(layers))) }
        pass.observer?.experts(layer, routing.shares)
        // How many rows an expert gets differs from step to step. In training they are padded to a few sizes, so that the memory of one
        // step serves the next.
        let slots = x.rows * options.active
        let step = x.context.expectsBackward ? max(8, slots / options.experts / 4) : 1
        func padded(_ numbers: [Int32], with other: Int) -> Tensor {
            let count = (numbers.count + step - 1) / step * step
            return x.context.tensor(numbers + [Int32](repeating: Int32(other), count: count - numbers.count), [count])
        }
        var parts: [(rows: Tensor, ids: Tensor)] = []
        for (index, expert) in experts.enumerated() where !routing.rows[index].isEmpty {
            // Padding reads and adds to row 0, with weight zero.
            let ids = padded(routing.rows[index], with: 0), places = padded(routing.places[index], with: slots)
            let y = flat.rows(at: ids).linear(expert.gateUp.product).gated(.silu).linear(expert.down.product)  // [n, C]
            parts.append((y.scaledRows(by: routing.weights.rows(at: places).reshaped([ids.count])), ids))
        }
        return Tensor.scattered(parts, to: x.rows, width: x.columns, on: x.context).reshaped(x.shape).dropout(options.dropout, pass)
    }
}
