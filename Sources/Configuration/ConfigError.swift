/// What is wrong with a config: the file, the JSON path, what was found and what to do, on one line.
public struct ConfigError: Error, CustomStringConvertible, Equatable, Sendable {
    public var file: String?
    public var path: String
    public var message: String
    /// The key of the object at `path` that nobody knows, where that is the mistake.
    public var unknownKey: String?

    public init(_ message: String, at path: String = "", file: String? = nil) {
        self.message = message
        self.path = path
        self.file = file
    }

    public var description: String {
        let text = [file, path.isEmpty ? nil : path, message].compactMap { $0 }.joined(separator: ": ")
        // A path is made of the config's own keys, which may hold anything.
        return String(text.map { $0.isNewline ? " " : $0 })
    }

    /// The same error, said to be in `file` unless it names one already.
    public func inFile(_ name: String?) -> ConfigError {
        var copy = self
        copy.file = file ?? name
        return copy
    }

    /// An unknown name, with the nearest known one.
    public static func unknown(
        _ what: String, _ name: String, known: some Sequence<String>, at path: String = ""
    ) -> ConfigError {
        let names = known.sorted()
        let hint = nearest(to: name, in: names).map { "did you mean \"\($0)\"? " } ?? ""
        let listed = names.isEmpty ? "none is allowed here" : "known: \(names.joined(separator: ", "))"
        var error = ConfigError("unknown \(what) \(JSON.string(name).brief); \(hint)\(hint.isEmpty ? listed : "(\(listed))")", at: path)
        if what == "key" { error.unknownKey = name }
        return error
    }
}

/// The name in `names` that `name` is most likely a slip of, by edit distance; nil when none is near.
public func nearest(to name: String, in names: some Sequence<String>) -> String? {
    let limit = max(2, name.count / 3)
    return names.map { (distance: editDistance(name.lowercased(), $0.lowercased()), name: $0) }
        .filter { $0.distance <= limit || $0.name.hasPrefix(name) && name.count > 2 }
        .min { ($0.distance, $0.name) < ($1.distance, $1.name) }?.name
}

private func editDistance(_ a: String, _ b: String) -> Int {
    let a = Array(a.prefix(64)), b = Array(b.prefix(64))
    var row = Array(0...b.count)
    for (i, x) in a.enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for (j, y) in b.enumerated() {
            let substituted = diagonal + (x == y ? 0 : 1)
            diagonal = row[j + 1]
            row[j + 1] = min(substituted, row[j] + 1, diagonal + 1)
        }
    }
    return row[b.count]
}
