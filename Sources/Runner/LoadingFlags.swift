import Autograd
import Foundation
import Text
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

/// A run's text, or why there is none: weights that came from elsewhere may have no tokenizer, or one that does not know the characters
/// of the text that stands in for their own. What a command shows beside losses stands without.
func textToJudgeBy(_ run: LoadedRun) throws -> Result<Dataset, TextError> {
    // Nothing is downloaded that could not be read.
    if run.tokenizer is IdTokenizer, !FileManager.default.fileExists(atPath: run.config.data.source) { return .failure(.noTokenizer) }
    do { return .success(try run.config.dataset(tokenizer: run.tokenizer)) } catch let error as TextError { return .failure(error) }
}

/// Says why no losses are shown.
func sayLossLeftOut(_ reason: TextError, indent: String = "") {
    say(indent + wrapped("validation loss left out: \(reason)", width: outputWidth - indent.count, indent: indent + "  "))
}
