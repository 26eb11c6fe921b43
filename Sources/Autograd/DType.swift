/// The type of a tensor's elements.
public enum DType: String, Sendable, CaseIterable {
    case float32, bfloat16, int32
    /// Quantized, with scales of its own: `Tensor.scales`.
    case int8

    /// Bytes an element.
    public var size: Int {
        switch self {
        case .float32, .int32: 4
        case .bfloat16: 2
        case .int8: 1
        }
    }
}
