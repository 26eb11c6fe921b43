import Foundation

/// Characters a line of standard output has room for: the terminal's, or 80 where it is none.
var outputWidth: Int {
    var size = winsize()
    if isatty(1) == 1, ioctl(1, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 { return max(40, Int(size.ws_col)) }
    return ProcessInfo.processInfo.environment["COLUMNS"].flatMap(Int.init).map { max(40, $0) } ?? 80
}

/// `text` in lines of at most `width` characters, broken between words; lines after the first are set in. A percent sign
/// stays with its number.
func wrapped(_ text: String, width: Int, indent: String = "  ") -> String {
    var lines: [String] = [""]
    for word in text.split(separator: " ") {
        let last = lines[lines.count - 1]
        if last.isEmpty || last == indent {
            lines[lines.count - 1] += word
        } else if last.count + 1 + word.count <= width || word.first == "%" {
            lines[lines.count - 1] += " \(word)"
        } else {
            lines.append(indent + word)
        }
    }
    return lines.joined(separator: "\n")
}
