import Foundation

/// tiktoken's rank files: a line a token, its bytes in base64 and its rank, which is its id. Two neighbours are merged when
/// their bytes together are a token, that of lowest rank first. The split pattern and special tokens are not in the file.
package struct RankFile {
    /// Every way to cut a token in two is looked up, so that long ones cost their length squared.
    private static let longestToken = 1024
    static let kindName = "tiktoken"

    /// What tiktoken knows of the vocabularies that OpenAI published, found by their number of ranks.
    private static let published: [Int: (pattern: SplitPattern, specials: [String: Int32])] = [
        50_256: (.gpt2, ["<|endoftext|>": 50_256]),
        50_280: (.gpt2, ["<|endoftext|>": 50_256]),
        100_256: (
            .cl100k,
            [
                "<|endoftext|>": 100_257, "<|fim_prefix|>": 100_258, "<|fim_middle|>": 100_259, "<|fim_suffix|>": 100_260,
                "<|endofprompt|>": 100_276,
            ]
        ),
        199_998: (.o200k, ["<|endoftext|>": 199_999, "<|endofprompt|>": 200_018]),
    ]

    /// Whether a file looks like one: its first line is base64 and a number.
    static func isRankFile(_ bytes: [UInt8]) -> Bool {
        guard let line = bytes.prefix(4096).split(separator: 0x0A).first else { return false }
        return entry(line) != nil
    }

    /// The tokenizer of a rank file.
    /// - Parameters:
    ///   - pattern: the name of a `SplitPattern` or a regular expression; needed where the ranks are none that OpenAI published.
    ///   - specials: special tokens and their ids; by default those of the published ranks.
    package static func read(_ bytes: [UInt8], pattern: String?, specials: [String: Int32]?) throws -> PublishedTokenizer {
        let table = try table(bytes)
        let known = published[table.count]
        guard let pattern = pattern ?? known?.pattern.rawValue else {
            throw TextError.unsupportedTokenizer(
                what: "a rank file of \(table.count) tokens without its split pattern, which such files do not hold; name it: "
                    + SplitPattern.allCases.map(\.rawValue).joined(separator: ", ") + ", or a regular expression")
        }
        let cutter = try cutter(pattern)
        let specials = specials ?? (known.map { $0.pattern.rawValue == pattern ? $0.specials : [:] } ?? [:])
        var symbols = [Int32](repeating: -1, count: 256)
        for byte in UInt8.min...UInt8.max {
            guard let id = table.id(of: CollectionOfOne(byte)) else {
                throw TextError.damagedTokenizer(reason: "the ranks have no token for the byte \(byte)")
            }
            symbols[Int(byte)] = id
        }
        var model = BPEModel(table: table, rules: try rules(table), isByteLevel: true, symbolOfByte: symbols)
        model.takesWholeChunks = true
        let added = try specials.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map { name, id in
            guard !name.isEmpty, table.range(of: id) == nil, !TokenTable.isAbsurd(id: Int(id), tokens: table.count + specials.count) else {
                throw TextError.damagedTokenizer(reason: "the special token \(name.prefix(40)) cannot have the id \(id)")
            }
            return AddedTokens.Token(bytes: Array(name.utf8), id: id, isSpecial: true)
        }
        guard Set(added.map(\.id)).count == added.count else { throw TextError.damagedTokenizer(reason: "two special tokens have one id") }
        var texts = TokenTexts()
        let names = Dictionary(added.map { ($0.id, $0.bytes) }, uniquingKeysWith: { $1 })
        for id in 0..<Int32(max(table.idLimit, (added.map { Int($0.id) }.max() ?? -1) + 1)) {
            texts.append(table.token(id) ?? (names[id] ?? [])[...])
        }
        return try PublishedTokenizer(
            PublishedTokenizer.Parts(
                model: model, added: added, steps: [.split(cutter, .isolated, isInverted: false)], texts: texts,
                usualSpecials: .plain, source: saved(bytes, pattern, specials)))
    }

    private static func cutter(_ pattern: String) throws -> PreTokenizer.Cutter {
        if let known = SplitPattern(rawValue: pattern) ?? SplitPattern(expression: pattern) { return .pattern(known) }
        guard pattern.contains(where: { !$0.isLetter && !$0.isNumber }) else {
            throw TextError.unsupportedTokenizer(
                what: "the split pattern \"\(pattern.prefix(40))\"; known are "
                    + SplitPattern.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return .regex(try SplitRegex(pattern, dialect: .tiktoken))
    }

    private static func table(_ bytes: [UInt8]) throws -> TokenTable {
        let lines = bytes.split(separator: 0x0A)
        var table = TokenTable(minimumCapacity: lines.count)
        for (number, line) in lines.enumerated() {
            guard let (token, rank) = entry(line), let id = Int32(exactly: rank), !TokenTable.isAbsurd(id: rank, tokens: lines.count),
                token.count <= longestToken
            else { throw TextError.damagedTokenizer(reason: "line \(number + 1) of the ranks is not a token in base64 and its rank") }
            guard table.insert(token, id: id) else {
                throw TextError.damagedTokenizer(reason: "line \(number + 1) of the ranks has a token or rank that was there before")
            }
        }
        return table
    }

    /// The merges: of every token all the ways to make it out of two.
    private static func rules(_ table: TokenTable) throws -> MergeRules {
        var rules = MergeRules(minimumCapacity: table.count * 2)
        for id in 0..<Int32(table.idLimit) {
            guard let range = table.range(of: id) else { continue }
            table.bytes.withUnsafeBufferPointer { bytes in
                for cut in range.dropFirst() {
                    guard let left = table.id(of: UnsafeBufferPointer(rebasing: bytes[range.lowerBound..<cut])),
                        let right = table.id(of: UnsafeBufferPointer(rebasing: bytes[cut..<range.upperBound]))
                    else { continue }
                    rules.set(TokenPair(left, right), makes: id)
                }
            }
        }
        return rules
    }

    /// The token and the rank of a line.
    private static func entry(_ line: ArraySlice<UInt8>) -> (token: [UInt8], rank: Int)? {
        let parts = (line.last == 0x0D ? line.dropLast() : line).split(separator: 0x20)
        guard parts.count == 2, parts[1].count <= 10, parts[1].allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
            let token = Base64.decode(parts[0]), !token.isEmpty
        else { return nil }
        return (token, parts[1].reduce(0) { $0 * 10 + Int($1) - 0x30 })
    }

    /// A rank file and what belongs to it in one JSON, as a run keeps it.
    private static func saved(_ bytes: [UInt8], _ pattern: String, _ specials: [String: Int32]) -> Data {
        var json = JSONText()
        json.raw("{\"kind\":\"\(kindName)\",\"pattern\":")
        json.string(Array(pattern.utf8))
        json.raw(",\"ranks\":")
        json.string(bytes)
        json.raw(",\"special_tokens\":{")
        for (number, token) in specials.sorted(by: { $0.value < $1.value }).enumerated() {
            if number > 0 { json.raw(",") }
            json.string(Array(token.key.utf8))
            json.raw(":\(token.value)")
        }
        json.raw("},\"version\":1}\n")
        return Data(json.bytes)
    }

    /// Reads what `saved` wrote.
    static func load(_ root: FlatJSON.Value) throws -> PublishedTokenizer {
        guard root["version"]?.int == 1, let pattern = root["pattern"]?.string, let ranks = root["ranks"]?.utf8 else {
            throw TextError.damagedTokenizer(reason: "ranks without their pattern, or of another version")
        }
        var specials: [String: Int32] = [:]
        try root["special_tokens"]?.forEachMember { key, value in
            guard let name = key.string, let id = value.int.flatMap({ Int32(exactly: $0) }), specials.updateValue(id, forKey: name) == nil
            else { throw TextError.damagedTokenizer(reason: "a special token is not a text and a number") }
        }
        return try read(ranks, pattern: pattern, specials: specials)
    }
}

/// Base64 (RFC 4648), with padding.
enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let values: [Int8] = {
        var values = [Int8](repeating: -1, count: 256)
        for (value, byte) in alphabet.enumerated() { values[Int(byte)] = Int8(value) }
        return values
    }()

    /// The bytes that `text` stands for, nil where it is no base64.
    static func decode(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        let padding = text.reversed().prefix(2).prefix { $0 == UInt8(ascii: "=") }.count
        guard text.count % 4 == 0 else { return nil }
        var result: [UInt8] = []
        result.reserveCapacity(text.count / 4 * 3)
        var bits: UInt32 = 0, count = 0
        for byte in text.dropLast(padding) {
            guard values[Int(byte)] >= 0 else { return nil }
            bits = bits << 6 | UInt32(values[Int(byte)])
            count += 6
            if count >= 8 {
                count -= 8
                result.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
            }
        }
        return result
    }

    static func encode(_ bytes: some Collection<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        var bits: UInt32 = 0, count = 0
        for byte in bytes {
            bits = bits << 8 | UInt32(byte)
            count += 8
            while count >= 6 {
                count -= 6
                result.append(alphabet[Int(bits >> UInt32(count) & 63)])
            }
        }
        if count > 0 { result.append(alphabet[Int(bits << UInt32(6 - count) & 63)]) }
        while result.count % 4 != 0 { result.append(UInt8(ascii: "=")) }
        return result
    }
}

/// JSON written piece by piece.
struct JSONText {
    private(set) var bytes: [UInt8] = []

    mutating func raw(_ text: String) { bytes.append(contentsOf: text.utf8) }

    mutating func raw(_ text: [UInt8]) { bytes.append(contentsOf: text) }

    /// A string of well-formed UTF-8 in quotes.
    mutating func string(_ text: some Collection<UInt8>) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes.append(contentsOf: [UInt8(ascii: "\\"), byte])
            case 0x0A: raw("\\n")
            case 0..<0x20, 0x7F:
                let digits = String(byte, radix: 16)
                raw("\\u00" + (digits.count == 1 ? "0" : "") + digits)
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
