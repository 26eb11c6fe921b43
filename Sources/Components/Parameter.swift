import Autograd

/// What a parameter is for: optimizers group by it, weight decay depends on it.
public enum ParameterRole: String, Sendable, CaseIterable {
    /// Weights of a matrix product inside the model.
    case matrix
    /// Rows that are looked up: token, position and value embeddings.
    case table
    /// An untied output projection.
    case head
    /// Weights and biases of norms.
    case norm
    /// Biases of linear maps.
    case bias
    /// Single learned numbers, such as residual scales.
    case scalar
}

/// Which part of the architecture a parameter is; initialization schemes tell parts apart by it.
public enum ParameterKind: Sendable, Equatable {
    case embedding, position, valueEmbedding
    case query, key, value, attentionOutput
    /// Into and out of a feed-forward's hidden layer.
    case up, down
    /// Small gates, as of value embeddings and smear.
    case gate
    case head
    /// A bias of a linear map with `fanIn` inputs.
    case bias(fanIn: Int)
    /// Begins as one number whatever the scheme: norm weights.
    case constant(Float)
    /// Begins with these numbers whatever the scheme.
    case values([Float])
}

/// One named, trained array. Declared with its shape alone; memory comes when the model is materialized.
public final class Parameter {
    /// Dotted, as in checkpoints: `layers.0.attention.q.weight`.
    public let name: String
    public let shape: [Int]
    public let kind: ParameterKind
    public let role: ParameterRole
    /// A finer name than the role, for optimizer settings of its own: "value_embedding", "x0_scale".
    public let group: String
    /// Whether a token's pass multiplies by it (6 FLOPs an element and token in training).
    public let inProduct: Bool

    /// The values; nil until materialized.
    public internal(set) var value: Tensor?
    /// The gradient, gathered over a step; nil when not training.
    public internal(set) var gradient: Tensor?

    init(name: String, shape: [Int], kind: ParameterKind, role: ParameterRole, group: String?, inProduct: Bool) {
        (self.name, self.shape, self.kind, self.role) = (name, shape, kind, role)
        self.group = group ?? role.rawValue
        self.inProduct = inProduct
        count = shape.reduce(1) { count, size in
            let (product, overflow) = count.multipliedReportingOverflow(by: size)
            return overflow ? Parameter.largestCount : min(product, Parameter.largestCount)
        }
    }

    /// Numbers in it; never above `largestCount`, whatever sizes a config asks for.
    public let count: Int

    /// More than any machine holds, and few enough that sums of it do not overflow. A model with such a parameter is
    /// refused.
    public static let largestCount = 1 << 44

    /// The finer groups that Loom's own components declare, whether or not a model has them.
    public static let standardGroups: Set<String> = [
        "embedding", "position", "value_embedding", "residual_scale", "x0_scale", "smear", "backout",
    ]
}

/// Parameters that lie one behind another in memory and are used as one tensor: the rows of q, k and v are one packed
/// weight in the product, and three matrices to the optimizer and the checkpoint.
public final class ParameterBlock {
    public let parts: [Parameter]
    /// The rows of all parts by the shape of one row.
    public let shape: [Int]
    fileprivate(set) var bound: Tensor?

    init(_ parts: [Parameter]) {
        self.parts = parts
        shape = [parts.reduce(0) { $0 + min($1.shape[0], Parameter.largestCount) }] + parts[0].shape.dropFirst()
    }

    /// The weight in a smaller type, once compressed.
    fileprivate(set) var compressed: Tensor?
    /// Whether a table is multiplied by as well, as a tied head does.
    public var isMultiplied = false

    /// What a product multiplies by: the block, or its compressed form.
    public var product: Tensor { compressed ?? tensor }

    /// The whole block.
    public var tensor: Tensor {
        precondition(bound != nil, "\(parts[0].name) is used before the model has memory")
        return bound.unsafelyUnwrapped
    }
}

/// All parameters of a model, in the order they were declared.
public final class ParameterStore {
    public private(set) var blocks: [ParameterBlock] = []
    /// All values and all gradients, each one flat piece of memory.
    public private(set) var values: Tensor?
    public private(set) var gradients: Tensor?
    /// `values` in the context's type for activations, where that is not float32: what products multiply by.
    private var shadow: Tensor?

    public init() {}

