import Foundation

/// Puts a tokenizer by byte pairs together as a tokenizer.json.
struct HubWriter {
    /// What happens around the merges.
    enum Style {
        /// Text cut by a pattern, bytes in GPT-2's alphabet.
        case byteLevel(SplitPattern)
        /// As GPT-1: BERT's normalizer and cuts, characters, `</w>` behind words, `<unk>` for what is unknown.
        case words
    }

    var style: Style
    var added: [(name: [UInt8], id: Int32)]
    /// The members of the vocabulary, names as the style has them.
    var vocabulary: [UInt8]
    /// Two names with a space between, in order of rank.
    var merges: [[UInt8]]
    var takesWholeChunks: Bool

    var bytes: [UInt8] {
        var json = JSONText()
        json.raw("{\n\"version\": \"1.0\",\n\"truncation\": null,\n\"padding\": null,\n\"added_tokens\": [")
        for (number, token) in added.enumerated() {
            json.raw(number == 0 ? "\n" : ",\n")
            json.raw("{\"id\": \(token.id), \"content\": ")
            json.string(token.name)
            json.raw(", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": false, \"special\": true}")
        }
        json.raw("\n],\n")
        around(&json)
        json.raw("\"continuing_subword_prefix\": null,\n\"dropout\": null,\n")
        json.raw("\"fuse_unk\": false,\n\"byte_fallback\": false,\n\"ignore_merges\": \(takesWholeChunks),\n\"vocab\": {\n")
        json.raw(vocabulary)
        json.raw("\n},\n\"merges\": [\n")
        for (number, merge) in merges.enumerated() {
            if number > 0 { json.raw(",\n") }
            json.string(merge)
        }
        json.raw("\n]\n}\n}\n")
        return json.bytes
    }

    /// Everything but the added tokens up to the model's members that the style decides.
    private func around(_ json: inout JSONText) {
        func byteLevel(cuts: Bool) -> String {
            "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": \(cuts)}"
        }
        let model = "\"post_processor\": null,\n\"model\": {\n\"type\": \"BPE\",\n"
        switch style {
        case .byteLevel(let pattern):
            json.raw("\"normalizer\": null,\n\"pre_tokenizer\": ")
            if pattern == .gpt2 {
                json.raw(byteLevel(cuts: true))
            } else {
                json.raw("{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Split\", \"pattern\": {\"Regex\": ")
                json.string(Array(pattern.expression.utf8))
                json.raw("}, \"behavior\": \"Isolated\", \"invert\": false}, \(byteLevel(cuts: false))]}")
            }
            json.raw(",\n\"decoder\": \(byteLevel(cuts: true)),\n\(model)\"unk_token\": null,\n\"end_of_word_suffix\": null,\n")
        case .words:
            json.raw("\"normalizer\": {\"type\": \"BertNormalizer\", \"clean_text\": true, \"handle_chinese_chars\": true, ")
            json.raw("\"strip_accents\": null, \"lowercase\": true},\n\"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"},\n")
            json.raw("\"decoder\": {\"type\": \"BPEDecoder\", \"suffix\": \"</w>\"},\n")
            json.raw("\(model)\"unk_token\": \"<unk>\",\n\"end_of_word_suffix\": \"</w>\",\n")
        }
    }

    /// `"name": id` of each, a line each.
    static func vocabulary(_ tokens: [(name: [UInt8], id: Int32)]) -> [UInt8] {
        var json = JSONText()
        for (number, token) in tokens.enumerated() {
            if number > 0 { json.raw(",\n") }
            json.string(token.name)
            json.raw(": \(token.id)")
        }
        return json.bytes
    }
}

