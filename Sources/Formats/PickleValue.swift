/// What a Python pickle holds, as far as data goes. Nothing in it can do anything.
public enum PickleValue: Sendable, Equatable {
    case none
    case bool(Bool)
    case int(Int)
    case double(Double)
    case string(String)
    case bytes([UInt8])
    case list([PickleValue])
    case tuple([PickleValue])
    case dictionary([Pair])
    case set([PickleValue])
    /// A class or function by its dotted name, such as `torch.FloatStorage`. A name and nothing more.
    case global(String)
    /// What calling a global would make; no call is made.
    case call(String, [PickleValue])
    /// A reference to something kept outside of the pickle.
    indirect case external(PickleValue)

    /// A key of a dictionary with its value.
    public struct Pair: Sendable, Equatable {
        public let key: PickleValue
        public let value: PickleValue
        public init(key: PickleValue, value: PickleValue) { (self.key, self.value) = (key, value) }
    }

    public var intValue: Int? { if case .int(let value) = self { value } else { nil } }
    public var stringValue: String? { if case .string(let value) = self { value } else { nil } }
    public var boolValue: Bool? { if case .bool(let value) = self { value } else { nil } }
    public var doubleValue: Double? {
        switch self {
        case .int(let value): Double(value)
        case .double(let value): value
        default: nil
        }
    }
    /// The items of a list or a tuple.
    public var items: [PickleValue]? {
        switch self {
        case .list(let items), .tuple(let items): items
        default: nil
        }
    }
    public var pairs: [Pair]? { if case .dictionary(let pairs) = self { pairs } else { nil } }

    /// The last value that a dictionary has under a string.
    public subscript(key: String) -> PickleValue? { pairs?.last { $0.key == .string(key) }?.value }
}
