/// A type that an option can have: read from JSON, written to JSON, and described to editors.
public protocol OptionValue: Sendable, Equatable {
    /// - Throws: `OptionMismatch` saying what was expected.
    static func decode(_ json: JSON) throws -> Self
    var json: JSON { get }
    /// The JSON Schema of the type.
    static var schema: [String: JSON] { get }
    /// What a person calls the type, with its article: "a whole number".
    static var kind: String { get }
}

/// A value of the wrong type or out of range; the caller adds the path.
public struct OptionMismatch: Error, Sendable {
    public let message: String
    public init(_ message: String) { self.message = message }
    public init(expected: String, found: JSON) { message = "expected \(expected), found \(found.brief)" }
}

extension Int: OptionValue {
    public static func decode(_ json: JSON) throws -> Int {
        guard let value = json.intValue else { throw OptionMismatch(expected: kind, found: json) }
        return value
    }
    public var json: JSON { .int(self) }
    public static var schema: [String: JSON] { ["type": "integer"] }
    public static var kind: String { "a whole number" }
}

extension Double: OptionValue {
    public static func decode(_ json: JSON) throws -> Double {
        guard let value = json.doubleValue, value.isFinite else { throw OptionMismatch(expected: kind, found: json) }
        return value
    }
    public var json: JSON { Int(exactly: self).map { .int($0) } ?? .double(self) }
    public static var schema: [String: JSON] { ["type": "number"] }
    public static var kind: String { "a number" }
}

extension Bool: OptionValue {
    public static func decode(_ json: JSON) throws -> Bool {
        guard let value = json.boolValue else { throw OptionMismatch(expected: kind, found: json) }
        return value
    }
    public var json: JSON { .bool(self) }
    public static var schema: [String: JSON] { ["type": "boolean"] }
    public static var kind: String { "true or false" }
}

extension String: OptionValue {
    public static func decode(_ json: JSON) throws -> String {
        guard let value = json.stringValue else { throw OptionMismatch(expected: kind, found: json) }
        return value
    }
    public var json: JSON { .string(self) }
    public static var schema: [String: JSON] { ["type": "string"] }
    public static var kind: String { "a string" }
}

extension Optional: OptionValue where Wrapped: OptionValue {
    public static func decode(_ json: JSON) throws -> Wrapped? {
        json == .null ? nil : try Wrapped.decode(json)
    }
    public var json: JSON { self?.json ?? .null }
    public static var schema: [String: JSON] { ["anyOf": [.object(Wrapped.schema), ["type": "null"]]] }
    public static var kind: String { "\(Wrapped.kind) or null" }
}

extension Array: OptionValue where Element: OptionValue {
    public static func decode(_ json: JSON) throws -> [Element] {
        guard let values = json.arrayValue else { throw OptionMismatch(expected: kind, found: json) }
        return try values.map(Element.decode)
    }
    public var json: JSON { .array(map(\.json)) }
    public static var schema: [String: JSON] { ["type": "array", "items": .object(Element.schema)] }
    public static var kind: String { "a list of items, each \(Element.kind)" }
}

/// An enumeration with string cases is an option with those strings.
public protocol OptionEnum: OptionValue, RawRepresentable, CaseIterable where RawValue == String {}

extension OptionEnum {
    public static func decode(_ json: JSON) throws -> Self {
        let names = allCases.map(\.rawValue)
        guard let text = json.stringValue else { throw OptionMismatch(expected: kind, found: json) }
        guard let value = Self(rawValue: text) else {
            let hint = nearest(to: text, in: names).map { "; did you mean \"\($0)\"?" } ?? ""
            throw OptionMismatch("expected \(kind), found \(json.brief)\(hint)")
        }
        return value
    }
    public var json: JSON { .string(rawValue) }
    public static var schema: [String: JSON] { ["enum": .array(allCases.map { .string($0.rawValue) })] }
    public static var kind: String { "one of " + allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ") }
}

/// The numbers an option allows.
public struct Bounds: Sendable {
    public var minimum: Double?
    public var maximum: Double?
    public var exclusiveMinimum = false
    public var exclusiveMaximum = false

    public static func atLeast(_ minimum: Double) -> Bounds { Bounds(minimum: minimum) }
    public static func above(_ minimum: Double) -> Bounds { Bounds(minimum: minimum, exclusiveMinimum: true) }
    public static func within(_ range: ClosedRange<Double>) -> Bounds {
        Bounds(minimum: range.lowerBound, maximum: range.upperBound)
    }
    /// Probabilities of dropping, betas: 0 ≤ x < 1.
    public static let fraction = Bounds(minimum: 0, maximum: 1, exclusiveMaximum: true)

    public init(
        minimum: Double? = nil, maximum: Double? = nil, exclusiveMinimum: Bool = false, exclusiveMaximum: Bool = false
    ) {
        self.minimum = minimum
        self.maximum = maximum
        self.exclusiveMinimum = exclusiveMinimum
        self.exclusiveMaximum = exclusiveMaximum
    }

    func contains(_ value: Double) -> Bool {
        if let minimum, exclusiveMinimum ? value <= minimum : value < minimum { return false }
        if let maximum, exclusiveMaximum ? value >= maximum : value > maximum { return false }
        return true
    }

    var words: String {
        let low = minimum.map { "\(exclusiveMinimum ? "above" : "at least") \($0.json.brief)" }
        let high = maximum.map { "\(exclusiveMaximum ? "below" : "at most") \($0.json.brief)" }
        return [low, high].compactMap { $0 }.joined(separator: " and ")
    }

    var schema: [String: JSON] {
        var members: [String: JSON] = [:]
        if let minimum { members[exclusiveMinimum ? "exclusiveMinimum" : "minimum"] = minimum.json }
        if let maximum { members[exclusiveMaximum ? "exclusiveMaximum" : "maximum"] = maximum.json }
        return members
    }
}
