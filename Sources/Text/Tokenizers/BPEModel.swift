import Foundation

/// The heart of every tokenizer by byte pairs: a vocabulary, the merges, and what to do with what neither has.
struct BPEModel: Sendable {
    /// How a text is cut into chunks that are merged one by one.
    enum Cutting: Sendable {
        case whole
        case pattern(SplitPattern)
        case regex(SplitRegex)
    }

    /// Longer chunks hardly ever come again, so remembering them is waste.
    private static let longestRememberedChunk = 64
    /// Below this starting threads costs more than it brings.
    private static let leastBytesAThread = 100_000

    let table: TokenTable
    let rules: MergeRules
    /// Whether the first symbols are bytes; otherwise they are characters.
    let isByteLevel: Bool
    /// The token of each byte by itself, or the one that stands for it where its character is not known; -1 for none.
    let symbolOfByte: [Int32]
    /// The token for a character that the vocabulary does not have.
    var unknown: Int32?
    /// Whether several unknown characters in a row are one token.
    var fusesUnknown = false
    /// Whether a chunk that is a token is that token, whatever the merges say.
    var takesWholeChunks = false
    /// What is added to symbols by their place in the chunk.
    var affixes: SymbolAffixes?
    /// Whether every byte has a token, so that nothing needs to be asked.
    private let isComplete: Bool

    init(table: TokenTable, rules: MergeRules, isByteLevel: Bool, symbolOfByte: [Int32]) {
        (self.table, self.rules, self.isByteLevel, self.symbolOfByte) = (table, rules, isByteLevel, symbolOfByte)
        isComplete = isByteLevel && symbolOfByte.allSatisfy { $0 >= 0 }
    }

    /// The tokens of a text, which is cut into chunks first.
    /// - Parameter threads: as many at most; nil for as many as the machine has.
    func encode(_ text: UnsafeBufferPointer<UInt8>, _ cutting: Cutting, threads: Int? = 1) throws -> [Int32] {
        guard case .pattern(let pattern) = cutting, text.count >= 2 * BPEModel.leastBytesAThread, threads != 1 else {
            var output: [Int32] = []
            output.reserveCapacity(text.count / 2 + 16)
            try encode(text, cutting, into: &output)
            return output
        }
        let wanted = min(threads ?? ProcessInfo.processInfo.activeProcessorCount, text.count / BPEModel.leastBytesAThread)
        let pieces = ChunkScanner.pieces(of: text, atMost: wanted)
        let parts = try Parallel.map(pieces) { piece in
            var output: [Int32] = []
            output.reserveCapacity(piece.count / 2 + 16)
            encode(UnsafeBufferPointer(rebasing: text[piece]), pattern, into: &output)
            return output
        }
        return Parallel.joined(parts)
    }

    /// Appends the tokens of a text to `output`.
    func encode(_ text: UnsafeBufferPointer<UInt8>, _ cutting: Cutting, into output: inout [Int32]) throws {
        switch cutting {
        case .pattern(let pattern): encode(text, pattern, into: &output)
        case .whole:
            var merger = ChunkMerger(rules)
            append(text, &merger, into: &output)
        case .regex(let regex):
            var search = SplitRegex.Search(regex, in: text)
            var encoder = ChunkEncoder(self, text)
            var at = 0
            while at < text.count {
                let match = try search.next(from: at)
                let start = match?.lowerBound ?? text.count
                if start > at { encoder.encode(at..<start, into: &output) }
                if let match { encoder.encode(match, into: &output) }
                at = match?.upperBound ?? text.count
            }
        }
    }

    private func encode(_ text: UnsafeBufferPointer<UInt8>, _ pattern: SplitPattern, into output: inout [Int32]) {
        var scanner = ChunkScanner(text, pattern: pattern)
        var encoder = ChunkEncoder(self, text)
        while let chunk = scanner.next() { encoder.encode(chunk, into: &output) }
    }

    /// The tokens of documents in `text`, each by itself and followed by `end`; an encoder knows the chunks of all documents that
    /// its thread has had.
    func encode(documents: [Range<Int>], of text: UnsafeBufferPointer<UInt8>, _ pattern: SplitPattern, end: Int32) throws -> [Int32] {
        try DocumentGroups.encode(documents) { group, output in
            var encoder = ChunkEncoder(self, text)
            for document in group {
                var scanner = ChunkScanner(UnsafeBufferPointer(rebasing: text[document]), pattern: pattern)
                while let chunk = scanner.next() {
                    encoder.encode(chunk.lowerBound + document.lowerBound..<chunk.upperBound + document.lowerBound, into: &output)
                }
                output.append(end)
            }
        }
    }

