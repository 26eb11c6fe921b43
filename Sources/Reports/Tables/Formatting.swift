import Foundation

extension Int {
    /// 1,234,567
    package var grouped: String {
        var digits = String(magnitude)
        var index = digits.count - 3
        while index > 0 {
            digits.insert(",", at: digits.index(digits.startIndex, offsetBy: index))
            index -= 3
        }
        return (self < 0 ? "-" : "") + digits
    }

    /// Bytes in the unit that leaves up to four digits: 1.5 KiB, 12.0 MiB.
    package var asBytes: String {
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
    package var grouped: String { Int(exactly: rounded())?.grouped ?? String(format: "%g", self) }

    /// +0.0012, −0.0012.
    package func signedFixed(_ digits: Int) -> String { (self >= 0 ? "+" : "−") + magnitude.fixed(digits) }

    package func fixed(_ digits: Int) -> String { String(format: "%.\(digits)f", self) }

    /// Three digits and a decimal suffix: 12.9 M.
    package var shortened: String {
        var value = self
        for suffix in ["", " k", " M", " G", " T", " P"] {
            if value < 999.5 { return suffix.isEmpty ? fixed(0) : value.fixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0) + suffix }
            value /= 1000
        }
        return String(format: "%.3g", self)
    }

    /// A duration: 4 s, 3 min 05 s, 2 h 10 min.
    package var asDuration: String {
        let seconds = Int(Swift.max(0, Swift.min(self, 1e9)).rounded())
        if seconds < 60 { return "\(seconds) s" }
        if seconds < 3600 { return String(format: "%d min %02d s", seconds / 60, seconds % 60) }
        return String(format: "%d h %02d min", seconds / 3600, seconds / 60 % 60)
    }
}

extension String {
    /// At most `width` characters; what is longer loses its middle, since variants of a grid begin alike.
    package func shortenedInTheMiddle(to width: Int) -> String {
        count > width ? "\(prefix(width / 3))…\(suffix(Swift.max(0, width - width / 3 - 1)))" : self
    }

    package func padded(to width: Int) -> String { self + String(repeating: " ", count: Swift.max(0, width - count)) }
    package func leftPadded(to width: Int) -> String { String(repeating: " ", count: Swift.max(0, width - count)) + self }
}
