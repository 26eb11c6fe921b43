import Configuration
import Foundation

extension Corpus {
    /// A published text that is downloaded when it is first used.
    package struct Published: Sendable {
        let name: String
        let url: String
        let sha256: String
        let size: Int

        package init(name: String, url: String, sha256: String, size: Int) {
            (self.name, self.url, self.sha256, self.size) = (name, url, sha256, size)
        }

        package static let tinyShakespeare = Published(
            name: "tinyshakespeare",
            url: "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
            sha256: "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed", size: 1_115_394)

        static let all = [tinyShakespeare]
    }

    /// A published text by its name: from the user's data folder, from the user's cache, or downloaded into the cache.
    ///
    /// The data folder may hold it as `<name>/input.txt`, `<name>.txt` or `input.txt`. Wherever it comes from, it is the
    /// text that figures were published for: checked against its SHA-256.
    public static func named(_ name: String, locations: Locations = Locations()) throws -> Corpus {
        guard let published = Published.all.first(where: { $0.name == name }) else {
            throw unknown(name, among: Published.all.map(\.name))
        }
        return try load(published, locations: locations, downloader: Downloader())
    }

    package static func load(_ published: Published, locations: Locations, downloader: Downloader) throws -> Corpus {
        let name = published.name
        if let data = locations.data {
            let candidates = ["\(name)/input.txt", "\(name).txt", "input.txt"].map { "\(data)/\($0)" }
            for path in candidates where Files.kind(of: path) == .file {
                let found = try corpus(name, at: path)
                if SHA256.hexadecimal(of: found.bytes) == published.sha256 { return found }
                // A file called input.txt may be anything; one with the text's own name must be the text.
                guard path == candidates.last else {
                    throw TextError.unreadable(
                        path: path, reason: "it is not the published \(name), whose SHA-256 is \(published.sha256)")
                }
            }
        }
        guard let cache = locations.cache else {
            throw TextError.downloadFailed(
                url: published.url, reason: "there is no cache folder to keep it in",
                remedy: "set HOME, XDG_CACHE_HOME or LOOM_DATA")
        }
        let path = "\(cache)/\(name)/input.txt"
        // The hash was checked when the file was written; its size is enough to tell that it is still whole.
        if let cached = try? corpus(name, at: path), cached.bytes.count == published.size { return cached }
        let remedy =
            "put the text at \(path) by hand, set LOOM_DATA to a folder with \(name)/input.txt, "
            + "or use another source such as stories or a file of your own"
        let bytes = try downloader.fetch(published.url, named: name, sha256: published.sha256, remedy: remedy)
        do {
            try Files.makeFolder(Files.folderPath(of: path))
            try Files.writeAtomically(bytes, to: path)
        } catch {
            // The text is here all the same; the next run downloads it again.
            return try generated(name: name, text: String(decoding: bytes, as: UTF8.self), info: published.url)
        }
        return try corpus(name, at: path)
    }

    private static func corpus(_ name: String, at path: String) throws -> Corpus {
        try Corpus.file(path).renamed(name)
    }

    /// The error for a name that no corpus has, with the most similar name that one has.
    static func unknown(_ name: String, among known: [String]) -> TextError {
        .unknownCorpus(name: name, nearest: nearest(to: name, in: known), known: known)
    }
}
