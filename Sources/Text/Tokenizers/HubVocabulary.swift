/// The `model` and the `added_tokens` of a tokenizer.json.
struct HubVocabulary {
    typealias Value = FlatJSON.Value

    /// The tokens as the file writes them.
    let names: TokenTable
    let isByteLevel: Bool
    let model: BPEModel
    let added: [AddedTokens.Token]
    /// The largest id and one.
    let idLimit: Int
    private let addedIDs: Set<Int32>

    /// Whether a token has this id.
    func has(_ id: Int32) -> Bool { names.range(of: id) != nil || addedIDs.contains(id) }

    init(_ root: Value, isByteLevel: Bool) throws {
        guard let model = root["model"] else { throw TextError.damagedTokenizer(reason: "no \"model\"") }
        let type = model["type"]?.string ?? "BPE"
        guard type == "BPE" else { throw TextError.unsupportedTokenizer(what: "the model \(type.prefix(60)); only BPE is") }
        try HubReader.check(
            model, "the model",
            [
                "type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", "byte_fallback",
                "ignore_merges", "vocab", "merges",
            ])
        if let dropout = model.given("dropout"), dropout.double != 0 { throw TextError.unsupportedTokenizer(what: "dropout of the model") }
        let prefix = try HubVocabulary.affix(model, "continuing_subword_prefix")
        let suffix = try HubVocabulary.affix(model, "end_of_word_suffix")
        guard let vocabulary = model["vocab"], vocabulary.kind == .object else {
            throw TextError.damagedTokenizer(reason: "a model without \"vocab\"")
        }
        names = try HubVocabulary.names(vocabulary)
        self.isByteLevel = isByteLevel
        let rules = try HubVocabulary.rules(model["merges"], names, prefix: prefix)
        let table = isByteLevel ? HubVocabulary.decoded(names) : names
        let hasFallback = try HubReader.flag(model, "byte_fallback", false)
        var symbols = [Int32](repeating: -1, count: 256)
        for byte in UInt8.min...UInt8.max {
            if isByteLevel {
                symbols[Int(byte)] = names.id(of: Array(String(ByteAlphabet.scalars[Int(byte)]).utf8)) ?? -1
            } else if hasFallback {
                symbols[Int(byte)] = names.id(of: HubVocabulary.fallbackName(byte)) ?? -1
            }
        }
        if isByteLevel, hasFallback, symbols.contains(-1) {
            throw TextError.unsupportedTokenizer(what: "byte_fallback of a byte-level model that lacks bytes")
        }
        var bpe = BPEModel(table: table, rules: rules, isByteLevel: isByteLevel, symbolOfByte: symbols)
        if !prefix.isEmpty || !suffix.isEmpty {
            bpe.affixes =
                try isByteLevel
                ? SymbolAffixes(prefix: HubVocabulary.bytes(of: prefix), suffix: HubVocabulary.bytes(of: suffix))
                : SymbolAffixes(prefix: prefix, suffix: suffix)
        }
        bpe.takesWholeChunks = try HubReader.flag(model, "ignore_merges", false)
        bpe.fusesUnknown = try HubReader.flag(model, "fuse_unk", false)
        if let unknown = model.given("unk_token") {
            guard let name = unknown.utf8 else { throw TextError.damagedTokenizer(reason: "unk_token is no text") }
            // GPT-2's own file names one that is only among the added tokens, and never needs it.
            bpe.unknown = names.id(of: name)
        }
        self.model = bpe
        added = try HubVocabulary.added(root.given("added_tokens"), names)
        addedIDs = Set(added.map(\.id))
        idLimit = max(names.idLimit, (added.map { Int($0.id) }.max() ?? -1) + 1)
    }

    private static func affix(_ model: Value, _ name: String) throws -> [UInt8] {
        guard let value = model.given(name) else { return [] }
        guard let text = value.utf8 else { throw TextError.damagedTokenizer(reason: "\(name) is no text") }
        guard text.count <= 64 else { throw TextError.damagedTokenizer(reason: "\(name) of \(text.count) bytes") }
        return text
    }

    /// What an affix in GPT-2's alphabet stands for.
    private static func bytes(of affix: [UInt8]) throws -> [UInt8] {
        guard let bytes = ByteAlphabet.bytes(of: affix) else {
            throw TextError.unsupportedTokenizer(
                what: "the prefix or suffix \(String(decoding: affix, as: UTF8.self)), which is not in the alphabet of bytes")
        }
        return bytes
    }

    /// `<0x0A>` and the like.
    static func fallbackName(_ byte: UInt8) -> [UInt8] {
        let digits = String(byte, radix: 16, uppercase: true)
        return Array("<0x\(digits.count == 1 ? "0" : "")\(digits)>".utf8)
    }

