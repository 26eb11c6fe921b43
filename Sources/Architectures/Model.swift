import Autograd
import Components
import Configuration

/// A decoder-only transformer assembled from a config.
///
/// Making one declares every parameter and costs no memory; `materialize` gives it weights.
///
///     x = embedding(tokens) + positions
///     for each layer: x += attention(norm(x)); x += mlp(norm(x))      norms where the config puts them
///     logits = head(norm(x))
public final class Model {
    public let config: ModelConfig
    public let size: ModelSize
    public let store = ParameterStore()
    let embedding: any Embedding
    let positions: [any Position]
    let layers: [Block]
    let residual: any ResidualStream
    let finalNorm: (any Norm)?
    let head: any Head
    let initScheme: any InitScheme

    /// - Parameter vocabulary: tokens, where the config does not say.
    /// - Throws: `ConfigError` for sizes that do not fit together, or when nothing says how many tokens there are.
    public init(_ config: ModelConfig, vocabulary: Int? = nil) throws {
        guard let vocabulary = config.sizes.vocabSize ?? vocabulary else {
            throw ConfigError(
                "the number of tokens is not known; set vocab_size, or name a data source and tokenizer",
                at: "model.vocab_size")
        }
        let registry = config.registry, sizes = config.sizes
        var size = ModelSize(context: sizes.context, layers: sizes.layers, width: sizes.width, vocabulary: vocabulary)
        self.config = config
        let store = store
        func site(_ name: String, _ section: String, layer: Int? = nil) -> Site {
            Site(size: size, layer: layer, name: name, path: "model.\(section)", store: store)
        }
        func norm(_ name: String, layer: Int) throws -> any Norm {
            try registry.norm.read(config.section("norm", layer: layer), at: "model.norm").make(site(name, "norm", layer: layer))
        }
        func placement(_ layer: Int) throws -> NormPlacement {
            let all = try config.section("norm", layer: layer)
            let names = Set(NormPlacement.options.map(\.name))
            return try NormPlacement.decode(
                .object((all.objectValue ?? [:]).filter { names.contains($0.key) }), at: "model.norm")
        }

        embedding = try registry.embedding.read(config.section("embedding", layer: 0), at: "model.embedding")
            .make({ try norm("embedding_norm", layer: 0) }, site("embedding", "embedding"))
        size.paddedVocabulary = embedding.table.shape[0]
        self.size = size

        // Layers that say the same of positions share one scheme, and with it its parameters and tables.
        var schemes: [(json: JSON, scheme: any Position)] = []
        func position(layer: Int) throws -> any Position {
            let (make, resolved) = try registry.position.read(config.section("position", layer: layer), at: "model.position")
            if let known = schemes.first(where: { $0.json == resolved }) { return known.scheme }
            let name = schemes.isEmpty ? "position" : "position_\(schemes.count)"
            let scheme = try make(site(name, "position", layer: layer))
            schemes.append((resolved, scheme))
            return scheme
        }

        var layers: [Block] = []
        for layer in 0..<sizes.layers {
            let name = "layers.\(layer)", place = try placement(layer).placement
            let layerPosition = try position(layer: layer)
            let attentionNorm = try norm("\(name).attention_norm", layer: layer)
            let attention = try registry.attention.read(config.section("attention", layer: layer), at: "model.attention")
                .make(layerPosition, site("\(name).attention", "attention", layer: layer))
            let attentionPostNorm = place == .both ? try norm("\(name).attention_norm_post", layer: layer) : nil
            let mlpNorm = try norm("\(name).mlp_norm", layer: layer)
            let mlp = try registry.mlp.read(config.section("mlp", layer: layer), at: "model.mlp")
                .make(site("\(name).mlp", "mlp", layer: layer))
            let mlpPostNorm = place == .both ? try norm("\(name).mlp_norm_post", layer: layer) : nil
            layers.append(
                Block(
                    placement: place, attention: attention, mlp: mlp, attentionNorm: attentionNorm, mlpNorm: mlpNorm,
                    attentionPostNorm: attentionPostNorm, mlpPostNorm: mlpPostNorm))
        }
        self.layers = layers
        positions = schemes.map(\.scheme)
        residual = try registry.residual.read(config.section("residual", layer: 0), at: "model.residual")
            .make(site("residual", "residual"))
        let last = try placement(sizes.layers - 1)
        finalNorm = last.final ?? (last.placement != .post) ? try norm("final_norm", layer: sizes.layers - 1) : nil
        head = try registry.head.read(config.section("head", layer: 0), at: "model.head")
            .make(embedding.table, site("head", "head"))
        if let parameter = store.parameters.first(where: { $0.count >= Parameter.largestCount }) {
            throw ConfigError(
                "\(parameter.name) would be \(parameter.shape.map(String.init).joined(separator: " × ")), more than any machine holds; "
                    + "make it smaller", at: "model")
        }
        initScheme = try registry.initialization.read(config.section("init", layer: 0), at: "model.init")
            .make(site("init", "init"))
    }

    /// Gives the model memory on `context` and starts its weights from `seed`.
    public func materialize(on context: Context, training: Bool, seed: UInt64 = 0) {
        store.materialize(on: context, training: training)
        store.initialize(initScheme, seed: seed, layers: size.layers)
    }

