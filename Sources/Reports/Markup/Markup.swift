import Foundation

/// A piece of HTML or SVG. Text and attributes are escaped when it is written, so nothing from outside (names, samples,
/// settings) can become markup; what is written is well-formed XML too.
public indirect enum Markup: Sendable {
    case element(name: String, attributes: [(String, String)], children: [Markup])
    case text(String)
    case group([Markup])
    /// Written as it is: only for our own style sheet and script, which have no `<` and no `&` in them.
    case verbatim(String)

    /// An element; attributes that are nil are left out.
    package static func tag(_ name: String, _ attributes: KeyValuePairs<String, String?> = [:], _ children: [Markup] = []) -> Markup {
        .element(name: name, attributes: attributes.compactMap { key, value in value.map { (key, $0) } }, children: children)
    }

    package static func tag(_ name: String, _ attributes: KeyValuePairs<String, String?> = [:], _ text: String) -> Markup {
        tag(name, attributes, [.text(text)])
    }

    /// The markup as text.
    public var source: String {
        var out = ""
        write(to: &out)
        return out
    }

    private func write(to out: inout String) {
        switch self {
        case .text(let text): out += Markup.escaped(text)
        case .verbatim(let text): out += text
        case .group(let all): for one in all { one.write(to: &out) }
        case .element(let name, let attributes, let children):
            out += "<\(name)"
            for (key, value) in attributes { out += " \(key)=\"\(Markup.escaped(value))\"" }
            // HTML knows no short form but of the elements that are always empty; SVG's may stand open in both.
            if children.isEmpty, Markup.alwaysEmpty.contains(name) {
                out += "/>"
            } else {
                out += ">"
                for child in children { child.write(to: &out) }
                out += "</\(name)>"
            }
        }
    }

    private static let alwaysEmpty: Set<String> = [
        "meta", "br", "wbr", "hr", "input", "col", "link", "path", "line", "circle", "rect", "polygon", "polyline", "use",
    ]

    /// `text` with what has a meaning in markup replaced by entities, and what XML forbids by U+FFFD.
    package static func escaped(_ text: String) -> String {
        var out = ""
        out.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": out += "&amp;"
            case "<": out += "&lt;"
            case ">": out += "&gt;"
            case "\"": out += "&quot;"
            case "'": out += "&#39;"
            case "\t", "\n": out.unicodeScalars.append(scalar)
            // Also what would turn the direction of the text around it, and so what it seems to say.
            case "\u{0}"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{FFFE}", "\u{FFFF}", "\u{202A}"..."\u{202E}", "\u{2066}"..."\u{2069}":
                out += "\u{FFFD}"
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }
}

extension Markup: ExpressibleByStringInterpolation {
    public init(stringLiteral value: String) { self = .text(value) }
}

/// A coordinate, short: a tenth of a unit is less than anybody sees.
func coordinate(_ value: Double) -> String {
    let text = String(format: "%.1f", value)
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
}
