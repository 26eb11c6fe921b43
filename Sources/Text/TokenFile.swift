import Formats
import Foundation

/// Tokens in a file mapped into memory, two bytes each where the vocabulary allows it, otherwise four.
///
/// The file is a header of 64 bytes (little-endian: magic, version, bytes per token, vocabulary size, count, hash of the
/// tokens, zeros, hash of the header) and the tokens. Opening checks all of it, so that every token handed out is below
/// `vocabularySize` whatever the file says. Files are replaced by renaming and never changed in place.
public final class TokenFile: @unchecked Sendable {
    // Safe to share: nothing changes after initialization.
    static let magic: UInt64 = 0x534B_4F54_4D4F_4F4C  // "LOOMTOKS"
    static let version: UInt32 = 1
    static let headerSize = 64
    private static let largeFile = 8 << 20

    /// How many tokens there are.
    public let count: Int
    /// Every token is below this.
    public let vocabularySize: Int
    /// What the tokens are called in errors.
    public let name: String
    /// The examples that the tokens are; nil for running text.
    let examples: Examples?
    /// Where windows may lie.
    let rule: WindowRule
    /// Of the tokens of a file; 0 for others.
    let checksum: UInt64
    private let storage: Storage
    /// In order, none empty unless it is the only one; none at all where there are no tokens.
    private let parts: [Part]

    /// Tokens that lie behind one another.
    struct Part {
        let tokens: UnsafeRawPointer
        let count: Int
        let isWide: Bool
        /// The number of the first of them.
        var start = 0

        var largest: UInt32 {
            isWide
                ? UnsafeBufferPointer(start: tokens.assumingMemoryBound(to: UInt32.self), count: count).reduce(0) { max($0, $1) }
                : UInt32(UnsafeBufferPointer(start: tokens.assumingMemoryBound(to: UInt16.self), count: count).reduce(0) { max($0, $1) })
        }

        func copy(from first: Int, into destination: UnsafeMutableBufferPointer<Int32>) {
            if isWide {
                let source = tokens.assumingMemoryBound(to: Int32.self) + first
                for index in destination.indices { destination[index] = source[index] }
            } else {
                let source = tokens.assumingMemoryBound(to: UInt16.self) + first
                for index in destination.indices { destination[index] = Int32(source[index]) }
            }
        }
    }

    /// Memory that is given back at the end.
    private enum Storage {
        case mapped(UnsafeMutableRawPointer, Int)
        case allocated(UnsafeMutableRawPointer)
        case files([MappedFile])
        case shards([TokenFile])
    }

    deinit {
        switch storage {
        case .mapped(let base, let length): munmap(base, length)
        case .allocated(let base): base.deallocate()
        case .files, .shards: break
        }
    }

    /// Tokens that are kept in memory only.
    public convenience init(tokens: [Int32], vocabularySize: Int, name: String = "tokens") throws {
        try self.init(tokens: tokens, vocabularySize: vocabularySize, name: name, examples: nil)
    }

    init(
        tokens: [Int32], vocabularySize: Int, name: String, examples: Examples? = nil, rule: WindowRule = .anywhere
    ) throws {
        precondition(examples.map { $0.isAnswer.count == tokens.count } ?? true, "every token is an answer or is not")
        try TokenFile.check(tokens, vocabularySize: vocabularySize)
        let isWide = TokenFile.isWide(vocabularySize), packed = TokenFile.pack(tokens, isWide: isWide)
        let base = packed.withUnsafeBytes { bytes in
            let base = UnsafeMutableRawPointer.allocate(byteCount: max(bytes.count, 1), alignment: 16)
            UnsafeMutableRawBufferPointer(start: base, count: bytes.count).copyMemory(from: bytes)
            return base
        }
        storage = .allocated(base)
        parts = [Part(tokens: UnsafeRawPointer(base), count: tokens.count, isWide: isWide)]
        (count, self.vocabularySize, self.name, self.examples) = (tokens.count, vocabularySize, name, examples)
        (self.rule, checksum) = (rule, 0)
    }

