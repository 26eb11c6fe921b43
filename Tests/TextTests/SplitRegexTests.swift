import TestSupport
import Testing
import Text

@Suite struct SplitRegexTests {
    private func split(_ pattern: String, _ text: String, _ dialect: SplitRegexParser.Dialect = .huggingFace) throws -> [String] {
        let regex = try SplitRegex(pattern, dialect: dialect)
        var text = text
        return try text.withUTF8 { bytes in
            try regex.cut(bytes).map { String(decoding: UnsafeBufferPointer(rebasing: bytes[$0]), as: UTF8.self) }
        }
    }

    /// The expressions in words of the engine and the scanners written by hand cut alike.
    @Test(arguments: SplitPattern.allCases) func theScannersCutAsTheirExpressions(pattern: SplitPattern) throws {
        let texts = try TokenizerFixtures.load().texts
        for text in texts { #expect(try split(pattern.expression, text) == pattern.split(text), "\(text.debugDescription)") }
        #expect(SplitPattern(expression: pattern.expression) == pattern)
        var random = TestRandom(state: 3)
        let alphabet = Array("aZé\u{301}ǅʰ中1½ \n\r\t\u{A0}.'sSlL/-👍\u{200D}".unicodeScalars)
        for _ in 0..<3000 {
            var scalars = String.UnicodeScalarView()
            for _ in 0..<Int.random(in: 1...14, using: &random) { scalars.append(alphabet.randomElement(using: &random) ?? "a") }
            let text = String(scalars)
            #expect(try split(pattern.expression, text).map { Array($0.utf8) } == pattern.split(text).map { Array($0.utf8) })
        }
    }

    @Test func tiktokensSpellingsAreKnown() {
        #expect(SplitPattern(expression: #"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"#) == .gpt2)
        #expect(
            SplitPattern(
                expression:
                    #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"#
            )
                == .cl100k)
        #expect(SplitPattern(expression: #"\p{L}+|\s+"#) == nil)
    }

    @Test func syntax() throws {
        #expect(try split("a|ab", "ab") == ["a", "b"])
        #expect(try split("a+?b", "aab") == ["aab"])
        #expect(try split("(?>a+)ab|b", "aab") == ["aa", "b"])
        #expect(try split("a++ab|b", "aab") == ["aa", "b"])
        #expect(try split("a(?=b)", "abac") == ["a", "bac"])
        #expect(try split("(?<!x)a", "xaa") == ["xa", "a"])
        #expect(try split("(?<=x)a", "xaa") == ["x", "a", "a"])
        #expect(try split("[^a-c]+", "abxyc") == ["ab", "xy", "c"])
        #expect(try split("(?i:ABC)", "xaBc") == ["x", "aBc"])
        #expect(try split("(?i:ss)", "sſ") == ["sſ"])
        #expect(try split(#"\x41\u0042\x{43}"#, "zABC") == ["z", "ABC"])
        #expect(try split(#"\p{Lu}\P{Lu}\p{^L}"#, "aBc1") == ["a", "Bc1"])
        #expect(try split("a{2,3}", "aaaaaa") == ["aaa", "aaa"])
        #expect(try split("a{2}", "aaa") == ["aa", "a"])
        #expect(try split(#"a$"#, "aa", .tiktoken) == ["a", "a"])
        #expect(try split(#"[\]\-x]+"#, "a]-x") == ["a", "]-x"])
    }

    /// Patterns that make backtracking engines take exponential or quadratic time.
    @Test(arguments: ["(a|aa)+x|a", "(a+)+x|a", "a*a*a*a*b|a", "(?:a|a)*(?:a|a)*c|a"]) func stayNearLinear(pattern: String) throws {
        let text = String(repeating: "a", count: 20_000)
        var count = 0
        let took = try processorSeconds { count = try split(pattern, text).count }
        #expect(count >= 1)
        #expect(took < 5)
    }
}
