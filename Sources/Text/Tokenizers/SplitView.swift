import Foundation

/// Shows where a text is cut into tokens.
public enum SplitView {
    /// Background colours of a terminal, taken in turn.
    private static let backgrounds = [225, 194, 223, 189, 230, 195]

    /// The tokens' text, in colours or with `·` between. Control characters but line breaks are written as `\x1b`, and bytes
    /// that are no character by themselves likewise, so that nothing in a text reaches the terminal as a command.
    public static func text(of ids: [Int32], _ tokenizer: any Tokenizer, coloured: Bool) -> String {
        var result = ""
        for (number, id) in ids.enumerated() {
            let piece = visible(tokenizer.bytes(of: id))
            guard coloured else {
                result += (number > 0 ? "·" : "") + piece
                continue
            }
            let start = "\u{1B}[30;48;5;\(backgrounds[number % backgrounds.count])m", end = "\u{1B}[0m"
            // A background that goes over a line break fills the rest of the line on many terminals.
            let lines = piece.split(separator: "\n", omittingEmptySubsequences: false)
            result += lines.map { $0.isEmpty ? "" : start + $0 + end }.joined(separator: start + "⏎" + end + "\n")
        }
        return result + "\n"
    }

    private static func visible(_ bytes: [UInt8]) -> String {
        var result = String.UnicodeScalarView()
        bytes.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            var at = 0
            while at < buffer.count {
                let (value, length) = UTF8Scalars.decode(base, at: at, end: buffer.count)
                let scalar = Unicode.Scalar(value)
                if let scalar, scalar == "\n" || !isControl(scalar) {
                    result.append(scalar)
                } else {
                    for byte in buffer[at..<at + length] {
                        let digits = String(byte, radix: 16)
                        result.append(contentsOf: ("\\x" + (digits.count == 1 ? "0" : "") + digits).unicodeScalars)
                    }
                }
                at += length
            }
        }
        return String(result)
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }

    /// A page that shows the tokens; the id of one appears under the pointer.
    public static func page(of ids: [Int32], _ tokenizer: any Tokenizer) -> Page {
        var body = ""
        for (number, id) in ids.enumerated() {
            let text = escaped(visible(tokenizer.bytes(of: id))).replacing("\n", with: "⏎\n")
            body += "<span class=\"c\(number % 6)\" title=\"\(id)\">\(text)</span>"
        }
        let bytes = ids.reduce(0) { $0 + tokenizer.bytes(of: $1).count }
        let head = "\(ids.count) tokens, \(bytes) bytes, vocabulary \(tokenizer.vocabularySize)"
        return Page(
            text: """
                <!DOCTYPE html>
                <html lang="en"><head><meta charset="utf-8"/><title>Tokens</title><style>
                body { font: 15px/1.6 ui-monospace, monospace; margin: 2em auto; max-width: 60em; color: #222; background: #fff }
                pre { white-space: pre-wrap; overflow-wrap: anywhere; font: inherit }
                span { border-radius: 3px } .c0 { background: #ffd7ff } .c1 { background: #d7ffd7 } .c2 { background: #ffd7af }
                .c3 { background: #d7d7ff } .c4 { background: #ffffd7 } .c5 { background: #d7ffff }
                </style></head><body><p>\(head)</p><pre>\(body)</pre></body></html>

                """)
    }

    /// A page to be written to a file.
    public struct Page: Sendable {
        public let text: String

        /// - Throws: `TextError.unwritable`.
        public func write(to path: String) throws { try Files.writeAtomically(Array(text.utf8), to: path) }
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
    }
}
