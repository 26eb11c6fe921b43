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
    /// The data folder may hold it as `<name>/input.txt`, `<name>.txt` or `input.txt`; what the user has put there is
    /// taken as it is. A download is checked against the text's SHA-256.
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
            if let found = candidates.first(where: { Files.kind(of: $0) == .file }) { return try corpus(name, at: found) }
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
        let ranked = known.map { (name: $0, distance: editDistance(name.lowercased(), $0)) }.sorted { $0.distance < $1.distance }
        let nearest = ranked.first.flatMap { $0.distance <= max(2, $0.name.count / 2) ? $0.name : nil }
        return .unknownCorpus(name: name, nearest: nearest, known: known)
    }

    /// How many letters have to be put in, taken out or replaced to turn `a` into `b` (Levenshtein).
    private static func editDistance(_ a: String, _ b: String) -> Int {
        let a = Array(a.unicodeScalars.prefix(64)), b = Array(b.unicodeScalars.prefix(64))
        var row = Array(0...b.count)
        for (i, left) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, right) in b.enumerated() {
                let replaced = diagonal + (left == right ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(replaced, row[j] + 1, row[j + 1] + 1)
            }
        }
        return row[b.count]
    }
}
