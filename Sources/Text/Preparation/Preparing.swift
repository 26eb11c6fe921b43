import Foundation

/// What is to be made of a text.
public struct PreparationOptions: Sendable {
    /// Nil for no validation part at all.
    public var validationFraction: Double? = 0.1
    public var documents = Documents.joined
    /// The name of the token between documents; nil for the one that the tokenizer has for it.
    public var endToken: String?
    /// Whether tokens are kept, and kept ones used.
    public var usesCache = true
    /// The folder to keep tokens and tokenizer in, instead of the cache.
    public var folder: String?

    public init() {}
}

/// How far preparing a text is.
public enum PreparationProgress: Sendable, Equatable {
    /// Bytes looked through, to know the text and its length.
    case reading(done: Int, of: Int)
    /// Merges learned.
    case learning(merges: Int, of: Int)
    /// Bytes tokenized, and the tokens so far.
    case tokenizing(done: Int, of: Int, tokens: Int)
}

extension Dataset {
    /// Tokenizes and splits a text, which may be larger than the memory: it is read block by block, and its tokens lie in files.
    ///
    /// The training part is the first ⌊(1 − `validationFraction`) · n⌋ of n characters, as Python's `int(0.9 * len(text))`;
    /// separated documents are not cut, unless there is one alone. A char vocabulary is that of the whole text; bpe is
    /// trained on the training part alone. Tokens are kept beside the text or in the user's cache and found there the next
    /// time; what was stopped is gone on with.
    /// - Parameter progress: called now and then; stops when it returns false.
    /// - Throws: `TextError`, and `CancellationError` when stopped.
    public static func prepare(
        _ source: TextSource, tokenizer spec: TokenizerSpec, _ options: PreparationOptions = PreparationOptions(),
        locations: Locations = Locations(), progress: @escaping (PreparationProgress) -> Bool = { _ in true }
    ) throws -> Dataset {
        try Preparing(source, spec, options, locations: locations, progress: progress).run()
    }
}