/// What a byte-level tokenizer is made of, taken apart to be written in another format.
package struct ByteLevelParts {
    let pattern: SplitPattern
    let model: BPEModel
    let specials: [(name: [UInt8], id: Int32)]
    /// The merges in order of rank.
    let merges: [(pair: TokenPair, token: Int32)]

    /// - Throws: `TextError.unsupportedTokenizer` for what other formats have no words for.
    package init(_ tokenizer: any Tokenizer) throws {
        switch tokenizer {
        case let own as BPETokenizer: (pattern, model, specials) = (own.pattern, own.model, [])
        case let delimited as DelimitedTokenizer:
            let base = try ByteLevelParts(delimited.base)
            (pattern, model) = (base.pattern, base.model)
            specials = base.specials + [(Array(delimited.endName.utf8), Int32(delimited.base.vocabularySize))]
        case let published as PublishedTokenizer:
            guard published.model.isByteLevel, published.model.affixes == nil, let known = published.pattern, published.normalizers.isEmpty,
                published.template.before.isEmpty, published.template.after.isEmpty
            else {
                throw TextError.unsupportedTokenizer(
                    what: "more than bytes, merges and a known split pattern, which this format cannot say; it can be written as hf")
            }
            if let odd = published.addedTokens.firstUnusual ?? published.normalizedTokens.firstUnusual {
                throw TextError.unsupportedTokenizer(
                    what: "the added token \(odd), which this format cannot say; the tokenizer can be written as hf")
            }
            (pattern, model) = (known, published.model)
            specials = published.specialTokens.map { (Array($0.key.utf8), $0.value) }.sorted { $0.id < $1.id }
        default: throw TextError.unsupportedTokenizer(what: "tokens of a \(tokenizer.kind) tokenizer, which only loom's own format can say")
        }
        merges = try model.mergesInOrder()
    }

    private func name(_ id: Int32) -> [UInt8] { Array(ByteAlphabet.text(of: model.table.token(id) ?? []).utf8) }

    private var tokens: [(name: [UInt8], id: Int32)] {
        let specialIDs = Set(specials.map(\.id))
        return (0..<Int32(model.table.idLimit)).compactMap { id in
            model.table.range(of: id) == nil || specialIDs.contains(id) ? nil : (name(id), id)
        }
    }

    private var mergeLines: [[UInt8]] { merges.map { name($0.pair.left) + [0x20] + name($0.pair.right) } }

    var hub: [UInt8] {
        HubWriter(
            style: .byteLevel(pattern), added: specials, vocabulary: HubWriter.vocabulary(tokens), merges: mergeLines,
            takesWholeChunks: model.takesWholeChunks
        ).bytes
    }

    /// `vocab.json` and `merges.txt`.
    package var pair: (vocabulary: [UInt8], merges: [UInt8]) {
        let all = (tokens + specials).sorted { $0.id < $1.id }
        var lines = Array("#version: 0.2\n".utf8)
        for line in mergeLines { lines += line + [0x0A] }
        return (Array("{".utf8) + HubWriter.vocabulary(all) + Array("}\n".utf8), lines)
    }

    /// tiktoken's ranks.
    /// - Throws: `TextError.unsupportedTokenizer` where ids are not in the order of the merges.
    func ranks() throws -> [UInt8] {
        guard !model.symbolOfByte.contains(-1) else {
            throw TextError.unsupportedTokenizer(what: "a vocabulary that lacks bytes, which tiktoken's ranks cannot say")
        }
        var made: [Int32] = []
        for merge in merges {
            guard merge.token > made.last ?? -1 else {
                throw TextError.unsupportedTokenizer(what: "ids that are not in the order of the merges, which tiktoken's ranks cannot say")
            }
            made.append(merge.token)
        }
        var lines: [UInt8] = []
        for id in (model.symbolOfByte + made).sorted() {
            lines += Base64.encode(model.table.token(id) ?? []) + Array(" \(id)\n".utf8)
        }
        return lines
    }
}

extension BPEModel {
    /// The merges in order of rank. tiktoken's ranks allow every way to make a token out of two; of those the one that
    /// merging the token's own bytes with the ranks below takes last is the merge.
    func mergesInOrder() throws -> [(pair: TokenPair, token: Int32)] {
        var pairs: [Int32: [TokenPair]] = [:]
        rules.ranks.forEach { pairs[$1, default: []].append(TokenPair(key: $0)) }
        return try pairs.keys.sorted().map { rank in
            let token = rules.results[Int(rank)]
            let all = pairs[rank] ?? []
            if all.count == 1 { return (all[0], token) }
            var symbols = (table.token(token) ?? []).map { symbolOfByte[Int($0)] }
            while symbols.count > 2 {
                let best = (0..<symbols.count - 1).min {
                    rules.rank(symbols[$0], symbols[$0 + 1]) < rules.rank(symbols[$1], symbols[$1 + 1])
                }
                guard let best, rules.rank(symbols[best], symbols[best + 1]) < rank else { break }
                symbols[best] = rules.results[Int(rules.rank(symbols[best], symbols[best + 1]))]
                symbols.remove(at: best + 1)
            }
            guard symbols.count == 2 else {
                throw TextError.unsupportedTokenizer(what: "token \(token), which no sequence of merges makes")
            }
            return (TokenPair(symbols[0], symbols[1]), token)
        }
    }
}
