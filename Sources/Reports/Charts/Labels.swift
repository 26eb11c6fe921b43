/// Where names can stand beside what they name.
package enum Labels {
    /// About how wide text is in charts' 13-pixel type.
    static func width(_ text: String) -> Double { Double(text.count) * 6.9 }

    /// `places` moved apart so that neighbours are at least `gap` from one another, within `limits`.
    /// - Returns: nil where there is not room for all.
    package static func spread(_ places: [Double], gap: Double, in limits: ClosedRange<Double>) -> [Double]? {
        guard Double(max(places.count - 1, 0)) * gap <= limits.upperBound - limits.lowerBound else { return nil }
        let order = places.indices.sorted { (places[$0], $0) < (places[$1], $1) }
        var moved = places
        var floor = limits.lowerBound
        for index in order {
            moved[index] = max(places[index], floor)
            floor = moved[index] + gap
        }
        // What was pushed out below pushes back up.
        var ceiling = limits.upperBound
        for index in order.reversed() {
            moved[index] = min(moved[index], ceiling)
            ceiling = moved[index] - gap
        }
        return moved
    }

    struct Box {
        var left: Double, top: Double, right: Double, bottom: Double
        func overlaps(_ other: Box) -> Bool {
            left < other.right && other.left < right && top < other.bottom && other.top < bottom
        }
        func isInside(_ other: Box) -> Bool {
            left >= other.left && right <= other.right && top >= other.top && bottom <= other.bottom
        }
    }

    /// A place beside each of `points` for its text, clear of the other points and texts where there is one.
    static func beside(_ points: [(x: Double, y: Double)], _ texts: [String], in frame: Box) -> [(x: Double, y: Double, anchor: String)?] {
        var taken = points.map { Box(left: $0.x - 7, top: $0.y - 7, right: $0.x + 7, bottom: $0.y + 7) }
        return zip(points, texts).map { point, text in
            let wide = width(text)
            for (dx, dy, anchor) in [
                (11.0, 4.5, "start"), (-11, 4.5, "end"), (9, -9, "start"), (9, 18, "start"), (-9, -9, "end"), (-9, 18, "end"),
                (0, -14, "middle"), (0, 24, "middle"), (9, -24, "start"), (-9, -24, "end"), (9, 33, "start"), (-9, 33, "end"),
            ] {
                let x = point.x + dx, base = point.y + dy
                let left = anchor == "start" ? x : anchor == "end" ? x - wide : x - wide / 2
                let box = Box(left: left, top: base - 11, right: left + wide, bottom: base + 3)
                guard box.isInside(frame), !taken.contains(where: { $0.overlaps(box) }) else { continue }
                taken.append(box)
                return (x, base, anchor)
            }
            return nil
        }
    }
}
