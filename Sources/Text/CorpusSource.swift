extension Corpus {
    /// The names that `load` knows; everything else is a path.
    public static let knownNames = ["stories"] + Published.all.map(\.name) + SyntheticTask.all.map(\.name)

    /// The text that `source` names: `stories` (made from `seed`, `characters` long), `tinyshakespeare`, or a path to a
    /// file or folder. A name goes before a file of that name; write `./stories` for the file.
    ///
    /// With `cache`, stories that were made once are kept in the user's cache.
    public static func load(
        source: String, seed: UInt64 = 0, characters: Int = 2_000_000, cache: Bool = true, locations: Locations = Locations()
    ) throws -> Corpus {
        if source == "stories" {
            return try stories(seed: seed, characters: characters, cacheFolder: cache ? locations.cache : nil)
        }
        if Published.all.contains(where: { $0.name == source }) { return try named(source, locations: locations) }
        guard Files.kind(of: source) == nil else { return try file(source) }
        // What looks like a path gets the error of a path.
        if source.contains("/") || source.hasSuffix(".txt") { throw TextError.missing(path: source) }
        throw unknown(source, among: knownNames)
    }

    private static func stories(seed: UInt64, characters: Int, cacheFolder: String?) throws -> Corpus {
        guard characters > 0 else {
            throw TextError.invalidSetting(
                name: "the number of characters of stories", value: "\(characters)", requirement: "at least 1")
        }
        let info = "stories version \(Stories.version), seed \(seed), \(characters) characters"
        let path = cacheFolder.map { "\($0)/stories/v\(Stories.version)-seed\(seed)-\(characters)" }
        if let path, let kept = SealedFile.read(path), let corpus = try? generated(name: "stories", bytes: kept, info: info) {
            return corpus
        }
        let corpus = try generated(name: "stories", text: Stories(seed: seed).text(characters: characters), info: info)
        // Where nothing can be kept the stories are made again the next time.
        if let path { try? SealedFile.write(corpus.bytes, to: path) }
        return corpus
    }
}
