/// The type of a tensor's elements.
public enum DType: String, Sendable, CaseIterable {
    case float32, bfloat16, int32

    /// Bytes an element.
    public var size: Int { self == .bfloat16 ? 2 : 4 }
}
