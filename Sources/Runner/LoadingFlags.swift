import Autograd
import Training

extension Flag {
    static let weights = Flag("--weights", "TYPE", "keep weights in float32, bfloat16 or int8 (float32)")
    static let kv = Flag("--kv", "TYPE", "keep keys and values in float32, bfloat16 or int8 (float32)")
    static let checkpoint = Flag("--checkpoint", "WHICH", "last, best or a step (last)")
}

extension Arguments {
    /// The type that `--weights` or `--kv` names.
    func type(_ flag: String) throws -> DType {
        guard let text = string(flag) else { return .float32 }
        guard let type = DType(rawValue: text), type != .int32 else {
            throw UsageError("\(flag) \(text) is unknown; use float32, bfloat16 or int8")
        }
        return type
    }
}