    /// Opens the file at `path`, and throws if it is anything but a whole token file.
    public init(path: String, name: String? = nil) throws {
        func damaged(_ reason: String) -> TextError { .damagedTokenFile(path: path, reason: reason) }
        guard Files.kind(of: path) != nil else { throw TextError.missing(path: path) }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw TextError.unreadable(path: path, reason: Files.lastError) }
        defer { close(descriptor) }
        var info = stat()
        guard fstat(descriptor, &info) == 0, info.st_mode & S_IFMT == S_IFREG else { throw damaged("not a regular file") }
        let length = Int(info.st_size)
        guard length >= TokenFile.headerSize else { throw damaged("\(length) bytes are less than its header") }
        guard let base = mmap(nil, length, PROT_READ, MAP_PRIVATE, descriptor, 0), base != MAP_FAILED else {
            throw TextError.unreadable(path: path, reason: Files.lastError)
        }
        // From here on deinit unmaps; before that every way out has to.
        let header: Header
        do {
            header = try Header(UnsafeRawBufferPointer(start: base, count: length), damaged: damaged)
        } catch {
            munmap(base, length)
            throw error
        }
        storage = .mapped(base, length)
        parts = [Part(tokens: UnsafeRawPointer(base + TokenFile.headerSize), count: header.count, isWide: header.isWide)]
        (count, vocabularySize) = (header.count, header.vocabularySize)
        self.name = name ?? path
        (examples, rule, checksum) = (nil, .anywhere, header.checksum)
        // Checking has read all of it; a large file need not stay in this process' memory for that.
        if length >= TokenFile.largeFile { madvise(base, length, MADV_DONTNEED) }
    }

    /// The tokens of other programs' files, one file after another as they lie in memory.
    /// - Throws: `TextError` for a token that the vocabulary does not have.
    init(files: [(file: MappedFile, part: Part)], vocabularySize: Int, name: String, rule: WindowRule) throws {
        var parts: [Part] = []
        for (file, part) in files where part.count > 0 {
            let largest = part.largest
            guard largest < vocabularySize else {
                throw TextError.unreadable(
                    path: file.path, reason: "it has token \(largest), but the tokenizer \(vocabularySize) tokens; another one made it")
            }
            parts.append(part)
        }
        storage = .files(files.map(\.file))
        self.parts = TokenFile.placed(parts)
        count = self.parts.last.map { $0.start + $0.count } ?? 0
        (self.vocabularySize, self.name, examples, self.rule, checksum) = (vocabularySize, name, nil, rule, 0)
    }

    /// The tokens of several files one after another.
    init(shards: [TokenFile], vocabularySize: Int, name: String, rule: WindowRule) throws {
        for shard in shards where shard.vocabularySize > vocabularySize {
            throw TextError.damagedTokenFile(
                path: shard.name, reason: "a vocabulary of \(shard.vocabularySize) among others of \(vocabularySize)")
        }
        storage = .shards(shards)
        parts = TokenFile.placed(shards.flatMap(\.parts).filter { $0.count > 0 })
        count = parts.last.map { $0.start + $0.count } ?? 0
        (self.vocabularySize, self.name, examples, self.rule, checksum) = (vocabularySize, name, nil, rule, 0)
    }

    /// The same parts, each behind the one before it; one empty one where there are none.
    private static func placed(_ parts: [Part]) -> [Part] {
        var placed: [Part] = []
        for var part in parts {
            part.start = placed.last.map { $0.start + $0.count } ?? 0
            placed.append(part)
        }
        return placed
    }

    /// Writes tokens to a file, all or nothing.
    /// - Returns: the checksum of the tokens.
    @discardableResult
    public static func write(_ tokens: [Int32], vocabularySize: Int, to path: String) throws -> UInt64 {
        try check(tokens, vocabularySize: vocabularySize)
        let isWide = isWide(vocabularySize)
        let packed = pack(tokens, isWide: isWide)
        return try packed.withUnsafeBytes { payload in
            let header = Header(isWide: isWide, vocabularySize: vocabularySize, count: tokens.count).bytes(for: payload)
            try header.withUnsafeBytes { try Files.writeAtomically([$0, payload], to: path) }
            return Header.hash(payload)
        }
    }

    /// The token at `index`.
    public subscript(index: Int) -> Int32 {
        precondition(index >= 0 && index < count, "token index out of range")
        var token: Int32 = 0
        withUnsafeMutablePointer(to: &token) { copy(from: index, into: UnsafeMutableBufferPointer(start: $0, count: 1)) }
        return token
    }

    /// Copies the tokens from `start` on to fill `destination`.
    public func copy(from start: Int, into destination: UnsafeMutableBufferPointer<Int32>) {
        precondition(start >= 0 && start <= count && destination.count <= count - start, "token range out of range")
        guard !destination.isEmpty else { return }
        if parts.count == 1 { return parts[0].copy(from: start, into: destination) }
        var done = 0, number = part(holding: start)
        while done < destination.count {
            let part = parts[number], first = start + done - part.start
            let next = done + min(destination.count - done, part.count - first)
            part.copy(from: first, into: UnsafeMutableBufferPointer(rebasing: destination[done..<next]))
            (done, number) = (next, number + 1)
        }
    }

    /// By halving: there may be thousands.
    private func part(holding index: Int) -> Int {
        var (low, high) = (0, parts.count - 1)
        while low < high {
            let middle = (low + high + 1) / 2
            if parts[middle].start <= index { low = middle } else { high = middle - 1 }
        }
        return low
    }

    /// Targets of a window of `context` tokens that count: all, or the answers of an example.
    public func targetsPerWindow(context: Int) -> Int { examples?.answers ?? context }

    /// Whether only some tokens count, so that bits per byte of the whole mean nothing.
    public var isExamples: Bool { examples != nil }

    /// All tokens.
    public func all() -> [Int32] {
        [Int32](unsafeUninitializedCapacity: count) { buffer, filled in
            copy(from: 0, into: UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
            filled = count
        }
    }

    static func isWide(_ vocabularySize: Int) -> Bool { vocabularySize > 1 << 16 }

    private static func check(_ tokens: [Int32], vocabularySize: Int) throws {
        guard vocabularySize > 0, vocabularySize <= Int(Int32.max) else {
            throw TextError.invalidSetting(name: "the vocabulary size", value: "\(vocabularySize)", requirement: "1 to 2147483647")
        }
        // Negative ids are huge as unsigned numbers.
        let largest = tokens.reduce(0 as UInt32) { max($0, UInt32(bitPattern: $1)) }
        guard !tokens.isEmpty, largest >= UInt32(vocabularySize) else { return }
        for (position, id) in tokens.enumerated() where id < 0 || Int(id) >= vocabularySize {
            throw TextError.tokenOutOfRange(id: Int(id), position: position, vocabularySize: vocabularySize)
        }
    }

    private static func pack(_ tokens: [Int32], isWide: Bool) -> [UInt16] {
        if !isWide { return tokens.map { UInt16(truncatingIfNeeded: $0) } }
        return tokens.flatMap { [UInt16(truncatingIfNeeded: $0), UInt16(truncatingIfNeeded: $0 >> 16)] }
    }
}
