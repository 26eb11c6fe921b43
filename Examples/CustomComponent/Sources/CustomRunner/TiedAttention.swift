import Autograd
import Components
import Configuration

/// Self-attention whose values are its keys: one projection less, and any position scheme and the KV cache work as for
/// Loom's own.
struct TiedAttention: Attention {
    struct Options: OptionGroup {
        var heads = 4
        static var options: [Option<Self>] { [Option("heads", \.heads, .within(1...4096), help: "heads; they must divide width")] }
    }

    let heads: Int
    let cacheShape: CacheShape
    let layer: Int, context: Int
    let position: any Position
    let query: Linear  // [C → C]
    let key: Linear  // [C → C]
    let output: Linear  // [C → C]

    init(_ options: Options, position: any Position, at site: Site) throws {
        let width = site.size.width
        guard width % options.heads == 0 else { throw site.error("\(options.heads) heads do not divide width \(width)", at: "heads") }
        (heads, layer, context, self.position) = (options.heads, site.layer ?? 0, site.size.context, position)
        cacheShape = CacheShape(kvHeads: heads, headDim: width / heads, window: nil)
        query = site.linear("q", width, width, bias: false, .query)
        key = site.linear("k", width, width, bias: false, .key)
        output = site.linear("output", width, width, bias: false, .attentionOutput)
    }

    /// [B, T, C] → [B, T, C]
    func callAsFunction(_ x: Tensor, _ pass: Pass) -> Tensor {
        let dim = cacheShape.headDim, rotary = position.rotary(dim: dim, pass)
        func rotated(_ heads: Heads) -> Heads {
            heads.prepared(normalize: nil, weight: nil, rotary: rotary, positions: rotary == nil ? nil : pass.positions, scale: 1)
        }
        let projected = key(x)
        let q = rotated(Heads(query(x), count: heads, dim: dim)), k = rotated(Heads(projected, count: heads, dim: dim))
        let v = Heads(projected, count: heads, dim: dim)
        let scores = AttentionOptions(
            window: context - 1, scale: 1 / Float(dim).squareRoot(), softcap: 0, slopes: position.slopes(heads: heads))
        let mixed =
            pass.cache?.attend(layer: layer, query: q, key: k, value: v, options: scores)
            ?? attention(AttentionCall(query: q, key: k, value: v, options: scores))
        return output(mixed)
    }
}
