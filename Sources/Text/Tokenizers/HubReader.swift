import Foundation

/// Reads `tokenizer.json` of Hugging Face's `tokenizers` library. What it says and this program does not do is refused by name.
struct HubReader {
    typealias Value = FlatJSON.Value

    private let data: Data
    private let root: Value

    init(_ data: Data, _ root: Value) { (self.data, self.root) = (data, root) }

    /// Whether a JSON object is such a file.
    static func isHub(_ root: Value) -> Bool { root["model"]?.kind == .object }

    func read() throws -> PublishedTokenizer {
        try HubReader.check(
            root, "tokenizer.json",
            ["version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder", "model"])
        for name in ["truncation", "padding"] where root.given(name) != nil {
            throw TextError.unsupportedTokenizer(what: "\(name); set it to null in the file")
        }
        let cuts = try HubPreTokenizers(root.given("pre_tokenizer"))
        let vocabulary = try HubVocabulary(root, isByteLevel: cuts.isByteLevel)
        let decoder = try HubDecoder(root.given("decoder"))
        let (texts, strip) = try decoder.texts(of: vocabulary)
        return try PublishedTokenizer(
            PublishedTokenizer.Parts(
                model: vocabulary.model, added: vocabulary.added, normalizers: HubReader.normalizers(root.given("normalizer")),
                steps: cuts.steps, template: HubReader.template(root.given("post_processor"), vocabulary), texts: texts,
                leadingStrip: strip, source: data))
    }

    /// Throws for a member that is not one of `known`.
    static func check(_ section: Value, _ name: String, _ known: Set<String>) throws {
        guard section.kind == .object else { throw TextError.damagedTokenizer(reason: "\(name) is no object") }
        for key in section.keys where !known.contains(key) {
            throw TextError.unsupportedTokenizer(what: "\"\(key.prefix(60))\" of \(name)")
        }
    }

    static func type(_ section: Value, _ name: String) throws -> String {
        guard let type = section["type"]?.string else { throw TextError.damagedTokenizer(reason: "\(name) has no type") }
        return type
    }

    static func flag(_ section: Value, _ name: String, _ fallback: Bool) throws -> Bool {
        guard let value = section.given(name) else { return fallback }
        guard let flag = value.bool else { throw TextError.damagedTokenizer(reason: "\"\(name)\" is neither true nor false") }
        return flag
    }

    static func text(_ section: Value, _ name: String) throws -> [UInt8] {
        guard let text = section[name]?.utf8 else { throw TextError.damagedTokenizer(reason: "\"\(name)\" is no text") }
        return text
    }

    /// The parts of a `Sequence`, and of those within it.
    static func flattened(_ section: Value?, _ name: String, list: String, depth: Int = 0) throws -> [Value] {
        guard let section else { return [] }
        guard depth < 16 else { throw TextError.damagedTokenizer(reason: "sequences of \(name) nested too deep") }
        guard try type(section, name) == "Sequence" else { return [section] }
        try check(section, "the \(name) Sequence", ["type", list])
        guard let items = section[list]?.items else { throw TextError.damagedTokenizer(reason: "a Sequence without \"\(list)\"") }
        return try items.flatMap { try flattened($0, name, list: list, depth: depth + 1) }
    }

    /// `{"String": …}` or `{"Regex": …}`.
    static func pattern(_ section: Value) throws -> (text: [UInt8]?, regex: String?) {
        guard let pattern = section["pattern"] else { throw TextError.damagedTokenizer(reason: "a part without \"pattern\"") }
        try check(pattern, "a pattern", ["String", "Regex"])
        if let text = pattern["String"]?.utf8 { return (text, nil) }
        if let regex = pattern["Regex"]?.string { return (nil, regex) }
        throw TextError.damagedTokenizer(reason: "a pattern that is neither String nor Regex")
    }

