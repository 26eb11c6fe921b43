import Architectures
import Configuration
import Formats
import Foundation
import Text

extension RunFolder {
    /// Makes this new folder a run whose one checkpoint has weights from elsewhere: to evaluate, sample from and inspect, not
    /// to continue, as no optimizer remembers anything of them.
    /// - Parameters:
    ///   - config: the whole config; `description` says where the weights are from.
    ///   - factors: weights by name that the checkpoint keeps as factors.
    ///   - step: the checkpoint's.
    /// - Throws: `Failure` or `Safetensors.Failure` when something cannot be written.
    public func begin(
        _ config: RunConfig, description: String, tokenizer: any Tokenizer, model: Model, factors: [String: FactoredWeight], step: Int
    ) throws {
        var members = config.resolved.objectValue ?? [:]
        members["description"] = .string(description)
        try RunFolder.writeAtomically(tokenizer.serialized(), to: tokenizerPath)
        var state = RunState()
        state.step = step
        try Checkpoint.write(model, nil, state, factors: factors, in: self)
        // Last, as it is what makes a folder a run.
        try RunFolder.writeAtomically(Data((JSON.object(members).text() + "\n").utf8), to: configPath)
    }

    /// The same with weights that are still where another program left them.
    /// - Parameter weights: one a parameter of the config's model, in any order.
    package func begin(_ config: RunConfig, tokenizer: any Tokenizer, weights: [Safetensors.Source]) throws {
        try RunFolder.writeAtomically(tokenizer.serialized(), to: tokenizerPath)
        try Checkpoint.write(weights, nil, RunState(), in: self)
        try RunFolder.writeAtomically(Data((config.resolved.text() + "\n").utf8), to: configPath)
    }
}
