import Autograd
import Foundation
import Testing
import Training

/// Against values of mpmath (40 digits) and scipy 1.17 (stats.t, stats.ttest_rel), computed once and written down here.
struct StatisticsTests {
    func expectClose(_ found: Double, _ wanted: Double, _ tolerance: Double, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(abs(found - wanted) <= tolerance * abs(wanted), "\(found) instead of \(wanted)", sourceLocation: sourceLocation)
    }

    @Test func incompleteBeta() {
        let cases: [(x: Double, a: Double, b: Double, value: Double)] = [
            (0.1, 0.5, 0.5, 0.20483276469913346), (0.5, 2, 3, 0.6875), (0.9, 10, 0.5, 0.15164090963470997),
            (0.999, 50, 0.5, 0.75236901996537668), (1e-6, 0.5, 0.5, 0.00063661987847092447),
            (0.3, 200, 300, 1.0496985243292947e-6), (0.42, 200, 300, 0.8196010664172663), (0.25, 1, 1, 0.25),
        ]
        for (x, a, b, value) in cases { expectClose(StudentT.regularizedBeta(x, a, b), value, 1e-12) }
        #expect(StudentT.regularizedBeta(0.75, 5000, 0.5) == 0, "3e-627 is less than any number")
        #expect(StudentT.regularizedBeta(0, 2, 3) == 0 && StudentT.regularizedBeta(1, 2, 3) == 1)
    }

    @Test func tails() {
        let cases: [(t: Double, degrees: Double, value: Double)] = [
            (0, 3, 1), (1e-8, 4, 0.9999999925), (0.5, 1, 0.70483276469913345), (1, 1, 0.5), (2, 2, 0.18350341907227397),
            (4.302652729911275, 2, 0.049999999996516631), (2.5, 9, 0.033861827682985739), (-2.5, 9, 0.033861827682985739),
            (1.96, 1000, 0.050273184955748718), (10, 5, 0.00017094757574296359), (40, 39, 2.8188114027963133e-33),
            (1e10, 2, 1e-20),
        ]
        for (t, degrees, value) in cases { expectClose(StudentT.twoSidedTail(t, degrees: degrees), value, 1e-12) }
        expectClose(StudentT.twoSidedTail(3, degrees: 1e6), 0.0026998625414217971, 1e-8)
        #expect(StudentT.twoSidedTail(.infinity, degrees: 3) == 0 && StudentT.twoSidedTail(1e200, degrees: 3) == 0)
        #expect(StudentT.twoSidedTail(.nan, degrees: 3).isNaN)
    }

    @Test func halfWidths() {
        let cases: [(share: Double, degrees: Double, value: Double)] = [
            (0.5, 1, 1.0000000000000002), (0.5, 4, 0.7406970841126829), (0.5, 1000, 0.6747351646070093),
            (0.9, 1, 6.313751514675037), (0.9, 3, 2.3533634348018233), (0.9, 39, 1.6848751217112248),
            (0.95, 1, 12.706204736174694), (0.95, 2, 4.302652729749462), (0.95, 3, 3.1824463052837078),
            (0.95, 4, 2.7764451051977934), (0.95, 9, 2.262157162798205), (0.95, 39, 2.022690920036761),
            (0.95, 1000, 1.9623390808264083), (0.99, 1, 63.656741162871526), (0.99, 2, 9.924843200918287),
            (0.99, 9, 3.249835541592126), (0.99, 1000, 2.580754698065951),
        ]
        for (share, degrees, value) in cases { expectClose(StudentT.halfWidth(share: share, degrees: degrees), value, 1e-10) }
    }

    static let losses = [0.8241, 0.8310, 0.8199, 0.8267, 0.8222]

    func bySeed(_ values: [Double]) -> [Int: Double] { Dictionary(uniqueKeysWithValues: values.enumerated().map { ($0, $1) }) }

