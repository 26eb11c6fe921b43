import Foundation

/// A tokenized text as it lies in a folder: token files of bounded size for each part, and a manifest that says which.
///
/// The manifest is written anew after every shard, so what was done is not lost when the rest is not.
struct TokenManifest: Codable, Equatable {
    static let currentVersion = 1
    static let fileName = "manifest"

    struct Shard: Codable, Equatable {
        var tokens: Int
        /// As the shard's own header has it.
        var checksum: UInt64
    }

    struct Part: Codable, Equatable {
        var tokens = 0
        /// Bytes of text that they stand for.
        var bytes = 0
        var documents = 0
        var shards: [Shard] = []
    }

    /// Where tokenizing goes on.
    struct Rest: Codable, Equatable {
        var position: TextPosition
        var split: TextSplit
    }

    var version = TokenManifest.currentVersion
    /// What the tokens are called, and the hash of the text that they were made from.
    var name: String
    var contentHash: String
    /// Everything that the tokens depend on.
    var key: String
    /// The hash of the tokenizer as it is saved.
    var tokenizer: String
    var vocabularySize: Int
    /// The token between documents, where there is one.
    var endToken: Int32?
    var train = Part(), validation = Part()
    /// Nil when everything is done.
    var rest: Rest?

    /// The manifest in `folder`, or nil where there is none that is whole.
    init?(folder: String) {
        guard let bytes = SealedFile.read("\(folder)/\(TokenManifest.fileName)"),
            let manifest = try? JSONDecoder().decode(TokenManifest.self, from: Data(bytes)),
            manifest.version == TokenManifest.currentVersion, manifest.isSound
        else { return nil }
        self = manifest
    }

    init(name: String, contentHash: String, key: String, tokenizer: String, vocabularySize: Int, endToken: Int32?) {
        (self.name, self.contentHash, self.key, self.tokenizer) = (name, contentHash, key, tokenizer)
        (self.vocabularySize, self.endToken) = (vocabularySize, endToken)
    }

    /// A seal can be made to fit; sums that do not must not be computed with.
    private var isSound: Bool {
        func isSound(_ part: Part) -> Bool {
            let limit = 1 << 48
            return part.shards.allSatisfy { $0.tokens >= 0 && $0.tokens <= limit } && part.shards.count <= 1 << 20
                && (0...limit).contains(part.bytes) && (0...limit).contains(part.documents)
                && part.shards.reduce(0) { min($0 + $1.tokens, limit) } == part.tokens
        }
        return vocabularySize > 0 && vocabularySize <= Int(Int32.max) && isSound(train) && isSound(validation)
            && (endToken.map { $0 >= 0 && $0 < vocabularySize } ?? true)
            && (rest.map { $0.position.isSound && $0.split.isSound } ?? true)
    }

    func save(in folder: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        try SealedFile.write(Array(try encoder.encode(self)), to: "\(folder)/\(TokenManifest.fileName)")
    }

    /// The file of a shard.
    static func path(_ folder: String, _ part: String, _ number: Int) -> String {
        "\(folder)/\(part)-\(String(format: "%05d", number)).tokens"
    }
}

/// Collects the tokens of one part and writes a shard whenever there are enough.
package struct ShardWriter {
    /// Tokens from which a shard is written; a block more at most.
    package static let usualTokens = 1 << 23
    /// What is kept in memory at most where nothing can be written.
    private static let mostBytesInMemory = 1 << 30

    let part: String
    let title: String
    let vocabularySize: Int
    /// Nil where nothing is to be kept.
    let folder: String?
    /// Whether tokens that cannot be written are an error; otherwise they stay in memory.
    let mustKeep: Bool
    private(set) var pending: [Int32] = []
    /// The shards that could not be written.
    private var unwritten: [Int: TokenFile] = [:]

    init(part: String, title: String, vocabularySize: Int, folder: String?, mustKeep: Bool = false) {
        (self.part, self.title, self.vocabularySize, self.folder, self.mustKeep) = (part, title, vocabularySize, folder, mustKeep)
    }

    mutating func append(_ tokens: [Int32]) { pending.append(contentsOf: tokens) }

    /// Whether everything so far is on disk.
    var isKept: Bool { folder != nil && unwritten.isEmpty }

    /// Writes what is pending as the next shard of `record`.
    /// - Throws: `TextError.unwritable` when there is neither room on disk nor in memory.
    mutating func close(_ record: inout TokenManifest.Part) throws {
        guard !pending.isEmpty else { return }
        let number = record.shards.count
        var checksum: UInt64 = 0
        do {
            guard let folder else { throw TextError.unwritable(path: title, reason: "no folder") }
            checksum = try TokenFile.write(pending, vocabularySize: vocabularySize, to: TokenManifest.path(folder, part, number))
        } catch let TextError.unwritable(path, reason) {
            // A full disk is no reason not to train, as long as the memory has room.
            guard !mustKeep, (record.tokens + pending.count) * 4 <= ShardWriter.mostBytesInMemory else {
                throw TextError.unwritable(path: path, reason: reason)
            }
            unwritten[number] = try TokenFile(tokens: pending, vocabularySize: vocabularySize, name: title)
        }
        record.tokens += pending.count
        record.shards.append(TokenManifest.Shard(tokens: pending.count, checksum: checksum))
        pending.removeAll(keepingCapacity: true)
    }

    /// All tokens of the part.
    /// - Throws: `TextError` when a shard is not what `record` says.
    func open(_ record: TokenManifest.Part, _ rule: WindowRule) throws -> TokenFile {
        let shards = try Parallel.map(Array(record.shards.enumerated())) { number, shard in
            if let file = unwritten[number] { return file }
            guard let folder else { throw TextError.empty(source: title) }
            return try TokenFile(shard, path: TokenManifest.path(folder, part, number), vocabularySize: vocabularySize)
        }
        return try TokenFile(shards: shards, vocabularySize: vocabularySize, name: title, rule: rule)
    }
}

extension TokenFile {
    /// The shard at `path`, which must be the one that a manifest speaks of.
    convenience init(_ shard: TokenManifest.Shard, path: String, vocabularySize: Int) throws {
        try self.init(path: path)
        guard count == shard.tokens, checksum == shard.checksum, self.vocabularySize == vocabularySize else {
            throw TextError.damagedTokenFile(path: path, reason: "it is not the one that the manifest beside it speaks of")
        }
    }
}
