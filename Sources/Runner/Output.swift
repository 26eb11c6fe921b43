import Foundation
import Synchronization
import Text

/// A line that is written over itself while work goes on; nothing where standard error is no terminal.
final class ProgressLine {
    private let isTerminal = isatty(2) == 1
    private var shown = false
    private var last = Date.distantPast

    func show(_ text: @autoclosure () -> String) {
        guard isTerminal, Date().timeIntervalSince(last) > 0.1 else { return }
        last = Date()
        shown = true
        Files.tell("\r\u{1B}[K\(text())")
    }

    func clear() {
        guard shown else { return }
        shown = false
        Files.tell("\r\u{1B}[K")
    }
}

/// Standard output. A full disk behind it must not stop a training run, and must not pass for success either: the first
/// failure is kept, and the program ends with it.
enum StandardOutput {
    private static let failure = Mutex<String?>(nil)

    /// Why writing failed, if it has since the last time this was asked.
    static func takeFailure() -> String? {
        failure.withLock { reason in
            defer { reason = nil }
            return reason
        }
    }

    static func write(_ text: String) {
        var text = text
        guard !text.withUTF8({ Files.write(UnsafeRawBufferPointer($0), to: 1) }) else { return }
        let reason = Files.lastError
        failure.withLock { $0 = $0 ?? reason }
    }
}

/// Writes text to standard output at once, whatever it is connected to.
func emit(_ text: String) { StandardOutput.write(text) }

/// Writes a line to standard output at once.
func say(_ line: String) { emit(line + "\n") }

/// A path as a shell takes it: in quotes where it holds more than letters, digits and the usual marks.
func inShell(_ path: String) -> String {
    let isPlain = path.allSatisfy { $0.isLetter || $0.isNumber || "/._-+,:@%=".contains($0) } && !path.isEmpty
    return isPlain ? path : "'\(path.replacing("'", with: "'\\''"))'"
}