    /// The stream before the head: [B, T, C].
    public func hidden(_ pass: Pass) -> Tensor {
        var x = embedding(pass.tokens)
        for position in positions {
            if let added = position.embedding(pass) { x = x + added }
        }
        var state = residual.begin(embedding.finish(x, pass), pass)
        pass.observer?.stream(after: nil, state.x) { residual.end(state) }
        for (index, layer) in layers.enumerated() {
            let tensors = pass.part([state.x] + state.saved) { [residual] tensors in
                var state = StreamState(x: tensors[0], saved: Array(tensors.dropFirst()))
                residual.enter(index, &state)
                state.x = layer(state.x, pass, index)
                residual.leave(index, &state)
                return [state.x] + state.saved
            }
            state = StreamState(x: tensors[0], saved: Array(tensors.dropFirst()))
            pass.observer?.stream(after: index, state.x) { residual.end(state) }
        }
        return normalized(residual.end(state))
    }

    private func normalized(_ end: Tensor) -> Tensor { finalNorm?(end) ?? end }

    /// The logits [B, T, V] that a stream [B, T, C] would give if no layer came after it (the logit lens; nostalgebraist
    /// 2020).
    public func lens(_ stream: Tensor) -> Tensor { head.logits(normalized(stream)) }

    /// [B, T, V]
    public func logits(_ pass: Pass) -> Tensor { head.logits(hidden(pass)) }

    /// Logits of the last position only: [B, 1, V]. What prefilling a prompt needs.
    public func lastLogits(_ pass: Pass) -> Tensor {
        let x = hidden(pass)
        guard pass.time > 1 else { return head.logits(x) }
        let last = x.context.empty([pass.batch, 1, size.width], x.dtype)
        for b in 0..<pass.batch {
            let row = b * pass.time + pass.time - 1
            x.backend.copy(x.view(at: row * size.width, [size.width]), to: last.view(at: b * size.width, [size.width]))
        }
        return head.logits(last)
    }

    /// Σ cross-entropy · `scale` over the targets [B, T] that are not negative, one element.
    /// - Parameter hits: int32 [B·T], gets 1 where the target was the likeliest token.
    public func loss(_ pass: Pass, targets: Tensor, scale: Float, hits: Tensor? = nil) -> Tensor {
        let loss = head.loss(hidden(pass), targets: targets, scale: scale, hits: hits)
        guard !pass.losses.isEmpty, loss.requiresGradient else { return loss }
        // What components add is minimized and not reported: losses of other architectures stay comparable. It weighs as much as the
        // mean over the targets that count does.
        let weight = scale * Float(targets.int32s.count { $0 >= 0 })
        let total = loss.copied(), added = pass.losses.map { $0 * weight }
        total.recordBackward(from: [loss] + added) { [gradients = ([loss] + added).map(\.gradient)] dy in
            for gradient in gradients { gradient?.accumulate(dy) }
        }
        return total
    }

    /// −log p of single tokens, in nats: of `targets[i]` after position `rows[i]` of the pass, counted over [B·T]. Only these
    /// rows meet the vocabulary.
    public func losses(_ pass: Pass, at rows: [Int], targets: [Int32]) -> [Float] {
        precondition(rows.count == targets.count, "a target for each row")
        let x = hidden(pass), context = pass.context
        let chunk = max(1, (16 << 20) / size.paddedVocabulary)
        return stride(from: 0, to: rows.count, by: chunk).flatMap { first in
            let range = first..<min(first + chunk, rows.count)
            let picked = context.empty([range.count, size.width], x.dtype)
            for (place, row) in rows[range].enumerated() {
                x.backend.copy(x.view(at: row * size.width, [size.width]), to: picked.view(at: place * size.width, [size.width]))
            }
            let logits = head.logits(picked), losses = context.empty([range.count])
            x.backend.crossEntropy(
                logits, targets: context.tensor(Array(targets[range]), [range.count]), vocabulary: size.vocabulary, softcap: 0,
                losses: losses, gradientScale: nil, hits: nil)
            return losses.floats
        }
    }

    /// An empty cache for decoding `batch` sequences, its keys and values in `type`.
    public func cache(batch: Int = 1, type: DType = .float32, on context: Context) -> KVCache {
        KVCache(cacheShapes, contextLength: size.context, batch: batch, type: type, on: context)
    }

    public var cacheShapes: [CacheShape] { layers.map(\.attention.cacheShape) }

    /// What the layers would keep with a key/value head for every query head and no windows.
    public var fullCacheShapes: [CacheShape] {
        layers.map { CacheShape(kvHeads: $0.attention.heads, headDim: $0.attention.cacheShape.headDim, window: nil) }
    }

    /// The longest sequence the positions allow; nil when there is no end.
    public var positionLimit: Int? { positions.compactMap(\.limit).min() }
}

/// One layer: attention and feed-forward, with norms where the config puts them.
struct Block {
    let placement: NormPlacement.Place
    let attention: any Attention
    let mlp: any FeedForward
    let attentionNorm: any Norm, mlpNorm: any Norm
    /// Only where norms stand on both sides.
    let attentionPostNorm: (any Norm)?, mlpPostNorm: (any Norm)?

    /// [B, T, C] → [B, T, C]
    func callAsFunction(_ x: Tensor, _ pass: Pass, _ layer: Int) -> Tensor {
        func observed(_ name: String, _ y: Tensor) -> Tensor {
            pass.observer?.sublayer(name, of: layer, gave: y)
            return y
        }
        let mixed = sublayer(x, attentionNorm, attentionPostNorm) { observed("attention", attention($0, pass)) }
        return sublayer(mixed, mlpNorm, mlpPostNorm) { observed("mlp", mlp($0, pass)) }
    }

    private func sublayer(
        _ x: Tensor, _ norm: any Norm, _ postNorm: (any Norm)?, _ f: (Tensor) -> Tensor
    ) -> Tensor {
        guard placement != .post else { return norm(x + f(x)) }
        let y = f(norm(x))
        return x + (postNorm?(y) ?? y)
    }
}