    private static func normalizers(_ section: Value?) throws -> [Normalizer] {
        try flattened(section, "normalizer", list: "normalizers").map { part in
            let type = try type(part, "a normalizer")
            func only(_ keys: Set<String>) throws { try check(part, "the normalizer \(type)", keys.union(["type"])) }
            switch type {
            case "NFC", "NFD", "NFKC", "NFKD", "Lowercase":
                try only([])
                let all: [String: Normalizer] = [
                    "NFC": .composed, "NFD": .decomposed, "NFKC": .compatibilityComposed, "NFKD": .compatibilityDecomposed,
                ]
                return all[type] ?? .lowercase
            case "Prepend":
                try only(["prepend"])
                return .prepend(try text(part, "prepend"))
            case "BertNormalizer":
                try only(["clean_text", "handle_chinese_chars", "strip_accents", "lowercase"])
                let lowercases = try flag(part, "lowercase", true)
                return .bert(
                    BertNormalizer(
                        cleans: try flag(part, "clean_text", true), spacesIdeographs: try flag(part, "handle_chinese_chars", true),
                        stripsAccents: try flag(part, "strip_accents", lowercases), lowercases: lowercases))
            case "Strip":
                try only(["strip_left", "strip_right"])
                return .strip(left: try flag(part, "strip_left", true), right: try flag(part, "strip_right", true))
            case "Replace":
                try only(["pattern", "content"])
                let (old, regex) = try pattern(part), new = try text(part, "content")
                if let old {
                    guard !old.isEmpty else { throw TextError.damagedTokenizer(reason: "a Replace of the empty text") }
                    return .replace(old, with: new)
                }
                return .replaceMatches(try SplitRegex(regex ?? "", dialect: .huggingFace), with: new)
            default: throw TextError.unsupportedTokenizer(what: "the normalizer \(type.prefix(60))")
            }
        }
    }

    /// What the post-processor puts before and after a text.
    private static func template(_ section: Value?, _ vocabulary: HubVocabulary) throws -> (before: [Int32], after: [Int32]) {
        var before: [Int32] = [], after: [Int32] = []
        for part in try flattened(section, "post_processor", list: "processors") {
            let type = try type(part, "a post-processor")
            switch type {
            case "ByteLevel":
                // It moves offsets, which ids know nothing of.
                try check(part, "the post-processor ByteLevel", ["type", "add_prefix_space", "trim_offsets", "use_regex"])
            case "TemplateProcessing":
                try check(part, "TemplateProcessing", ["type", "single", "pair", "special_tokens"])
                let (left, right) = try sides(part)
                (before, after) = (left + before, after + right)
            case "BertProcessing", "RobertaProcessing":
                try check(part, type, ["type", "sep", "cls", "trim_offsets", "add_prefix_space"])
                guard let start = part["cls"]?.items?.dropFirst().first(where: { _ in true })?.int,
                    let end = part["sep"]?.items?.dropFirst().first(where: { _ in true })?.int,
                    let start = Int32(exactly: start), let end = Int32(exactly: end)
                else { throw TextError.damagedTokenizer(reason: "\(type) without cls and sep") }
                (before, after) = ([start] + before, after + [end])
            default: throw TextError.unsupportedTokenizer(what: "the post-processor \(type.prefix(60))")
            }
        }
        for id in before + after where !vocabulary.has(id) {
            throw TextError.damagedTokenizer(reason: "the template uses token \(id), which there is not")
        }
        return (before, after)
    }

    private static func sides(_ section: Value) throws -> ([Int32], [Int32]) {
        guard let single = section["single"]?.items else { throw TextError.damagedTokenizer(reason: "a template without \"single\"") }
        var before: [Int32] = [], after: [Int32] = []
        var isBehind = false
        for item in single {
            if item["Sequence"] != nil {
                guard !isBehind else { throw TextError.unsupportedTokenizer(what: "a template with the text in it twice") }
                isBehind = true
                continue
            }
            guard let name = item["SpecialToken"]?["id"]?.string, let ids = section["special_tokens"]?[name]?["ids"]?.items else {
                throw TextError.damagedTokenizer(reason: "a template names a token that its special_tokens do not have")
            }
            for value in ids {
                guard let id = value.int.flatMap({ Int32(exactly: $0) }) else {
                    throw TextError.damagedTokenizer(reason: "an id of a template is no number")
                }
                if isBehind { after.append(id) } else { before.append(id) }
            }
        }
        guard isBehind else { throw TextError.unsupportedTokenizer(what: "a template without the text") }
        return (before, after)
    }
}
