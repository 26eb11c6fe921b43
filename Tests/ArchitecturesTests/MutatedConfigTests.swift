import Architectures
import Autograd
import Components
import Configuration
import Foundation
import TestSupport
import Testing

/// Thousands of configs with something wrong in them: each makes a model or is refused in one line with a path. A trap
/// or a hang ends the whole run; LOOM_CONFIG_LOG=file names the file that then holds the config.
struct MutatedConfigTests {
    /// Random changes to a config, from a seed.
    struct Mutator {
        var draw: Philox.Sequence
        init(seed: UInt64) { draw = Philox(key: 21).sequence(stream: seed) }

        static let options: [(section: String, name: String, values: [JSON])] = Registry.standard.slots.flatMap { slot in
            (slot.components.flatMap(\.options) + slot.shared).map { option in
                (slot.name, option.name, option.schema["enum"]?.arrayValue ?? [option.defaultValue, 1, 2, 0.5, true])
            }
        }
        static let types: [String] = Registry.standard.slots.flatMap { $0.components.map(\.name) }
        static let numbers: [JSON] = [
            0, 1, 2, 3, 7, 12, 100, 1024, 1025, 65_536, 1_048_576, 16_777_217, -1, -7, .int(.max), .int(.min), .int(.max - 1),
            .int(1 << 31), .int(1 << 32), .int(1 << 53), .int(1 << 62), 0.5, -0.5, 0.999_999, 1.0, 1.5, 1e-300, 1e-45, 1e18, 1e19, 1e38,
            1e39, 1e300, .double(.greatestFiniteMagnitude), .double(-.greatestFiniteMagnitude), .double(.leastNonzeroMagnitude),
            .double(.infinity), .double(-.infinity), .double(.nan), .double(-0.0),
        ]
        static let words: [JSON] = [
            "", " ", "a", "SL", "SSSL", "L", "sl", "type", "by_layer", "\n", "two\nlines", "\r\n", "\u{0}", "\"", "\\", "…", "🙂",
            "e\u{301}",
            "../../etc", "%s%n", "null", "true", "0", .string(String(repeating: "S", count: 3000)),
            .string(String(repeating: "é", count: 5000)),
        ]

        mutating func pick<T>(_ values: [T]) -> T { values[draw.below(values.count)] }

        mutating func value(depth: Int = 0) -> JSON {
            switch draw.below(12) {
            case 0, 1, 2, 3: pick(Mutator.numbers)
            case 4: pick(Mutator.words)
            case 5: .string(pick(Mutator.types))
            case 6: pick([.null, true, false, [], [:]])
            case 7: ["by_layer": .array((0..<draw.below(4)).map { _ in depth < 3 ? value(depth: depth + 1) : 1 })]
            case 8: .array((0..<draw.below(4)).map { _ in depth < 3 ? value(depth: depth + 1) : 1 })
            case 9: ["type": depth < 3 ? value(depth: depth + 1) : 1]
            case 10: .object([key(): depth < 3 ? value(depth: depth + 1) : 1])
            default: (0..<draw.below(300)).reduce(1) { inner, _ in draw.below(2) == 0 ? [inner] : ["by_layer": [inner]] }
            }
        }

        mutating func key() -> String {
            switch draw.below(3) {
            case 0: pick(Mutator.words).stringValue ?? ""
            case 1: pick(["context", "layers", "width", "vocab_size", "type", "by_layer"] + ModelConfig.sections)
            default: pick(Mutator.options).name
            }
        }

        mutating func mutated(_ json: JSON) -> JSON {
            switch draw.below(10) {
            case 0: return replaced(json)
            case 1: return with(json, key(), value())
            case 2: return with(json, pick(["context", "layers", "width", "vocab_size"]), value())
            case 3: return with(json, pick(ModelConfig.sections), value())
            default:
                // An option that the section may have, with a value that it may have, or not.
                let option = pick(Mutator.options)
                let section = json[option.section] ?? .null
                let members: JSON = section.stringValue.map { ["type": .string($0)] } ?? section
                return with(json, option.section, with(members, option.name, draw.below(2) == 0 ? pick(option.values) : value()))
            }
        }

        private func with(_ json: JSON, _ key: String, _ value: JSON) -> JSON {
            .object((json.objectValue ?? [:]).merging([key: value]) { $1 })
        }

        /// One node somewhere in the tree replaced or taken out.
        private mutating func replaced(_ json: JSON) -> JSON {
            switch json {
            case .object(let members) where !members.isEmpty && draw.below(4) > 0:
                let key = pick(members.keys.sorted())
                var copy = members
                copy[key] = draw.below(4) == 0 ? nil : replaced(members[key] ?? .null)
                return .object(copy)
            case .array(let values) where !values.isEmpty && draw.below(4) > 0:
                var copy = values
                let index = draw.below(values.count)
                copy[index] = replaced(values[index])
                return .array(copy)
            default: return value()
            }
        }
    }

    static let bases: [JSON] =
        [AccountingTests.nanochat] + AccountingTests.small + [
            ["vocab_size": 65, "context": 64, "layers": 2, "width": 48],
            [
                "vocab_size": 100, "layers": 4, "width": 64, "attention": ["type": "gqa", "heads": ["by_layer": [4, 8]], "kv_heads": 2],
                "mlp": ["by_layer": ["swiglu", ["type": "gelu", "hidden": 12]]], "position": ["type": "rope", "fraction": 0.5],
            ],
        ]

    static func check(_ json: JSON) -> Bool {
        do {
            let config = try ModelConfig(json), model = try Model(config, vocabulary: 50), accounting = model.accounting
            if accounting.parameters < 1 || accounting.flopsPerToken < 1 {
                Issue.record("\(accounting.parameters) parameters of \(json.text(pretty: false))")
            }
            // What is resolved is a config, and of the same model.
            let again = try ModelConfig(config.resolved)
            if again.resolved != config.resolved {
                Issue.record("resolving twice differs for \(json.text(pretty: false))")
            }
            return true
        } catch let error as ConfigError {
            let line = error.description
            if line.isEmpty || line.contains(where: \.isNewline) || line.count > 2000 || !error.path.hasPrefix("model") {
                Issue.record("\"\(line.prefix(300))\", \(line.count) characters, is no one-line error for \(json.brief)")
            }
        } catch {
            Issue.record("\(error) is no ConfigError, for \(json.brief)")
        }
        return false
    }

    @Test(arguments: bases.indices)
    func aModelOrAnError(base: Int) throws {
        let log = ProcessInfo.processInfo.environment["LOOM_CONFIG_LOG"]
        var made = 0, refused = 0
        for seed in 0..<500 {
            var mutator = Mutator(seed: UInt64(base * 10_000 + seed)), json = MutatedConfigTests.bases[base]
            for _ in 0...mutator.draw.below(2) { json = mutator.mutated(json) }
            if let log { try json.text().write(toFile: "\(log).\(base)", atomically: false, encoding: .utf8) }
            let time = processorSeconds {
                if MutatedConfigTests.check(json) { made += 1 } else { refused += 1 }
            }
            #expect(time < 10, "took \(time) s: \(json.brief)")
        }
        #expect(made > 40 && refused > 250, "\(made) made, \(refused) refused: the changes are too wild or too tame")
    }

    @Test func theLargestModelIsQuick() throws {
        let json: JSON = [
            "context": 1_048_576, "layers": 1024, "width": 131_072, "vocab_size": 16_777_216,
            "attention": ["type": "mha", "heads": 1024],
        ]
        let time = try processorSeconds { _ = try Model(ModelConfig(json)).accounting }
        #expect(time < 5, "took \(time) s")
    }
}
