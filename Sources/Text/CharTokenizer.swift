import Foundation

/// One token per character, a character being a Unicode scalar as in Python; ids follow the order of the code points.
public struct CharTokenizer: Tokenizer {
    static let kindName = "char"

    /// The vocabulary in order of id.
    public let scalars: [Unicode.Scalar]
    /// Ids by code point in two levels: `pages[value >> 8]` is where the ids of a page of 256 code points start.
    private let pages: [Int32]
    private let ids: [Int32]

    public var kind: String { CharTokenizer.kindName }
    public var vocabularySize: Int { scalars.count }

    /// The tokenizer whose vocabulary is every character of `text`.
    public init(text: String) throws {
        var text = text
        self = try text.withUTF8 { try CharTokenizer(utf8: $0) }
    }

    /// The tokenizer whose vocabulary is every character of `utf8`.
    public init(utf8: UnsafeBufferPointer<UInt8>) throws {
        guard let bytes = utf8.baseAddress, !utf8.isEmpty else { throw TextError.empty(source: "text for a character vocabulary") }
        var seen = [Bool](repeating: false, count: 0x110000)
        let malformedAt = seen.withUnsafeMutableBufferPointer { seen -> Int? in
            var index = 0
            while index < utf8.count {
                let (value, length) = UTF8Scalars.decode(bytes, at: index, end: utf8.count)
                if value == UTF8Scalars.malformed { return index }
                seen[Int(value)] = true
                index += length
            }
            return nil
        }
        if let malformedAt { throw TextError.notUTF8(source: "text for a character vocabulary", byteOffset: malformedAt) }
        try self.init(codePoints: seen.indices.lazy.filter { seen[$0] }.map { UInt32($0) })
    }

    /// The tokenizer with a given vocabulary, whose code points must ascend.
    package init(codePoints: [UInt32]) throws {
        guard !codePoints.isEmpty else { throw TextError.damagedTokenizer(reason: "a character vocabulary without characters") }
        var scalars: [Unicode.Scalar] = []
        scalars.reserveCapacity(codePoints.count)
        for value in codePoints {
            guard let scalar = Unicode.Scalar(value) else {
                throw TextError.damagedTokenizer(reason: "code point \(value) in a character vocabulary is not a character")
            }
            if let last = scalars.last, last >= scalar {
                throw TextError.damagedTokenizer(reason: "the code points of a character vocabulary do not ascend")
            }
            scalars.append(scalar)
        }
        var pages = [Int32](repeating: -1, count: 0x1100)
        var ids: [Int32] = []
        for (id, scalar) in scalars.enumerated() {
            let page = Int(scalar.value >> 8)
            if pages[page] < 0 {
                pages[page] = Int32(ids.count)
                ids.append(contentsOf: repeatElement(-1, count: 256))
            }
            ids[Int(pages[page]) + Int(scalar.value & 0xFF)] = Int32(id)
        }
        (self.scalars, self.pages, self.ids) = (scalars, pages, ids)
    }

    public func encode(utf8: UnsafeBufferPointer<UInt8>) throws -> [Int32] {
        guard let bytes = utf8.baseAddress else { return [] }
        let end = utf8.count
        var failure: TextError?
        let result = [Int32](unsafeUninitializedCapacity: end) { output, count in
            pages.withUnsafeBufferPointer { pages in
                ids.withUnsafeBufferPointer { ids in
                    var index = 0
                    while index < end {
                        let (value, length) = UTF8Scalars.decode(bytes, at: index, end: end)
                        guard value != UTF8Scalars.malformed, let scalar = Unicode.Scalar(value) else {
                            failure = .notUTF8(source: "text to encode", byteOffset: index)
                            return
                        }
                        let page = pages[Int(value >> 8)]
                        let id = page < 0 ? -1 : ids[Int(page) + Int(value & 0xFF)]
                        guard id >= 0 else {
                            failure = .unseenCharacter(scalar: scalar, offset: count)
                            return
                        }
                        output[count] = id
                        count += 1
                        index += length
                    }
                }
            }
        }
        if let failure { throw failure }
        return result
    }

    public func bytes(of id: Int32) -> [UInt8] {
        guard id >= 0, id < scalars.count else { return [] }
        return Array(UTF8.encode(scalars[Int(id)]) ?? UTF8.encodedReplacementCharacter)
    }

    public func serialized() -> Data {
        var saved = SavedTokenizer(kind: kind)
        saved.codePoints = scalars.map(\.value)
        return saved.data()
    }
}
