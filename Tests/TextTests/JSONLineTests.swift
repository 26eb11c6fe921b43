import Foundation
import Testing
import Text

@Suite struct JSONLineTests {
    static func text(_ line: String, _ field: String = "text") throws(JSONLine.Failure) -> String {
        var out: [UInt8] = []
        let bytes = Array(line.utf8)
        let result = bytes.withUnsafeBufferPointer { bytes in
            Result { () throws(JSONLine.Failure) in try JSONLine.append(Array(field.utf8), of: bytes, to: &out) }
        }
        try result.get()
        return String(decoding: out, as: UTF8.self)
    }

    @Test(arguments: [
        (#"{"text": "plain"}"#, "plain"), (#" {"id":3,"text":"a\nb\t\"c\"\\\/","more":[1,{"text":"no"},"]"]} "#, "a\nb\t\"c\"\\/"),
        (#"{"text": "\u00e9\u4f60\ud83d\ude00é"}"#, "é你😀é"), (#"{"text":"\ud83d x \ude00"}"#, "\u{FFFD} x \u{FFFD}"),
        (#"{"text": "", "n": null}"#, ""), (#"{"a":{"text":"inner"},"text":"outer"}"#, "outer"), (#"{"text":1,"text":"last"}"#, "last"),
        (#"{"t\u0065xt":"escaped key"}"#, "escaped key"), (#"{"n":-1.5e3,"b":true,"text":"x"}"#, "x"),
        (#"{"text":"\ud83d\u0041"}"#, "\u{FFFD}A"),
    ])
    func texts(line: String, expected: String) throws {
        #expect(try JSONLineTests.text(line) == expected)
    }

    @Test(arguments: [
        ("", JSONLine.Failure.notAnObject), ("[1]", .notAnObject), ("\"text\"", .notAnObject),
        (#"{"id": 1, "body": "x"}"#, .noField(found: ["id", "body"])), ("{}", .noField(found: [])),
        (#"{"text": 7}"#, .notText), (#"{"text": {"a": 1}}"#, .notText), (#"{"text": "a""#, .malformed(byte: 12)),
        (#"{"text": "a"} x"#, .malformed(byte: 14)), (#"{"text": "a\q"}"#, .malformed(byte: 11)),
        (#"{"text": "\u12"}"#, .malformed(byte: 10)),
        (#"{text: 1}"#, .malformed(byte: 1)), (#"{"text" "a"}"#, .malformed(byte: 8)), (#"{"a": , "text": "b"}"#, .malformed(byte: 6)),
        (#"{"a": [1, "text": "b"}"#, .malformed(byte: 22)),
    ])
    func failures(line: String, expected: JSONLine.Failure) {
        #expect(throws: expected) { try JSONLineTests.text(line) }
    }

    /// Against Foundation's reader, over objects of every kind and lines with a byte changed.
    @Test func agreesWithFoundation() throws {
        var random = TestRandom(state: 3)
        let pieces = ["a", "é", "😀", "\"", "\\", "\n", "\u{0}", "/", "{", "}", "]", ",", "text", "\u{7F}", "\u{2028}"]
        func string() -> String {
            (0..<Int.random(in: 0...6, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
        }
        func value(_ depth: Int) -> Any {
            switch Int.random(in: 0...(depth > 2 ? 3 : 5), using: &random) {
            case 0: return string()
            case 1: return Int.random(in: -5...5, using: &random)
            case 2: return NSNull()
            case 3: return Bool.random(using: &random)
            case 4: return (0..<Int.random(in: 0...3, using: &random)).map { _ in value(depth + 1) }
            default: return Dictionary((0..<2).map { _ in (string(), value(depth + 1)) }, uniquingKeysWith: { $1 })
            }
        }
        var damagedAlike = 0
        for _ in 0..<2000 {
            let wanted = string()
            var object: [String: Any] = ["text": wanted]
            for _ in 0..<3 { object["x" + string()] = value(0) }
            var data = try JSONSerialization.data(withJSONObject: object)
            #expect(try JSONLineTests.text(String(decoding: data, as: UTF8.self)) == wanted)
            data[Int.random(in: 0..<data.count, using: &random)] = UInt8.random(in: 0x20...0x7E, using: &random)
            let theirs = (try? JSONSerialization.jsonObject(with: data)) as? [String: Any]
            // What Foundation takes must be taken alike; of what it refuses, what is skipped over may pass.
            guard let theirs else { continue }
            damagedAlike += 1
            #expect((try? JSONLineTests.text(String(decoding: data, as: UTF8.self))) == theirs["text"] as? String)
        }
        #expect(damagedAlike > 100)
    }
}
