import Autograd

/// The stream as it was in 2017: sublayers add to it and nothing else happens.
public struct PlainResidual: ResidualStream {
    public init() {}
    public func begin(_ embedded: Tensor, _ pass: Pass) -> StreamState { StreamState(x: embedded) }
    public func enter(_ layer: Int, _ state: inout StreamState) {}
    public func leave(_ layer: Int, _ state: inout StreamState) {}
    public func end(_ state: StreamState) -> Tensor { state.x }
}
