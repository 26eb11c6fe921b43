extension JSON {
    /// This value with `override` laid over it: objects merge key by key, anything else is replaced.
    ///
    /// A component may be written as its bare name; `"norm": "rmsnorm"` means `"norm": {"type": "rmsnorm"}`. Where the
    /// override changes a component's `type`, options of the base that the new type does not have are dropped
    /// (`known` tells, by the path of the object and the new type's name), so that one changed word is a whole ablation.
    ///
    /// Layers may differ: where a component is a `by_layer` list, options laid over it go to every element, and a list laid
    /// over one component is laid over it element by element. A list over a list, or a component named anew over a list,
    /// replaces it.
    public func merging(
        _ override: JSON, at path: String = "", known: (_ path: String, _ type: String) -> Set<String>?
    ) -> JSON {
        var override = override
        if case .string(let type) = override, known(path, type) != nil || self["type"] != nil {
            override = ["type": .string(type)]
        }
        guard var members = asComponent(at: path, known: known).objectValue, let changes = override.objectValue else {
            return override
        }
        if let layers = members["by_layer"] {
            guard changes["by_layer"] == nil, changes["type"] == nil, let elements = layers.arrayValue, elements.count > 0,
                elements.allSatisfy({ $0.asComponent(at: path, known: known).objectValue != nil })
            else { return override }
            return ["by_layer": .array(elements.map { $0.merging(override, at: path, known: known) })]
        }
        if let layers = changes["by_layer"] {
            guard members["type"] != nil, changes.count == 1, let elements = layers.arrayValue else { return override }
            return ["by_layer": .array(elements.map { merging($0, at: path, known: known) })]
        }
        if let type = changes["type"]?.stringValue, type != members["type"]?.stringValue,
            let names = known(path, type)
        {
            members = members.filter { names.contains($0.key) }
        }
        for (key, value) in changes {
            let inner = path.isEmpty ? key : "\(path).\(key)"
            members[key] = (members[key] ?? .null).merging(value, at: inner, known: known)
        }
        return .object(members)
    }

    private func asComponent(at path: String, known: (String, String) -> Set<String>?) -> JSON {
        if case .string(let type) = self, known(path, type) != nil { return ["type": self] }
        return self
    }

    /// This value as layer `layer` sees it: each `{"by_layer": [a, b, …]}` inside is replaced by its element for the
    /// layer, the list being tiled over the layers.
    /// - Throws: `ConfigError` when a `by_layer` is not a list with something in it, or not alone in its object.
    public func atLayer(_ layer: Int, at path: String = "") throws -> JSON {
        switch self {
        case .object(let members):
            if let pattern = members["by_layer"] {
                guard let values = pattern.arrayValue, !values.isEmpty, members.count == 1 else {
                    throw ConfigError(
                        "expected {\"by_layer\": [value, …]} with at least one value and nothing beside it, found "
                            + brief, at: path)
                }
                return try values[layer % values.count].atLayer(layer, at: path)
            }
            return .object(
                try Dictionary(
                    uniqueKeysWithValues: members.map {
                        ($0.key, try $0.value.atLayer(layer, at: path.isEmpty ? $0.key : "\(path).\($0.key)"))
                    }))
        default:
            return self
        }
    }

    /// The one value that `layers` stand for, `atLayer` undone: equal values are one, others become a `by_layer`.
    public static func folding(_ layers: [JSON]) -> JSON {
        guard let first = layers.first else { return .null }
        if layers.allSatisfy({ $0 == first }) { return first }
        let objects = layers.compactMap(\.objectValue)
        if objects.count == layers.count, let keys = first.objectValue?.keys,
            objects.allSatisfy({ $0.keys == keys && $0["type"] == first["type"] })
        {
            return .object(
                Dictionary(uniqueKeysWithValues: keys.map { key in (key, folding(objects.map { $0[key] ?? .null })) }))
        }
        return ["by_layer": .array(layers)]
    }

    /// Every leaf below this value by its dotted path.
    public func flattened(prefix: String = "") -> [String: JSON] {
        guard case .object(let members) = self, !members.isEmpty else { return [prefix: self] }
        return members.reduce(into: [:]) { result, member in
            let path = prefix.isEmpty ? member.key : "\(prefix).\(member.key)"
            result.merge(member.value.flattened(prefix: path)) { $1 }
        }
    }
}
