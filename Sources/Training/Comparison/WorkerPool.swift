import Foundation

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Does jobs in child processes of this program, several at a time.
///
/// A child's standard input is a pipe that this process holds open and never writes to. When it closes, because this
/// process wants to stop or because it was killed, the child stops too: `InputEnd` tells it.
public final class WorkerPool {
    public struct Job: Sendable {
        public let label: String
        /// The child's command line, without the program's name.
        public let arguments: [String]
        /// Takes what the child says on standard error.
        public let errorPath: String

        public init(label: String, arguments: [String], errorPath: String) {
            (self.label, self.arguments, self.errorPath) = (label, arguments, errorPath)
        }
    }

    public enum End: Sendable {
        case finished, interrupted
        /// What the child said last, or how it died.
        case failed(String)
    }

    private struct Worker {
        let job: Job
        let process: Process
        let input: FileHandle
    }

    private let executable: URL
    private let size: Int

    /// - Parameter size: children at a time.
    /// - Throws: `Failure` where the system does not say which program this is.
    public init(size: Int) throws {
        guard let path = Bundle.main.executablePath else { throw Failure("cannot find this program's own file to start it again") }
        executable = URL(fileURLWithPath: path)
        self.size = size
    }

    /// Does `jobs` in order; returns when all have ended, or all that were begun once `shouldStop` says so.
    /// - Parameters:
    ///   - watch: called a few times a second with the labels of the jobs at work.
    ///   - ended: called as each job ends.
    /// - Throws: `Failure` where no process can be started.
    public func run(
        _ jobs: [Job], shouldStop: () -> Bool, watch: ([String]) -> Void, ended: (Job, End) throws -> Void
    ) throws {
        var waiting = jobs[...], working: [Worker] = []
        // Whatever happens here, no child is left behind.
        defer { stop(&working) }
        while true {
            if shouldStop() {
                waiting = []
                for worker in working { try? worker.input.close() }
            }
            while working.count < size, let job = waiting.popFirst() { working.append(try start(job)) }
            if working.isEmpty { return }
            watch(working.map(\.job.label))
            Thread.sleep(forTimeInterval: 0.02)
            while let index = working.firstIndex(where: { !$0.process.isRunning }) {
                let worker = working.remove(at: index)
                try? worker.input.close()
                let end = end(of: worker)
                // What it said is told; a file with nothing in it is in the way.
                if case .failed = end {} else { try? FileManager.default.removeItem(atPath: worker.job.errorPath) }
                try ended(worker.job, end)
            }
        }
    }

    private func start(_ job: Job) throws -> Worker {
        let process = Process(), pipe = Pipe()
        // Another child that held this end would keep the pipe open after this process is gone.
        for end in [pipe.fileHandleForReading, pipe.fileHandleForWriting] { _ = fcntl(end.fileDescriptor, F_SETFD, FD_CLOEXEC) }
        process.executableURL = executable
        process.arguments = job.arguments
        process.standardInput = pipe
        process.standardOutput = FileHandle.nullDevice
        let folder = URL(fileURLWithPath: job.errorPath).deletingLastPathComponent()
        try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        guard FileManager.default.createFile(atPath: job.errorPath, contents: nil),
            let errors = FileHandle(forWritingAtPath: job.errorPath)
        else { throw Failure("cannot write \(job.errorPath); is the disk full, or the folder read-only?") }
        process.standardError = errors
        do {
            try process.run()
        } catch {
            throw Failure("cannot start \(executable.path): \(error.localizedDescription)")
        }
        try? errors.close()
        try? pipe.fileHandleForReading.close()
        return Worker(job: job, process: process, input: pipe.fileHandleForWriting)
    }

    private func end(of worker: Worker) -> End {
        let said = FileManager.default.contents(atPath: worker.job.errorPath).map { String(decoding: $0, as: UTF8.self) } ?? ""
        let line = said.split(whereSeparator: \.isNewline).last.map(String.init)
        if worker.process.terminationReason == .uncaughtSignal {
            let number = worker.process.terminationStatus
            let guess = number == SIGKILL ? ", which is what happens where memory is short" : ""
            return .failed("the process was ended by signal \(number)\(guess)" + (line.map { "; it said: \($0)" } ?? ""))
        }
        switch worker.process.terminationStatus {
        case 0: return .finished
        case 130: return .interrupted
        case let status: return .failed(line.map(WorkerPool.withoutName) ?? "the process ended with status \(status) and said nothing")
        }
    }

    /// A complaint without the name of the program in front.
    private static func withoutName(_ line: String) -> String {
        line.hasPrefix("runner: ") ? String(line.dropFirst("runner: ".count)) : line
    }

    private func stop(_ working: inout [Worker]) {
        for worker in working { try? worker.input.close() }
        for worker in working { worker.process.waitUntilExit() }
        working = []
    }
}

/// Whether standard input has ended: to a worker the sign to stop.
public final class InputEnd: @unchecked Sendable {
    // Safe to share: the lock guards the one thing that changes.
    private let lock = NSLock()
    private var ended = false

    public init() {
        Thread.detachNewThread { [self] in
            while let data = try? FileHandle.standardInput.read(upToCount: 4096), !data.isEmpty {}
            lock.withLock { ended = true }
        }
    }

    public var hasCome: Bool { lock.withLock { ended } }
}