    @Test func theMean() throws {
        let estimate = try #require(Estimate(StatisticsTests.losses))
        let interval = try #require(estimate.interval)
        expectClose(estimate.mean, 0.82478, 1e-12)
        expectClose(try #require(estimate.deviation), 0.004281004555008075, 1e-10)
        expectClose(interval.lowerBound, 0.8194644307679003, 1e-12)
        expectClose(interval.upperBound, 0.8300955692321, 1e-12)
    }

    @Test func pairs() throws {
        let worse = bySeed([0.8503, 0.8465, 0.8410, 0.8499, 0.8381]), base = bySeed(StatisticsTests.losses)
        let lower = try #require(PairedDifference(base, minus: worse))
        expectClose(try #require(lower.pValue), 0.0006040867408272429, 1e-9)
        let interval = try #require(lower.interval)
        expectClose(interval.lowerBound, -0.026144985905964754, 1e-10)
        expectClose(interval.upperBound, -0.014615014094035195, 1e-10)
        #expect(lower.verdict == .lower && PairedDifference(worse, minus: base)?.verdict == .higher)
        let near = try #require(PairedDifference(bySeed([0.8250, 0.8290, 0.8215, 0.8260, 0.8228]), minus: base))
        expectClose(try #require(near.pValue), 0.9065312548653089, 1e-9)
        #expect(near.verdict == .noise)
        // A seed that one of them lacks is no pair.
        var holes = worse
        holes[2] = nil
        holes[9] = 7
        #expect(PairedDifference(base, minus: holes)?.estimate.values.count == 4)
        #expect(PairedDifference(base, minus: [9: 1]) == nil)
    }

    /// One measurement has no spread, and equal ones have none to judge by.
    @Test func nothingToJudgeBy() throws {
        let one = try #require(Estimate([0.5]))
        #expect(one.mean == 0.5 && one.interval == nil && one.deviation == nil)
        #expect(Estimate([]) == nil)
        let pair = try #require(PairedDifference([3: 0.5], minus: [3: 0.25]))
        #expect(pair.mean == 0.25 && pair.pValue == nil && pair.interval == nil && pair.verdict == .unknown)
        let same = try #require(PairedDifference(bySeed(StatisticsTests.losses), minus: bySeed(StatisticsTests.losses)))
        #expect(same.mean == 0 && same.pValue == 1 && same.interval == 0...0 && same.verdict == .identical)
        let shifted = try #require(PairedDifference([0: 1.5, 1: 2.5, 2: 4.5], minus: [0: 1, 1: 2, 2: 4]))
        #expect(shifted.mean == 0.5 && shifted.pValue == nil && shifted.interval == nil && shifted.verdict == .unknown)
        #expect(Estimate([0.1, 0.1, 0.1])?.interval == 0.1...0.1, "equal values have exactly their mean")
        #expect(Estimate([1, .nan])?.interval == nil)
    }

    /// Pairs that differ by chance alone are called significant once in twenty, whatever the number of seeds.
    @Test(arguments: [2, 3, 5, 10]) func falseAlarms(seeds: Int) throws {
        var draw = Philox(key: 17).sequence(stream: UInt64(seeds))
        func normal() -> Double {
            let radius = (-2 * log((Double(draw.below(1 << 30)) + 1) / Double(1 << 30))).squareRoot()
            return radius * cos(2 * .pi * Double(draw.below(1 << 30)) / Double(1 << 30))
        }
        let trials = 4000
        var alarms = 0, missed = 0
        for _ in 0..<trials {
            var a: [Int: Double] = [:], b: [Int: Double] = [:]
            for seed in 0..<seeds {
                // What a seed shares is larger than what differs, as in training.
                let shared = 3 * normal()
                (a[seed], b[seed]) = (shared + normal(), shared + normal())
            }
            let difference = try #require(PairedDifference(a, minus: b))
            if difference.verdict != .noise { alarms += 1 }
            if let interval = difference.interval, !interval.contains(0) { missed += 1 }
        }
        #expect(missed == alarms, "the interval leaves out zero where p is below 0.05")
        // 0.05 ± 4 standard deviations of a count.
        #expect(abs(Double(alarms) / Double(trials) - 0.05) < 4 * (0.05 * 0.95 / Double(trials)).squareRoot(), "\(alarms) of \(trials)")
    }
}
