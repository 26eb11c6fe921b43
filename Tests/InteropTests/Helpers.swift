import Foundation
import Testing

/// The checkpoints that reference implementations made: `Tests/Fixtures/generate_interop.py`.
let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures/interop").path

/// Every fixture's name.
let fixtureNames = ((try? FileManager.default.contentsOfDirectory(atPath: fixtures)) ?? []).filter { !$0.hasPrefix(".") }.sorted()

/// A new folder that is gone when the test is over.
final class Scratch {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.resolvingSymlinksInPath().path + "/loom-interop-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// A copy of a fixture's source, to be changed.
    func source(_ name: String) throws -> String {
        let target = "\(path)/\(name)"
        try FileManager.default.copyItem(atPath: "\(fixtures)/\(name)/source", toPath: target)
        return target
    }

    @discardableResult
    func write(_ name: String, _ data: Data) throws -> String {
        try data.write(to: URL(fileURLWithPath: "\(path)/\(name)"))
        return "\(path)/\(name)"
    }
}

/// The message of what `body` throws, which must be one line.
func message(_ sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void) -> String {
    do {
        try body()
        Issue.record("nothing was thrown", sourceLocation: sourceLocation)
        return ""
    } catch {
        let text = "\(error)"
        #expect(!text.contains("\n") && text.count < 700, "not one clear line: \(text)", sourceLocation: sourceLocation)
        return text
    }
}

/// Whether two arrays agree within `relative` of the second's largest value.
func expectClose(_ found: [Float], _ wanted: [Float], relative: Float, _ what: String, sourceLocation: SourceLocation = #_sourceLocation) {
    let largest = wanted.map(abs).max() ?? 0
    let worst = zip(found, wanted).map { abs($0 - $1) }.max { $0 < $1 || $1.isNaN } ?? 0
    #expect(
        found.count == wanted.count && worst <= relative * largest && largest > 0.1, "\(what): off by \(worst) of \(largest)",
        sourceLocation: sourceLocation)
}
