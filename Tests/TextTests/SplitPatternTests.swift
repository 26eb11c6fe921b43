import Testing
import Text

/// Expected chunks are those of the regular expressions, as Python's `regex` module finds them.
@Suite struct SplitPatternTests {
    static let gpt2: [(String, [String])] = [
        (
            "I'll DON'T 'tis we've they'RE x'\u{17F}",
            ["I", "'ll", " DON", "'", "T", " '", "tis", " we", "'ve", " they", "'", "RE", " x", "'", "\u{17F}"]
        ),
        ("a  b   c\n\n  d \r\n\r\ne\t", ["a", " ", " b", "  ", " c", "\n\n ", " d", " \r\n\r", "\n", "e", "\t"]),
        ("  \n", ["  \n"]),
        ("x\u{A0}y \u{A0}z\u{3000}", ["x", "\u{A0}", "y", " ", "\u{A0}", "z", "\u{3000}"]),
        (
            "e\u{301}te\u{301} na\u{EF}ve 12345 \u{BD} \u{663}\u{664}\u{665}\u{666} \u{2167}",
            ["e", "\u{301}", "te", "\u{301}", " na\u{EF}ve", " 12345", " \u{BD}", " \u{663}\u{664}\u{665}\u{666}", " \u{2167}"]
        ),
        ("hi!!!\n\nok ...\n  -- {}\n", ["hi", "!!!", "\n", "\n", "ok", " ...", "\n ", " --", " {}", "\n"]),
        (
            "\u{4F60}\u{597D}\u{FF0C}\u{4E16}\u{754C} \u{43F}\u{440}\u{438} \u{1F600}\u{1F468}\u{200D}\u{1F469} \u{939}\u{93F}\u{928}\u{94D}\u{926}\u{940}",
            [
                "\u{4F60}\u{597D}", "\u{FF0C}", "\u{4E16}\u{754C}", " \u{43F}\u{440}\u{438}", " \u{1F600}\u{1F468}\u{200D}\u{1F469}",
                " \u{939}", "\u{93F}", "\u{928}", "\u{94D}", "\u{926}", "\u{940}",
            ]
        ),
        ("'", ["'"]),
        ("'' 's' 'llama", ["''", " '", "s", "'", " '", "llama"]),
        ("", []),
    ]

    static let gpt4: [(String, [String])] = [
        (
            "I'll DON'T 'tis we've they'RE x'\u{17F}",
            ["I", "'ll", " DON", "'T", " '", "tis", " we", "'ve", " they", "'RE", " x", "'\u{17F}"]
        ),
        ("a  b   c\n\n  d \r\n\r\ne\t", ["a", " ", " b", "  ", " c", "\n\n", " ", " d", " \r\n\r\n", "e", "\t"]),
        ("  \n", ["  \n"]),
        ("x\u{A0}y \u{A0}z\u{3000}", ["x", "\u{A0}y", " ", "\u{A0}z", "\u{3000}"]),
        (
            "e\u{301}te\u{301} na\u{EF}ve 12345 \u{BD} \u{663}\u{664}\u{665}\u{666} \u{2167}",
            [
                "e", "\u{301}te", "\u{301}", " na\u{EF}ve", " ", "123", "45", " ", "\u{BD}", " ", "\u{663}\u{664}\u{665}", "\u{666}", " ",
                "\u{2167}",
            ]
        ),
        ("hi!!!\n\nok ...\n  -- {}\n", ["hi", "!!!\n\n", "ok", " ...\n", " ", " --", " {}\n"]),
        (
            "\u{4F60}\u{597D}\u{FF0C}\u{4E16}\u{754C} \u{43F}\u{440}\u{438} \u{1F600}\u{1F468}\u{200D}\u{1F469} \u{939}\u{93F}\u{928}\u{94D}\u{926}\u{940}",
            [
                "\u{4F60}\u{597D}", "\u{FF0C}\u{4E16}\u{754C}", " \u{43F}\u{440}\u{438}", " \u{1F600}\u{1F468}\u{200D}\u{1F469}",
                " \u{939}", "\u{93F}\u{928}", "\u{94D}\u{926}", "\u{940}",
            ]
        ),
        ("'", ["'"]),
        ("'' 's' 'llama", ["''", " '", "s", "'", " '", "llama"]),
        ("", []),
    ]

    // Strings compare up to canonical equivalence, which is too lenient here; their UTF-8 does not.
    @Test(arguments: gpt2) func gpt2Splits(text: String, chunks: [String]) {
        #expect(SplitPattern.gpt2.split(text).map { Array($0.utf8) } == chunks.map { Array($0.utf8) }, "\(SplitPattern.gpt2.split(text))")
    }

    @Test(arguments: gpt4) func gpt4Splits(text: String, chunks: [String]) {
        #expect(SplitPattern.gpt4.split(text).map { Array($0.utf8) } == chunks.map { Array($0.utf8) }, "\(SplitPattern.gpt4.split(text))")
    }

    @Test(arguments: SplitPattern.allCases) func chunksTileAnyBytesAndRespectCertainEdges(pattern: SplitPattern) {
        var generator = Noise(seed: 5)
        let pieces: [[UInt8]] =
            ["a", "Zz", " ", "\n", "\r\n", "'s", "7", "!", "é", "你", "😀", "\u{A0}"].map { Array($0.utf8) } + [
                [0xFF], [0xE4, 0xBD], [0xC0], [0xED, 0xA0, 0x80],
            ]
        for _ in 0..<2000 {
            let text = (0..<Int(generator.next() % 30)).flatMap { _ in pieces[Int(generator.next() % UInt64(pieces.count))] }
            text.withUnsafeBufferPointer { buffer in
                var scanner = ChunkScanner(buffer, pattern: pattern)
                var ends: Set<Int> = []
                var position = 0
                while let chunk = scanner.next() {
                    #expect(chunk.lowerBound == position && !chunk.isEmpty)
                    position = chunk.upperBound
                    ends.insert(position)
                }
                #expect(position == text.count)
                for index in 0..<text.count where ChunkScanner.isCertainEdge(index, in: buffer) {
                    #expect(ends.contains(index))
                }
            }
        }
    }
}

/// Cheap reproducible numbers for the tests.
struct Noise: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }
    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state >> 33 ^ state >> 11
    }
}
