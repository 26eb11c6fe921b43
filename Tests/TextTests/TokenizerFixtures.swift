import Foundation
import Testing
import Text

/// What `Tests/Fixtures/generate_tokenizers.py` made: tokenizers, texts, and the ids of tiktoken and tokenizers.
struct TokenizerFixtures: Decodable {
    struct Case: Decodable {
        let file: String
        var pattern: String?
        let ids: [[Int32]]
        var specialIds: [[Int32]]?
        var templateIds: [Int32]?
        var decoded: [String]?
    }
    let texts: [String]
    let specialTexts: [String]
    let cases: [Case]

    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Fixtures/tokenizers").path

    static func load() throws -> TokenizerFixtures {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(TokenizerFixtures.self, from: Data(contentsOf: URL(fileURLWithPath: folder + "/cases.json")))
    }

    static func open(_ file: String, pattern: String? = nil) throws -> PublishedTokenizer {
        try #require(Tokenizers.open("\(folder)/\(file)", pattern: pattern) as? PublishedTokenizer)
    }

    static func bytes(_ file: String) throws -> [UInt8] { try TextFile.bytes(of: "\(folder)/\(file)") }
}

/// Numbers that are the same every time.
struct TestRandom: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        let mixed = (state ^ state >> 33) &* 0xFF51_AFD7_ED55_8CCD
        return mixed ^ mixed >> 33
    }
}
