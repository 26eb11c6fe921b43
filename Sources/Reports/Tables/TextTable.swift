import Foundation

/// A table of text: the first column names the rows, the others hold figures and end at the right.
package struct TextTable {
    /// The columns' heads.
    package let head: [String]
    package let rows: [[String]]

    /// Columns without a single figure are left out.
    package init(head: [String], rows: [[String]]) {
        let kept = head.indices.filter { column in column == 0 || rows.contains { !$0[column].isEmpty } }
        self.head = kept.map { head[$0] }
        self.rows = rows.map { row in kept.map { row[$0] } }
    }

    /// The table within `width` characters: where its columns do not fit beside each other they go on below, each part
    /// with the rows' names in front.
    package func lines(width: Int) -> [String] {
        let all = [head] + rows
        let widths = head.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        var parts: [[Int]] = [[]]
        var used = widths[0]
        for column in head.indices.dropFirst() {
            if used + 2 + widths[column] > width, parts[parts.count - 1] != [] {
                parts.append([])
                used = widths[0]
            }
            parts[parts.count - 1].append(column)
            used += 2 + widths[column]
        }
        let blocks = parts.map { columns in
            all.map { row in
                let cells = columns.map { "  " + row[$0].leftPadded(to: widths[$0]) }
                return (row[0].padded(to: widths[0]) + cells.joined()).replacing(#/\ +$/#, with: "")
            }
        }
        return Array(blocks.joined(separator: [""]))
    }

    /// The table in Markdown.
    package var markdown: String {
        func line(_ cells: [String]) -> String {
            "| " + cells.map { $0.replacingOccurrences(of: "|", with: "\\|") }.joined(separator: " | ") + " |\n"
        }
        return line(head) + line(head.indices.map { $0 == 0 ? "---" : "---:" }) + rows.map(line).joined()
    }
}
