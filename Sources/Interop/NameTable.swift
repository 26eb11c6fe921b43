import Architectures
import Components
import Formats

/// Tensors of another program that, one below another, are parameters of ours, one below another.
struct Bundle: Sendable {
    var theirs: [String]
    var ours: [String]
    /// Theirs are [in, out] where ours are [out, in].
    var isTransposed = false
    /// Theirs may have more rows, which pad the vocabulary and stand for no token.
    var mayBePadded = false

    init(_ theirs: String..., ours: [String], isTransposed: Bool = false, mayBePadded: Bool = false) {
        (self.theirs, self.ours, self.isTransposed, self.mayBePadded) = (theirs, ours, isTransposed, mayBePadded)
    }

    init(_ theirs: [String], ours: [String]) { (self.theirs, self.ours) = (theirs, ours) }

    init(_ theirs: String, _ ours: String, isTransposed: Bool = false, mayBePadded: Bool = false) {
        self.init(theirs, ours: [ours], isTransposed: isTransposed, mayBePadded: mayBePadded)
    }
}

/// How another program's names correspond to ours, for reading and for writing alike. `#` stands for the layer.
struct NameTable: Sendable {
    let bundles: [Bundle]

    init(_ bundles: [Bundle]) { self.bundles = bundles }

    /// The bundles that a model with these parameters has.
    func expanded(for parameters: [Parameter], layers: Int) -> [Bundle] {
        let names = Set(parameters.map(\.name))
        return bundles.flatMap { bundle -> [Bundle] in
            let isLayered = bundle.ours.contains { $0.contains("#") }
            return (0..<(isLayered ? layers : 1)).compactMap { layer in
                func named(_ pattern: String) -> String { pattern.replacing("#", with: String(layer)) }
                var own = bundle
                own.theirs = bundle.theirs.map(named)
                own.ours = bundle.ours.map(named)
                return own.ours.contains(where: names.contains) ? own : nil
            }
        }
    }
}

extension NameTable {
    /// GPT-2's names, of Hugging Face's and of nanoGPT's file alike; theirs differ in how matrices lie.
    static func gpt2(transposed: Bool) -> NameTable {
        let layer = "transformer.h.#.", ours = "layers.#."
        var bundles = [
            Bundle("transformer.wte.weight", "embedding.weight", mayBePadded: true), Bundle("transformer.wpe.weight", "position.weight"),
            Bundle("transformer.ln_f.weight", "final_norm.weight"), Bundle("transformer.ln_f.bias", "final_norm.bias"),
            Bundle("lm_head.weight", "head.weight", mayBePadded: true),
        ]
        for kind in ["weight", "bias"] {
            let turns = transposed && kind == "weight"
            bundles += [
                Bundle("\(layer)ln_1.\(kind)", "\(ours)attention_norm.\(kind)"), Bundle("\(layer)ln_2.\(kind)", "\(ours)mlp_norm.\(kind)"),
                Bundle(
                    "\(layer)attn.c_attn.\(kind)", ours: ["q", "k", "v"].map { "\(ours)attention.\($0).\(kind)" }, isTransposed: turns),
                Bundle("\(layer)attn.c_proj.\(kind)", "\(ours)attention.output.\(kind)", isTransposed: turns),
                Bundle("\(layer)mlp.c_fc.\(kind)", "\(ours)mlp.up.\(kind)", isTransposed: turns),
                Bundle("\(layer)mlp.c_proj.\(kind)", "\(ours)mlp.down.\(kind)", isTransposed: turns),
            ]
        }
        return NameTable(bundles)
    }

    /// GPT-1's: GPT-2's with other names for the tables, and norms after the sublayers.
    static let gpt1 = NameTable(
        gpt2(transposed: true).bundles.filter { !$0.theirs[0].contains("ln_f") && !$0.theirs[0].contains("lm_head") }.map { bundle in
            var bundle = bundle
            bundle.theirs = bundle.theirs.map {
                $0.replacing("transformer.wte.", with: "transformer.tokens_embed.")
                    .replacing("transformer.wpe.", with: "transformer.positions_embed.")
            }
            return bundle
        })

    /// LLaMA's names, which Mistral, Gemma and Qwen took over.
    /// - Parameters:
    ///   - isGemma2: whether norms stand on both sides of a sublayer.
    ///   - isGated: whether the feed-forward is gated; Hugging Face's nanochat has a plain one.
    static func llama(isGemma2: Bool = false, isGated: Bool = true) -> NameTable {
        let layer = "model.layers.#.", ours = "layers.#."
        var bundles = [
            Bundle("model.embed_tokens.weight", "embedding.weight"), Bundle("model.norm.weight", "final_norm.weight"),
            Bundle("lm_head.weight", "head.weight"), Bundle("\(layer)input_layernorm.weight", "\(ours)attention_norm.weight"),
            Bundle("\(layer)self_attn.q_norm.weight", "\(ours)attention.q_norm.weight"),
            Bundle("\(layer)self_attn.k_norm.weight", "\(ours)attention.k_norm.weight"),
        ]
        if isGemma2 {
            bundles += [
                Bundle("\(layer)post_attention_layernorm.weight", "\(ours)attention_norm_post.weight"),
                Bundle("\(layer)pre_feedforward_layernorm.weight", "\(ours)mlp_norm.weight"),
                Bundle("\(layer)post_feedforward_layernorm.weight", "\(ours)mlp_norm_post.weight"),
            ]
        } else {
            bundles.append(Bundle("\(layer)post_attention_layernorm.weight", "\(ours)mlp_norm.weight"))
        }
        for kind in ["weight", "bias"] {
            for (theirs, own) in [("q_proj", "q"), ("k_proj", "k"), ("v_proj", "v"), ("o_proj", "output")] {
                bundles.append(Bundle("\(layer)self_attn.\(theirs).\(kind)", "\(ours)attention.\(own).\(kind)"))
            }
            let parts = isGated ? [("gate_proj", "gate"), ("up_proj", "up"), ("down_proj", "down")] : [("fc1", "up"), ("fc2", "down")]
            for (theirs, own) in parts { bundles.append(Bundle("\(layer)mlp.\(theirs).\(kind)", "\(ours)mlp.\(own).\(kind)")) }
        }
        return NameTable(bundles)
    }

