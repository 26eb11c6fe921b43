import Foundation
import Formats
import TestSupport
import Testing

/// The pickle reader: what Python wrote is read, what could do harm is refused by name, what is damaged says so.
struct PickleTests {
    /// A pickle from a list of parts: opcodes as characters, bytes as numbers.
    func pickle(_ parts: [UInt8]...) -> Data { Data(parts.flatMap { $0 }) }

    func op(_ text: String) -> [UInt8] { Array(text.utf8) }

    func refusal(_ data: Data, sourceLocation: SourceLocation = #_sourceLocation) -> String {
        do {
            let value = try Pickle.read(data, name: "p.pkl")
            Issue.record("read as \(value)", sourceLocation: sourceLocation)
            return ""
        } catch {
            let text = "\(error)"
            #expect(text.hasPrefix("p.pkl: ") && !text.contains("\n"), "\(text)", sourceLocation: sourceLocation)
            return text
        }
    }

    /// `pickle.dumps({"a": [1, -2, 300, 70000, 2**40, True, None, 1.5, (1, 2), 'x"yΔ', -2**33], "é": {}}, protocol)` of Python 3.11.
    @Test(arguments: [
        "KGRwMApWYQpwMQoobHAyCkkxCmFJLTIKYUkzMDAKYUk3MDAwMAphTDEwOTk1MTE2Mjc3NzZMCmFJMDEKYU5hRjEuNQphKEkxCkkyCnRwMwphVngieVx1MDM5NApwNAphTC04NTg5OTM0NTkyTAphc1bpCnA1CihkcDYKcy4=",
        "fXEAKFgBAAAAYXEBXXECKEsBSv7///9NLAFKcBEBAEwxMDk5NTExNjI3Nzc2TApJMDEKTkc/+AAAAAAAAChLAUsCdHEDWAUAAAB4InnOlHEETC04NTg5OTM0NTkyTAplWAIAAADDqXEFfXEGdS4=",
        "gAJ9cQAoWAEAAABhcQFdcQIoSwFK/v///00sAUpwEQEAigYAAAAAAAGITkc/+AAAAAAAAEsBSwKGcQNYBQAAAHgiec6UcQSKBQAAAAD+ZVgCAAAAw6lxBX1xBnUu",
        "gAN9cQAoWAEAAABhcQFdcQIoSwFK/v///00sAUpwEQEAigYAAAAAAAGITkc/+AAAAAAAAEsBSwKGcQNYBQAAAHgiec6UcQSKBQAAAAD+ZVgCAAAAw6lxBX1xBnUu",
        "gASVSwAAAAAAAAB9lCiMAWGUXZQoSwFK/v///00sAUpwEQEAigYAAAAAAAGITkc/+AAAAAAAAEsBSwKGlIwFeCJ5zpSUigUAAAAA/mWMAsOplH2UdS4=",
        "gAWVSwAAAAAAAAB9lCiMAWGUXZQoSwFK/v///00sAUpwEQEAigYAAAAAAAGITkc/+AAAAAAAAEsBSwKGlIwFeCJ5zpSUigUAAAAA/mWMAsOplH2UdS4=",
    ])
    func everyProtocolOfPython(base64: String) throws {
        let value = try Pickle.read(try #require(Data(base64Encoded: base64)), name: "p.pkl")
        #expect(
            value["a"]?.items == [
                .int(1), .int(-2), .int(300), .int(70000), .int(1 << 40), .bool(true), .none, .double(1.5), .tuple([.int(1), .int(2)]),
                .string("x\"yΔ"), .int(-1 << 33),
            ])
        #expect(value["é"] == .dictionary([]) && value.pairs?.count == 2)
    }

