import Autograd
import Foundation

/// Fixed sines and cosines added to the embedded token (Vaswani et al. 2017, arXiv:1706.03762): channel 2i of position t
/// is sin(t / 10000^(2i / C)), channel 2i + 1 the cosine.
public struct SinusoidalPosition: Position {
    let width: Int

    public init(at site: Site) { width = site.size.width }

    public func embedding(_ pass: Pass) -> Tensor? {
        if let position = pass.position {
            let all = position.kept("sinusoidal \(width)") { table(pass) }
            return all.rows(at: position.rows.reshaped([pass.batch, 1]))
        }
        return table(pass).rows(
            at: pass.context.tensor(
                (0..<pass.batch * pass.time).map { Int32($0 % pass.time) }, [pass.batch, pass.time]))
    }

    private func table(_ pass: Pass) -> Tensor {
        let positions = pass.tablePositions
        var values = [Float](repeating: 0, count: positions.count * width)
        for (t, position) in positions.enumerated() {
            for channel in 0..<width {
                let angle = Double(position) / pow(10000, Double(channel / 2 * 2) / Double(width))
                values[t * width + channel] = Float(channel % 2 == 0 ? sin(angle) : cos(angle))
            }
        }
        return pass.context.tensor(values, [positions.count, width])
    }
}
