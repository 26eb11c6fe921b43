import Foundation

/// A line that a step left in a run's log.
public protocol StepLine: Codable, Sendable {
    var step: Int { get }
}

/// Appends to a log of a run, such as metrics.jsonl: one JSON object a line.
final class LinesFile<Line: StepLine> {
    private let file: FileHandle
    private let path: String
    private let encoder: JSONEncoder = {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }()

    /// Opens the file, dropping lines after `step`: a resumed run makes them again.
    init(_ path: String, keepingThrough step: Int) throws {
        self.path = path
        let kept = LinesFile.read(path).filter { $0.step <= step }
        var text = Data()
        for line in kept {
            text += try encoder.encode(line)
            text.append(UInt8(ascii: "\n"))
        }
        try RunFolder.writeAtomically(text, to: path)
        guard let file = FileHandle(forWritingAtPath: path) else { throw Failure("cannot write \(path)") }
        self.file = file
        try file.seekToEnd()
    }

    deinit { try? file.close() }

    func append(_ line: Line) throws {
        do {
            try file.write(contentsOf: encoder.encode(line) + Data("\n".utf8))
        } catch {
            throw Failure("cannot write \((path as NSString).lastPathComponent): \(error.localizedDescription)")
        }
    }

    /// All whole lines; one that a kill cut short is left out.
    static func read(_ path: String) -> [Line] { readAll(path).lines }

    /// All whole lines, how many there are that cannot be read, and whether the file is there at all.
    static func readAll(_ path: String) -> (lines: [Line], unreadable: Int, exists: Bool) {
        guard let data = FileManager.default.contents(atPath: path) else { return ([], 0, false) }
        let all = data.split(separator: UInt8(ascii: "\n"))
        let lines = all.compactMap { try? JSONDecoder().decode(Line.self, from: $0) }
        return (lines, all.count - lines.count, true)
    }
}