    @Test func values() throws {
        let data = pickle(
            [0x80, 4], op("}("), [0x8c, 1], op("a"), op("]("), op("K"), [1], op("J"), [0xFE, 0xFF, 0xFF, 0xFF], op("M"), [0x2C, 1],
            [0x8a, 6, 0, 0, 0, 0, 0, 1], [0x8a, 1, 0xFF], [0x8a, 0], [0x88], op("N"), op("G"), [0x3F, 0xF8, 0, 0, 0, 0, 0, 0],
            op("K"), [1], op("K"), [2, 0x86], op("e"), [0x8c, 2, 0xC3, 0xA9], op("}"), op("u."))
        let value = try Pickle.read(data, name: "p.pkl")
        #expect(
            value["a"]?.items == [
                .int(1), .int(-2), .int(300), .int(1 << 40), .int(-1), .int(0), .bool(true), .none, .double(1.5),
                .tuple([.int(1), .int(2)]),
            ])
        #expect(value["é"]?.pairs?.isEmpty == true && value.pairs?.count == 2)
    }

    @Test func memoOrderedDictAndState() throws {
        let data = pickle(
            [0x80, 2], op("ccollections\nOrderedDict\n"), op("q"), [0], op(")Rq"), [1], op("X"), [1, 0, 0, 0], op("kK"), [7], op("s"),
            op("}X"), [9, 0, 0, 0], op("_metadata"), op("Nsb."))
        #expect(try Pickle.read(data, name: "p.pkl") == .dictionary([.init(key: .string("k"), value: .int(7))]))
    }

    @Test(arguments: [
        "cos\nsystem\n", "cposix\nsystem\n", "cbuiltins\neval\n", "c__builtin__\nexec\n", "csubprocess\nPopen\n", "cnt\nsystem\n",
        "ctorch\nload\n", "cwebbrowser\nopen\n", "ccollections\nCounter\n",
    ])
    func everyOtherGlobalIsRefusedByName(global: String) {
        let name = global.dropFirst().split(separator: "\n").joined(separator: ".")
        let text = refusal(pickle([0x80, 2], op(global), op("X"), [7, 0, 0, 0], op("echo hi"), [0x85], op("R.")))
        #expect(text.contains("\"\(name)\"") && text.contains("nothing of it was executed"), "\(text)")
    }

    @Test func stackGlobalIsRefusedTheSame() {
        let text = refusal(pickle([0x80, 4, 0x8c, 2], op("os"), [0x8c, 6], op("system"), [0x93], op(".")))
        #expect(text.contains("\"os.system\""))
    }

    /// Opcodes that instantiate or extend are not obeyed.
    @Test(arguments: [UInt8(ascii: "i"), UInt8(ascii: "o"), 0x82, 0x83, 0x84, 0x92, 0x97, 0x98, 0xFF, UInt8(ascii: "P")])
    func otherOpcodes(code: UInt8) { #expect(refusal(pickle([0x80, 2], op("("), [code], op("."))).contains("opcode")) }

    @Test func damaged() {
        #expect(refusal(Data()).contains("cut short"))
        #expect(refusal(pickle([0x80, 9])).contains("protocol 9"))
        #expect(refusal(pickle(op("X"), [255, 255, 255, 255], op("abc"))).contains("cut short"))
        #expect(refusal(pickle([0x8d], [UInt8](repeating: 255, count: 8))).contains("cut short"))
        #expect(refusal(pickle(op("."))).contains("never put down"))
        #expect(refusal(pickle(op("(0t."))).contains("never put down"))
        #expect(refusal(pickle(op("K"), [1], op("a."))).contains("no container"))
        #expect(refusal(pickle(op("K"), [1], op("K"), [1], op("a."))).contains("no container"))
        #expect(refusal(pickle(op("}(K"), [1], op("u."))).contains("key without a value"))
        #expect(refusal(pickle(op("h"), [3], op("."))).contains("never remembered"))
        #expect(refusal(pickle([0x8a, 9], [UInt8](repeating: 1, count: 9), op("."))).contains("64 bits"))
        #expect(refusal(pickle(op("I99999999999999999999\n."))).contains("64 bits"))
        #expect(refusal(pickle([0x8c, 1, 0xFF], op("."))).contains("UTF-8"))
        #expect(refusal(pickle(op("NQ."))).contains("outside of the pickle"))
        #expect(refusal(pickle(op("K"), [1], op(")R."))).contains("calls what is no global"))
    }

    /// What would exhaust the stack or memory of a careless reader.
    @Test func circlesDepthAndSharing() {
        #expect(refusal(pickle(op("]q"), [0], op("h"), [0], op("a."))).contains("holds itself"))
        let deep = pickle(op("N"), [UInt8](repeating: 0x85, count: 100_000), op("."))
        #expect(refusal(deep).contains("empty containers") || refusal(deep).contains("nested"))
        // Every list holds the one before it eight times: 8⁴⁰ in all.
        var bomb = op("]q") + [0] + op("K") + [1] + op("a")
        for level in 1...40 { bomb += op("](") + (0..<8).flatMap { _ in op("h") + [UInt8(level - 1)] } + op("eq") + [UInt8(level)] }
        #expect(refusal(Data(bomb + op("."))).contains("unfolds"))
        // A list of one shared pair many times, made an OrderedDict of thousands of times: 120 KB that would be gigabytes.
        let pairs = (0..<30_000).flatMap { _ in op("h\u{1}") }, calls = (0..<10_000).flatMap { _ in op("h\u{0}h\u{3}R0") }
        let copies = pickle(
            op("ccollections\nOrderedDict\nq\u{0}0"), op("NN"), [0x86], op("q\u{1}0"), op("("), pairs, op("lq\u{2}0"), op("h\u{2}"), [0x85],
            op("q\u{3}0"), calls, op("N."))
        #expect(refusal(copies).contains("copies the same values over and over"))
        #expect(refusal(Data(repeating: UInt8(ascii: "]"), count: 1 << 20)).contains("empty containers"))
        // Remembered, or put down again, once a byte.
        for code in [0x94, UInt8(ascii: "2")] {
            let bomb = pickle([0x80, 4], op("N"), [UInt8](repeating: code, count: 20_000_000), op("."))
            let took = processorSeconds { #expect(refusal(bomb).contains("puts down more than it is made of")) }
            #expect(took < 3)
        }
    }
}