    /// Mixtral's: LLaMA's with experts in place of the feed-forward.
    static let mixtral: NameTable = {
        let layer = "model.layers.#.block_sparse_moe.", ours = "layers.#.mlp."
        let experts = (0..<128).flatMap { expert in
            [("w1", "gate"), ("w3", "up"), ("w2", "down")].map { theirs, own in
                Bundle("\(layer)experts.\(expert).\(theirs).weight", "\(ours)experts.\(expert).\(own).weight")
            }
        }
        return NameTable(
            llama().bundles.filter { !$0.ours[0].contains("mlp.") } + [Bundle("\(layer)gate.weight", "\(ours)router.weight")] + experts)
    }()

    /// The lecture's: every head's matrices by themselves.
    static func lecture(heads: Int) -> NameTable {
        let layer = "blocks.#.", ours = "layers.#."
        var bundles = [
            Bundle("token_embedding_table.weight", "embedding.weight"), Bundle("position_embedding_table.weight", "position.weight"),
            Bundle("ln_f.weight", "final_norm.weight"), Bundle("ln_f.bias", "final_norm.bias"), Bundle("lm_head.weight", "head.weight"),
            Bundle("lm_head.bias", "head.bias"),
        ]
        for (theirs, own) in [("query", "q"), ("key", "k"), ("value", "v")] {
            bundles.append(Bundle((0..<heads).map { "\(layer)sa.heads.\($0).\(theirs).weight" }, ours: ["\(ours)attention.\(own).weight"]))
        }
        for kind in ["weight", "bias"] {
            bundles += [
                Bundle("\(layer)ln1.\(kind)", "\(ours)attention_norm.\(kind)"), Bundle("\(layer)ln2.\(kind)", "\(ours)mlp_norm.\(kind)"),
                Bundle("\(layer)sa.proj.\(kind)", "\(ours)attention.output.\(kind)"),
                Bundle("\(layer)ffwd.net.0.\(kind)", "\(ours)mlp.up.\(kind)"),
                Bundle("\(layer)ffwd.net.2.\(kind)", "\(ours)mlp.down.\(kind)"),
            ]
        }
        return NameTable(bundles)
    }

    /// nanochat's own.
    static let nanochat: NameTable = {
        let layer = "transformer.h.#.", ours = "layers.#."
        return NameTable([
            Bundle("transformer.wte.weight", "embedding.weight"), Bundle("lm_head.weight", "head.weight"),
            Bundle("resid_lambdas", "residual.scale"), Bundle("x0_lambdas", "residual.x0_scale"),
            Bundle("smear_gate.weight", "residual.smear_gate.weight"), Bundle("smear_lambda", "residual.smear_scale"),
            Bundle("backout_lambda", "residual.backout"), Bundle("value_embeds.#.weight", "\(ours)attention.value_embedding.weight"),
            Bundle("\(layer)attn.ve_gate.weight", "\(ours)attention.value_gate.weight"),
            Bundle("\(layer)attn.c_q.weight", "\(ours)attention.q.weight"), Bundle("\(layer)attn.c_k.weight", "\(ours)attention.k.weight"),
            Bundle("\(layer)attn.c_v.weight", "\(ours)attention.v.weight"),
            Bundle("\(layer)attn.c_proj.weight", "\(ours)attention.output.weight"),
            Bundle("\(layer)mlp.c_fc.weight", "\(ours)mlp.up.weight"),
            Bundle("\(layer)mlp.c_proj.weight", "\(ours)mlp.down.weight"),
        ])
    }()

    /// llm.c's, all layers of a kind in one tensor that the reader has taken apart.
    static let llmc: NameTable = {
        let ours = "layers.#."
        return NameTable(
            [
                Bundle("wte", "embedding.weight", mayBePadded: true), Bundle("wpe", "position.weight"),
                Bundle("lnfw", "final_norm.weight"), Bundle("lnfb", "final_norm.bias"),
            ]
                + [("w", "weight"), ("b", "bias")].flatMap { letter, kind in
                    [
                        Bundle("ln1\(letter).#", "\(ours)attention_norm.\(kind)"), Bundle("ln2\(letter).#", "\(ours)mlp_norm.\(kind)"),
                        Bundle("qkv\(letter).#", ours: ["q", "k", "v"].map { "\(ours)attention.\($0).\(kind)" }),
                        Bundle("attproj\(letter).#", "\(ours)attention.output.\(kind)"), Bundle("fc\(letter).#", "\(ours)mlp.up.\(kind)"),
                        Bundle("fcproj\(letter).#", "\(ours)mlp.down.\(kind)"),
                    ]
                })
    }()
}
