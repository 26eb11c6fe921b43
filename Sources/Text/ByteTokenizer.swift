import Foundation

/// One token per byte: 256 tokens, and any text at all can be encoded.
public struct ByteTokenizer: Tokenizer {
    static let kindName = "byte"

    public var kind: String { ByteTokenizer.kindName }
    public var vocabularySize: Int { 256 }

    /// There is only one.
    public init() {}

    public func encode(utf8: UnsafeBufferPointer<UInt8>) throws -> [Int32] { utf8.map { Int32($0) } }

    public func bytes(of id: Int32) -> [UInt8] { UInt8(exactly: id).map { [$0] } ?? [] }

    public func serialized() -> Data { SavedTokenizer(kind: kind).data() }
}
