import Configuration
import Foundation

/// A config file and those it extends, one after another.
struct ConfigFiles {
    /// Each file with its own members, the one that was named first and what it extends behind it.
    private let chain: [(file: String, members: [String: JSON])]

    /// - Throws: `ConfigError` for a file that is missing, no config, or extends itself.
    init(_ path: String) throws {
        var chain: [(file: String, members: [String: JSON])] = [], seen: [String] = []
        var next: String? = path
        while let file = next {
            let absolute = URL(fileURLWithPath: file).standardizedFileURL.path
            if seen.contains(absolute) {
                let names = (seen + [absolute]).map { URL(fileURLWithPath: $0).lastPathComponent }
                throw ConfigError(
                    "extends itself: \(names.joined(separator: " → ")); break the circle", at: "extends", file: chain.last?.file)
            }
            seen.append(absolute)
            var members = try ConfigFiles.read(file, namedBy: chain.last?.file)
            next = try ConfigFiles.base(&members, of: file)
            chain.append((file, members))
        }
        self.chain = chain
    }

    /// Everything merged, the extended files underneath.
    func merged(_ registries: Registries) -> JSON {
        var json = JSON.object([:])
        for (index, link) in chain.enumerated().reversed() {
            var members = link.members
            // A name and description are a file's own.
            if index > 0 {
                members["name"] = nil
                members["description"] = nil
            }
            json = index == chain.count - 1 ? .object(members) : json.merging(.object(members), known: registries.keys)
        }
        return json
    }

    /// The file in which to look for a mistake: the first that says anything at its place. Of what the command line says it
    /// is the file that was named.
    func source(of error: ConfigError, overrides: [String]) -> String? {
        let place = (error.path.isEmpty ? [] : error.path.split(separator: ".").map(String.init)) + (error.unknownKey.map { [$0] } ?? [])
        let isOverridden = overrides.contains { text in
            let keys = text.prefix { $0 != "=" }.split(separator: ".").map(String.init)
            return zip(keys, place).allSatisfy { $0 == $1 }
        }
        guard !isOverridden, !place.isEmpty else { return error.file }
        return chain.first { ConfigFiles.says(.object($0.members), at: place[...]) }?.file ?? error.file
    }

    /// Whether `json` has a value at `place`; what differs by layer counts for all of them.
    private static func says(_ json: JSON, at place: ArraySlice<String>) -> Bool {
        guard let key = place.first else { return true }
        guard let members = json.objectValue else { return key == "type" && json.stringValue != nil }
        return members["by_layer"] != nil || members[key].map { says($0, at: place.dropFirst()) } ?? false
    }

    private static func read(_ path: String, namedBy child: String?) throws -> [String: JSON] {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            if let child {
                let name = (path as NSString).lastPathComponent
                throw ConfigError("\(name) is not there (looked for \(path))", at: "extends", file: child)
            }
            let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
            let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).filter { $0.hasSuffix(".json") }
            let wanted = URL(fileURLWithPath: path).lastPathComponent
            let hint = nearest(to: wanted, in: names).map { "; did you mean \($0)?" } ?? ""
            throw ConfigError("no such file\(hint)", file: path)
        }
        guard !isFolder.boolValue else { throw ConfigError("is \(kind(ofFolder: path)), not a config file", file: path) }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw ConfigError("cannot be read; check its permissions", file: path)
        }
        let json = try JSON(parsing: data, file: path)
        guard let members = json.objectValue else {
            throw ConfigError("expected an object of sections, found \(json.brief)", file: path)
        }
        return members
    }

    /// What a folder is, with what in it could be named instead.
    private static func kind(ofFolder path: String) -> String {
        if RunFolder.exists(path) { return "a run's folder (its config is \(RunFolder(path: path).configPath))" }
        guard ComparisonFolder.exists(path) else { return "a folder" }
        let variants = "\(path)/runs",
            names = { (place: String) in
                ((try? FileManager.default.contentsOfDirectory(atPath: place)) ?? []).sorted()
            }
        let runs = names(variants).flatMap { variant in names("\(variants)/\(variant)").map { "\(variants)/\(variant)/\($0)" } }
        let first = runs.first(where: RunFolder.exists).map { ", such as \($0)" } ?? ""
        return "a comparison's folder (name runs in it\(first))"
    }

    /// Takes `extends` out of the members of `file`; the path that it names, seen from here.
    private static func base(_ members: inout [String: JSON], of file: String) throws -> String? {
        guard let base = members.removeValue(forKey: "extends") else { return nil }
        guard let path = base.stringValue else {
            throw ConfigError("expected the path of a config file, found \(base.brief)", at: "extends", file: file)
        }
        let folder = URL(fileURLWithPath: file).deletingLastPathComponent().relativePath
        return path.hasPrefix("/") || folder == "." ? path : "\(folder)/\(path)"
    }
}
