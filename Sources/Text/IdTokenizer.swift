import Foundation

/// What stands in for a tokenizer that is not there: tokens are known by their ids alone. Text cannot be encoded; ids are shown as
/// numbers.
public struct IdTokenizer: Tokenizer {
    static let kindName = "ids"

    public var kind: String { IdTokenizer.kindName }
    public let vocabularySize: Int

    public init(vocabularySize: Int) { self.vocabularySize = vocabularySize }

    /// - Throws: `TextError` for any text that is not empty.
    public func encode(utf8: UnsafeBufferPointer<UInt8>) throws -> [Int32] {
        guard utf8.isEmpty else { throw TextError.noTokenizer }
        return []
    }

    public func bytes(of id: Int32) -> [UInt8] {
        id >= 0 && id < vocabularySize ? Array(" \(id)".utf8) : []
    }

    public func serialized() -> Data {
        var saved = SavedTokenizer(kind: kind)
        saved.vocabularySize = vocabularySize
        return saved.data()
    }
}
