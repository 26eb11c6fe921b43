import Foundation
import Testing
import Text

@Suite struct TextReaderTests {
    let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder() }

    static func blocks(
        _ source: TextSource, separated: Bool = false, size: Int = TextReader.usualBlockSize, from position: TextPosition = TextPosition()
    ) throws -> [TextBlock] {
        var reader = TextReader(source, isSeparated: separated, blockSize: size, from: position), all: [TextBlock] = []
        while let block = try reader.next() { all.append(block) }
        return all
    }

    /// The documents that blocks hold, put together again where they go on in the next block.
    static func documents(_ blocks: [TextBlock]) -> [String] {
        var documents: [String] = [], open: [UInt8] = []
        for block in blocks {
            var start = 0
            for end in block.documentEnds {
                documents.append(String(decoding: open + block.bytes[start..<end], as: UTF8.self))
                (open, start) = ([], end)
            }
            open += block.bytes[start...]
        }
        return open.isEmpty ? documents : documents + [String(decoding: open, as: UTF8.self)]
    }

    func source(_ path: String, _ change: (inout TextSource.Format) -> Void = { _ in }) throws -> TextSource {
        var format = TextSource.Format()
        change(&format)
        return try TextSource(path: path, format: format)
    }

    static let lines = (0..<300).map { "Line \($0) of the text, äöü 你好, \(String(repeating: "x", count: $0 % 17))." }

    /// A folder of files is one text, cut into blocks or not; as it is read in memory.
    @Test(arguments: [16, 100, 1000, 1 << 20]) func blocksAreTheText(size: Int) throws {
        for (index, part) in [0..<100, 100..<100, 100..<101, 101..<300].enumerated() {
            try folder.write("\(index).txt", Self.lines[part].joined(separator: "\n"))
        }
        try folder.write("sub/deep.txt", "\n\n  spaces first\n")
        let whole = try Corpus.file(folder.path).bytes
        let blocks = try Self.blocks(source(folder.path), size: size)
        #expect(blocks.flatMap(\.bytes) == whole)
        #expect(blocks.dropLast().allSatisfy { $0.bytes.count <= 4 * size + 4 })
        if size == 1000 { #expect(blocks.count > 10) }
    }

    /// Wherever a block ends, reading on from there gives the blocks behind it.
    @Test(arguments: [false, true]) func readingGoesOn(separated: Bool) throws {
        try folder.write("a.txt", Self.lines.joined(separator: "\n\n"))
        try folder.write("b.jsonl", Self.lines.map { "{\"id\":1,\"text\":\"\($0)\"}" }.joined(separator: "\n"))
        try folder.write("c.txt.gz", GzipMaker.pack(Array(Self.lines.joined(separator: "\n").utf8)))
        let source = try source(folder.path) { $0.documentBreak = "\n\n" }
        let all = try Self.blocks(source, separated: separated, size: 700)
        #expect(all.count > 30)
        for (index, block) in all.enumerated() {
            let rest = try Self.blocks(source, separated: separated, size: 700, from: block.next)
            #expect(rest.map(\.bytes) == all[(index + 1)...].map(\.bytes))
            #expect(rest.map(\.documentEnds) == all[(index + 1)...].map(\.documentEnds))
        }
        if separated {
            #expect(Self.documents(all) == Self.lines + Self.lines + [Self.lines.joined(separator: "\n")])
        }
    }

    @Test func compressedIsTheSame() throws {
        let text = Self.lines.joined(separator: "\n"), jsonl = Self.lines.map { "{\"text\": \"\($0)\"}" }.joined(separator: "\r\n") + "\n\n"
        let plain = try Self.blocks(source(folder.write("p.txt", text)))
        // By content, whatever the name.
        let packed = try Self.blocks(source(folder.write("q.txt", GzipMaker.pack(Array(text.utf8)))))
        #expect(packed.flatMap(\.bytes) == plain.flatMap(\.bytes))
        for name in ["l.jsonl", "l.jsonl.gz", "no-name"] {
            let bytes = name.hasSuffix("gz") ? GzipMaker.pack(Array(jsonl.utf8)) : Array(jsonl.utf8)
            let blocks = try Self.blocks(source(folder.write(name, bytes)), separated: true)
            #expect(Self.documents(blocks) == Self.lines, "\(name)")
        }
        // A mark of byte order is no part of it.
        let marked = try Self.blocks(source(folder.write("marked", [0xEF, 0xBB, 0xBF] + Array(jsonl.utf8))), separated: true)
        #expect(Self.documents(marked) == Self.lines)
        // Asked for, JSON is text as well.
        #expect(try Self.blocks(source(folder.path + "/l.jsonl") { $0.kind = .text }).flatMap(\.bytes) == Array(jsonl.utf8))
    }

    @Test(arguments: [20, 64, 4096]) func documentsEndAtTheirBreaks(size: Int) throws {
        let documents = (0..<60).map { String(repeating: "word\($0) ", count: $0 % 9 + 1) }
        let path = try folder.write("t.txt", documents.joined(separator: "<|end|>") + "<|end|><|end|>")
        let blocks = try Self.blocks(source(path) { $0.documentBreak = "<|end|>" }, separated: true, size: size)
        #expect(Self.documents(blocks) == documents)
        #expect(blocks.flatMap(\.documentEnds).count == documents.count)
    }

    @Test func whatIsWrongIsNamed() throws {
        func message(_ name: String, _ bytes: [UInt8], _ change: (inout TextSource.Format) -> Void = { _ in }) throws -> String {
            do {
                _ = try Self.blocks(source(folder.write(name, bytes), change), size: 100)
                return ""
            } catch let error as TextError { return error.description }
        }
        let good = "{\"text\": \"ok\"}\n"
        #expect(
            try message("a.jsonl", Array((good + good + "{\"text\": }").utf8)).contains(
                "a.jsonl: line 3 cannot be used: it is not valid JSON at byte 9"))
        #expect(
            try message("b.jsonl", Array((good + "{\"body\": \"x\", \"id\": 1}").utf8)).contains(
                "it has no field \"text\" but \"body\", \"id\""))
        #expect(try message("c.jsonl", Array("just text".utf8)).contains("line 1 cannot be used: it is no JSON object"))
        #expect(
            try message("d.jsonl", Array("{\"text\": \"".utf8) + [0xFF] + Array("\"}".utf8)).contains(
                "line 1 cannot be used: its text is not UTF-8"))
        let latin = Array(String(repeating: "plain text\n", count: 30).utf8) + [0xE9]
        #expect(try message("e.txt", latin).contains("e.txt: not UTF-8 at byte 330"))
        var packed = GzipMaker.pack(Array(String(repeating: "plain text\n", count: 30).utf8))
        #expect(try message("f.gz", Array(packed.dropLast(20))).contains("cut short"))
        packed[40] ^= 1
        #expect(try message("g.gz", packed).contains("damaged"))
        #expect(try message("h.gz", Array(packed.prefix(5))) != "")
        #expect(throws: TextError.self) { try source(folder.path + "/none.txt") }
        #expect(throws: TextError.self) { try source("/dev/null") }
    }
}
