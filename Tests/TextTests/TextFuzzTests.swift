import Foundation
import TestSupport
import Testing
import Text

/// Damaged texts and tokens through the readers: an error or tokens, but no crash and no waiting.
@Suite struct TextFuzzTests {
    let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder() }

    private enum Kind: String, CaseIterable { case shard, ownHeader, published, publishedWide, bare, jsonLines, compressed, text }

    @Test func mutatedFilesDoNoHarm() throws {
        var random = TestRandom(state: 21)
        let tokens = PublishedTokensTests.tokens(300, below: 256, seed: 4)
        let header = { (bytes: [UInt8]) in
            bytes.withUnsafeBytes { TokenFile.Header(isWide: false, vocabularySize: 256, count: bytes.count / 2).bytes(for: $0) }
        }
        let payload = PublishedTokensTests.bytes(tokens), text = (0..<20).map { "Line \($0), äöü 你好 😀\n" }.joined()
        let lines = (0..<20).map { "{\"id\": \($0), \"text\": \"a\\n\\u00e9 \\ud83d\\ude00 \($0)\", \"x\": [1, {\"y\": null}]}\n" }.joined()
        let paths = try Kind.allCases.reduce(into: [:]) { $0[$1] = try folder.write("\($1.rawValue)/train.bin", [0]) }
        for kind in [Kind.published, .publishedWide, .bare] { try folder.write("\(kind.rawValue)/val.bin", payload) }
        var slowest = 0.0, opened = 0
        for round in 0..<Fuzz.rounds {
            let kind = Kind.allCases[round % Kind.allCases.count]
            let bytes: [UInt8]
            switch kind {
            case .shard: bytes = Fuzz.mutated(header(payload) + payload, &random)
            case .ownHeader:
                // Checksums that fit, around numbers that need not.
                let changed = Fuzz.mutated(payload, &random)
                var own = Fuzz.mutated(Array(header(changed)[..<56]), &random)
                own += [UInt8](repeating: 0, count: max(0, 56 - own.count))
                own = Array(own[..<56])
                let hash = own.withUnsafeBytes { TokenFile.Header.hash($0) }
                bytes =
                    (Bool.random(using: &random) ? own + withUnsafeBytes(of: hash.littleEndian) { Array($0) } : header(changed)) + changed
            case .published: bytes = Fuzz.mutated(PublishedTokensTests.shard(tokens), &random)
            case .publishedWide: bytes = Fuzz.mutated(PublishedTokensTests.shard(tokens, wide: true), &random)
            case .bare: bytes = Fuzz.mutated(payload, &random)
            case .jsonLines: bytes = Fuzz.mutated(Array(lines.utf8), &random)
            case .compressed: bytes = Fuzz.mutated(GzipMaker.pack(Array((round % 16 < 8 ? lines : text).utf8)), &random)
            case .text: bytes = Fuzz.mutated(Array(text.utf8), &random)
            }
            let path = try #require(paths[kind])
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            let took = processorSeconds {
                do {
                    switch kind {
                    case .shard, .ownHeader:
                        let file = try TokenFile(path: path)
                        #expect(file.all().allSatisfy { $0 >= 0 && $0 < file.vocabularySize })
                    case .published, .publishedWide, .bare:
                        let data = try PublishedTokens.dataset("\(folder.path)/\(kind.rawValue)", tokenizer: .byte)
                        #expect(data.train.all().allSatisfy { $0 >= 0 && $0 < 256 })
                    case .jsonLines, .compressed, .text:
                        let source = try TextSource(path: path)
                        for isSeparated in [false, true] {
                            var reader = TextReader(source, isSeparated: isSeparated, blockSize: 100)
                            while let block = try reader.next() { #expect(block.documentEnds.allSatisfy { $0 <= block.bytes.count }) }
                        }
                    }
                    opened += 1
                } catch is TextError {
                } catch { Issue.record("\(error) is no TextError") }
            }
            slowest = max(slowest, took)
            #expect(took < 1, "file \(round), \(kind), takes \(took) s")
        }
        #expect(opened > Fuzz.rounds / 50, "only \(opened) were read at all")
        if Fuzz.rounds > 3000 {
            print("\(Fuzz.rounds) texts and shards, \(opened) read, slowest \(slowest) s, peak \(residentPeak() >> 20) MiB")
        }
    }
}