    private static func names(_ vocabulary: Value) throws -> TokenTable {
        var count = 0
        vocabulary.forEachMember { _, _ in count += 1 }
        guard count > 0 else { throw TextError.damagedTokenizer(reason: "an empty \"vocab\"") }
        var table = TokenTable(minimumCapacity: count)
        try vocabulary.forEachMember { key, value in
            guard let name = key.utf8, let number = value.int, let id = Int32(exactly: number) else {
                throw TextError.damagedTokenizer(reason: "an entry of the vocabulary is not a text and a whole number")
            }
            guard !TokenTable.isAbsurd(id: number, tokens: count) else {
                throw TextError.damagedTokenizer(reason: "id \(number) in a vocabulary of \(count) tokens")
            }
            guard table.insert(name, id: id) else {
                throw TextError.damagedTokenizer(
                    reason: "the token \(String(decoding: name.prefix(40), as: UTF8.self)) or its id \(id) is in the vocabulary twice")
            }
        }
        return table
    }

    /// The same tokens by the bytes that they stand for.
    static func decoded(_ names: TokenTable) -> TokenTable {
        var table = TokenTable(minimumCapacity: names.count)
        for id in 0..<Int32(names.idLimit) {
            if let name = names.token(id), let bytes = ByteAlphabet.bytes(of: name) { _ = table.insert(bytes, id: id) }
        }
        return table
    }

    /// Merges written as `"a b"` or as `["a", "b"]`.
    /// - Parameter prefix: what all symbols of a chunk but the first begin with; the merged token has it once.
    static func rules(_ section: Value?, _ names: TokenTable, prefix: [UInt8] = []) throws -> MergeRules {
        guard let items = section?.items else { throw TextError.damagedTokenizer(reason: "a model without \"merges\"") }
        var rules = MergeRules(minimumCapacity: names.count)
        for (rank, item) in items.enumerated() {
            let left: ArraySlice<UInt8>, right: ArraySlice<UInt8>
            if let both = item.utf8 {
                let halves = both.split(separator: 0x20, omittingEmptySubsequences: false)
                guard halves.count == 2 else { throw TextError.damagedTokenizer(reason: "merge \(rank) is not two tokens") }
                (left, right) = (halves[0], halves[1])
            } else if let pair = item.items.map(Array.init), pair.count == 2, let first = pair[0].utf8, let second = pair[1].utf8 {
                (left, right) = (first[...], second[...])
            } else {
                throw TextError.damagedTokenizer(reason: "merge \(rank) is not two tokens")
            }
            try append(left, right, rank, names, prefix, to: &rules)
        }
        return rules
    }

    static func append(
        _ left: ArraySlice<UInt8>, _ right: ArraySlice<UInt8>, _ rank: Int, _ names: TokenTable, _ prefix: [UInt8],
        to rules: inout MergeRules
    ) throws {
        guard right.starts(with: prefix) else {
            throw TextError.damagedTokenizer(reason: "the second token of merge \(rank) lacks the continuing_subword_prefix")
        }
        guard let first = names.id(of: left), let second = names.id(of: right),
            let result = names.id(of: left + right.dropFirst(prefix.count))
        else {
            throw TextError.damagedTokenizer(
                reason:
                    "merge \(rank), \(String(decoding: (left + [0x20] + right).prefix(60), as: UTF8.self)), uses a token that is not in the vocabulary"
            )
        }
        rules.append(TokenPair(first, second), makes: result)
    }

    private static func added(_ section: Value?, _ names: TokenTable) throws -> [AddedTokens.Token] {
        guard let section else { return [] }
        guard let items = section.items else { throw TextError.damagedTokenizer(reason: "added_tokens is no list") }
        var tokens: [AddedTokens.Token] = []
        var known: [[UInt8]: Int32] = [:]
        let count = items.reduce(names.count) { sum, _ in sum + 1 }
        for item in items {
            try HubReader.check(
                item, "an added token", ["id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"])
            guard let content = item["content"]?.utf8, !content.isEmpty, let number = item["id"]?.int, let id = Int32(exactly: number),
                !TokenTable.isAbsurd(id: number, tokens: count)
            else { throw TextError.damagedTokenizer(reason: "an added token without content or with an impossible id") }
            let name = String(decoding: content.prefix(40), as: UTF8.self)
            if let other = names.id(of: content) ?? known[content], other != id {
                throw TextError.damagedTokenizer(reason: "the added token \(name) has id \(id), and \(other) as well")
            }
            if let other = names.token(id), !other.elementsEqual(content) {
                throw TextError.damagedTokenizer(
                    reason: "the added token \(name) has the id \(id) of \(String(decoding: other.prefix(40), as: UTF8.self))")
            }
            known[content] = id
            let isSpecial = try HubReader.flag(item, "special", false)
            tokens.append(
                AddedTokens.Token(
                    bytes: content, id: id, isSpecial: isSpecial, stripsLeft: try HubReader.flag(item, "lstrip", false),
                    stripsRight: try HubReader.flag(item, "rstrip", false), isSingleWord: try HubReader.flag(item, "single_word", false),
                    isNormalized: try HubReader.flag(item, "normalized", !isSpecial)))
        }
        return tokens
    }
}
