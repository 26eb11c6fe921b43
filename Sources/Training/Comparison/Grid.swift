import Configuration

/// A setting and the values it takes: `--grid model.attention.kv_heads=1,2,4,8`.
public struct GridAxis: Sendable, Equatable {
    /// The setting's path: `model.attention.kv_heads`.
    public let key: String
    /// The values as they were written.
    public let values: [String]

    /// - Throws: `ConfigError` for a text without values, or with one twice.
    public init(_ text: String) throws {
        guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
            throw ConfigError("--grid \(text): expected key.path=value,value such as model.layers=2,4,8")
        }
        key = String(text[..<equals])
        values = GridAxis.split(String(text[text.index(after: equals)...]))
        guard !values.contains("") else { throw ConfigError("--grid \(text): there is an empty value; write values with commas between") }
        if let twice = values.firstRepeated {
            throw ConfigError("--grid \(text): \(twice) stands twice")
        }
    }

    /// Splits at the commas that are not inside of brackets or quotes, so that a value may be JSON.
    private static func split(_ text: String) -> [String] {
        var parts = [""], depth = 0, quoted = false
        for character in text {
            switch character {
            case "\"": quoted.toggle()
            case "[" where !quoted, "{" where !quoted: depth += 1
            case "]" where !quoted, "}" where !quoted: depth -= 1
            default: break
            }
            if character == ",", depth == 0, !quoted { parts.append("") } else { parts[parts.count - 1].append(character) }
        }
        return parts
    }
}

/// One point of a grid.
struct GridPoint {
    /// What differs, short: `kv_heads=2,layers=4`; empty for the only point of no grid.
    let name: String
    /// As `--set` takes them.
    let overrides: [String]

    /// Every combination of the axes' values, the last axis running fastest.
    /// - Throws: `ConfigError` when a setting has two axes or there are more points than anybody means.
    static func all(_ axes: [GridAxis]) throws -> [GridPoint] {
        let keys = axes.map(\.key)
        if let twice = keys.firstRepeated {
            throw ConfigError("--grid \(twice) stands twice; write all its values with commas between")
        }
        let count = axes.reduce(1.0) { $0 * Double($1.values.count) }
        guard count <= 10_000 else { throw ConfigError("--grid: \(Int(count)) variants are more than 10000; use fewer values") }
        var points = [GridPoint(name: "", overrides: [])]
        for axis in axes {
            let last = axis.key.split(separator: ".").last.map(String.init) ?? axis.key
            // A word that two axes end in would not tell them apart.
            let isAmbiguous = keys.contains { $0 != axis.key && ($0 == last || $0.hasSuffix(".\(last)")) }
            let label = isAmbiguous ? axis.key : last
            points = points.flatMap { point in
                axis.values.map { value in
                    let name = "\(label)=\(shown(value))"
                    return GridPoint(
                        name: point.name.isEmpty ? name : "\(point.name),\(name)",
                        overrides: point.overrides + ["\(axis.key)=\(value)"])
                }
            }
        }
        return points
    }

    /// A value as part of a name that is also a folder's.
    private static func shown(_ value: String) -> String {
        String(value.filter { $0 != "\"" && $0 != "{" && $0 != "}" && $0 != " " }.map { $0 == "/" || $0.isNewline ? "_" : $0 })
    }
}

extension [String] {
    /// The first element that was there before.
    var firstRepeated: String? {
        var seen: Set<String> = []
        return first { !seen.insert($0).inserted }
    }
}
