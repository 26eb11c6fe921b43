extension JSON {
    /// This value with `override` laid over it: objects merge key by key, anything else is replaced.
    ///
    /// A component may be written as its bare name; `"norm": "rmsnorm"` means `"norm": {"type": "rmsnorm"}`. Where the
    /// override changes a component's `type`, options of the base that the new type does not have are dropped
    /// (`known` tells, by the path of the object and the new type's name), so that one changed word is a whole ablation.
    public func merging(
        _ override: JSON, at path: String = "", known: (_ path: String, _ type: String) -> Set<String>?
    ) -> JSON {
        var override = override
        if case .string(let type) = override, known(path, type) != nil || self["type"] != nil {
            override = ["type": .string(type)]
        }
        guard var members = asComponent(at: path, known: known).objectValue, let changes = override.objectValue,
            changes["by_layer"] == nil, members["by_layer"] == nil
        else { return override }
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
