import Autograd
import Configuration

/// nanochat's stream. Smear: x[t] += λ·σ(w·x[t][0 ..< n])·x[t − 1]. x0 mix: before layer i, x = scale[i]·x +
/// x0_scale[i]·x0, x0 being the stream's beginning. Backout: the stream after layer L/2, times a learned number, is
/// taken away before the final norm.
public struct MixedResidual: ResidualStream {
    public struct Options: OptionGroup {
        public var x0Mix = true
        public var smear = true
        public var smearChannels = 24
        public var backout = true
        public init() {}
        public static var options: [Option<Self>] {
            [
                Option("x0_mix", \.x0Mix, help: "learned scales of the stream and of its beginning before each layer"),
                Option("smear", \.smear, help: "a gated share of the previous token's embedding"),
                Option("smear_channels", \.smearChannels, .atLeast(1), help: "channels that the smear's gate reads"),
                Option("backout", \.backout, help: "take a learned share of the middle layer's stream away at the end"),
            ]
        }
    }

    let scales: ParameterBlock?, x0Scales: ParameterBlock?
    let smear: (gate: ParameterBlock, scale: ParameterBlock)?
    let backout: ParameterBlock?
    let middle: Int
    let smearChannels: Int

    /// - Throws: `ConfigError` when the smear reads more channels than there are.
    public init(_ options: Options, at site: Site) throws {
        let layers = site.size.layers
        let along = (0..<layers).map { layers > 1 ? Float($0) / Float(layers - 1) : 0 }
        func scalar(_ name: String, _ values: [Float], _ group: String) -> ParameterBlock {
            site.parameter(name, [values.count], .values(values), group: group)
        }
        scales = options.x0Mix ? scalar("scale", along.map { 1.15 - 0.10 * $0 }, "residual_scale") : nil
        x0Scales = options.x0Mix ? scalar("x0_scale", along.map { 0.20 - 0.15 * $0 }, "x0_scale") : nil
        if options.smear, options.smearChannels > site.size.width {
            throw site.error(
                "the smear's gate reads \(options.smearChannels) channels of a width of \(site.size.width); use fewer",
                at: "smear_channels")
        }
        smearChannels = options.smearChannels
        smear =
            options.smear
            ? (
                site.parameter(
                    "smear_gate.weight", [1, options.smearChannels], .gate, role: .scalar, group: "smear", inProduct: true),
                scalar("smear_scale", [0], "smear")
            ) : nil
        backout = options.backout ? scalar("backout", [0.2], "backout") : nil
        middle = layers / 2
    }

    public func begin(_ embedded: Tensor, _ pass: Pass) -> StreamState {
        let x = smear.map { smeared(embedded, $0.gate.tensor, $0.scale.tensor, pass) } ?? embedded
        return StreamState(x: x, saved: x0Scales == nil ? [] : [x])
    }

    private func smeared(_ x: Tensor, _ gate: Tensor, _ scale: Tensor, _ pass: Pass) -> Tensor {
        // Decoding keeps the last token's embedding: it is the previous one of the next pass.
        let previous = x.shiftedInTime(first: pass.cache?.carried["smear"])
        if let cache = pass.cache { cache.carry("smear", x.lastInTime()) }
        let opened = x.columns(0..<smearChannels).linear(gate).activation(.sigmoid)  // [B, T, 1]
        let one = x.context.ones([1])
        return Tensor.mix([(x, one), (previous.scaledRows(by: opened.reshaped([x.rows])), scale)])
    }

    public func enter(_ layer: Int, _ state: inout StreamState) {
        guard let scales, let x0Scales else { return }
        state.x = Tensor.mix([
            (state.x, scales.tensor.element(layer)), (state.saved[0], x0Scales.tensor.element(layer)),
        ])
    }

    public func leave(_ layer: Int, _ state: inout StreamState) {
        if backout != nil, layer == middle { state.saved.append(state.x) }
    }

    public func end(_ state: StreamState) -> Tensor {
        guard let backout, let middle = state.saved.last, state.saved.count > (x0Scales == nil ? 0 : 1) else {
            return state.x
        }
        let one = state.x.context.ones([1])
        return Tensor.mix([(state.x, one), (middle, backout.tensor * -1)])
    }
}

extension Tensor {
    /// One element of a vector, its gradient flowing back to its place.
    func element(_ index: Int) -> Tensor {
        reshaped([1, count]).columns(index..<index + 1).reshaped([1])
    }

    /// The last position of [B, T, C]: [B, C], perhaps the same memory. Not recorded.
    func lastInTime() -> Tensor {
        let (batch, time, width) = (shape[0], shape[1], shape[2])
        guard time > 1 else { return view(at: 0, [batch, width]) }
        let last = context.empty([batch, width])
        for b in 0..<batch {
            backend.copy(rowsView(b * time + time - 1, 1), to: last.rowsView(b, 1))
        }
        return last
    }
}
