/// What is wrong with a file of another program's making: the file, what was found, what to do, on one line.
public struct FormatError: Error, CustomStringConvertible, Equatable, Sendable {
    public let description: String

    public init(_ file: String, _ message: String) { description = FormatError.oneLine("\(file): \(message)") }

    /// Names inside of files are the file's own: a line break or an escape sequence in one must not reach a terminal, nor must
    /// a name as long as the file.
    private static func oneLine(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars.prefix(420) {
            switch scalar.properties.generalCategory {
            case .control, .lineSeparator, .paragraphSeparator, .format: result.append("\u{FFFD}")
            default: result.append(scalar)
            }
        }
        return String(result)
    }
}

/// A name from a file as messages show it.
func shown(_ name: some StringProtocol) -> String { name.count <= 80 ? "\"\(name)\"" : "\"\(name.prefix(77))…\"" }
