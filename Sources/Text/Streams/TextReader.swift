import Foundation

/// A place in the files of a source, from which reading can go on.
package struct TextPosition: Codable, Equatable, Sendable {
    /// The number of the file.
    package var file = 0
    /// The next byte of its text, unpacked.
    package var offset = 0
    /// Lines before it, for errors.
    var line = 0
    /// Whether a document that began before goes on there.
    var isInDocument = false

    package init(file: Int = 0, offset: Int = 0) { (self.file, self.offset) = (file, offset) }

    /// Whether a saved one can be gone on from.
    var isSound: Bool { [file, offset, line].allSatisfy { (0...1 << 50).contains($0) } }
}

/// A stretch of text that is read and tokenized at once.
package struct TextBlock: Sendable {
    package var bytes: [UInt8] = []
    /// Where documents end in it, ascending; the first bytes may belong to one that began in a block before.
    package var documentEnds: [Int] = []
    /// Where reading goes on behind it.
    package var next = TextPosition()
}

/// Reads a source block by block. Blocks depend on the text alone: reading from where a block ended gives the same ones
/// behind it.
///
/// A block ends where every tokenizer by split patterns has an edge of a chunk, if there is one within four times its size;
/// so tokens are those of the text as a whole.
package struct TextReader {
    /// Large enough that tokenizing with threads pays, small enough that a few of them are nothing to a memory.
    package static let usualBlockSize = 8 << 20
    private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]
    /// A line of JSON longer than this is no document.
    private static let longestLine = 64 << 20

    private let source: TextSource
    /// Whether documents are kept apart; otherwise they are joined by line breaks.
    private let isSeparated: Bool
    private let blockSize: Int
    private var position: TextPosition
    private var stream: ByteStream?
    private var isJSONLines = false
    /// Read, and not yet in a block.
    private var pending: [UInt8] = []
    private var bytesOfFilesBefore = 0
    private var isAtEnd = false

    package init(
        _ source: TextSource, isSeparated: Bool, blockSize: Int = usualBlockSize, from position: TextPosition = TextPosition()
    ) {
        (self.source, self.isSeparated, self.position) = (source, isSeparated, position)
        self.blockSize = max(blockSize, 16)
        if case .files(let files) = source.content {
            bytesOfFilesBefore = files.prefix(position.file).reduce(0) { $0 + $1.size }
        }
    }

    /// Bytes on disk that were read.
    var bytesRead: Int { bytesOfFilesBefore + (stream?.bytesOfFileRead ?? 0) }

    /// The next block, or nil at the end.
    /// - Throws: `TextError` naming file and place.
    package mutating func next() throws -> TextBlock? {
        guard !isAtEnd else { return nil }
        var block = TextBlock()
        switch source.content {
        case .memory(let bytes):
            isAtEnd = true
            guard position.offset < bytes.count else { return nil }
            block.bytes.reserveCapacity(bytes.count)
            append(bytes[...], to: &block)
            endDocument(in: &block)
            position = TextPosition(offset: bytes.count)
        case .files(let files):
            // What is left of a block when little room is left would only make small pieces.
            while position.file < files.count, block.bytes.count < blockSize - blockSize / 8 {
                try open(files[position.file])
                let isFileDone = try isJSONLines ? takeLines(&block) : takeText(&block)
                if isFileDone { close(files, &block) }
            }
            isAtEnd = position.file >= files.count
        }
        block.next = position
        return block.bytes.isEmpty && block.documentEnds.isEmpty ? (isAtEnd ? nil : try next()) : block
    }

    // MARK: Files

    private mutating func open(_ file: TextSource.File) throws {
        guard stream == nil else { return }
        let stream = try ByteStream(path: file.path)
        var head: [UInt8] = []
        try stream.read(1 << 16, into: &head)
        switch source.format.kind {
        case .text: isJSONLines = false
        case .jsonl: isJSONLines = true
        case .auto: isJSONLines = TextReader.looksLikeJSONLines(file.path, head, source.format.textField)
        }
        // Some programs begin UTF-8 with a mark of byte order, which is no part of the text.
        if position.offset == 0, head.starts(with: TextReader.byteOrderMark) { position.offset = TextReader.byteOrderMark.count }
        try stream.seek(to: position.offset)
        self.stream = stream
        pending.removeAll(keepingCapacity: true)
    }

    /// Whether the name says so.
    static func isNamedJSONLines(_ path: String) -> Bool {
        var name = path.lowercased()
        if name.hasSuffix(".gz") { name.removeLast(3) }
        return name.hasSuffix(".jsonl") || name.hasSuffix(".ndjson")
    }

    private static func looksLikeJSONLines(_ path: String, _ head: [UInt8], _ field: String) -> Bool {
        if isNamedJSONLines(path) { return true }
        let first = head.starts(with: byteOrderMark) ? byteOrderMark.count : 0
        guard let start = head[first...].firstIndex(where: { $0 > 0x20 }), head[start] == UInt8(ascii: "{") else { return false }
        // A first line that is longer than what was looked at is taken for what it begins as.
        guard let end = head[start...].firstIndex(of: 0x0A) else {
            return head.count >= 1 << 16 && String(decoding: head, as: UTF8.self).contains("\"\(field)\"")
        }
        var text: [UInt8] = []
        return head[start..<end].withUnsafeBufferPointer { (try? JSONLine.append(Array(field.utf8), of: $0, to: &text)) != nil }
    }

    private mutating func close(_ files: [TextSource.File], _ block: inout TextBlock) {
        let wasEmpty = position.offset == 0
        if !wasEmpty { endDocument(in: &block) }
        bytesOfFilesBefore += files[position.file].size
        stream = nil
        pending.removeAll(keepingCapacity: true)
        position = TextPosition(file: position.file + 1)
        guard !isSeparated, !isJSONLines, !wasEmpty else { return }
        if files[position.file...].contains(where: { $0.size > 0 }) { block.bytes.append(0x0A) }
    }

    /// Reads until so many bytes are pending, or all.
    private mutating func fill(_ count: Int) throws {
        guard let stream else { return }
        while pending.count < count, !stream.isAtEnd { try stream.read(max(count - pending.count, 1 << 20), into: &pending) }
    }

    private mutating func drop(_ count: Int) {
        pending.removeSubrange(0..<count)
        position.offset += count
    }

    // MARK: Documents

    private mutating func endDocument(in block: inout TextBlock) {
        let start = block.documentEnds.last ?? 0
        if block.bytes.count > start || position.isInDocument { block.documentEnds.append(block.bytes.count) }
        position.isInDocument = false
    }

    /// Appends text in which documents may end.
    private mutating func append(_ text: ArraySlice<UInt8>, to block: inout TextBlock) {
        let mark = Array(source.format.documentBreak.utf8)
        guard isSeparated, !mark.isEmpty else {
            block.bytes.append(contentsOf: text)
            return
        }
        var start = text.startIndex
        for found in TextReader.occurrences(of: mark, in: text) where found >= start {
            block.bytes.append(contentsOf: text[start..<found])
            endDocument(in: &block)
            start = found + mark.count
        }
        block.bytes.append(contentsOf: text[start...])
    }

    private static func occurrences(of mark: [UInt8], in text: ArraySlice<UInt8>) -> [Int] {
        var found: [Int] = []
        text.withUnsafeBufferPointer { bytes in
            var at = 0
            while at + mark.count <= bytes.count {
                if bytes[at] == mark[0], mark.indices.allSatisfy({ bytes[at + $0] == mark[$0] }) {
                    found.append(text.startIndex + at)
                    at += mark.count
                } else {
                    at += 1
                }
            }
        }
        return found
    }

    // MARK: Text

    /// Takes what the block has room for; whether the file is through.
    private mutating func takeText(_ block: inout TextBlock) throws -> Bool {
        let room = blockSize - block.bytes.count, mark = Array(source.format.documentBreak.utf8)
        try fill(room + mark.count + 1)
        let isLast = pending.count <= room
        let end = isLast ? pending.count : try cut(room, mark)
        let text = pending[..<end]
        if let malformed = text.withUnsafeBufferPointer({ UTF8Scalars.firstMalformedOffset(in: $0) }) {
            throw TextError.notUTF8(source: stream?.path ?? source.name, byteOffset: position.offset + malformed)
        }
        append(text, to: &block)
        if block.bytes.count > (block.documentEnds.last ?? 0) { position.isInDocument = true }
        drop(end)
        return isLast
    }

    /// Where to cut what is pending: behind the last document that ends within `room`, at the last edge, at the first edge
    /// somewhat behind, or, where there is none, between two characters.
    private mutating func cut(_ room: Int, _ mark: [UInt8]) throws -> Int {
        let breaks = isSeparated && !mark.isEmpty ? TextReader.occurrences(of: mark, in: pending.prefix(room + mark.count)) : []
        if let last = breaks.last(where: { $0 + mark.count <= room }) { return last + mark.count }
        // A break that lies across the end of the room must stay whole.
        if let across = breaks.last { return across > 0 ? across : mark.count }
        if let edge = lastEdge(room) { return edge }
        try fill(4 * room + mark.count + 1)
        let most = min(4 * room, pending.count)
        if isSeparated, !mark.isEmpty, let first = TextReader.occurrences(of: mark, in: pending.prefix(most + mark.count)).first {
            return first + mark.count
        }
        if let edge = firstEdge(room, most) { return edge }
        guard most < pending.count else { return most }
        var end = most
        while end > most - 4, pending[end] & 0xC0 == 0x80 { end -= 1 }
        return end
    }

    private func lastEdge(_ room: Int) -> Int? {
        pending.withUnsafeBufferPointer { bytes in
            stride(from: room, to: 0, by: -1).first { ChunkScanner.isCertainEdge($0, in: bytes) }
        }
    }

    private func firstEdge(_ from: Int, _ to: Int) -> Int? {
        pending.withUnsafeBufferPointer { bytes in (from..<to).first { ChunkScanner.isCertainEdge($0, in: bytes) } }
    }

    // MARK: JSON Lines

    /// Takes lines until the block is full; whether the file is through.
    private mutating func takeLines(_ block: inout TextBlock) throws -> Bool {
        let field = Array(source.format.textField.utf8)
        var start = 0
        defer { drop(start) }
        while block.bytes.count < blockSize {
            guard let end = lineEnd(from: start) else {
                drop(start)
                start = 0
                if stream?.isAtEnd ?? true {
                    try take(pending[...], field, &block)
                    start = pending.count
                    return true
                }
                guard pending.count <= TextReader.longestLine else {
                    position.line += 1
                    throw unusable("it is longer than \(TextReader.longestLine >> 20) MiB, which is no line of JSON Lines")
                }
                try fill(min(max(2 * pending.count, 1 << 20), TextReader.longestLine + 1))
                continue
            }
            try take(pending[start..<end], field, &block)
            start = end + 1
        }
        return false
    }

    private func lineEnd(from start: Int) -> Int? {
        pending.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress, let found = memchr(base + start, 0x0A, bytes.count - start) else { return nil }
            return found - UnsafeMutableRawPointer(mutating: base)
        }
    }

    private mutating func take(_ line: ArraySlice<UInt8>, _ field: [UInt8], _ block: inout TextBlock) throws {
        position.line += 1
        guard line.contains(where: { $0 > 0x20 }) else { return }
        let before = block.bytes.count
        do {
            try line.withUnsafeBufferPointer { try JSONLine.append(field, of: $0, to: &block.bytes) }
        } catch let failure as JSONLine.Failure {
            throw unusable(message(failure))
        }
        if let malformed = block.bytes[before...].withUnsafeBufferPointer({ UTF8Scalars.firstMalformedOffset(in: $0) }) {
            throw unusable("its text is not UTF-8 at byte \(malformed)")
        }
        if isSeparated {
            endDocument(in: &block)
        } else if block.bytes.count > before {
            endDocument(in: &block)
            block.bytes.append(0x0A)
        }
    }

    private func message(_ failure: JSONLine.Failure) -> String {
        let field = source.format.textField
        switch failure {
        case .notAnObject: return "it is no JSON object; every line must be one, as {\"\(field)\": \"…\"}"
        case .malformed(let byte): return "it is not valid JSON at byte \(byte)"
        case .notText: return "its field \"\(field)\" is no string; name one that is with data.text_field"
        case .noField(let found):
            return found.isEmpty
                ? "it has no field \"\(field)\""
                : "it has no field \"\(field)\" but \(found.map { "\"\($0)\"" }.joined(separator: ", ")); name one of them with data.text_field"
        }
    }

    private func unusable(_ reason: String) -> TextError {
        .unusableLine(path: stream?.path ?? source.name, line: position.line, reason: reason)
    }
}
