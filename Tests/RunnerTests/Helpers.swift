import Configuration
import Foundation
import Testing

/// The repository this test was built from.
let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

/// The program that `swift build` put beside the tests.
let executable: String? = {
    // The test program itself, or on macOS the bundle it is in, is in the folder of products.
    let places = [CommandLine.arguments[0], Bundle.main.executablePath ?? ""] + Bundle.allBundles.map(\.bundlePath)
    for place in places where !place.isEmpty {
        var folder = URL(fileURLWithPath: place)
        for _ in 0..<5 {
            folder.deleteLastPathComponent()
            let candidate = folder.appendingPathComponent("runner").path
            var isFolder: ObjCBool = false
            if FileManager.default.fileExists(atPath: candidate, isDirectory: &isFolder), !isFolder.boolValue,
                FileManager.default.fileExists(atPath: folder.appendingPathComponent("description.json").path)
                    || folder.lastPathComponent == "release" || folder.lastPathComponent == "debug"
            {
                return candidate
            }
        }
    }
    return nil
}()

/// What a finished program left.
struct Finished {
    var status: Int32
    var output: String
    var errors: String
    var wasKilled: Bool
}

/// The program at work in a folder of its own, which is gone when the test is over.
final class Place {
    let path: String
    private var count = 0

    init() throws {
        path = FileManager.default.temporaryDirectory.resolvingSymlinksInPath().path + "/loom-runner-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    @discardableResult
    func write(_ name: String, _ text: String) throws -> String {
        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
        return name
    }

    func bytes(_ name: String) throws -> Data {
        try #require(FileManager.default.contents(atPath: "\(path)/\(name)"), "\(name) is not there")
    }

    func has(_ name: String) -> Bool { FileManager.default.fileExists(atPath: "\(path)/\(name)") }

    /// Bytes of a file; 0 where there is none.
    func size(_ name: String) -> Int { FileManager.default.contents(atPath: "\(path)/\(name)")?.count ?? 0 }

    /// A model that trains in a second, and a text for it.
    func writeTiny(_ name: String = "tiny.json", steps: Int = 300) throws {
        try write("text.txt", (0..<400).map { "the quick brown fox number \($0) jumps over the lazy dog\n" }.joined())
        try write(
            name,
            """
            {"model": {"context": 16, "layers": 2, "width": 24, "embedding": {"type": "token", "dropout": 0.1},
               "attention": {"heads": 2, "dropout": 0.1}, "mlp": {"type": "gelu", "dropout": 0.1}},
             "optimizer": {"lr": 0.01}, "schedule": {"type": "constant", "warmup": 5},
             "data": {"source": "text.txt", "tokenizer": "byte"},
             "train": {"steps": \(steps), "batch": 2, "grad_accumulation": 2, "eval_interval": 20, "eval_batches": 2,
               "log_interval": 1, "seed": 5}}
            """)
    }

    /// Starts the program. Output goes to files, so that no pipe fills up or is held open by another process.
    /// - Parameter input: the file that standard input comes from; none by default.
    func start(_ arguments: [String], input: String? = nil) throws -> Running {
        count += 1
        let process = Process()
        process.executableURL = URL(fileURLWithPath: try #require(executable, "no runner beside the tests; swift build makes it"))
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: path)
        var environment = ProcessInfo.processInfo.environment
        // Neither read nor fill the user's caches.
        environment["XDG_CACHE_HOME"] = "\(path)/cache"
        environment["HOME"] = path
        environment["LOOM_DATA"] = nil
        process.environment = environment
        let files = ["out\(count)", "err\(count)"].map { "\(path)/\($0)" }
        let handles = try files.map { file in
            try Data().write(to: URL(fileURLWithPath: file))
            return try #require(FileHandle(forWritingAtPath: file))
        }
        process.standardInput = try input.map { try #require(FileHandle(forReadingAtPath: "\(path)/\($0)")) } ?? FileHandle.nullDevice
        (process.standardOutput, process.standardError) = (handles[0], handles[1])
        try process.run()
        return Running(process: process, output: files[0], errors: files[1])
    }

    func run(_ arguments: String...) throws -> Finished { try start(arguments).wait() }
    func run(_ arguments: [String]) throws -> Finished { try start(arguments).wait() }
}

struct Running {
    let process: Process
    let output: String, errors: String

    func signal(_ number: Int32) { kill(process.processIdentifier, number) }

    func wait() -> Finished {
        process.waitUntilExit()
        func text(_ path: String) -> String { String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self) }
        return Finished(
            status: process.terminationStatus, output: text(output), errors: text(errors),
            wasKilled: process.terminationReason == .uncaughtSignal)
    }
}

/// Waits until `condition` holds, ten seconds at most.
func wait(for what: String, _ condition: () -> Bool) throws {
    for _ in 0..<2000 {
        if condition() { return }
        usleep(5000)
    }
    Issue.record("waited in vain for \(what)")
    throw CancellationError()
}

/// Expects one line on standard error, nothing on standard output, and the status.
func expectRefused(
    _ result: Finished, _ words: [String], status: Int32 = 2, sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(result.status == status, "status \(result.status): \(result.errors)", sourceLocation: sourceLocation)
    #expect(result.output == "", "nothing on standard output", sourceLocation: sourceLocation)
    let lines = result.errors.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.count == 2 && lines.last == "", "one line: \(result.errors)", sourceLocation: sourceLocation)
    #expect(result.errors.hasPrefix("runner: "), "\(result.errors)", sourceLocation: sourceLocation)
    for word in words { #expect(result.errors.contains(word), "\"\(word)\" in: \(result.errors)", sourceLocation: sourceLocation) }
}
