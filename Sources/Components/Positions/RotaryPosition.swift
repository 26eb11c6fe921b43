import Autograd
import Configuration
import Foundation

/// Rotary positions (Su et al. 2021, arXiv:2104.09864): pairs of query and key dimensions are turned by an angle
/// proportional to the position, so that scores depend on distance. Knows no longest sequence.
public struct RotaryPosition: Position {
    public struct Options: OptionGroup {
        public var base = 10000.0
        public var fraction = 1.0
        public var interleaved = false
        public var scaling = 1.0
        public var reverse = false
        public init() {}
        public static var options: [Option<Self>] {
            [
                Option("base", \.base, .above(0), help: "the slowest pair turns once in about 2π·base positions"),
                Option(
                    "fraction", \.fraction, Bounds(minimum: 0, maximum: 1, exclusiveMinimum: true),
                    help: "share of each head's dimensions that is turned, the first ones"),
                Option(
                    "interleaved", \.interleaved,
                    help: "pair dimensions (2j, 2j + 1) as GPT-J, rather than halves (j, j + D/2)"),
                Option(
                    "scaling", \.scaling, .above(0),
                    help: "positions are divided by this (linear scaling to longer contexts)"),
                Option("reverse", \.reverse, help: "turn the other way, as nanochat does"),
            ]
        }
    }

    let options: Options

    public init(_ options: Options, at site: Site) { self.options = options }

    private struct Key: Hashable {
        var base: Double, scaling: Double, rotary: Int, interleaved: Bool, reverse: Bool
    }

    public func rotary(dim: Int, _ pass: Pass) -> RotaryTable? {
        let rotary = Int(Double(dim) * options.fraction) / 2 * 2
        guard rotary > 0 else { return nil }
        let key = Key(
            base: options.base, scaling: options.scaling, rotary: rotary, interleaved: options.interleaved,
            reverse: options.reverse)
        return pass.rotary(key) { table(rotary, pass) }
    }

    private func table(_ rotary: Int, _ pass: Pass) -> RotaryTable {
        let half = rotary / 2, positions = pass.tablePositions
        let frequencies = (0..<half).map { pow(options.base, -2 * Double($0) / Double(rotary)) }
        var cosines = [Float](), sines = [Float]()
        cosines.reserveCapacity(positions.count * half)
        sines.reserveCapacity(positions.count * half)
        for position in positions {
            let position = Double(position) / options.scaling
            for frequency in frequencies {
                let angle = position * frequency * (options.reverse ? -1 : 1)
                cosines.append(Float(cos(angle)))
                sines.append(Float(sin(angle)))
            }
        }
        return RotaryTable(
            cosines: pass.context.tensor(cosines, [positions.count, half]),
            sines: pass.context.tensor(sines, [positions.count, half]), rotary: rotary, interleaved: options.interleaved)
    }
}
