import Autograd
import Configuration

/// A row of a table for each token, perhaps scaled (Gemma: by √C) or normalized (nanochat).
public struct TokenEmbedding: Embedding {
    public struct Options: OptionGroup {
        public var scale = 1.0
        public var scaleSqrtWidth = false
        public var norm = false
        public var dropout = 0.0
        public var padTo = 1
        public init() {}
        public static var options: [Option<Self>] {
            [
                Option("scale", \.scale, .above(0), help: "factor on the embedded tokens"),
                Option("scale_sqrt_width", \.scaleSqrtWidth, help: "a further factor √width (Gemma)"),
                Option("norm", \.norm, help: "the model's norm right after the embedding (nanochat)"),
                Option("dropout", \.dropout, .fraction, help: "dropout after positions are added"),
                Option("pad_to", \.padTo, .within(1...1_048_576), help: "pad the vocabulary's rows up to a multiple; never predicted"),
            ]
        }
    }

    public let table: ParameterBlock
    let factor: Float
    let norm: (any Norm)?
    let dropout: Double

    public init(_ options: Options, norm: (any Norm)?, at site: Site) {
        let rows = (site.size.vocabulary + options.padTo - 1) / options.padTo * options.padTo
        table = site.parameter("weight", [rows, site.size.width], .embedding)
        factor = Float(options.scale * (options.scaleSqrtWidth ? Double(site.size.width).squareRoot() : 1))
        self.norm = norm
        dropout = options.dropout
    }

    public func callAsFunction(_ tokens: Tensor) -> Tensor {
        let rows = table.tensor.rows(at: tokens)
        let scaled = factor == 1 ? rows : rows * factor
        return norm?(scaled) ?? scaled
    }

    public func finish(_ x: Tensor, _ pass: Pass) -> Tensor { x.dropout(dropout, pass) }
}
