import Architectures
import Autograd
import Components
import Foundation

/// How numbers are spread.
public struct Summary: Codable, Sendable, Equatable {
    public var mean: Double
    /// Standard deviation.
    public var std: Double
    /// Root of the mean square.
    public var rms: Double
    public var maxAbs: Double

    enum CodingKeys: String, CodingKey {
        case mean, std, rms
        case maxAbs = "max_abs"
    }

    /// Of one number or more; of none everything is 0.
    public init(_ values: [Float]) { self.init([values]) }

    /// Of the numbers of several arrays together.
    init(_ arrays: [[Float]]) {
        let count = Double(max(1, arrays.reduce(0) { $0 + $1.count }))
        func sum(_ term: (Double) -> Double) -> Double {
            arrays.reduce(0) { $1.reduce($0) { $0 + term(Double($1)) } }
        }
        let mean = sum { $0 } / count
        self.mean = mean
        std = (sum { ($0 - mean) * ($0 - mean) } / count).squareRoot()
        rms = (sum { $0 * $0 } / count).squareRoot()
        maxAbs = Double(arrays.reduce(Float(0)) { $1.reduce($0) { max($0, abs($1)) } })
    }
}

/// One line of statistics.jsonl: activations of the step's first micro-batch, and the step's gradients before clipping.
public struct Statistics: StepLine {
    public var step: Int
    /// Names are `stream` (the residual stream after a layer; after the embedding where there is no layer), `attention` and
    /// `mlp` (what the sublayer gave).
    public var activations: [Entry] = []
    /// Names are parts of the model: `attention`, `mlp`, `embedding` ….
    public var gradients: [Entry] = []
    /// How often each expert of a mixture was chosen; nil where there are none.
    public var experts: [ExpertUse]?

    /// The share of all choices that fell on each expert of a layer.
    public struct ExpertUse: Codable, Sendable, Equatable {
        public var layer: Int
        public var shares: [Float]
    }

    public struct Entry: Codable, Sendable, Equatable {
        public var layer: Int?
        public var name: String
        public var mean: Double, std: Double, rms: Double, maxAbs: Double

        enum CodingKeys: String, CodingKey {
            case layer, name, mean, std, rms
            case maxAbs = "max_abs"
        }

        init(layer: Int?, name: String, _ summary: Summary) {
            (self.layer, self.name) = (layer, name)
            (mean, std, rms, maxAbs) = (summary.mean, summary.std, summary.rms, summary.maxAbs)
        }
    }

    public init(step: Int) { self.step = step }

    /// Adds what each part's gradient is, the parameters of a part taken together.
    mutating func add(gradientsOf store: ParameterStore) {
        var parts: [(layer: Int?, name: String, values: [[Float]])] = []
        for parameter in store.parameters {
            guard let gradient = parameter.gradient else { continue }
            let words = parameter.name.split(separator: ".").map(String.init)
            let inLayer = words.count > 2 && words[0] == "layers"
            let (layer, name) = inLayer ? (Int(words[1]), words[2]) : (nil, words[0])
            if let known = parts.firstIndex(where: { $0.layer == layer && $0.name == name }) {
                parts[known].values.append(gradient.floats)
            } else {
                parts.append((layer, name, [gradient.floats]))
            }
        }
        gradients += parts.map { Entry(layer: $0.layer, name: $0.name, Summary($0.values)) }
    }
}

/// Gathers the statistics of a pass's activations.
final class ActivationObserver: PassObserver {
    private(set) var entries: [Statistics.Entry] = []
    private(set) var experts: [Statistics.ExpertUse] = []

    func experts(_ layer: Int, _ shares: [Float]) { experts.append(Statistics.ExpertUse(layer: layer, shares: shares)) }

    func sublayer(_ name: String, of layer: Int, gave y: Tensor) {
        entries.append(Statistics.Entry(layer: layer, name: name, Summary(y.floats)))
    }

    func stream(after layer: Int?, _ x: Tensor, end: () -> Tensor) {
        entries.append(Statistics.Entry(layer: layer, name: "stream", Summary(x.floats)))
    }
}

extension RunFolder {
    public var statisticsPath: String { "\(path)/statistics.jsonl" }

    /// The statistics that have been logged so far; none where the run logs none.
    public func statistics() -> [Statistics] { LinesFile<Statistics>.read(statisticsPath) }
}
