import Foundation

/// Byte-level byte-pair encoding: ids 0 to 255 are the bytes, and id 256 + r is the token that the merge of rank r makes.
///
/// Any bytes can be encoded, well-formed UTF-8 or not, and decode to themselves.
public struct BPETokenizer: Tokenizer {
    static let kindName = "bpe"
    /// Longer tokens are of no use, and without a limit a few merges of merges would describe terabytes.
    static let longestToken = 4096
    private static let largestVocabularyBytes = 1 << 28

    /// How text is cut before merging.
    public let pattern: SplitPattern
    /// The merges in order of rank.
    public let merges: [TokenPair]
    /// Vocabulary and merges as the encoder wants them.
    let model: BPEModel

    public var kind: String { BPETokenizer.kindName }
    public var vocabularySize: Int { 256 + merges.count }

    /// The tokenizer of these merges; a merge may only use bytes and merges before it, and no pair twice.
    public init(merges: [TokenPair], pattern: SplitPattern) throws {
        guard merges.count < Int32.max - 256 else {
            throw TextError.damagedTokenizer(reason: "\(merges.count) merges are too many")
        }
        var rules = MergeRules(minimumCapacity: merges.count)
        var table = TokenTable(minimumCapacity: 256 + merges.count)
        for byte in UInt8.min...UInt8.max { _ = table.insert(CollectionOfOne(byte), id: Int32(byte)) }
        for (rank, pair) in merges.enumerated() {
            guard let left = table.token(pair.left), let right = table.token(pair.right) else {
                throw TextError.damagedTokenizer(reason: "merge \(rank) uses a token that does not exist before it")
            }
            guard rules.rank(pair.left, pair.right) == Int32.max else {
                throw TextError.damagedTokenizer(reason: "merge \(rank) is there twice")
            }
            let length = left.count + right.count
            guard length <= BPETokenizer.longestToken, table.bytes.count + length <= BPETokenizer.largestVocabularyBytes else {
                throw TextError.damagedTokenizer(reason: "the token of merge \(rank) is too long")
            }
            // Two merges that make the same bytes never come out of training.
            guard table.insert(left + right, id: Int32(256 + rank)) else {
                throw TextError.damagedTokenizer(reason: "merge \(rank) makes a token that there is already")
            }
            rules.append(pair, makes: Int32(256 + rank))
        }
        (self.pattern, self.merges) = (pattern, merges)
        model = BPEModel(table: table, rules: rules, isByteLevel: true, symbolOfByte: (0..<256).map { Int32($0) })
    }

    init(flatMerges: [Int32], pattern: SplitPattern) throws {
        guard flatMerges.count % 2 == 0 else { throw TextError.damagedTokenizer(reason: "an odd number of merge ids") }
        try self.init(
            merges: (0..<flatMerges.count / 2).map { TokenPair(flatMerges[$0 * 2], flatMerges[$0 * 2 + 1]) }, pattern: pattern)
    }

    /// The merges of GPT-2's published `vocab.bpe`, which writes every byte as a printable character.
    ///
    /// Tokens of merges get GPT-2's own ids; the single bytes are 0 to 255 in order here, where GPT-2 has another order.
    public init(vocabBPE data: Data) throws {
        var idOfToken: [[UInt8]: Int32] = [:]
        for byte in UInt8.min...UInt8.max { idOfToken[[byte]] = Int32(byte) }
        var merges: [TokenPair] = []
        for line in data.split(separator: 0x0A) {
            if line.starts(with: "#version".utf8) { continue }
            let halves = line.split(separator: 0x20).map { ByteAlphabet.bytes(of: $0) ?? [] }
            guard halves.count == 2, let left = idOfToken[halves[0]], let right = idOfToken[halves[1]] else {
                throw TextError.damagedTokenizer(reason: "line \(merges.count + 2) of the merges is not two known tokens")
            }
            idOfToken[halves[0] + halves[1]] = Int32(256 + merges.count)
            merges.append(TokenPair(left, right))
        }
        try self.init(merges: merges, pattern: .gpt2)
    }

    public func encode(utf8: UnsafeBufferPointer<UInt8>) throws -> [Int32] {
        try model.encode(utf8, .pattern(pattern), threads: nil)
    }

    /// The ids of `utf8` by at most so many threads; the ids are the same for any number.
    public func encode(utf8: UnsafeBufferPointer<UInt8>, threads: Int?) throws -> [Int32] {
        try model.encode(utf8, .pattern(pattern), threads: threads)
    }

    public func bytes(of id: Int32) -> [UInt8] { model.table.token(id).map { Array($0) } ?? [] }

    public func decode(_ ids: [Int32]) -> String {
        var all: [UInt8] = []
        all.reserveCapacity(ids.count * 4)
        for id in ids { if let token = model.table.token(id) { all.append(contentsOf: token) } }
        return String(decoding: all, as: UTF8.self)
    }

    public func serialized() -> Data {
        var saved = SavedTokenizer(kind: kind)
        saved.pattern = pattern.rawValue
        saved.merges = merges.flatMap { [$0.left, $0.right] }
        return saved.data()
    }
}
