import Configuration
import Formats
import Foundation

/// A `config.json` of Hugging Face, read key by key. What nobody asked for and nobody knows to be harmless is refused: an option
/// that changes the model must not be ignored.
final class HubConfig {
    let path: String
    private let members: [String: JSON]
    private var known: Set<String>

    /// Keys that say nothing about what the model computes.
    private static let harmless: Set<String> = [
        "model_type", "architectures", "torch_dtype", "dtype", "transformers_version", "_name_or_path", "name_or_path", "use_cache",
        "bos_token_id", "eos_token_id", "pad_token_id", "unk_token_id", "sep_token_id", "decoder_start_token_id", "initializer_range",
        "task_specific_params", "id2label", "label2id", "num_labels", "return_dict", "output_attentions", "output_hidden_states",
        "problem_type", "finetuning_task", "tokenizer_class", "prefix", "pretraining_tp", "gradient_checkpointing", "torchscript",
        "summary_type", "summary_use_proj", "summary_activation", "summary_proj_to_labels", "summary_first_dropout",
        "predict_special_tokens",
        "n_ctx", "reorder_and_upcast_attn", "cache_implementation", "use_return_dict", "chunk_size_feed_forward",
        "_attn_implementation", "_attn_implementation_autoset", "attn_implementation", "max_length", "min_length", "temperature", "top_k",
        "top_p", "do_sample", "num_beams", "repetition_penalty", "_commit_hash", "name",
        // Generation, which is asked for on the command line here.
        "length_penalty", "no_repeat_ngram_size", "num_beam_groups", "diversity_penalty", "num_return_sequences", "early_stopping",
        "output_scores", "return_dict_in_generate", "remove_invalid_values", "typical_p", "encoder_no_repeat_ngram_size",
        "forced_bos_token_id", "forced_eos_token_id", "bad_words_ids", "suppress_tokens", "begin_suppress_tokens", "tf_legacy_loss",
    ]

    /// - Throws: `FormatError` for a file that is no JSON object.
    init(path: String) throws {
        self.path = path
        guard let data = FileManager.default.contents(atPath: path) else { throw FormatError(path, "cannot be read; is it there?") }
        if let kind = try? MappedFile(path: path).otherKind { throw FormatError(path, kind) }
        do {
            guard let members = try JSON(parsing: data).objectValue else { throw FormatError(path, "is no JSON object") }
            self.members = members
        } catch let error as ConfigError {
            throw FormatError(path, error.message)
        }
        known = HubConfig.harmless
    }

    init(_ json: JSON, path: String) {
        (self.path, members, known) = (path, json.objectValue ?? [:], HubConfig.harmless)
    }

    func error(_ key: String, _ message: String) -> FormatError { FormatError(path, "\(key) \(message)") }

    /// The value of a key, null where it is null or not there.
    func value(_ key: String) -> JSON {
        known.insert(key)
        return members[key] ?? .null
    }

    func has(_ key: String) -> Bool { value(key) != .null }

    /// Whether the key is there, be it null.
    func says(_ key: String) -> Bool { members[key] != nil }

    func int(_ key: String, _ range: ClosedRange<Int>, or fallback: Int? = nil) throws -> Int {
        let found = value(key)
        if found == .null, let fallback { return fallback }
        guard let number = found.intValue, range.contains(number) else {
            throw error(key, "is \(found.brief); a whole number from \(range.lowerBound) to \(range.upperBound) is expected")
        }
        return number
    }

    func double(_ key: String, or fallback: Double? = nil) throws -> Double {
        let found = value(key)
        if found == .null, let fallback { return fallback }
        guard let number = found.doubleValue, number.isFinite else { throw error(key, "is \(found.brief); a number is expected") }
        return number
    }

    /// A number above zero, or zero where the key is null or not there.
    func cap(_ key: String, or fallback: Double) throws -> Double {
        guard members[key] != nil else { return fallback }
        guard has(key) else { return 0 }
        let number = try double(key)
        guard number > 0 else { throw error(key, "is \(number); a number above 0 is expected") }
        return number
    }

    func fraction(_ key: String, or fallback: Double) throws -> Double {
        let number = try double(key, or: fallback)
        guard number >= 0, number < 1 else { throw error(key, "is \(number); a share below 1 is expected") }
        return number
    }

    func bool(_ key: String, or fallback: Bool) throws -> Bool {
        let found = value(key)
        if found == .null { return fallback }
        guard let flag = found.boolValue else { throw error(key, "is \(found.brief); true or false is expected") }
        return flag
    }

    func string(_ key: String, or fallback: String? = nil) throws -> String {
        let found = value(key)
        if found == .null, let fallback { return fallback }
        guard let text = found.stringValue else { throw error(key, "is \(found.brief); a string is expected") }
        return text
    }

    /// Refuses any value besides these; null and nothing at all are always allowed.
    func only(_ key: String, _ allowed: JSON...) throws {
        let found = value(key)
        // 0 and 0.0 are one number.
        guard found == .null || allowed.contains(where: { $0 == found || ($0.doubleValue != nil && $0.doubleValue == found.doubleValue) })
        else {
            throw error(key, "is \(found.brief), which is not supported; \(allowed.map(\.brief).joined(separator: " or ")) is")
        }
    }

    /// Options that a model has unless its config says no.
    private static let onUnlessSaid: Set = ["is_causal", "causal", "use_rope", "use_rotary", "use_positional_embedding"]

    /// - Throws: `FormatError` naming the first key that nobody asked for. Null, false and what is empty say that something is not there.
    func finish() throws {
        let left = members.keys.sorted().first { key in
            // What is false is not there, but for these, which are there unless it is said.
            let isOff = HubConfig.onUnlessSaid.contains(key) && members[key] == .bool(false)
            return isOff || !known.contains(key) && ![.null, .bool(false), .object([:]), .array([])].contains(members[key] ?? .null)
        }
        if let left {
            throw error(
                "\"\(left)\"",
                "is \((members[left] ?? .null).brief), an option that is not known here; it may change the model, so it is not ignored")
        }
    }
}
