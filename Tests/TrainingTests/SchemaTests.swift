import Autograd
import Configuration
import Foundation
import Testing
import Training

/// The schema that editors complete from says what the decoder says.
struct SchemaTests {
    static let schema = Registries().schema

    @Test func theFileIsCurrent() throws {
        let file = try JSON(parsing: bytes("\(repository)/configs/schema.json"))
        let isCurrent = file == SchemaTests.schema
        #expect(
            isCurrent,
            "configs/schema.json is stale; regenerate it: ./runner components --schema > configs/schema.json")
    }

    @Test(arguments: configNames)
    func configsAreValid(name: String) throws {
        let path = "\(repository)/configs/\(name).json"
        let file = try JSON(parsing: bytes(path))
        #expect(SchemaValidator.problems(file, SchemaTests.schema) == [], "configs/\(name).json as written")
        let resolved = try RunConfig(path: path).resolved
        #expect(SchemaValidator.problems(resolved, SchemaTests.schema) == [], "configs/\(name).json resolved")
    }

    /// Every form that the decoder takes an editor takes too.
    @Test(arguments: [
        #"{"model": {"mlp": {"by_layer": ["gelu", {"type": "swiglu", "hidden": 64}]}}}"#,
        #"{"model": {"attention": {"heads": {"by_layer": [2, 4]}, "window": "SL"}}}"#,
        #"{"model": {"attention": {"window": null, "head_dim": 8}}}"#, #"{"schedule": "constant"}"#,
        #"{"data": {"tokenizer": {"type": "bpe", "vocab_size": 300}}}"#, #"{"train": {"eval_batches": null}}"#,
        #"{"optimizer": {"groups": {"norm": {"lr": 0.1, "betas": [0.5, 0.5]}}}}"#,
    ])
    func formsOfAConfig(text: String) throws {
        let json = try JSON(parsing: Data(text.utf8))
        #expect(SchemaValidator.problems(json, SchemaTests.schema) == [])
        _ = try RunConfig(json)
    }

    /// One wrong key or value at every place of a resolved config: refused by the decoder and by the schema.
    @Test(arguments: ["small", "nanochat-small", "gqa-rope", "lecture"])
    func mutationsAreRefusedByBoth(name: String) throws {
        let resolved = try RunConfig(path: "\(repository)/configs/\(name).json").resolved
        var draw = Philox(key: 9).sequence(stream: Philox.stream(named: name)), refused = 0
        let leaves = resolved.flattened().keys.sorted().filter { $0 != "description" }
        for leaf in leaves {
            let parts = leaf.split(separator: ".").map(String.init)
            let slip = Array(parts.last ?? ""), place = Int(draw.below(slip.count))
            // A letter doubled; every option's value an object, which none is.
            let unknown = parts.dropLast() + [String(slip[...place] + slip[place...])]
            let mutations: [(what: String, json: JSON)] = [
                ("unknown key \(unknown.joined(separator: "."))", set(resolved, Array(unknown), resolved[path: leaf] ?? .null)),
                ("\(leaf) an object", set(resolved, parts, ["no": "such"])),
            ]
            for (what, json) in mutations where !(what.contains("optimizer.groups.")) {
                #expect(throws: ConfigError.self, "\(what) passes the decoder") { try RunConfig(json) }
                #expect(!SchemaValidator.problems(json, SchemaTests.schema).isEmpty, "\(what) passes the schema")
                refused += 1
            }
        }
        #expect(refused > 100)
    }

    /// Numbers just outside of an option's range, for every option that has one.
    @Test func rangesAreTheDecoders() throws {
        let resolved = try RunConfig(path: "\(repository)/configs/nanochat-small.json").resolved
        let options =
            TrainOptions.descriptions.map { ("train.\($0.name)", $0.schema) }
            + DataOptions.descriptions.map { ("data.\($0.name)", $0.schema) }
        var checked = 0
        for (path, schema) in options {
            let parts = path.split(separator: ".").map(String.init)
            let outside: [JSON?] = [
                schema["minimum"]?.doubleValue.map { .double($0 - 1) }, schema["exclusiveMinimum"],
                schema["maximum"]?.doubleValue.map { .double($0 + 1) }, schema["exclusiveMaximum"],
            ]
            for value in outside.compactMap({ $0 }) {
                let json = set(resolved, parts, value)
                let text = message { _ = try RunConfig(json) }
                #expect(text.contains(path) && text.contains(value.brief), "\(text)")
                #expect(!SchemaValidator.problems(json, SchemaTests.schema).isEmpty, "\(path) \(value.brief) passes the schema")
                checked += 1
            }
        }
        #expect(checked > 10)
    }

    func set(_ json: JSON, _ keys: [String], _ value: JSON) -> JSON {
        guard let first = keys.first, case .object(var members) = json else { return value }
        members[first] = set(members[first] ?? .object([:]), Array(keys.dropFirst()), value)
        return .object(members)
    }
}
