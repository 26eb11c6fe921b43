/// The `pre_tokenizer` of a tokenizer.json.
struct HubPreTokenizers {
    private(set) var steps: [PreTokenizer] = []
    /// Whether the model is given bytes in GPT-2's alphabet.
    private(set) var isByteLevel = false

    init(_ section: FlatJSON.Value?) throws {
        for part in try HubReader.flattened(section, "pre_tokenizer", list: "pretokenizers") {
            let type = try HubReader.type(part, "a pre-tokenizer")
            guard !isByteLevel else { throw TextError.unsupportedTokenizer(what: "the pre-tokenizer \(type.prefix(60)) behind ByteLevel") }
            func only(_ keys: Set<String>) throws { try HubReader.check(part, "the pre-tokenizer \(type)", keys.union(["type"])) }
            switch type {
            case "ByteLevel":
                try only(["add_prefix_space", "trim_offsets", "use_regex"])
                if try HubReader.flag(part, "add_prefix_space", true) { steps.append(.prefixSpace) }
                if try HubReader.flag(part, "use_regex", true) { steps.append(.split(.pattern(.gpt2), .isolated, isInverted: false)) }
                isByteLevel = true
            case "Split":
                try only(["pattern", "behavior", "invert"])
                steps.append(try HubPreTokenizers.split(part))
            case "Digits":
                try only(["individual_digits"])
                let digits = CharacterSet(categories: CharacterSet.categories(named: "N") ?? 0).ready()
                let behavior: PreTokenizer.Behavior = try HubReader.flag(part, "individual_digits", false) ? .isolated : .contiguous
                steps.append(.split(.characters(digits), behavior, isInverted: false))
            case "Punctuation":
                try only(["behavior"])
                steps.append(.split(.characters(.hubPunctuation), try HubPreTokenizers.behavior(part, "Isolated"), isInverted: false))
            case "BertPreTokenizer":
                try only([])
                steps.append(.split(.characters(CharacterSet(spaces: true).ready()), .removed, isInverted: false))
                steps.append(.split(.characters(.hubPunctuation), .isolated, isInverted: false))
            case "Whitespace":
                try only([])
                steps.append(
                    .split(.regex(try SplitRegex(#"\w+|[^\w\s]+"#, dialect: .huggingFace)), .removed, isInverted: true))
            case "WhitespaceSplit":
                try only([])
                steps.append(.split(.characters(CharacterSet(spaces: true).ready()), .removed, isInverted: false))
            case "Metaspace":
                try only(["replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep"])
                steps.append(
                    .metaspace(
                        try HubReader.text(part, "replacement"), try HubPreTokenizers.scheme(part),
                        splits: try HubReader.flag(part, "split", true)))
            default: throw TextError.unsupportedTokenizer(what: "the pre-tokenizer \(type.prefix(60))")
            }
        }
    }

    private static func split(_ part: FlatJSON.Value) throws -> PreTokenizer {
        let (text, expression) = try HubReader.pattern(part)
        let behavior = try behavior(part, nil), isInverted = try HubReader.flag(part, "invert", false)
        if let text {
            guard !text.isEmpty else { throw TextError.damagedTokenizer(reason: "a Split by the empty text") }
            return .split(.text(text), behavior, isInverted: isInverted)
        }
        let regex = try SplitRegex(expression ?? "", dialect: .huggingFace)
        if let known = SplitPattern(expression: regex.pattern) { return .split(.pattern(known), behavior, isInverted: isInverted) }
        return .split(.regex(regex), behavior, isInverted: isInverted)
    }

    private static func behavior(_ part: FlatJSON.Value, _ fallback: String?) throws -> PreTokenizer.Behavior {
        let name = part.given("behavior")?.string ?? fallback ?? ""
        let known: [String: PreTokenizer.Behavior] = [
            "Removed": .removed, "Isolated": .isolated, "MergedWithPrevious": .mergedWithPrevious, "MergedWithNext": .mergedWithNext,
            "Contiguous": .contiguous,
        ]
        guard let behavior = known[name] else { throw TextError.unsupportedTokenizer(what: "the split behavior \"\(name.prefix(60))\"") }
        return behavior
    }

    /// When a piece is given the replacement in front; older files say only whether.
    static func scheme(_ part: FlatJSON.Value) throws -> PreTokenizer.PrefixScheme {
        let fallback: PreTokenizer.PrefixScheme = try HubReader.flag(part, "add_prefix_space", true) ? .always : .never
        guard let name = part.given("prepend_scheme") else { return fallback }
        switch name.string {
        case "always": return .always
        case "first": return .first
        case "never": return .never
        default: throw TextError.unsupportedTokenizer(what: "a prepend_scheme that is none of always, first and never")
        }
    }
}

/// The `decoder` of a tokenizer.json, which says what bytes a token stands for.
struct HubDecoder {
    private enum Step {
        case replace([UInt8], [UInt8])
        case strip([UInt8], start: Int, stop: Int)
        case byteFallback
    }

    private var steps: [Step] = []
    private var isByteLevel = false
    private var leadingStrip: LeadingStrip?

    init(_ section: FlatJSON.Value?) throws {
        var isFused = false
        for part in try HubReader.flattened(section, "decoder", list: "decoders") {
            let type = try HubReader.type(part, "a decoder")
            func only(_ keys: Set<String>) throws { try HubReader.check(part, "the decoder \(type)", keys.union(["type"])) }
            if isByteLevel { throw TextError.unsupportedTokenizer(what: "the decoder \(type.prefix(60)) behind ByteLevel") }
            if isFused, type != "Strip", type != "Fuse" {
                throw TextError.unsupportedTokenizer(what: "the decoder \(type.prefix(60)) behind Fuse")
            }
            if leadingStrip?.holdsEnds == true {
                throw TextError.unsupportedTokenizer(what: "the decoder \(type.prefix(60)) behind BPEDecoder")
            }
            switch type {
            case "ByteLevel":
                try only(["add_prefix_space", "trim_offsets", "use_regex"])
                isByteLevel = true
            case "ByteFallback":
                try only([])
                steps.append(.byteFallback)
            case "Fuse":
                try only([])
                isFused = true
            case "Replace":
                try only(["pattern", "content"])
                guard let old = try HubReader.pattern(part).text, !old.isEmpty else {
                    throw TextError.unsupportedTokenizer(what: "a Replace decoder by a regular expression")
                }
                steps.append(.replace(old, try HubReader.text(part, "content")))
            case "Strip":
                try only(["content", "start", "stop"])
                let content = try HubReader.text(part, "content")
                guard let start = part["start"]?.int, let stop = part["stop"]?.int, (0...1 << 20).contains(start),
                    (0...1 << 20).contains(stop)
                else { throw TextError.damagedTokenizer(reason: "a Strip decoder without start and stop") }
                if isFused {
                    guard stop == 0, content.count == 1, leadingStrip == nil else {
                        throw TextError.unsupportedTokenizer(what: "a Strip decoder at the end of the text")
                    }
                    leadingStrip = LeadingStrip(byte: content[0], count: start, fromFirstTokenOnly: false)
                } else {
                    steps.append(.strip(content, start: start, stop: stop))
                }
            case "BPEDecoder":
                try only(["suffix"])
                let suffix = try part.given("suffix").map { _ in try HubReader.text(part, "suffix") } ?? Array("</w>".utf8)
                guard steps.isEmpty, !isFused else {
                    throw TextError.unsupportedTokenizer(what: "the decoder BPEDecoder behind others")
                }
                guard !suffix.isEmpty else { throw TextError.damagedTokenizer(reason: "a BPEDecoder without a suffix") }
                // A space for each end of a word but the text's.
                steps.append(.replace(suffix, [0x20]))
                leadingStrip = LeadingStrip(byte: 0x20, count: 0, fromFirstTokenOnly: false, holdsEnds: true)
            case "Metaspace":
                try only(["replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep"])
                steps.append(.replace(try HubReader.text(part, "replacement"), [0x20]))
                if try HubPreTokenizers.scheme(part) != .never {
                    leadingStrip = LeadingStrip(byte: 0x20, count: 1, fromFirstTokenOnly: true)
                }
            default: throw TextError.unsupportedTokenizer(what: "the decoder \(type.prefix(60))")
            }
        }
    }

    /// The bytes of every token.
    func texts(of vocabulary: HubVocabulary) throws -> (TokenTexts, LeadingStrip?) {
        var added: [Int32: [UInt8]] = [:]
        for token in vocabulary.added { added[token.id] = token.bytes }
        var texts = TokenTexts()
        for id in 0..<Int32(vocabulary.idLimit) {
            if let text = added[id] {
                // Runs of spaces are added tokens in some files, and written as the model's tokens are.
                texts.append(vocabulary.isByteLevel ? text : try self.text(of: text, false))
            } else if let name = vocabulary.names.token(id) {
                texts.append(try text(of: Array(name), vocabulary.isByteLevel))
            } else {
                texts.append([])
            }
        }
        return (texts, leadingStrip)
    }

    private func text(of name: [UInt8], _ isByteLevelModel: Bool) throws -> [UInt8] {
        if isByteLevel || isByteLevelModel && steps.isEmpty { return ByteAlphabet.bytes(of: name) ?? name }
        let limit = 4096 + 64 * name.count
        return try steps.reduce(name) { name, step in
            switch step {
            case .replace(let old, let new): return try Normalizer.replacing(old, by: new, in: name, limit: limit)
            case .byteFallback:
                guard name.count == 6, name.starts(with: Array("<0x".utf8)), name[5] == UInt8(ascii: ">"),
                    let byte = UInt8(String(decoding: name[3...4], as: UTF8.self), radix: 16)
                else { return name }
                return [byte]
            case .strip(let content, let start, let stop):
                guard !content.isEmpty else { return name }
                var rest = name[...]
                for _ in 0..<start where rest.starts(with: content) { rest = rest.dropFirst(content.count) }
                for _ in 0..<stop where rest.reversed().starts(with: content.reversed()) { rest = rest.dropLast(content.count) }
                return Array(rest)
            }
        }
    }
}
