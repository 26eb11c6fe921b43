import Reports
import Testing

struct ScaleTests {
    @Test func places() throws {
        let linear = try #require(Scale(over: [2, 4], to: (100, 0)))
        #expect(linear(2) == 100 && linear(4) == 0 && linear(2.5) == 75, "an axis that goes up")
        let log = try #require(Scale(.log, over: [1, 100, -5, 0], to: (0, 10)))
        #expect(log.domain == 1...100 && abs(log(10) - 5) < 1e-12, "what has no logarithm is left out")
        let padded = try #require(Scale(over: [0, 10], to: (0, 1), padding: 0.1))
        #expect(padded.domain == -1...11)
    }

    @Test func strangeValues() throws {
        #expect(Scale(over: [], to: (0, 1)) == nil && Scale(over: [.nan, .infinity], to: (0, 1)) == nil)
        #expect(Scale(.log, over: [-1, 0], to: (0, 1)) == nil)
        for values in [[5.0], [0.0], [-3.0, -3.0], [1e-300, 1e-300], [3.0, 1e300], [1.0, 1.0 + 1e-15]] {
            for kind in [Scale.Kind.linear, .log] {
                guard let scale = Scale(kind, over: values, to: (0, 100)) else { continue }
                #expect(scale.domain.lowerBound < scale.domain.upperBound)
                for value in values + [-1e300, 1e300, .nan, 0] { #expect(scale(value).isFinite && abs(scale(value)) <= 1100) }
                let ticks = Ticks(scale)
                #expect(ticks.values.count <= 12 && ticks.values.count == ticks.labels.count)
            }
        }
    }

    @Test(arguments: [
        (0.0...100.0, 5, [0.0, 20, 40, 60, 80, 100]), (0.13...0.87, 4, [0.2, 0.4, 0.6, 0.8]),
        (-0.21...0.03, 5, [-0.2, -0.15, -0.1, -0.05, 0]),
        (2.9...3.1, 4, [2.9, 2.95, 3, 3.05, 3.1]), (1234567.0...1234569, 2, [1234567, 1234568, 1234569]),
    ])
    func linearTicks(domain: ClosedRange<Double>, count: Int, wanted: [Double]) {
        let found = Ticks.linear(domain, count: count)
        #expect(found.count == wanted.count && zip(found, wanted).allSatisfy { abs($0 - $1) < 1e-9 * max(1, abs($1)) }, "\(found)")
    }

    @Test func logarithmicTicks() {
        #expect(Ticks.logarithmic(3...70, unit: .number) == [5, 10, 20, 50])
        #expect(Ticks.logarithmic(1...1e6, unit: .number) == [1, 10, 100, 1000, 1e4, 1e5, 1e6])
        #expect(Ticks.logarithmic(3...70, unit: .bytes) == [4, 8, 16, 32, 64])
        #expect(Ticks.logarithmic(-1...70, unit: .number) == [])
    }

    @Test func labels() throws {
        func labels(_ values: [Double], _ unit: Ticks.Unit = .number, _ kind: Scale.Kind = .linear) throws -> [String] {
            Ticks(try #require(Scale(kind, over: values, to: (0, 1))), unit: unit).labels
        }
        #expect(try labels([0, 2.5e6]) == ["0", "0.5 M", "1 M", "1.5 M", "2 M", "2.5 M"])
        #expect(try labels([-0.1, 0.1]) == ["−0.1", "−0.05", "0", "0.05", "0.1"])
        #expect(try labels([0, 9000]) == ["0", "2000", "4000", "6000", "8000"])
        #expect(try labels([40_000, 300_000], .bytes, .log) == ["64 KiB", "128 KiB", "256 KiB"])
        #expect(try labels([0, 300 * 1024], .bytes) == ["0 KiB", "100 KiB", "200 KiB", "300 KiB"])
        // One power of ten is too short for powers of ten alone.
        #expect(try labels([2.8, 3.1], .number, .log).count >= 3)
    }

    @Test func spreadLabels() throws {
        let spread = try #require(Labels.spread([50, 52, 51, 90], gap: 10, in: 0...100))
        let sorted = spread.sorted()
        #expect(zip(sorted, sorted.dropFirst()).allSatisfy { $1 - $0 >= 10 - 1e-9 } && sorted.allSatisfy { (0...100).contains($0) })
        #expect(spread[0] < spread[2] && spread[2] < spread[1] && spread[1] < spread[3], "in the order of what they name")
        #expect(try #require(Labels.spread([99, 99, 99], gap: 10, in: 0...100)) == [80, 90, 100])
        #expect(Labels.spread([1, 2, 3], gap: 10, in: 0...15) == nil && Labels.spread([], gap: 10, in: 0...5) == [])
    }
}
