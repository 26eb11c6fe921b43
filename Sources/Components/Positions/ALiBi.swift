import Foundation

/// Attention with linear biases (Press et al. 2022, arXiv:2108.12409): each head subtracts its slope times the distance
/// from its scores. Slopes are 2^(−8(h + 1)/H); for H that is no power of two, those of the power below and then every
/// other one of the power above.
public struct ALiBi: Position {
    public init(at site: Site) {}

    public func slopes(heads: Int) -> [Float]? {
        func powers(_ count: Int) -> [Float] {
            (0..<count).map { Float(pow(2, -8 * Double($0 + 1) / Double(count))) }
        }
        var below = 1
        while below * 2 <= heads { below *= 2 }
        let finer = powers(2 * below).enumerated().filter { $0.offset % 2 == 0 }.map(\.element)
        return powers(below) + finer.prefix(heads - below)
    }
}

/// No positions: what a model knows of order comes from the causal mask alone (Kazemnejad et al. 2023).
public struct NoPosition: Position {
    public init(at site: Site) {}
}
