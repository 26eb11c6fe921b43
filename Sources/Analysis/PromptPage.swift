import Configuration
import Foundation

/// Attention maps of a prompt and what each layer would say next, as one HTML page.
public struct PromptPage {
    private let title: String
    private let tokens: [String]
    private let maps: [AttentionMap]
    private let lenses: [PromptObserver.Lens]
    private let text: (Int32) -> String

    /// - Parameters:
    ///   - tokens: the prompt's tokens as people read them.
    ///   - text: how people read any token.
    public init(
        title: String, tokens: [String], maps: [AttentionMap], lenses: [PromptObserver.Lens], text: @escaping (Int32) -> String
    ) {
        (self.title, self.tokens, self.maps, self.lenses, self.text) = (title, tokens, maps, lenses, text)
    }

    /// More tokens make maps too fine to see and pages too large to open.
    public static let longestMap = 256

    public var html: String {
        var body = [
            "<h1>\(Page.escaped(title))</h1>",
            "<p class=\"soft\">\(tokens.count) tokens: \(tokens.enumerated().map { "<code>\(Page.escaped($1))</code>" }.joined(separator: " "))</p>",
        ]
        if !maps.isEmpty { body += attention }
        if !lenses.isEmpty { body += lens }
        return Page.html(title: title, body: body.joined(separator: "\n"))
    }

    private var attention: [String] {
        var lines = [
            "<h2>Attention</h2>",
            "<p class=\"soft\">A row is a token that looks, a column one that is looked at; the stronger the color, the larger the weight. Entropy in nats, "
                + "0 where every token looks at one; distance: positions back, on average; first: the weight of the first token.</p>",
        ]
        for layer in Set(maps.map(\.layer)).sorted() {
            lines += ["<h3>Layer \(layer)</h3>", "<div class=\"grid\">"]
            lines += maps.filter { $0.layer == layer }.map { map in
                let caption =
                    "head \(map.head): entropy \(Page.number(map.entropy)), distance \(Page.number(map.meanDistance)), first "
                    + "\(Page.percent(map.firstTokenShare))"
                return "<figure><figcaption>\(caption)</figcaption>\n\(svg(map))\n</figure>"
            }
            lines.append("</div>")
        }
        return lines
    }

    /// Cells of one shade form one path, neighbors in a row one rectangle; weights too small to see are left out.
    private func svg(_ map: AttentionMap) -> String {
        let time = map.time, cell = 10, labels = time <= 32
        let (left, top) = labels ? (70, 0) : (0, 0), side = time * cell
        var shades = [String](repeating: "", count: 8)
        for query in 0..<time {
            var key = 0
            while key <= query {
                let shade = PromptPage.shade(map[query, key])
                var end = key + 1
                while end <= query, PromptPage.shade(map[query, end]) == shade { end += 1 }
                if shade > 0 {
                    shades[shade] += "M\(left + key * cell) \(top + query * cell)h\((end - key) * cell)v\(cell)h-\((end - key) * cell)z"
                }
                key = end
            }
        }
        let paths = (1..<8).filter { !shades[$0].isEmpty }.map { "<path class=\"w\($0)\" d=\"\(shades[$0])\"/>" }
        let names =
            labels
            ? tokens.enumerated().map {
                "<text x=\"\(left - 4)\" y=\"\($0 * cell + 8)\" text-anchor=\"end\" style=\"font-size:8px\">\(Page.escaped(String($1.prefix(14))))</text>"
            }
            : []
        let name = "layer \(map.layer), head \(map.head)"
        return "<svg viewBox=\"0 0 \(left + side) \(top + side)\" role=\"img\" aria-label=\"attention of \(name)\">"
            + names.joined()
            + "<path class=\"frame\" d=\"M\(left) \(top)v\(side)h\(side)z\"/><g class=\"weights\">\(paths.joined())</g></svg>"
    }

    /// 0 for what is not drawn, 1 … 7 by the root of the weight, so that small ones are seen too.
    package static func shade(_ weight: Float) -> Int { weight < 0.004 ? 0 : max(1, min(7, Int((7 * weight.squareRoot()).rounded()))) }

    private var lens: [String] {
        let headings = ["token"] + lenses.map { $0.layer.map { "layer \($0)" } ?? "embedding" } + ["what follows"]
        let rows = tokens.indices.map { position in
            [tokens[position]]
                + lenses.map { lens in
                    lens.likeliest[position].first.map { "\(text($0.token)) \(Page.percent($0.probability))" } ?? ""
                } + [position + 1 < tokens.count ? tokens[position + 1] : ""]
        }
        return [
            "<h2>Logit lens</h2>",
            "<p class=\"soft\">What the model would say after each token if a layer were its last: the final norm and the head applied to the "
                + "stream after it. Each cell has the likeliest token and its probability.</p>",
            Page.table(headings, rows),
        ]
    }
}
