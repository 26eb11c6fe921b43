import Configuration
import Foundation

/// A flag that a command takes.
struct Flag: Sendable {
    /// With its dashes: `--seed`.
    let name: String
    /// What its value is, in capitals; nil for a switch.
    let value: String?
    let help: String
    let repeats: Bool

    init(_ name: String, _ value: String, repeats: Bool = false, _ help: String) {
        (self.name, self.value, self.help, self.repeats) = (name, value, help, repeats)
    }

    /// A switch.
    init(_ name: String, _ help: String) { (self.name, value, self.help, repeats) = (name, nil, help, false) }
}

/// Wrong usage of the command line: exit 2.
struct UsageError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// The words of a command line, sorted into positions and flags.
struct Arguments {
    private(set) var positions: [String] = []
    private var values: [String: [String]] = [:]
    private let command: String
    /// Whether --help or -h stands where a flag can stand; as the value of a flag it is only text.
    private(set) var wantsHelp = false

    /// - Throws: `UsageError` for a flag that is unknown, lacks its value or stands twice.
    init(_ words: [String], command: String, flags: [Flag]) throws {
        self.command = command
        var rest = words[...]
        while let word = rest.popFirst() {
            // Behind -- nothing is a flag: texts may begin with a dash.
            if word == "--" {
                positions += rest
                break
            }
            if word == "--help" || word == "-h" {
                wantsHelp = true
                continue
            }
            guard word.hasPrefix("--"), word.count > 2 else {
                if word.hasPrefix("-"), word.count > 1, Double(word) == nil {
                    throw UsageError(
                        "\(command): unknown flag \(word); ./runner \(command) --help lists what there is; behind -- nothing is a flag")
                }
                positions.append(word)
                continue
            }
            // --flag value and --flag=value are the same.
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard let flag = flags.first(where: { $0.name == parts[0] }) else {
                let hint = nearest(to: parts[0], in: flags.map(\.name)).map { "; did you mean \($0)?" } ?? ""
                throw UsageError("\(command): unknown flag \(parts[0])\(hint) (./runner \(command) --help lists all)")
            }
            var value = ""
            if let kind = flag.value {
                if parts.count == 2 {
                    value = parts[1]
                } else if let next = rest.popFirst() {
                    value = next
                } else {
                    throw UsageError("\(command): \(flag.name) needs a value: \(flag.name) \(kind)")
                }
            } else if parts.count == 2 {
                throw UsageError("\(command): \(flag.name) takes no value")
            }
            if values[flag.name] != nil, !flag.repeats {
                throw UsageError("\(command): \(flag.name) stands twice")
            }
            values[flag.name, default: []].append(value)
        }
    }

    func has(_ flag: String) -> Bool { values[flag] != nil }
    func string(_ flag: String) -> String? { values[flag]?.last }
    func strings(_ flag: String) -> [String] { values[flag] ?? [] }

    func int(_ flag: String, in range: ClosedRange<Int>) throws -> Int? {
        guard let text = string(flag) else { return nil }
        guard let value = Int(text), range.contains(value) else {
            let limits = range.upperBound == .max ? "at least \(range.lowerBound)" : "from \(range.lowerBound) to \(range.upperBound)"
            throw UsageError("\(command): \(flag) \(text) is not a whole number \(limits)")
        }
        return value
    }

    /// Whole numbers with commas between.
    func ints(_ flag: String, in range: ClosedRange<Int>) throws -> [Int]? {
        guard let text = string(flag) else { return nil }
        return try text.split(separator: ",", omittingEmptySubsequences: false).map { part in
            guard let number = Int(part), range.contains(number) else {
                throw UsageError(
                    "\(command): \(flag) \(text): expected whole numbers from \(range.lowerBound) to \(range.upperBound) with commas "
                        + "between, such as 1,16")
            }
            return number
        }
    }

    /// Bytes, with a unit or without: 8GiB, 512MB, 1048576.
    func byteCount(_ flag: String) throws -> Int? {
        guard let text = string(flag) else { return nil }
        let units: [(String, Double)] = [
            ("TiB", 0x1p40), ("GiB", 0x1p30), ("MiB", 0x1p20), ("KiB", 0x1p10), ("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("KB", 1e3),
            ("B", 1), ("", 1),
        ]
        let unit = units.first { text.lowercased().hasSuffix($0.0.lowercased()) } ?? ("", 1)
        guard let number = Double(text.dropLast(unit.0.count).trimmingCharacters(in: .whitespaces)), number > 0, number * unit.1 < 0x1p60
        else { throw UsageError("\(command): \(flag) \(text): expected a size such as 8GiB or 512MiB") }
        return Int(number * unit.1)
    }

    func double(_ flag: String) throws -> Double? {
        guard let text = string(flag) else { return nil }
        guard let value = Double(text) else { throw UsageError("\(command): \(flag) \(text) is not a number") }
        return value
    }

    /// The positions, when there are as many as there should be.
    func exactly(_ count: Int, _ what: String) throws -> [String] {
        guard positions.count == count else {
            let found = positions.isEmpty ? "none was given" : "found \(positions.joined(separator: " "))"
            throw UsageError("\(command): expected \(what), \(found); ./runner \(command) --help shows an example")
        }
        return positions
    }
}
