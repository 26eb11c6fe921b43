import Architectures
import Autograd
import Components
import Configuration
import Testing

/// A model on memory, every parameter random, so that nothing hides behind a zero or a one.
func randomModel(_ json: JSON, on context: Context, training: Bool = false, registry: Registry = .standard) throws -> Model {
    let model = try Model(ModelConfig(json, registry: registry))
    model.materialize(on: context, training: training)
    for parameter in model.store.parameters {
        guard let value = parameter.value else { continue }
        let stream = Philox.stream(named: parameter.name)
        if parameter.role == .norm {
            context.backend.fillUniform(value, low: 0.5, high: 1.5, key: 1, stream: stream)
        } else {
            context.backend.fillNormal(value, deviation: 0.3, key: 1, stream: stream)
        }
    }
    return model
}

/// Token numbers below `vocabulary` that depend on `stream` alone.
func randomTokens(_ count: Int, vocabulary: Int, stream: UInt64 = 0) -> [Int32] {
    var draw = Philox(key: 12).sequence(stream: stream)
    return (0..<count).map { _ in Int32(draw.below(vocabulary)) }
}

/// The object with `changes` laid over it.
func with(_ json: JSON, _ changes: [String: JSON]) -> JSON {
    .object((json.objectValue ?? [:]).merging(changes) { $1 })
}

/// What is furthest apart, relative to the largest wanted value; nil when something is not finite or counts differ.
func distance(_ found: [Float], _ wanted: [Float]) -> Float? {
    guard found.count == wanted.count, found.allSatisfy(\.isFinite), wanted.allSatisfy(\.isFinite) else { return nil }
    let worst = zip(found, wanted).reduce(0) { max($0, abs($1.0 - $1.1)) }
    return worst / max(wanted.reduce(0) { max($0, abs($1)) }, 1e-20)
}
