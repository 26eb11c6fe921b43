import Autograd
import Components
import Configuration

/// A gated unit that leaks: y = (relu(x Wg) · (x Wu)) Wd, plus a share `leak` of x Wu that always passes.
struct LeakyGate: FeedForward {
    /// Declared once: decoding, defaults, editor schema and `components` all come from this.
    struct Options: OptionGroup {
        var hidden = 512
        var leak = 0.1
        static var options: [Option<Self>] {
            [
                Option("hidden", \.hidden, .within(1...16_777_216), help: "hidden size"),
                Option("leak", \.leak, .within(0...1), help: "share of the value that passes a closed gate"),
            ]
        }
    }

    let gate: Linear  // [C → F]
    let up: Linear  // [C → F]
    let down: Linear  // [F → C]
    let leak: Float

    init(_ options: Options, at site: Site) {
        let width = site.size.width
        gate = site.linear("gate", width, options.hidden, bias: false, .up)
        up = site.linear("up", width, options.hidden, bias: false, .up)
        down = site.linear("down", options.hidden, width, bias: false, .down)
        leak = Float(options.leak)
    }

    /// [B, T, C] → [B, T, C]. Gradients come by themselves.
    func callAsFunction(_ x: Tensor, _ pass: Pass) -> Tensor {
        let value = up(x)
        return down(gate(x).activation(.relu) * value + value * leak)
    }
}
