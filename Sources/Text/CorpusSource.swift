extension Corpus {
    /// The names that `load` knows; everything else is a path.
    public static let knownNames = ["stories"] + Published.all.map(\.name)

    /// The text that `source` names: `stories` (made from `seed`, `characters` long), `tinyshakespeare`, or a path to a
    /// file or folder. A name goes before a file of that name; write `./stories` for the file.
    public static func load(
        source: String, seed: UInt64 = 0, characters: Int = 2_000_000, locations: Locations = Locations()
    ) throws -> Corpus {
        if source == "stories" {
            guard characters > 0 else {
                throw TextError.invalidSetting(name: "the number of characters of stories", value: "\(characters)", requirement: "at least 1")
            }
            return try generated(
                name: source, text: Stories(seed: seed).text(characters: characters),
                info: "stories, seed \(seed), \(characters) characters")
        }
        if Published.all.contains(where: { $0.name == source }) { return try named(source, locations: locations) }
        guard Files.kind(of: source) == nil else { return try file(source) }
        // What looks like a path gets the error of a path.
        if source.contains("/") || source.hasSuffix(".txt") { throw TextError.missing(path: source) }
        throw unknown(source, among: knownNames)
    }
}
