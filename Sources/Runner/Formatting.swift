import Foundation

extension Int {
    /// 1,234,567
    var grouped: String {
        var digits = String(magnitude)
        var index = digits.count - 3
        while index > 0 {
            digits.insert(",", at: digits.index(digits.startIndex, offsetBy: index))
            index -= 3
        }
        return (self < 0 ? "-" : "") + digits
    }

    /// Bytes in the unit that leaves up to four digits: 1.5 KiB, 12.0 MiB.
    var asBytes: String {
        var value = Double(self)
        for unit in ["B", "KiB", "MiB", "GiB"] {
            if value < 1024 { return unit == "B" ? "\(self) B" : String(format: "%.1f %@", value, unit) }
            value /= 1024
        }
        return String(format: "%.2f TiB", value)
    }
}

extension Double {
    func fixed(_ digits: Int) -> String { String(format: "%.\(digits)f", self) }

    /// A duration: 4 s, 3 min 05 s, 2 h 10 min.
    var asDuration: String {
        let seconds = Int(Swift.max(0, Swift.min(self, 1e9)).rounded())
        if seconds < 60 { return "\(seconds) s" }
        if seconds < 3600 { return String(format: "%d min %02d s", seconds / 60, seconds % 60) }
        return String(format: "%d h %02d min", seconds / 3600, seconds / 60 % 60)
    }
}

extension String {
    func padded(to width: Int) -> String { self + String(repeating: " ", count: Swift.max(0, width - count)) }
    func leftPadded(to width: Int) -> String { String(repeating: " ", count: Swift.max(0, width - count)) + self }
}

/// A line that is written over itself while work goes on; nothing where standard error is no terminal.
final class ProgressLine {
    private let isTerminal = isatty(2) == 1
    private var shown = false
    private var last = Date.distantPast

    func show(_ text: @autoclosure () -> String) {
        guard isTerminal, Date().timeIntervalSince(last) > 0.1 else { return }
        last = Date()
        shown = true
        FileHandle.standardError.write(Data("\r\u{1B}[K\(text())".utf8))
    }

    func clear() {
        guard shown else { return }
        shown = false
        FileHandle.standardError.write(Data("\r\u{1B}[K".utf8))
    }
}

/// Writes text to standard output at once, whatever it is connected to.
func emit(_ text: String) {
    FileHandle.standardOutput.write(Data(text.utf8))
}

/// Writes a line to standard output at once.
func say(_ line: String) { emit(line + "\n") }