    /// Appends the tokens of ranges of `text`.
    func encode(_ text: UnsafeBufferPointer<UInt8>, chunks: [Range<Int>], into output: inout [Int32]) {
        var encoder = ChunkEncoder(self, text)
        for chunk in chunks { encoder.encode(chunk, into: &output) }
    }

    /// Encodes the chunks of one text, each different one once.
    struct ChunkEncoder {
        private let model: BPEModel
        private let text: UnsafeBufferPointer<UInt8>
        private var merger: ChunkMerger
        private var seen: ChunkTable
        /// Where in the output the tokens of each different chunk were first written.
        private var spans: [Range<Int>] = []

        init(_ model: BPEModel, _ text: UnsafeBufferPointer<UInt8>) {
            (self.model, self.text) = (model, text)
            (merger, seen) = (ChunkMerger(model.rules), ChunkTable(text))
        }

        @inline(__always)
        mutating func encode(_ chunk: Range<Int>, into output: inout [Int32]) {
            if chunk.count > BPEModel.longestRememberedChunk {
                // Positions within a chunk are 31-bit numbers; a longer one is cut.
                for start in stride(from: chunk.lowerBound, to: chunk.upperBound, by: 1 << 30) {
                    let piece = start..<min(chunk.upperBound, start + 1 << 30)
                    model.append(UnsafeBufferPointer(rebasing: text[piece]), &merger, into: &output)
                }
                return
            }
            let (number, isNew) = seen.number(of: chunk)
            if isNew {
                let start = output.count
                model.append(UnsafeBufferPointer(rebasing: text[chunk]), &merger, into: &output)
                spans.append(start..<output.count)
            } else {
                for index in spans[number] { output.append(output[index]) }
            }
        }
    }

    /// Appends the tokens of one chunk.
    func append(_ chunk: UnsafeBufferPointer<UInt8>, _ merger: inout ChunkMerger, into output: inout [Int32]) {
        if takesWholeChunks, let id = table.id(of: chunk) {
            output.append(id)
            return
        }
        merger.tokens.removeAll(keepingCapacity: true)
        if isComplete, affixes == nil {
            for byte in chunk { merger.tokens.append(symbolOfByte[Int(byte)]) }
        } else {
            appendSymbols(of: chunk, to: &merger.tokens)
        }
        merger.merge(into: &output)
    }

    /// The first symbols where some may be missing: bytes or characters, what stands for them, or the unknown token.
    private func appendSymbols(of chunk: UnsafeBufferPointer<UInt8>, to symbols: inout [Int32]) {
        guard let bytes = chunk.baseAddress else { return }
        var isUnknownPending = false
        var at = 0
        while at < chunk.count {
            let length = isByteLevel ? 1 : UTF8Scalars.decode(bytes, at: at, end: chunk.count).length
            let character = UnsafeBufferPointer(rebasing: chunk[at..<at + length])
            let affixed = affixes?.added(to: character, isFirst: at == 0, isLast: at + length == chunk.count)
            at += length
            let plain = isByteLevel ? known(symbolOfByte[Int(character[0])]) : table.id(of: character)
            if let id = affixed.map({ table.id(of: $0) }) ?? plain {
                if isUnknownPending, let unknown { symbols.append(unknown) }
                isUnknownPending = false
                symbols.append(id)
            } else if !isByteLevel, hasFallback(affixed, character) {
                // An unknown character before it stays pending here: so the `tokenizers` library has it.
                for byte in affixed ?? Array(character) { symbols.append(symbolOfByte[Int(byte)]) }
            } else if let unknown {
                if isUnknownPending, !fusesUnknown { symbols.append(unknown) }
                isUnknownPending = true
            }
        }
        if isUnknownPending, let unknown { symbols.append(unknown) }
    }

    /// Whether every byte of a character, and of what is added to it, has a token.
    private func hasFallback(_ affixed: [UInt8]?, _ character: UnsafeBufferPointer<UInt8>) -> Bool {
        character.allSatisfy { symbolOfByte[Int($0)] >= 0 } && affixed?.allSatisfy { symbolOfByte[Int($0)] >= 0 } != false
    }

    private func known(_ id: Int32) -> Int32? { id < 0 ? nil : id }
}

/// What vocabularies that tell words' starts or ends apart add to the first symbols of a chunk: GPT-1 has `</w>` behind the last.
struct SymbolAffixes: Sendable {
    /// In front of all but the first.
    let prefix: [UInt8]
    /// Behind the last.
    let suffix: [UInt8]

    /// The symbol with what belongs to it; nil where that is nothing.
    func added(to symbol: UnsafeBufferPointer<UInt8>, isFirst: Bool, isLast: Bool) -> [UInt8]? {
        guard !isFirst && !prefix.isEmpty || isLast && !suffix.isEmpty else { return nil }
        return (isFirst ? [] : prefix) + symbol + (isLast ? suffix : [])
    }
}