    public var parameters: [Parameter] { blocks.flatMap(\.parts) }
    public var count: Int { blocks.reduce(0) { $0 + $1.parts.reduce(0) { $0 + $1.count } } }

    func declare(_ parts: [Parameter]) -> ParameterBlock {
        let block = ParameterBlock(parts)
        blocks.append(block)
        return block
    }

    /// Gives every parameter memory on `context`, uninitialized.
    /// - Parameter training: whether gradients get memory too.
    public func materialize(on context: Context, training: Bool) {
        // Blocks begin on cache lines; parts of a block follow each other without a gap.
        func aligned(_ count: Int) -> Int { (count + 15) / 16 * 16 }
        let total = blocks.reduce(0) { $0 + aligned($1.parts.reduce(0) { $0 + $1.count }) }
        let values = context.zeros([max(total, 1)])
        let gradients = training ? context.zeros([max(total, 1)]) : nil
        let shadow = context.activationType == .float32 ? nil : context.empty([max(total, 1)], context.activationType)
        var start = 0
        for block in blocks {
            let tensor = values.view(at: start, block.shape)
            tensor.shadow = shadow?.view(at: start, block.shape)
            if let gradients { tensor.attach(Gradient(gatheringIn: gradients.view(at: start, block.shape))) }
            block.bound = tensor
            var inner = start
            for part in block.parts {
                part.value = values.view(at: inner, part.shape)
                part.gradient = gradients?.view(at: inner, part.shape)
                inner += part.count
            }
            start += aligned(block.parts.reduce(0) { $0 + $1.count })
        }
        self.values = values
        self.gradients = gradients
        self.shadow = shadow
    }

    /// Makes products multiply by the values as they are now: to be called after values were changed.
    public func refreshShadow() {
        if let values, let shadow { values.backend.copy(values, to: shadow) }
    }

    /// Fills every parameter as `scheme` says. The numbers depend on the seed and the parameter's name alone, so two
    /// models that differ in one component begin alike in all others.
    public func initialize(_ scheme: any InitScheme, seed: UInt64, layers: Int) {
        let random = Philox(seed: seed, domain: .initialization)
        for parameter in parameters {
            guard let value = parameter.value else { continue }
            let stream = Philox.stream(named: parameter.name), backend = value.backend
            switch start(of: parameter, scheme, layers: layers) {
            case .constant(let number): backend.fill(value, number)
            case .values(let numbers): numbers.withUnsafeBytes { backend.upload($0, to: value) }
            case .normal(let deviation):
                backend.fillNormal(value, deviation: Float(deviation), key: random.key, stream: stream)
            case .uniform(let low, let high):
                backend.fillUniform(value, low: Float(low), high: Float(high), key: random.key, stream: stream)
            }
        }
        refreshShadow()
    }

    private func start(of parameter: Parameter, _ scheme: any InitScheme, layers: Int) -> Start {
        switch parameter.kind {
        case .constant(let number): .constant(number)
        case .values(let numbers): .values(numbers)
        default: scheme.start(of: parameter, layers: layers)
        }
    }

    /// Keeps the weights of products in `type` from now on: for a model that is only read. Norms, biases, gates and
    /// tables that are looked up stay float32; a tied table is kept in both.
    public func compressProducts(to type: DType, group: Int = 64) {
        for block in blocks {
            guard let whole = block.bound else { continue }
            let isWeight = block.parts.allSatisfy { [.matrix, .head].contains($0.role) && $0.kind != .gate }
            if isWeight || block.isMultiplied { block.compressed = whole.compressed(to: type, group: group) }
            // The flat memory goes when nobody refers to it, so what stays gets memory of its own.
            block.bound = isWeight ? nil : whole.copied()
            var row = 0
            for part in block.parts {
                part.value = block.bound?.slice(row..<row + part.shape[0])
                row += part.shape[0]
            }
        }
        values = nil
        gradients = nil
        shadow = nil
    }

    /// Bytes of the weights that one token's pass multiplies by, as they are held.
    public var productBytes: Int {
        blocks.filter { $0.isMultiplied || $0.parts.contains(where: \.inProduct) }.reduce(0) { $0 + $1.product.byteCount }
    }

    /// Bytes of all weights as they are held.
    public var byteCount: Int {
        blocks.reduce(0) { $0 + ($1.bound?.byteCount ?? 0) + ($1.compressed?.byteCount ?? 0) }
    }
}
