import Foundation

/// GPT-2's pair of files: the tokens with their ids as JSON (`encoder.json`, `vocab.json`) and the merges as lines
/// (`vocab.bpe`, `merges.txt`), both with bytes in GPT-2's alphabet. GPT-1's look the same, but are characters, with `</w>` behind
/// those that end a word.
package enum VocabularyFiles {
    /// Whether a JSON object is such a vocabulary: texts and numbers, nothing else.
    static func isVocabulary(_ root: FlatJSON.Value) -> Bool {
        var isOne = false, count = 0
        root.forEachMember { _, value in
            if count < 16 { isOne = (count == 0 || isOne) && value.kind == .number }
            count += 1
        }
        return isOne
    }

    /// Whether a file is lines of merges.
    static func isMerges(_ bytes: [UInt8]) -> Bool {
        // Binary files may well have a space somewhere.
        guard let line = lines(of: bytes.prefix(8192)[...]).first, !line.contains(where: { $0 < 0x20 || $0 == 0x7F }) else { return false }
        return line.split(separator: 0x20, omittingEmptySubsequences: false).count == 2
    }

    private static func lines(of bytes: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
        var lines = bytes.split(separator: 0x0A).map { $0.last == 0x0D ? $0.dropLast() : $0 }
        if lines.first?.starts(with: Array("#version".utf8)) == true { lines.removeFirst() }
        return lines
    }

    private static let unknown = Array("<unk>".utf8)

    /// Whether a vocabulary with `</w>` in it is of GPT-1's kind: characters, and a token for those that it does not have.
    private static func isOfWords(_ vocabulary: FlatJSON.Value) throws -> Bool {
        // A space in GPT-2's alphabet is no character that GPT-1's texts hold.
        if vocabulary[String(ByteAlphabet.scalars[0x20])] == nil, vocabulary["<unk>"] != nil { return true }
        throw TextError.unsupportedTokenizer(
            what: "</w> at the end of words in a vocabulary that is not of GPT-1's kind, with <unk>; its tokenizer.json can be read")
    }

    /// The tokenizer of the two, which is kept as a tokenizer.json.
    /// - Parameter pattern: how text is cut; nil for GPT-2's way, or for GPT-1's where the files are of that kind.
    package static func read(
        vocabulary: FlatJSON.Value, merges: [UInt8], pattern: SplitPattern?
    ) throws -> PublishedTokenizer {
        let suffix = Array("</w>".utf8)
        var results: Set<[UInt8]> = [], endsWords = false
        let lines = lines(of: merges[...])
        for (number, line) in lines.enumerated() {
            let halves = line.split(separator: 0x20, omittingEmptySubsequences: false)
            guard halves.count == 2 else { throw TextError.damagedTokenizer(reason: "line \(number + 1) of the merges is not two tokens") }
            endsWords = endsWords || line.suffix(4).elementsEqual(suffix) && halves[1].count > 4 && halves[0].count > 0
            results.insert(Array(halves[0] + halves[1]))
        }
        // What no merge makes and what is no byte, but stands in brackets, is a special token.
        var specials: [(name: [UInt8], id: Int32)] = [], tokens: [(name: [UInt8], id: Int32)] = []
        try vocabulary.forEachMember { key, value in
            guard let name = key.utf8, let id = value.int.flatMap({ Int32(exactly: $0) }) else {
                throw TextError.damagedTokenizer(reason: "an entry of the vocabulary is not a text and a whole number")
            }
            tokens.append((name, id))
            guard ByteAlphabet.bytes(of: name)?.count != 1, !results.contains(name), let first = name.first, let last = name.last,
                first == UInt8(ascii: "<") && last == UInt8(ascii: ">") || first == UInt8(ascii: "[") && last == UInt8(ascii: "]")
            else { return }
            specials.append((name, id))
        }
        let isWords = try endsWords && isOfWords(vocabulary)
        if isWords {
            guard pattern == nil else {
                throw TextError.damagedTokenizer(reason: "the files are of GPT-1's kind, which is cut at spaces; leave the pattern out")
            }
            specials = specials.filter { $0.name == unknown }
        }
        let json = HubWriter(
            style: isWords ? .words : .byteLevel(pattern ?? .gpt2), added: specials.sorted { $0.id < $1.id },
            vocabulary: HubWriter.vocabulary(tokens), merges: lines.map { Array($0) }, takesWholeChunks: false)
        guard let tokenizer = try PublishedTokenizer.saved(Data(json.bytes)) else {
            throw TextError.damagedTokenizer(reason: "the vocabulary cannot be read")
        }
        return tokenizer
    }
}
