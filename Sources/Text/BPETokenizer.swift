import Foundation

/// Byte-level byte-pair encoding: ids 0 to 255 are the bytes, and id 256 + r is the token that the merge of rank r makes.
///
/// Any bytes can be encoded, well-formed UTF-8 or not, and decode to themselves.
public struct BPETokenizer: Tokenizer {
    static let kindName = "bpe"
    /// Longer tokens are of no use, and without a limit a few merges of merges would describe terabytes.
    static let longestToken = 4096
    private static let largestVocabularyBytes = 1 << 28
    /// Longer chunks hardly ever come again, so remembering them is waste.
    private static let longestRememberedChunk = 64

    /// How text is cut before merging.
    public let pattern: SplitPattern
    /// The merges in order of rank.
    public let merges: [TokenPair]
    private let ranks: PairTable
    /// The bytes of all tokens joined; token i is `tokenEnds[i - 1] ..< tokenEnds[i]`.
    private let tokenBytes: [UInt8]
    private let tokenEnds: [Int]

    public var kind: String { BPETokenizer.kindName }
    public var vocabularySize: Int { 256 + merges.count }

    /// The tokenizer of these merges; a merge may only use bytes and merges before it, and no pair twice.
    public init(merges: [TokenPair], pattern: SplitPattern) throws {
        guard merges.count < Int32.max - 256 else {
            throw TextError.damagedTokenizer(reason: "\(merges.count) merges are too many")
        }
        var ranks = PairTable(minimumCapacity: merges.count)
        var bytes = [UInt8](0...255)
        var ends = Array(1...256)
        bytes.reserveCapacity(256 + merges.count * 7)
        ends.reserveCapacity(256 + merges.count)
        for (rank, pair) in merges.enumerated() {
            let left = Int(pair.left), right = Int(pair.right)
            guard left >= 0, right >= 0, left < 256 + rank, right < 256 + rank else {
                throw TextError.damagedTokenizer(reason: "merge \(rank) uses a token that does not exist before it")
            }
            guard ranks.insert(pair.key, Int32(rank)) == rank else {
                throw TextError.damagedTokenizer(reason: "merge \(rank) is there twice")
            }
            let leftStart = left == 0 ? 0 : ends[left - 1], rightStart = right == 0 ? 0 : ends[right - 1]
            let length = ends[left] - leftStart + ends[right] - rightStart
            guard length <= BPETokenizer.longestToken, bytes.count + length <= BPETokenizer.largestVocabularyBytes else {
                throw TextError.damagedTokenizer(reason: "the token of merge \(rank) is too long")
            }
            for index in leftStart..<ends[left] { bytes.append(bytes[index]) }
            for index in rightStart..<ends[right] { bytes.append(bytes[index]) }
            ends.append(bytes.count)
        }
        (self.pattern, self.merges, self.ranks) = (pattern, merges, ranks)
        (tokenBytes, tokenEnds) = (bytes, ends)
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
        var byteOfScalar: [Unicode.Scalar: UInt8] = [:]
        var placeholder: UInt32 = 256
        for byte in UInt8.min...UInt8.max {
            let prints = (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || byte >= 0xAE
            if let scalar = Unicode.Scalar(prints ? UInt32(byte) : placeholder) { byteOfScalar[scalar] = byte }
            if !prints { placeholder += 1 }
        }
        var idOfToken: [[UInt8]: Int32] = [:]
        for byte in UInt8.min...UInt8.max { idOfToken[[byte]] = Int32(byte) }
        var merges: [TokenPair] = []
        for line in data.split(separator: 0x0A) {
            let text = String(decoding: line, as: UTF8.self)
            if text.hasPrefix("#version") { continue }
            let halves = text.split(separator: " ").map { $0.unicodeScalars.compactMap { byteOfScalar[$0] } }
            guard halves.count == 2, let left = idOfToken[halves[0]], let right = idOfToken[halves[1]] else {
                throw TextError.damagedTokenizer(reason: "line \(merges.count + 2) of the merges is not two known tokens")
            }
            idOfToken[halves[0] + halves[1]] = Int32(256 + merges.count)
            merges.append(TokenPair(left, right))
        }
        try self.init(merges: merges, pattern: .gpt2)
    }

    public func encode(utf8: UnsafeBufferPointer<UInt8>) throws -> [Int32] {
        var output: [Int32] = []
        output.reserveCapacity(utf8.count / 3 + 16)
        var scanner = ChunkScanner(utf8, pattern: pattern)
        var merger = ChunkMerger(ranks: ranks)
        var seen = ChunkTable(utf8)
        // Where in the output the tokens of each different chunk were first written.
        var spans: [Range<Int>] = []
        while let chunk = scanner.next() {
            if chunk.count == 1 {
                output.append(Int32(utf8[chunk.lowerBound]))
            } else if chunk.count > BPETokenizer.longestRememberedChunk {
                // Positions within a chunk are 31-bit numbers; a longer one is cut.
                for start in stride(from: chunk.lowerBound, to: chunk.upperBound, by: 1 << 30) {
                    let piece = start..<min(chunk.upperBound, start + 1 << 30)
                    merger.merge(UnsafeBufferPointer(rebasing: utf8[piece]), into: &output)
                }
            } else {
                let (number, isNew) = seen.number(of: chunk)
                if isNew {
                    let start = output.count
                    merger.merge(UnsafeBufferPointer(rebasing: utf8[chunk]), into: &output)
                    spans.append(start..<output.count)
                } else {
                    for index in spans[number] { output.append(output[index]) }
                }
            }
        }
        return output
    }

    public func bytes(of id: Int32) -> [UInt8] {
        guard id >= 0, id < tokenEnds.count else { return [] }
        return Array(tokenBytes[(id == 0 ? 0 : tokenEnds[Int(id) - 1])..<tokenEnds[Int(id)]])
    }

    public func decode(_ ids: [Int32]) -> String {
        var all: [UInt8] = []
        all.reserveCapacity(ids.count * 4)
        for id in ids where id >= 0 && id < tokenEnds.count {
            all.append(contentsOf: tokenBytes[(id == 0 ? 0 : tokenEnds[Int(id) - 1])..<tokenEnds[Int(id)]])
        }
        return String(decoding: all, as: UTF8.self)
    }

    public func serialized() -> Data {
        var saved = SavedTokenizer(kind: kind)
        saved.pattern = pattern.rawValue
        saved.merges = merges.flatMap { [$0.left, $0.right] }
        return saved.data()
    }
}
