import Foundation
import Testing
import Text

// One after another, so that no test gets the port that another has just left.
@Suite(.serialized) struct DownloadTests {
    static let body = Array(String(repeating: "First Citizen:\nSpeak, speak.\n", count: 2000).utf8)

    private func load(_ url: String, _ cache: TemporaryFolder, sha256: String? = nil) throws -> Corpus {
        var downloader = Downloader()
        downloader.idleTimeout = 1
        downloader.totalTimeout = 10
        downloader.reportsProgress = false
        let published = Corpus.Published(
            name: "play", url: url, sha256: sha256 ?? SHA256.hexadecimal(of: Self.body), size: Self.body.count)
        return try Corpus.load(published, locations: Locations(data: nil, cache: cache.path), downloader: downloader)
    }

    /// The reason a download failed, after checking that the error says how to go on and that nothing was kept.
    private func failure(_ url: String, sha256: String? = nil) throws -> String {
        let cache = try TemporaryFolder()
        let error = #expect(throws: TextError.self) { try load(url, cache, sha256: sha256) }
        #expect(cache.names(in: "play").isEmpty)
        guard case .downloadFailed(let failed, let reason, let remedy)? = error else {
            Issue.record("\(String(describing: error))")
            return ""
        }
        #expect(failed == url)
        #expect(remedy.contains(cache.path + "/play/input.txt") && remedy.contains("LOOM_DATA"))
        return reason
    }

    @Test func aGoodFileIsKept() throws {
        let server = try LocalServer(body: Self.body)
        defer { server.stop() }
        let cache = try TemporaryFolder()
        #expect(try load(server.url, cache).bytes == Self.body)
        #expect(cache.names(in: "play") == ["input.txt"])
        #expect(try load(server.url, cache).bytes == Self.body)
        #expect(server.requests == 1)
        // A file that is not whole is fetched again.
        try cache.write("play/input.txt", "First")
        #expect(try load(server.url, cache).bytes == Self.body)
        #expect(server.requests == 2)
    }

    @Test func wrongText() throws {
        let server = try LocalServer(body: Self.body)
        defer { server.stop() }
        #expect(try failure(server.url, sha256: String(repeating: "0", count: 64)).contains("SHA-256"))
    }

    @Test func notFound() throws {
        let server = try LocalServer(status: "404 Not Found", body: Array("nothing here".utf8))
        defer { server.stop() }
        #expect(try failure(server.url) == "the server answered 404")
    }

    @Test func cutShort() throws {
        let server = try LocalServer(body: Array(Self.body.prefix(1000)), claimed: Self.body.count)
        defer { server.stop() }
        #expect(try failure(server.url).contains("1000 of \(Self.body.count) bytes"))
    }

    @Test func silence() throws {
        let server = try LocalServer(response: nil)
        defer { server.stop() }
        let start = ContinuousClock.now
        #expect(try failure(server.url).contains("in time"))
        #expect(ContinuousClock.now - start < .seconds(30))
    }

    @Test func nobodyListens() throws {
        let server = try LocalServer(response: nil)
        server.stop()
        #expect(try failure(server.url) == "nothing answers at that address")
        #expect(try failure("ftp://127.0.0.1/x") == "not an HTTP address")
    }
}
