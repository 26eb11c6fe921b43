/// The points that no other beats in one thing without losing in the other.
package enum Pareto {
    /// - Parameters:
    ///   - points: `y` is better where it is lower, `x` where `higherIsBetter` says.
    /// - Returns: the indices of the front, by `x`; of equal points all.
    package static func front(_ points: [(x: Double, y: Double)], higherIsBetter: Bool) -> [Int] {
        let points = points.map { (x: higherIsBetter ? -$0.x : $0.x, y: $0.y) }
        let front = points.indices.filter { index in
            let own = points[index]
            guard own.x.isFinite, own.y.isFinite else { return false }
            return !points.contains { $0.x <= own.x && $0.y <= own.y && ($0.x < own.x || $0.y < own.y) }
        }
        return front.sorted { (points[$0].x, points[$0].y, $0) < (points[$1].x, points[$1].y, $1) }
    }
}
