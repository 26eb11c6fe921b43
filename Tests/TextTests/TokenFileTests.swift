import Foundation
import Testing
import Text

@Suite struct TokenFileTests {
    @Test(arguments: [(256, 2), (65536, 2), (65537, 4)]) func roundTrip(vocabularySize: Int, width: Int) throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/a.tokens"
        let tokens = (0..<1001).map { Int32($0 * 7919 % vocabularySize) } + [Int32(vocabularySize - 1), 0]
        try TokenFile.write(tokens, vocabularySize: vocabularySize, to: path)
        #expect(try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int == 64 + tokens.count * width)
        let file = try TokenFile(path: path)
        #expect(file.count == tokens.count && file.vocabularySize == vocabularySize)
        #expect(file.all() == tokens)
        #expect(file[5] == tokens[5])
        let memory = try TokenFile(tokens: tokens, vocabularySize: vocabularySize)
        #expect(memory.all() == tokens)
        #expect(folder.names() == ["a.tokens"])
    }

    @Test func emptyFilesAreFiles() throws {
        let folder = try TemporaryFolder()
        try TokenFile.write([], vocabularySize: 3, to: folder.path + "/a")
        #expect(try TokenFile(path: folder.path + "/a").all() == [])
    }

    @Test func idsAreCheckedBeforeWriting() throws {
        let folder = try TemporaryFolder()
        #expect(throws: TextError.tokenOutOfRange(id: 10, position: 2, vocabularySize: 10)) {
            try TokenFile.write([1, 9, 10], vocabularySize: 10, to: folder.path + "/a")
        }
        #expect(throws: TextError.tokenOutOfRange(id: -1, position: 0, vocabularySize: 10)) {
            try TokenFile(tokens: [-1], vocabularySize: 10)
        }
        #expect(throws: TextError.self) { try TokenFile(tokens: [], vocabularySize: 0) }
        #expect(folder.names().isEmpty)
    }

    @Test func whatCannotBeWrittenLeavesNothingBehind() throws {
        let folder = try TemporaryFolder()
        #expect(throws: TextError.self) { try TokenFile.write([1], vocabularySize: 10, to: folder.path + "/none/a") }
        // A folder of that name is in the way of the last step.
        try folder.write("a/inside", "x")
        #expect(throws: TextError.self) { try TokenFile.write([1], vocabularySize: 10, to: folder.path + "/a") }
        #expect(folder.names() == ["a"])
    }

    @Test func everyChangedByteIsNoticed() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/a"
        try TokenFile.write((0..<40).map { $0 }, vocabularySize: 40, to: path)
        let good = try #require(FileManager.default.contents(atPath: path))
        for index in good.indices {
            var bad = good
            bad[index] ^= 1 << (index % 8)
            try bad.write(to: URL(fileURLWithPath: path))
            #expect(throws: TextError.self, "byte \(index)") { try TokenFile(path: path) }
        }
        for length in 0..<good.count {
            try good.prefix(length).write(to: URL(fileURLWithPath: path))
            #expect(throws: TextError.self, "length \(length)") { try TokenFile(path: path) }
        }
        try (good + [0, 0]).write(to: URL(fileURLWithPath: path))
        #expect(throws: TextError.self) { try TokenFile(path: path) }
        #expect(throws: TextError.self) { try TokenFile(path: folder.path) }
        #expect(throws: TextError.missing(path: folder.path + "/none")) { try TokenFile(path: folder.path + "/none") }
    }

    @Test func liesWithMatchingChecksumsAreNoticed() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/a"
        func write(vocabularySize: Int, isWide: Bool, count: Int, payload: [UInt8]) throws {
            let header = payload.withUnsafeBytes {
                TokenFile.Header(isWide: isWide, vocabularySize: vocabularySize, count: count).bytes(for: $0)
            }
            try Data(header + payload).write(to: URL(fileURLWithPath: path))
        }
        try write(vocabularySize: 10, isWide: false, count: 2, payload: [1, 0, 9, 0])
        #expect(try TokenFile(path: path).all() == [1, 9])
        try write(vocabularySize: 10, isWide: false, count: 2, payload: [1, 0, 10, 0])
        #expect(throws: TextError.self) { try TokenFile(path: path) }
        try write(vocabularySize: 10, isWide: true, count: 1, payload: [1, 0, 0, 0])
        #expect(throws: TextError.self) { try TokenFile(path: path) }
        try write(vocabularySize: 10, isWide: false, count: 1 << 40, payload: [1, 0, 9, 0])
        #expect(throws: TextError.self) { try TokenFile(path: path) }
        try write(vocabularySize: 0, isWide: false, count: 0, payload: [])
        #expect(throws: TextError.self) { try TokenFile(path: path) }
        try write(vocabularySize: 70000, isWide: true, count: 1, payload: [0, 0, 0, 0x80])
        #expect(throws: TextError.self) { try TokenFile(path: path) }
        try write(vocabularySize: 10, isWide: false, count: 1, payload: [1, 0, 0])
        #expect(throws: TextError.self) { try TokenFile(path: path) }
    }
}
