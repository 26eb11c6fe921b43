/// What must be known of a whole text before any of it is tokenized.
struct TextFacts: Codable, Equatable {
    var bytes = 0
    /// Unicode scalars.
    var characters = 0
    var documents = 0
    /// Those that occur, ascending; only where they were asked for.
    var codePoints: [UInt32]?

    /// Reads all of `source`.
    /// - Parameter progress: called with bytes on disk that were read.
    /// - Throws: `TextError`, or what `progress` throws.
    init(
        of source: TextSource, isSeparated: Bool, blockSize: Int, collectsCharacters: Bool, progress: (Int) throws -> Void
    ) throws {
        var seen = [Bool](repeating: false, count: collectsCharacters ? 0x110000 : 0)
        let feed = BlockFeed(TextReader(source, isSeparated: isSeparated, blockSize: blockSize))
        while let block = try feed.next() {
            bytes += block.bytes.count
            documents += block.documentEnds.count
            block.bytes.withUnsafeBufferPointer { text in
                characters += UTF8Scalars.count(in: text)
                guard collectsCharacters, let base = text.baseAddress else { return }
                seen.withUnsafeMutableBufferPointer { seen in
                    var index = 0
                    while index < text.count {
                        let (value, length) = UTF8Scalars.decode(base, at: index, end: text.count)
                        // Blocks hold well-formed text only.
                        if value < 0x110000 { seen[Int(value)] = true }
                        index += length
                    }
                }
            }
            try progress(feed.bytesRead)
        }
        if collectsCharacters { codePoints = seen.indices.lazy.filter { seen[$0] }.map { UInt32($0) } }
    }
}

/// Where the training part of a text ends and the validation part begins: behind the first ⌊(1 − fraction) · n⌋ of n characters,
/// as Python's `int(0.9 * len(text))`; between separated documents behind the one that holds the last of them, but before the
/// last document.
struct TextSplit: Codable, Equatable {
    private let trainCharacters: Int
    private let documents: Int
    private let isBetweenDocuments: Bool
    private var characters = 0
    private var documentsDone = 0
    /// Whether the training part is through.
    private(set) var isValidation = false

    /// Whether a saved one can be gone on from; what was tampered with must not be computed with.
    var isSound: Bool { [characters, documentsDone, documents].allSatisfy { (0...1 << 50).contains($0) } && trainCharacters >= 0 }

    /// Everything is the training part.
    static var whole: TextSplit { TextSplit() }

    private init() { (trainCharacters, documents, isBetweenDocuments) = (.max, 0, false) }

    /// - Throws: `TextError.tooShort`.
    init(_ facts: TextFacts, validationFraction fraction: Double, isSeparated: Bool, name: String) throws {
        documents = facts.documents
        isBetweenDocuments = isSeparated && facts.documents > 1
        let characters = Int((1 - fraction) * Double(facts.characters))
        guard characters >= 1, characters < facts.characters else {
            let needed = max(2, (1 / (1 - fraction)).rounded(.up))
            throw TextError.tooShort(source: name, characters: facts.characters, needed: Int(exactly: needed) ?? .max)
        }
        trainCharacters = characters
    }

    /// Goes on behind a block; the byte of it at which the training part ends, if it does so within.
    mutating func take(_ block: TextBlock) -> Int? {
        guard !isValidation, trainCharacters < .max else { return nil }
        return block.bytes.withUnsafeBufferPointer { text -> Int? in
            if !isBetweenDocuments {
                let count = UTF8Scalars.count(in: text)
                defer { characters += count }
                guard trainCharacters - characters <= count else { return nil }
                isValidation = true
                return UTF8Scalars.byteOffset(ofScalar: trainCharacters - characters, in: text)
            }
            var start = 0
            for end in block.documentEnds {
                characters += UTF8Scalars.count(in: UnsafeBufferPointer(rebasing: text[start..<end]))
                (start, documentsDone) = (end, documentsDone + 1)
                if characters >= trainCharacters || documentsDone == documents - 1 {
                    isValidation = true
                    return end
                }
            }
            characters += UTF8Scalars.count(in: UnsafeBufferPointer(rebasing: text[start...]))
            return nil
        }
    }
}
