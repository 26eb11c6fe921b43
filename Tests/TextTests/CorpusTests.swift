import Foundation
import Testing
import Text

@Suite struct CorpusTests {
    @Test func fileAndFolder() throws {
        let folder = try TemporaryFolder()
        let file = try folder.write("b.txt", "second é")
        #expect(try Corpus.file(file).text == "second é")
        #expect(try Corpus.file(file).characterCount == 8)
        try folder.write("a/z.txt", "first")
        try folder.write("c.txt", "")
        try folder.write(".hidden", "no")
        try folder.write(".git/config", "no")
        #expect(try Corpus.file(folder.path).text == "first\nsecond é")
        // A link back up must not go round for ever.
        try FileManager.default.createSymbolicLink(atPath: folder.path + "/a/up", withDestinationPath: folder.path)
        #expect(try Corpus.file(folder.path).text == "first\nsecond é")
    }

    @Test func whatCannotBeUsedIsNamed() throws {
        let folder = try TemporaryFolder()
        #expect(throws: TextError.missing(path: folder.path + "/none")) { try Corpus.file(folder.path + "/none") }
        #expect(throws: TextError.noFiles(folder: folder.path)) { try Corpus.file(folder.path) }
        let empty = try folder.write("empty.txt", "")
        #expect(throws: TextError.empty(source: empty)) { try Corpus.file(empty) }
        let binary = try folder.write("binary.txt", Array("0123456789 é".utf8) + [0xFF, 0x41])
        #expect(throws: TextError.notUTF8(source: binary, byteOffset: 13)) { try Corpus.file(binary) }
        #expect(throws: TextError.notUTF8(source: binary, byteOffset: 13)) { try Corpus.file(folder.path) }
        #expect(throws: TextError.self) { try Corpus.file("/dev/null") }
        if geteuid() != 0 {
            chmod(empty, 0)
            #expect(throws: TextError.unreadable(path: empty, reason: "Permission denied")) { try Corpus.file(empty) }
        }
    }

    @Test func everyErrorIsOneLine() {
        let errors: [TextError] = [
            .missing(path: "a\nb"), .unreadable(path: "a", reason: "r"), .unwritable(path: "a", reason: "r"), .empty(source: "s"),
            .noFiles(folder: "f"), .notUTF8(source: "s", byteOffset: 3), .unknownCorpus(name: "n\u{1B}[2J", nearest: nil, known: ["k"]),
            .downloadFailed(url: "u", reason: "r", remedy: "m"), .unseenCharacter(scalar: "\n", offset: 1),
            .damagedTokenizer(reason: "r"), .damagedTokenFile(path: "p", reason: "r"),
            .tokenOutOfRange(id: 1, position: 2, vocabularySize: 1), .tooFewTokens(source: "s", tokens: 1, needed: 2),
            .tooShort(source: "s", characters: 1, needed: 2), .invalidSetting(name: "n", value: "v", requirement: "r"),
        ]
        for error in errors {
            #expect(!error.description.unicodeScalars.contains { $0.value < 0x20 })
            #expect(error.localizedDescription == error.description)
        }
    }

    @Test func namesArePlaces() throws {
        let locations = Locations(data: nil, cache: nil)
        let near = #expect(throws: TextError.self) { try Corpus.load(source: "tinyshakespear", locations: locations) }
        #expect(near == .unknownCorpus(name: "tinyshakespear", nearest: "tinyshakespeare", known: Corpus.knownNames))
        #expect(near?.description.hasSuffix("or a path to a file or folder") == true)
        let far = #expect(throws: TextError.self) { try Corpus.load(source: "zzzzzzzzzzzzzzzzzzzzzzzzzzzzz", locations: locations) }
        #expect(far == .unknownCorpus(name: "zzzzzzzzzzzzzzzzzzzzzzzzzzzzz", nearest: nil, known: Corpus.knownNames))
        #expect(throws: TextError.missing(path: "no/such/file")) { try Corpus.load(source: "no/such/file", locations: locations) }
        #expect(throws: TextError.missing(path: "none.txt")) { try Corpus.load(source: "none.txt", locations: locations) }
        let folder = try TemporaryFolder()
        let file = try folder.write("text.txt", "text")
        #expect(try Corpus.load(source: file, locations: locations).text == "text")
    }

    @Test func storiesComeFromTheSeed() throws {
        let cache = try TemporaryFolder()
        let locations = Locations(data: nil, cache: cache.path)
        let stories = try Corpus.load(source: "stories", seed: 7, characters: 2000, cache: false, locations: locations)
        #expect(stories.name == "stories" && stories.characterCount >= 1000)
        #expect(cache.names().isEmpty)
        // Made and kept, found again, damaged and made again.
        for _ in 0..<2 {
            #expect(try Corpus.load(source: "stories", seed: 7, characters: 2000, locations: locations).bytes == stories.bytes)
        }
        let name = try #require(cache.names(in: "stories").first)
        let file = cache.path + "/stories/" + name
        var data = try #require(FileManager.default.contents(atPath: file))
        data[500] = UInt8(ascii: "~")
        try data.write(to: URL(fileURLWithPath: file))
        #expect(try Corpus.load(source: "stories", seed: 7, characters: 2000, locations: locations).bytes == stories.bytes)
        #expect(cache.names(in: "stories") == [name])
        #expect(throws: TextError.self) { try Corpus.load(source: "stories", characters: 0, locations: locations) }
    }

    @Test(arguments: ["tinyshakespeare/input.txt", "tinyshakespeare.txt", "input.txt"]) func theDataFolderGoesFirst(name: String) throws {
        let folder = try TemporaryFolder()
        try folder.write(name, "All: speak.")
        let published = Corpus.Published(
            name: "tinyshakespeare", url: "http://127.0.0.1:1/", sha256: SHA256.hexadecimal(of: Array("All: speak.".utf8)), size: 11)
        let locations = Locations(data: folder.path, cache: nil)
        let corpus = try Corpus.load(published, locations: locations, downloader: Downloader())
        #expect(corpus.text == "All: speak." && corpus.name == "tinyshakespeare")
        // Another text under the name: refused where it claims to be the text, passed over where it does not.
        try folder.write(name, "All: sing.")
        #expect {
            try Corpus.load(published, locations: locations, downloader: Downloader())
        } throws: { error in
            guard let error = error as? TextError else { return false }
            if case .unreadable = error { return name != "input.txt" }
            if case .downloadFailed = error { return name == "input.txt" }
            return false
        }
    }

    @Test func locationsFollowTheEnvironment() {
        #expect(Locations(environment: ["LOOM_DATA": "/d", "XDG_CACHE_HOME": "/c", "HOME": "/h"]).data == "/d")
        #expect(Locations(environment: ["XDG_CACHE_HOME": "/c", "HOME": "/h"]).cache == "/c/loom")
        #expect(Locations(environment: ["XDG_CACHE_HOME": "relative", "HOME": "/h"]).cache?.hasPrefix("/h/") == true)
        #expect(Locations(environment: ["LOOM_DATA": ""]).data == nil)
        #expect(Locations(environment: [:]).cache == nil)
    }

    @Test func sha256() {
        #expect(SHA256.hexadecimal(of: []) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(SHA256.hexadecimal(of: Array("abc".utf8)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(
            SHA256.hexadecimal(of: Array("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".utf8))
                == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
        #expect(
            SHA256.hexadecimal(of: [UInt8](repeating: 97, count: 1_000_000))
                == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }
}
