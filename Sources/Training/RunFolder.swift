import Configuration
import Foundation
import Text

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// `runs/<name>/`: config.json (resolved), tokenizer.json, metrics.jsonl, checkpoints, and samples where they were asked for.
public struct RunFolder: Sendable {
    public let path: String

    public init(path: String) { self.path = path }

    public var configPath: String { "\(path)/config.json" }
    public var metricsPath: String { "\(path)/metrics.jsonl" }
    public var tokenizerPath: String { "\(path)/tokenizer.json" }
    public var checkpointsPath: String { "\(path)/checkpoints" }
    public var samplesPath: String { "\(path)/samples" }

    /// A new folder for a run: exactly `out`, or `runs/<name>`, with a number behind where that is taken.
    /// - Throws: `Failure` when `out` is there already or nothing can be made.
    public static func create(name: String, out: String?) throws -> RunFolder {
        let manager = FileManager.default
        if let out {
            let parent = URL(fileURLWithPath: out).deletingLastPathComponent().path
            try? manager.createDirectory(atPath: parent, withIntermediateDirectories: true)
            guard !manager.fileExists(atPath: out) else {
                throw Failure("\(out) is there already; runs are never overwritten. Choose another --out, or continue it with --resume")
            }
            return try make(out)
        }
        try? manager.createDirectory(atPath: "runs", withIntermediateDirectories: true)
        for number in 1...9999 {
            let path = number == 1 ? "runs/\(name)" : "runs/\(name)-\(number)"
            if manager.fileExists(atPath: path) { continue }
            // Somebody else may take the name at this very moment: making a folder is atomic, the next number is ours.
            if let folder = try? make(path) { return folder }
            guard manager.fileExists(atPath: path) else { break }
        }
        throw Failure("cannot make a folder in runs/ here; is this place writable? --out DIR chooses another")
    }

    private static func make(_ path: String) throws -> RunFolder {
        for folder in [path, "\(path)/checkpoints"] {
            guard mkdir(folder, 0o777) == 0 else { throw Failure("cannot make \(folder): \(String(cString: strerror(errno)))") }
        }
        return RunFolder(path: path)
    }

    /// An existing run.
    /// - Throws: `Failure` when there is none at `path`, with the nearest that is.
    public static func open(_ path: String) throws -> RunFolder {
        let trimmed = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
        let folder = RunFolder(path: trimmed)
        guard FileManager.default.fileExists(atPath: folder.configPath) else {
            if ComparisonFolder.exists(trimmed) {
                throw Failure("\(trimmed) is a comparison; name one of its runs, which are in \(trimmed)/runs")
            }
            let parent = URL(fileURLWithPath: trimmed).deletingLastPathComponent().relativePath
            let names = ((try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? []).filter {
                FileManager.default.fileExists(atPath: "\(parent)/\($0)/config.json")
            }
            let hint =
                nearest(to: URL(fileURLWithPath: trimmed).lastPathComponent, in: names)
                .map { "did you mean \(parent)/\($0)?" } ?? "train one first: ./runner train configs/gqa-rope.json"
            throw Failure("\(trimmed) is no run (there is no config.json in it); \(hint)")
        }
        return folder
    }

    /// Whether `path` is a run's folder.
    public static func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: RunFolder(path: path).configPath)
    }

    /// Writes `data` so that the file is either the old one or the new one, whenever the power goes.
    static func writeAtomically(_ data: Data, to path: String) throws {
        try Files.writeAtomically(data, to: path)
    }

    /// Keeps other processes from training in this folder until the result is released.
    /// - Throws: `Failure` when one already does, or nothing can be written here.
    public func lock() throws -> RunLock { try RunLock(folder: path) }

    /// Removes what killed processes left half-written. Only with the run locked.
    func sweep() {
        for folder in [path, checkpointsPath] {
            for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
            where name.hasSuffix(".tmp") || name.hasPrefix(".saving-") || name.hasPrefix(".old-") {
                try? FileManager.default.removeItem(atPath: "\(folder)/\(name)")
            }
        }
    }

    /// Keeps how the model wrote after `step`.
    func saveSample(_ text: String, step: Int) throws {
        try? FileManager.default.createDirectory(atPath: samplesPath, withIntermediateDirectories: true)
        try RunFolder.writeAtomically(Data(text.utf8), to: String(format: "%@/step-%08d.txt", samplesPath, step))
    }

    public func loadTokenizer() throws -> any Tokenizer {
        guard let data = FileManager.default.contents(atPath: tokenizerPath) else {
            throw Failure("\(tokenizerPath) is missing or is no file; the run is incomplete")
        }
        do {
            return try Tokenizers.load(data)
        } catch {
            throw Failure("\(tokenizerPath): \(error)")
        }
    }
}

/// An advisory lock on a file, held while this object lives; the system lets go of it when the process ends.
public final class RunLock {
    private let descriptor: Int32

    convenience init(folder: String) throws { try self.init(file: "\(folder)/.lock", of: folder) }

    /// - Parameter folder: what the file stands for, in words for a person.
    init(file: String, of folder: String) throws {
        descriptor = open(file, O_CREAT | O_RDWR | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw Failure("cannot write in \(folder): \(String(cString: strerror(errno)))")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw Failure("another process is training in \(folder); wait for it, or choose another --out")
        }
    }

    deinit { close(descriptor) }
}