/// The making of one dataset.
package struct Preparing {
    /// Raised when tokenizing or training changes, so that what was kept from before is not used.
    private static let cacheVersion = 2
    /// Bytes of text that a bpe tokenizer is trained on at most; more hardly changes it, and takes a multiple of memory.
    package static let usualTrainingBytes = 64_000_000

    private let source: TextSource
    private let spec: TokenizerSpec
    private let options: PreparationOptions
    private let cache: DatasetCache?
    private let progress: (PreparationProgress) -> Bool
    /// Smaller in tests, so that small texts have several of each.
    let blockSize: Int, shardTokens: Int, mostTrainingBytes: Int

    package init(
        _ source: TextSource, _ spec: TokenizerSpec, _ options: PreparationOptions, locations: Locations,
        blockSize: Int = TextReader.usualBlockSize, shardTokens: Int = ShardWriter.usualTokens,
        mostTrainingBytes: Int = usualTrainingBytes, progress: @escaping (PreparationProgress) -> Bool
    ) throws {
        if let fraction = options.validationFraction, !(fraction > 0 && fraction < 1) {
            throw TextError.invalidSetting(name: "the validation fraction", value: "\(fraction)", requirement: "between 0 and 1")
        }
        (self.source, self.spec, self.options, self.progress) = (source, spec, options, progress)
        (self.blockSize, self.shardTokens, self.mostTrainingBytes) = (blockSize, shardTokens, mostTrainingBytes)
        cache = options.usesCache ? DatasetCache(for: source, locations: locations) : nil
    }

    /// The validation part, for names of what is kept.
    private var part: String { options.validationFraction.map { "\($0)" } ?? "whole" }

    private var isSeparated: Bool { options.documents != .joined }

    private func tell(_ state: PreparationProgress) throws {
        guard progress(state) else { throw CancellationError() }
    }

    package func run() throws -> Dataset {
        let size = source.size
        let hash = try source.fingerprint { try tell(.reading(done: $0, of: size)) }
        try source.requireUnchanged()
        let way = isSeparated ? "-separated" : ""
        let key = "v\(Preparing.cacheVersion)-\(hash)\(way)"
        let (tokenizer, end) = try ended(makeTokenizer(key))

        // Named by the tokenizer itself and not by how it came to be, so that tokens and tokenizer always fit together.
        let saved = ContentHash(tokenizer.serialized()).description
        let made = "\(tokenizer.kind)\(tokenizer.vocabularySize)-\(saved)"
        let name = "\(key)-\(part)-\(made)" + (end.map { "-\($0)" } ?? "")
        let folder = try options.folder.map { try taken($0, for: name, tokenizer) } ?? cache?.tokens(name)
        if let folder, let kept = TokenManifest(folder: folder), kept.key == name {
            // What is damaged is made again.
            if let dataset = try? dataset(kept, tokenizer, writers(folder, kept)) {
                return kept.rest == nil ? dataset : try tokenize(tokenizer, kept, folder, key)
            }
        }
        let fresh = TokenManifest(
            name: source.name, contentHash: hash, key: name, tokenizer: saved, vocabularySize: tokenizer.vocabularySize,
            endToken: end)
        return try tokenize(tokenizer, fresh, folder, key)
    }

    /// The folder that somebody asked for: a new one, an empty one, or one that these very tokens were begun in.
    private func taken(_ folder: String, for key: String, _ tokenizer: any Tokenizer) throws -> String {
        let isOurs = TokenManifest(folder: folder)?.key == key
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).filter { !$0.hasSuffix(".tmp") }
        // Stopped before the manifest was there, nothing but the tokenizer is.
        let path = "\(folder)/\(TokenFolder.tokenizerName)", serialized = Array(tokenizer.serialized())
        let isBegun = names == [TokenFolder.tokenizerName] && (try? Files.contents(of: path)) == serialized
        guard names.isEmpty || isBegun || isOurs, Files.kind(of: folder) ?? .folder == .folder else {
            throw TextError.unwritable(path: folder, reason: "something else is there; name a new folder")
        }
        try Files.makeFolder(folder)
        try Files.writeAtomically(serialized, to: path)
        return folder
    }

    private func writers(_ folder: String?, _ manifest: TokenManifest) -> (train: ShardWriter, validation: ShardWriter) {
        func writer(_ part: String) -> ShardWriter {
            ShardWriter(
                part: part, title: "\(source.name) (\(part))", vocabularySize: manifest.vocabularySize, folder: folder,
                mustKeep: options.folder != nil)
        }
        return (writer("train"), writer("validation"))
    }

    private func dataset(
        _ manifest: TokenManifest, _ tokenizer: any Tokenizer, _ writers: (train: ShardWriter, validation: ShardWriter)
    ) throws -> Dataset {
        let rule = WindowRule(options.documents, end: manifest.endToken)
        return Dataset(
            manifest, source.name, tokenizer, train: try writers.train.open(manifest.train, rule),
            validation: try writers.validation.open(manifest.validation, rule), folder: writers.train.isKept ? writers.train.folder : nil)
    }

    // MARK: Tokenizer

    /// The tokenizer with a token to stand between documents, where they are separated.
    private func ended(_ tokenizer: any Tokenizer) throws -> (any Tokenizer, Int32?) {
        guard isSeparated else { return (tokenizer, nil) }
        return try tokenizer.delimited(endToken: options.endToken)
    }

    private func facts(_ key: String) throws -> TextFacts {
        let isChar = if case .char = spec { true } else { false }
        func make() throws -> TextFacts {
            let size = source.size
            return try TextFacts(
                of: source, isSeparated: isSeparated, blockSize: blockSize, collectsCharacters: isChar
            ) { try tell(.reading(done: $0, of: size)) }
        }
        // Only what belongs to the text may be kept.
        func makeUnchanged() throws -> TextFacts {
            let facts = try make()
            try source.requireUnchanged()
            return facts
        }
        let facts = try cache?.facts(key + (isChar ? "-char" : ""), make: makeUnchanged) ?? makeUnchanged()
        guard facts.bytes > 0 else { throw TextError.empty(source: source.name) }
        return facts
    }

    private func split(_ key: String) throws -> TextSplit {
        guard let fraction = options.validationFraction else { return .whole }
        return try TextSplit(facts(key), validationFraction: fraction, isSeparated: isSeparated, name: source.name)
    }

    private func makeTokenizer(_ key: String) throws -> any Tokenizer {
        switch spec {
        case .char: return try CharTokenizer(codePoints: facts(key).codePoints ?? [])
        case .byte: return ByteTokenizer()
        case .fixed(let tokenizer): return tokenizer
        case .file(let path, let pattern):
            guard !path.isEmpty else {
                throw TextError.invalidSetting(
                    name: "data.tokenizer.path", value: "empty", requirement: "the path of a tokenizer, such as gpt2/tokenizer.json")
            }
            return try Tokenizers.open(path, pattern: pattern)
        case .bpe(let wanted, let pattern):
            // The token between documents is one of those asked for.
            let size = isSeparated ? max(wanted - 1, 256) : wanted
            func train() throws -> any Tokenizer {
                let (text, documents) = try trainingText(key)
                return try text.withUnsafeBufferPointer { text in
                    try BPETokenizer.train(
                        on: text, documents: isSeparated ? documents : [0..<text.count], vocabularySize: size, pattern: pattern
                    ) { try tell(.learning(merges: $0, of: size - 256)) }
                }
            }
            guard let cache else { return try train() }
            return try cache.tokenizer("\(key)-\(part)-bpe\(size)-\(pattern.rawValue)", make: train)
        }
    }

    /// The training part, or where that is long blocks spread evenly over it.
    private func trainingText(_ key: String) throws -> ([UInt8], documents: [Range<Int>]) {
        let facts = try facts(key), size = source.size
        var split = try split(key)
        let share = min(1, Double(mostTrainingBytes) / (Double(facts.bytes) * (1 - (options.validationFraction ?? 0))))
        var text: [UInt8] = [], documents: [Range<Int>] = []
        var credit = 0.0
        let feed = BlockFeed(TextReader(source, isSeparated: isSeparated, blockSize: blockSize))
        while !split.isValidation, let block = try feed.next() {
            let end = split.take(block) ?? block.bytes.count
            credit += share * Double(end)
            // Without a share everything is taken, rounding or not.
            if share == 1 || credit >= Double(end) {
                credit -= Double(end)
                let ends = block.documentEnds.filter { $0 <= end }
                documents += block.ranges(through: end, ends: ends).map { $0.lowerBound + text.count..<$0.upperBound + text.count }
                text.append(contentsOf: block.bytes[..<end])
            }
            try tell(.reading(done: feed.bytesRead, of: size))
        }
        return (text, documents)
    }

    // MARK: Tokens

    private func tokenize(
        _ tokenizer: any Tokenizer, _ start: TokenManifest, _ folder: String?, _ key: String
    ) throws -> Dataset {
        var manifest = start, (train, validation) = writers(folder, start)
        var split = try start.rest?.split ?? split(key)
        let size = source.size
        let feed = BlockFeed(
            TextReader(source, isSeparated: isSeparated, blockSize: blockSize, from: start.rest?.position ?? TextPosition()))
        func save(_ rest: TokenManifest.Rest?) throws {
            try source.requireUnchanged()
            manifest.rest = rest
            guard let folder, train.isKept, validation.isKept else { return }
            do {
                try manifest.save(in: folder)
            } catch {
                // What cannot be kept is made again the next time.
                if options.folder != nil { throw error }
            }
        }
        if let folder { Files.sweep(folder) }
        // From here on the folder says what it is for.
        try save(TokenManifest.Rest(position: start.rest?.position ?? TextPosition(), split: split))
        while let block = try feed.next() {
            let wasValidation = split.isValidation
            let cut = split.take(block)
            if !wasValidation {
                try take(block, 0..<(cut ?? block.bytes.count), tokenizer, &train, &manifest.train, manifest.endToken)
                if cut != nil { try train.close(&manifest.train) }
            }
            if wasValidation || cut != nil {
                try take(
                    block, (cut ?? 0)..<block.bytes.count, tokenizer, &validation, &manifest.validation, manifest.endToken,
                    goesOn: cut == nil)
            }
            if train.pending.count >= shardTokens || validation.pending.count >= shardTokens {
                try train.close(&manifest.train)
                try validation.close(&manifest.validation)
                try save(TokenManifest.Rest(position: block.next, split: split))
            }
            try tell(
                .tokenizing(
                    done: feed.bytesRead, of: size,
                    tokens: manifest.train.tokens + manifest.validation.tokens + train.pending.count + validation.pending.count))
        }
        try train.close(&manifest.train)
        try validation.close(&manifest.validation)
        guard manifest.train.tokens > 0, manifest.validation.tokens > 0 || options.validationFraction == nil else {
            throw TextError.empty(source: source.name)
        }
        try save(nil)
        return try dataset(manifest, tokenizer, (train, validation))
    }

    /// Tokenizes a stretch of a block.
    private func take(
        _ block: TextBlock, _ range: Range<Int>, _ tokenizer: any Tokenizer, _ writer: inout ShardWriter,
        _ record: inout TokenManifest.Part, _ end: Int32?, goesOn: Bool = true
    ) throws {
        record.bytes += range.count
        // At the very beginning of a block a document may end that the part had before.
        let ends = block.documentEnds.filter {
            $0 > range.lowerBound && $0 <= range.upperBound || $0 == 0 && range.lowerBound == 0 && goesOn
        }
        record.documents += ends.count
        try block.bytes.withUnsafeBufferPointer { text in
            guard let end else {
                writer.append(try tokenizer.encode(utf8: UnsafeBufferPointer(rebasing: text[range])))
                return
            }
            // The token stands before the first document too: it is what a model starts from.
            if record.tokens + writer.pending.count == 0 { writer.append([end]) }
            let documents = block.ranges(from: range.lowerBound, through: range.upperBound, ends: ends)
            var tokens = try tokenizer.encode(documents: documents, of: text, end: end)
            // The last of them goes on in the next block.
            if ends.last != range.upperBound, !documents.isEmpty { tokens.removeLast() }
            writer.append(tokens)
        }
    }
}

extension TextBlock {
    /// The documents from `start` through `end`, the last of which may go on behind it.
    fileprivate func ranges(from start: Int = 0, through end: Int, ends: [Int]) -> [Range<Int>] {
        var ranges: [Range<Int>] = [], start = start
        for documentEnd in ends {
            ranges.append(start..<documentEnd)
            start = documentEnd
        }
        return start < end ? ranges + [start..<end] : ranges
    }
}

extension Dataset {
    init(
        _ manifest: TokenManifest, _ name: String, _ tokenizer: any Tokenizer, train: TokenFile, validation: TokenFile, folder: String?
    ) {
        func bytesPerToken(_ part: TokenManifest.Part) -> Double { Double(part.bytes) / Double(max(part.tokens, 1)) }
        self.init(
            name: name, contentHash: manifest.contentHash, train: train, validation: validation, tokenizer: tokenizer,
            endToken: manifest.endToken, trainBytesPerToken: bytesPerToken(manifest.train),
            validationBytesPerToken: bytesPerToken(manifest.validation),
            documents: manifest.endToken == nil ? nil : (manifest.train.documents, manifest.validation.documents), folder: folder)
    }
}
