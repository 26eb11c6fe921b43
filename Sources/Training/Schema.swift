import Architectures
import Components
import Configuration

extension Registries {
    /// The JSON Schema of configs, made from the options as components declare them: editors complete and check from it.
    public var schema: JSON {
        func value(_ option: OptionDescription, byLayer: Bool) -> JSON {
            guard byLayer, case .object(var schema) = option.schema else { return option.schema }
            let (description, initial) = (schema.removeValue(forKey: "description"), schema.removeValue(forKey: "default"))
            let pattern: JSON = [
                "type": "object", "required": ["by_layer"], "additionalProperties": false,
                "properties": ["by_layer": ["type": "array", "minItems": 1, "items": .object(schema)]],
            ]
            return .object([
                "anyOf": [.object(schema), pattern], "description": description ?? .null, "default": initial ?? .null,
            ])
        }
        func members(_ options: [OptionDescription], byLayer: Bool = false) -> [String: JSON] {
            Dictionary(options.map { ($0.name, value($0, byLayer: byLayer)) }, uniquingKeysWith: { a, _ in a })
        }
        func reference(_ name: String) -> JSON { ["$ref": .string("#/definitions/\(name)")] }
        var definitions: [String: JSON] = [:]
        /// Defines a section by its component's name, or by an object with a component's options.
        func section(_ slot: SlotDescription, byLayer: Bool) -> JSON {
            var choices: [JSON] = [["enum": .array(slot.components.map { .string($0.name) })]]
            for component in slot.components {
                var properties = members(component.options + slot.shared, byLayer: byLayer)
                properties["type"] = ["const": .string(component.name), "description": .string(component.summary)]
                choices.append([
                    "type": "object", "properties": .object(properties), "additionalProperties": false,
                    "description": .string(component.summary),
                ])
            }
            definitions[slot.name] = ["anyOf": .array(choices)]
            guard byLayer else { return reference(slot.name) }
            let pattern: JSON = [
                "type": "object", "required": ["by_layer"], "additionalProperties": false,
                "properties": ["by_layer": ["type": "array", "minItems": 1, "items": reference(slot.name)]],
            ]
            return ["anyOf": [reference(slot.name), pattern]]
        }
        func object(_ properties: [String: JSON]) -> JSON {
            ["type": "object", "properties": .object(properties), "additionalProperties": false]
        }
        var model = members(ModelConfig.Sizes.descriptions)
        for slot in components.slots { model[slot.name] = section(slot, byLayer: ModelConfig.layered.contains(slot.name)) }
        var data = members(DataOptions.descriptions)
        data["tokenizer"] = section(tokenizer.description, byLayer: false)
        let optimizer = section(optimizers.optimizer.description, byLayer: false)
        let schedule = section(optimizers.schedule.description, byLayer: false)
        return [
            "definitions": .object(definitions),
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": "A Loom config",
            "type": "object",
            "additionalProperties": false,
            "properties": [
                "$schema": ["type": "string"],
                "name": ["type": "string", "description": "the run's folder in runs/; by default the file's name"],
                "description": ["type": "string", "description": "what the config is for"],
                "extends": ["type": "string", "description": "a config, relative to this one, that this one changes"],
                "model": object(model),
                "optimizer": optimizer,
                "schedule": schedule,
                "data": object(data),
                "train": object(members(TrainOptions.descriptions)),
            ],
        ]
    }
}
