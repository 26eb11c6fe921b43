import Components
import Foundation
import Reports

/// Parameters as a tree by the parts of their names, with shapes and counts; layers made alike are folded into one.
struct ParameterTree {
    let lines: [String]

    init(_ parameters: [Parameter]) {
        let showsStatistics = parameters.contains { $0.value != nil }
        let root = Node(name: "")
        for parameter in parameters { root.insert(parameter, parameter.name.split(separator: ".").map(String.init)[...]) }
        // Every layer has numbers of its own to show.
        if !showsStatistics { root.children = root.children.flatMap { $0.name == "layers" ? [$0.folded] : [$0] } }
        var rows: [Row] = []
        for child in root.children { child.describe(depth: 0, into: &rows, statistics: showsStatistics) }
        let name = rows.map(\.name.count).max() ?? 0, shape = rows.map(\.shape.count).max() ?? 0
        let count = rows.map(\.count.count).max() ?? 0
        lines = rows.map { row in
            let line =
                "\(row.name.padded(to: name))  \(row.shape.padded(to: shape))  \(row.count.leftPadded(to: count))"
            return row.note.isEmpty ? line : "\(line)  \(row.note)"
        }
    }

    private struct Row {
        var name: String, shape = "", count: String, note = ""
    }

    private final class Node {
        var name: String
        var children: [Node] = []
        var parameter: Parameter?
        /// How many alike this one stands for.
        var copies = 1

        init(name: String) { self.name = name }

        func insert(_ parameter: Parameter, _ path: ArraySlice<String>) {
            guard let first = path.first else {
                self.parameter = parameter
                return
            }
            let child = children.first { $0.name == first && $0.parameter == nil } ?? Node(name: first)
            if !children.contains(where: { $0 === child }) { children.append(child) }
            child.insert(parameter, path.dropFirst())
        }

        var count: Int { (parameter?.count ?? 0) + children.reduce(0) { $0 + $1.copies * $1.count } }

        /// What is alike in layers that can be shown as one.
        private var signature: [String] {
            (parameter.map { ["\($0.shape)"] } ?? []) + children.flatMap { child in child.signature.map { "\(child.name).\($0)" } }
        }

        /// Children with the same parts put together, wherever they stand: a pattern of layers shows as a few kinds.
        var folded: Node {
            let result = Node(name: name)
            var groups: [(signature: [String], members: [Node])] = []
            for child in children {
                if let known = groups.firstIndex(where: { $0.signature == child.signature }) {
                    groups[known].members.append(child)
                } else {
                    groups.append((child.signature, [child]))
                }
            }
            result.children = groups.map { group in
                let node = group.members[0]
                node.copies = group.members.count
                node.name = ParameterTree.ranges(group.members.compactMap { Int($0.name) })
                return node
            }
            return result
        }

        func describe(depth: Int, into rows: inout [Row], statistics: Bool) {
            // A part with one part of its own is shown with it.
            var node = self, label = name
            while node.parameter == nil, node.children.count == 1, node.children[0].copies == 1 {
                node = node.children[0]
                label += "." + node.name
            }
            var row = Row(name: String(repeating: "  ", count: depth) + label, count: node.count.grouped)
            if let parameter = node.parameter {
                row.shape = parameter.shape.map(String.init).joined(separator: " × ")
                if statistics, let (mean, deviation) = parameter.statistics {
                    row.note = String(format: "mean %+.4f  std %.4f", mean, deviation)
                }
            }
            if copies > 1 { row.note = "each, × \(copies)" }
            rows.append(row)
            for child in node.children { child.describe(depth: depth + 1, into: &rows, statistics: statistics) }
        }
    }

    /// [0, 1, 2, 5] as "0–2, 5".
    private static func ranges(_ numbers: [Int]) -> String {
        var parts: [ClosedRange<Int>] = []
        for number in numbers {
            if let last = parts.last, last.upperBound + 1 == number {
                parts[parts.count - 1] = last.lowerBound...number
            } else {
                parts.append(number...number)
            }
        }
        return parts.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)–\($0.upperBound)" }.joined(separator: ", ")
    }
}
