import Reports
import Testing

struct ParetoTests {
    @Test func front() {
        // By cost: 0 and 3 are beaten; 2 and 4 are equal, and both on the front.
        let points: [(x: Double, y: Double)] = [(3, 3), (1, 4), (2, 2), (4, 2.5), (2, 2), (8, 1)]
        #expect(Pareto.front(points, higherIsBetter: false) == [1, 2, 4, 5])
        // By speed the last is the best in both.
        #expect(Pareto.front(points, higherIsBetter: true) == [5])
        #expect(Pareto.front([(x: 1, y: 2), (x: 2, y: 3), (x: 3, y: 5)], higherIsBetter: true) == [2, 1, 0], "from the fast end")
        #expect(Pareto.front([], higherIsBetter: false) == [])
        #expect(Pareto.front([(x: .nan, y: 1), (x: 1, y: .infinity), (x: 1, y: 1)], higherIsBetter: false) == [2])
    }

    @Test func noOtherBeatsTheFront() {
        // Numbers without a pattern, every pair checked by the definition.
        let points: [(x: Double, y: Double)] = (0..<60).map { (number: Int) in
            let x = number * 37 % 61, y = number * number * 11 % 53
            return (x: Double(x), y: Double(y))
        }
        for higher in [false, true] {
            let front = Set(Pareto.front(points, higherIsBetter: higher))
            for (index, own) in points.enumerated() {
                let isBeaten = points.contains { other in
                    let (a, b) = higher ? (-other.x, -own.x) : (other.x, own.x)
                    return (a <= b && other.y < own.y) || (a < b && other.y <= own.y)
                }
                #expect(front.contains(index) == !isBeaten)
            }
        }
    }
}
