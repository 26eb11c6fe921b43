/// A group of options, such as a component's: one declaration from which come strict decoding with defaults, the JSON
/// Schema, and the help that `runner components` prints. Defaults are the property's initial values.
///
/// ```swift
/// public struct Options: OptionGroup {
///     public var expansion = 4.0
///     public init() {}
///     public static var options: [Option<Self>] {
///         [Option("expansion", \.expansion, .above(0), help: "hidden size as a multiple of the width")]
///     }
/// }
/// ```
public protocol OptionGroup: Sendable {
    init()
    static var options: [Option<Self>] { get }
    /// Checks that hold between options; called after decoding.
    /// - Throws: `OptionMismatch`.
    func validate() throws
}

extension OptionGroup {
    public func validate() throws {}
}

/// A group without options.
public struct NoOptions: OptionGroup {
    public init() {}
    public static var options: [Option<NoOptions>] { [] }
}

/// One option of a group: its JSON name, where its value lives, what values it allows, one line of help.
public struct Option<Group>: Sendable {
    public let name: String
    /// Whether a value keeps its meaning where the component's type is changed: a learning rate does not.
    public let carriesOver: Bool
    public let help: String
    public let kind: String
    public let allowed: String
    let schema: [String: JSON]
    let read: @Sendable (JSON, inout Group) throws -> Void
    let write: @Sendable (Group) -> JSON

    public init<Value: OptionValue>(
        _ name: String, _ keyPath: WritableKeyPath<Group, Value> & Sendable, _ bounds: Bounds = Bounds(), help: String,
        carriesOver: Bool = true
    ) {
        self.name = name
        self.carriesOver = carriesOver
        self.help = help
        kind = Value.kind
        allowed = [Value.kind, bounds.words].filter { !$0.isEmpty }.joined(separator: ", ")
        schema = Option.schema(Value.schema, bounds)
        read = { json, group in
            let value = try Value.decode(json)
            // A bound speaks of numbers: of a list, of each.
            for number in value.json.arrayValue ?? [value.json] {
                if let number = number.doubleValue, !bounds.contains(number) {
                    throw OptionMismatch("must be \(bounds.words), found \(value.json.brief)")
                }
            }
            group[keyPath: keyPath] = value
        }
        write = { $0[keyPath: keyPath].json }
    }

    /// The same option of a group that holds this one's group at `keyPath`.
    public func inside<Outer>(_ keyPath: WritableKeyPath<Outer, Group> & Sendable) -> Option<Outer> {
        Option<Outer>(
            name: name, help: help, carriesOver: carriesOver, kind: kind, allowed: allowed, schema: schema,
            read: { [read] json, outer in try read(json, &outer[keyPath: keyPath]) },
            write: { [write] outer in write(outer[keyPath: keyPath]) })
    }

    private init(
        name: String, help: String, carriesOver: Bool, kind: String, allowed: String, schema: [String: JSON],
        read: @escaping @Sendable (JSON, inout Group) throws -> Void, write: @escaping @Sendable (Group) -> JSON
    ) {
        (self.name, self.help, self.carriesOver, self.kind, self.allowed) = (name, help, carriesOver, kind, allowed)
        (self.schema, self.read, self.write) = (schema, read, write)
    }

    private static func schema(_ type: [String: JSON], _ bounds: Bounds) -> [String: JSON] {
        guard !bounds.schema.isEmpty else { return type }
        if let items = type["items"]?.objectValue {
            return type.merging(["items": .object(items.merging(bounds.schema) { $1 })]) { $1 }
        }
        return type.merging(bounds.schema) { $1 }
    }
}

/// What is known of an option without its group's type: for help and schema.
public struct OptionDescription: Sendable {
    public let name: String
    public let help: String
    public let allowed: String
    public let defaultValue: JSON
    public let carriesOver: Bool
    /// JSON Schema of the value, with description and default.
    public let schema: JSON
}

extension OptionGroup {
    /// Reads the group from an object. Keys in `also` are left to the caller.
    /// - Throws: `ConfigError` with the path of the first option that is unknown, mistyped or out of range.
    public static func decode(_ json: JSON, at path: String, also: Set<String> = []) throws -> Self {
        guard let members = json.objectValue else {
            throw ConfigError("expected an object, found \(json.brief)", at: path)
        }
        let declared = Dictionary(options.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        var group = Self()
        for (key, value) in members.sorted(by: { $0.key < $1.key }) where !also.contains(key) {
            guard let option = declared[key] else {
                throw ConfigError.unknown("key", key, known: also.union(declared.keys), at: path)
            }
            do {
                try option.read(value, &group)
            } catch let mismatch as OptionMismatch {
                throw ConfigError(mismatch.message, at: path.isEmpty ? key : "\(path).\(key)")
            }
        }
        do {
            try group.validate()
        } catch let mismatch as OptionMismatch {
            throw ConfigError(mismatch.message, at: path)
        }
        return group
    }

    /// Every option with its value.
    public var json: [String: JSON] {
        Dictionary(Self.options.map { ($0.name, $0.write(self)) }, uniquingKeysWith: { first, _ in first })
    }

    public static var descriptions: [OptionDescription] {
        let defaults = Self()
        return options.map { option in
            let value = option.write(defaults)
            let schema = option.schema.merging(["description": .string(option.help), "default": value]) { $1 }
            return OptionDescription(
                name: option.name, help: option.help, allowed: option.allowed, defaultValue: value,
                carriesOver: option.carriesOver, schema: .object(schema))
        }
    }
}
