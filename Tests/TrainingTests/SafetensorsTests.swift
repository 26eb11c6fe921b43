import Autograd
import Configuration
import Formats
import Foundation
import Testing
import Training

/// The safetensors reader against files that lie: refused with one line that names the file, never a crash.
struct SafetensorsTests {
    let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder() }

    /// A file with `header` and as many data bytes as given; `length` is what the first eight bytes say.
    func file(_ header: String, data: Int = 0, length: UInt64? = nil) throws -> String {
        var content = withUnsafeBytes(of: (length ?? UInt64(header.utf8.count)).littleEndian) { Data($0) }
        content += Data(header.utf8) + Data((0..<data).map { UInt8($0 % 251) })
        return try folder.write("\(UUID().uuidString).safetensors", content)
    }

    func entry(_ shape: String, _ offsets: String, dtype: String = "F32") -> String {
        #"{"dtype":"\#(dtype)","shape":\#(shape),"data_offsets":\#(offsets)}"#
    }

    func expectRefused(_ path: String, _ word: String, _ what: String = "", sourceLocation: SourceLocation = #_sourceLocation) {
        let text = message(sourceLocation) { _ = try Safetensors.File(path: path) }
        #expect(text.hasPrefix(path) && text.contains(word), "\(what) \(text)", sourceLocation: sourceLocation)
    }

    @Test func anHonestFile() throws {
        let path = try file(
            #"{"__metadata__":{"k":"v"},"a":\#(entry("[2,1]", "[0,8]")),"b":\#(entry("[3]", "[8,20]", dtype: "I32")),"none":\#(entry("[0,7]", "[8,8]"))}  "#,
            data: 20)
        let file = try Safetensors.File(path: path)
        #expect(file.metadata == ["k": "v"])
        let a = try #require(file.entries["a"])
        #expect(a.dtype == "F32" && a.shape == [2, 1] && a.range == 0..<8)
        #expect(try file.floats("a").map(\.bitPattern) == [0x0302_0100, 0x0706_0504])
        #expect(try file.int32s("b") == [0x0b0a_0908, 0x0f0e_0d0c, 0x1312_1110])
        #expect(try file.floats("none") == [])
        #expect(message { _ = try file.floats("b") }.contains("I32 [3]; F32 [3] is wanted"))
        #expect(message { _ = try file.floats("c") }.contains("has no tensor \"c\""))
        let wrongCount = message { try file.withBytes(of: "a", dtype: "F32", shape: [3]) { _ in } }
        #expect(wrongCount.contains("F32 [3] is wanted"), "\(wrongCount)")
        #expect(message { try file.withBytes(of: "a", dtype: "F32", shape: [1, 2]) { _ in } }.contains("F32 [2, 1]; F32 [1, 2] is wanted"))
    }

    @Test func missingOrCutShort() throws {
        expectRefused("\(folder.path)/nothing.safetensors", "cannot be read")
        expectRefused(folder.path, "cannot be read")
        for count in 0..<8 { expectRefused(try folder.write("short\(count)", Data(repeating: 0, count: count)), "too short") }
        expectRefused(try file("{}", length: 3), "cut short")
        for length in [UInt64.max, UInt64(Int64.max), 1 << 63, 1 << 40, UInt64(UInt32.max)] {
            expectRefused(try file("{}", length: length), "cut short")
        }
        expectRefused(try file(#"{"a":\#(entry("[2]", "[0,8]"))}"#, data: 7), "cut short or damaged: tensor \"a\" should end 8 bytes")
    }

    @Test func headersThatAreNoObject() throws {
        for header in ["", "x", "[]", "3", "null", "{", #"{"a":}"#, "\u{0}\u{0}", String(repeating: "[", count: 100_000)] {
            expectRefused(try file(header), "not a JSON object")
        }
    }

    @Test func overlapsAndHoles() throws {
        expectRefused(try file(#"{"a":\#(entry("[2]", "[0,8]")),"b":\#(entry("[2]", "[4,12]"))}"#, data: 12), "overlaps")
        expectRefused(try file(#"{"a":\#(entry("[2]", "[0,8]")),"b":\#(entry("[2]", "[0,8]"))}"#, data: 8), "overlaps")
        expectRefused(try file(#"{"a":\#(entry("[2]", "[0,8]")),"b":\#(entry("[1]", "[12,16]"))}"#, data: 16), "hole")
        expectRefused(try file(#"{"a":\#(entry("[1]", "[4,8]"))}"#, data: 8), "hole")
        expectRefused(try file(#"{"a":\#(entry("[1]", "[0,4]"))}"#, data: 5), "1 bytes that belong to no tensor")
    }

    @Test func sizesThatCannotBe() throws {
        for (shape, offsets, word) in [
            ("[2]", "[0,12]", "cut short or damaged"), ("[3]", "[0,8]", "8 bytes where its shape needs 12"),
            ("[-1]", "[0,4]", "impossible shape"),
            ("[4611686018427387904]", "[0,8]", "impossible shape"), ("[4294967296,4294967296]", "[0,8]", "impossible shape"),
            ("[4611686018427387904,0]", "[0,0]", "impossible shape"), ("[1.5]", "[0,4]", "impossible shape"),
            ("[1e300]", "[0,4]", "impossible shape"), (#"["2"]"#, "[0,8]", "impossible shape"), ("2", "[0,8]", "wrongly"),
            ("[2]", "[8,0]", "wrongly"), ("[2]", "[-8,0]", "wrongly"), ("[2]", "[0,8,8]", "wrongly"), ("[2]", "[0]", "wrongly"),
            ("[2]", "[0,9223372036854775807]", "cut short or damaged"), ("[2]", "[0,1e400]", "not a JSON object"),
            ("[2]", "\"0\"", "wrongly"),
            ("[2]", "[0,null]", "wrongly"),
        ] {
            expectRefused(try file(#"{"a":\#(entry(shape, offsets))}"#, data: 8), word, "shape \(shape), offsets \(offsets)")
        }
        expectRefused(try file(#"{"a":\#(entry("[2]", "[0,8]", dtype: "F99"))}"#, data: 8), "wrongly")
        expectRefused(try file(#"{"a":3}"#, data: 8), "wrongly")
        expectRefused(try file(#"{"a":{"dtype":"F32"}}"#, data: 8), "wrongly")
    }

    /// A checkpoint with some bytes changed or cut off: read in full, or refused.
    @Test func mutatedBytes() throws {
        let shape =
            #"{"__metadata__":{"step":"3"},"layers.0.w":\#(entry("[2,3]", "[0,24]")),"b":\#(entry("[1]", "[24,28]")),"t":\#(entry("[2]", "[28,36]", dtype: "I32"))}"#
        let good = try bytes(file(shape, data: 36))
        var draw = Philox(key: 4).sequence(stream: 0), refused = 0, accepted = 0
        for round in 0..<600 {
            var bad = [UInt8](good)
            // Two thirds of the changes hit the header's length or the header.
            for _ in 0...Int(draw.below(3)) {
                let place = round % 3 == 0 ? Int(draw.below(bad.count)) : Int(draw.below(8 + shape.utf8.count))
                bad[place] = round % 2 == 0 ? UInt8(draw.below(256)) : Array("0123456789[]{},:\"-eF".utf8)[Int(draw.below(20))]
            }
            if round % 7 == 0 { bad.removeLast(Int(draw.below(bad.count))) }
            let path = try folder.write("mutated.safetensors", Data(bad))
            do {
                let file = try Safetensors.File(path: path)
                for (name, entry) in file.entries {
                    if entry.dtype == "F32" { #expect(try file.floats(name).count * 4 == entry.range.count) }
                    if entry.dtype == "I32" { #expect(try file.int32s(name).count * 4 == entry.range.count) }
                }
                accepted += 1
            } catch {
                let text = "\(error)"
                #expect(error is Safetensors.Failure && !text.contains("\n"), "\(text)")
                refused += 1
            }
        }
        #expect(refused > 100 && accepted > 20, "\(refused) refused, \(accepted) accepted")
    }
}
