import Configuration
import Foundation

/// As much of JSON Schema as the schema of configs uses, and an error for anything else.
struct SchemaValidator {
    static let known: Set<String> = [
        "$schema", "title", "description", "default", "type", "enum", "const", "anyOf", "properties", "additionalProperties",
        "required", "items", "minItems", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "pattern", "$ref",
        "definitions",
    ]

    private let definitions: JSON?

    /// What is wrong with `json`, by path; empty where the schema allows it.
    static func problems(_ json: JSON, _ schema: JSON) -> [String] {
        SchemaValidator(definitions: schema["definitions"]).problems(json, schema, at: "")
    }

    private func problems(_ json: JSON, _ schema: JSON, at path: String) -> [String] {
        if schema == .bool(true) { return [] }
        guard let rules = schema.objectValue else { return ["\(path): the schema \(schema.brief) is no object"] }
        if let name = rules["$ref"]?.stringValue {
            guard name.hasPrefix("#/definitions/"), let target = definitions?[String(name.dropFirst(14))] else {
                return ["\(path): the schema refers to \(name), which is not there"]
            }
            return problems(json, target, at: path)
        }
        var problems = rules.keys.filter { !SchemaValidator.known.contains($0) }.map {
            "\(path): the schema uses \($0), which is not known here"
        }
        if let type = rules["type"]?.stringValue, !has(json, type) { problems.append("\(path): \(json.brief) is no \(type)") }
        if let values = rules["enum"]?.arrayValue, !values.contains(json) { problems.append("\(path): \(json.brief) is not allowed") }
        if let value = rules["const"], value != json { problems.append("\(path): \(json.brief) is not \(value.brief)") }
        if let choices = rules["anyOf"]?.arrayValue {
            let each = choices.map { self.problems(json, $0, at: path) }
            if !each.contains(where: \.isEmpty) { problems.append("\(path): fits none of \(each)") }
        }
        if let number = json.doubleValue { problems += range(number, rules).map { "\(path): \(number) \($0)" } }
        if let text = json.stringValue, let pattern = rules["pattern"]?.stringValue,
            text.range(of: pattern, options: .regularExpression) == nil
        {
            problems.append("\(path): \(text) does not match \(pattern)")
        }
        if let items = json.arrayValue {
            if let least = rules["minItems"]?.intValue, items.count < least { problems.append("\(path): too few items") }
            if let rule = rules["items"] {
                for (index, item) in items.enumerated() { problems += self.problems(item, rule, at: "\(path)[\(index)]") }
            }
        }
        if let members = json.objectValue { problems += object(members, rules, path) }
        return problems
    }

    private func object(_ members: [String: JSON], _ rules: [String: JSON], _ path: String) -> [String] {
        var problems: [String] = []
        let properties = rules["properties"]?.objectValue ?? [:]
        for key in rules["required"]?.arrayValue ?? [] where members[key.stringValue ?? ""] == nil {
            problems.append("\(path): \(key.brief) is missing")
        }
        for (key, value) in members {
            if let rule = properties[key] {
                problems += self.problems(value, rule, at: "\(path).\(key)")
            } else if let rule = rules["additionalProperties"] {
                problems +=
                    rule == .bool(false)
                    ? ["\(path): unknown key \(key)"] : self.problems(value, rule, at: "\(path).\(key)")
            }
        }
        return problems
    }

    private func has(_ json: JSON, _ type: String) -> Bool {
        switch type {
        case "object": json.objectValue != nil
        case "array": json.arrayValue != nil
        case "string": json.stringValue != nil
        case "boolean": json.boolValue != nil
        case "number": json.doubleValue != nil
        case "integer": json.intValue != nil
        case "null": json == .null
        default: false
        }
    }

    private func range(_ number: Double, _ rules: [String: JSON]) -> [String] {
        var problems: [String] = []
        if let limit = rules["minimum"]?.doubleValue, number < limit { problems.append("is below \(limit)") }
        if let limit = rules["maximum"]?.doubleValue, number > limit { problems.append("is above \(limit)") }
        if let limit = rules["exclusiveMinimum"]?.doubleValue, number <= limit { problems.append("is not above \(limit)") }
        if let limit = rules["exclusiveMaximum"]?.doubleValue, number >= limit { problems.append("is not below \(limit)") }
        return problems
    }
}
