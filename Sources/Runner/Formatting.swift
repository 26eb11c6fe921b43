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
    /// Rounded, 1,234,567; numbers that no counter holds as they are.
    var grouped: String { Int(exactly: rounded())?.grouped ?? String(format: "%g", self) }

    /// +0.0012, −0.0012.
    func signedFixed(_ digits: Int) -> String { (self >= 0 ? "+" : "−") + magnitude.fixed(digits) }

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
