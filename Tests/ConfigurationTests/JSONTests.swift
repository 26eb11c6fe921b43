import Configuration
import Foundation
import Testing

/// Values to text and back.
struct JSONTests {
    static let values: [JSON] = [
        .null, true, false, 0, -1, .int(.max), .int(.min), 0.5, -1e-300, 1e300, 0.1, "", "a\"b\\c\n\t/é🙂\u{1}", [], [:],
        [1, [2, [3, .null]], "x"], ["a": ["b": ["c": [1, 2.5, true]]], "": 1, "with.dot": 2], [1, 1.5], ["true", "1", 1, true],
    ]

    @Test(arguments: values, [false, true])
    func roundTrip(value: JSON, pretty: Bool) throws {
        #expect(try JSON(parsing: Data(value.text(pretty: pretty).utf8)) == value)
    }

    @Test func textIsSortedAndStable() {
        let json: JSON = ["b": 1, "a": ["d": 1, "c": "x/y"]]
        #expect(json.text(pretty: false) == #"{"a":{"c":"x/y","d":1},"b":1}"#)
    }

    @Test func numbersKeepTheirKind() throws {
        let json = try JSON(parsing: Data("[1, 1.0, 1.5, 1e3, -0, 9223372036854775807, 9223372036854775808, 1e-5]".utf8))
        let values = try #require(json.arrayValue)
        #expect(values.map(\.intValue) == [1, 1, nil, 1000, 0, .max, nil, nil])
        #expect(values.map(\.doubleValue) == [1, 1, 1.5, 1000, 0, 9223372036854775808, 9223372036854775808, 1e-5])
        #expect(JSON.bool(true).intValue == nil && JSON.int(1).boolValue == nil, "a truth is no number")
    }

    @Test(arguments: ["", "{", "{\"a\": }", "[1, 2", "nul", "{\"a\": 1,, }", "\u{FEFF}{]", "{\"a\" 1}", "1e400"])
    func brokenTextIsAnError(text: String) throws {
        let error = try #require(throws: ConfigError.self) { try JSON(parsing: Data(text.utf8), file: "run.json") }
        #expect(error.file == "run.json" && error.message.contains("not valid JSON"), "\(error)")
        #expect(!error.description.contains { $0.isNewline }, "\(error)")
    }

    /// Text nested beyond reason is refused or read, but never overflows the stack.
    @Test(arguments: [100, 400, 100_000])
    func deepNesting(depth: Int) {
        let text = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        let json = try? JSON(parsing: Data(text.utf8))
        #expect(json != nil || depth > 400)
    }

    @Test func briefIsShortAndOneLine() {
        for value in JSONTests.values + [.string(String(repeating: "long ", count: 100)), .array((0..<500).map { .int($0) })] {
            #expect(value.brief.count <= 60 && !value.brief.contains { $0.isNewline }, "\(value.brief)")
        }
        #expect(JSON.double(.nan).brief == "\"nan\"")
    }
}
