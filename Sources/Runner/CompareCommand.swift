import Configuration
import Foundation
import Reports
import Training

/// Trains variants with several seeds each and says which is better, by how much, and at what cost.
enum CompareCommand: Command {
    static let name = "compare"
    static let summary = "Train several configs with several seeds, and say which is better and at what cost."
    static let usage = "CONFIG… [--seeds N] [--budget UNIT=AMOUNT] [--baseline CONFIG]   or   DIR"
    static let example = "./runner compare configs/small.json configs/swiglu.json --budget tokens=1M --seeds 3 --jobs 2"
    static let flags = [
        Flag("--seeds", "N", "runs of each variant, with seeds counted on from its train.seed (3)"),
        Flag(
            "--budget", "UNIT=AMOUNT",
            "the same tokens=2M, flops=10T, seconds=60 or steps=500 for all, or none to train each as its config says; by default "
                + "\(Budget.usual) where a config says more"),
        Flag("--baseline", "CONFIG", "what the others are measured against: a config or a variant's name (the first)"),
        Flag("--grid", "KEY.PATH=V,V", repeats: true, "a variant for each value; repeatable, for all combinations"),
        Flag("--match", "WHAT", "parameters: change hidden sizes or widths so that all are as large as the baseline"),
        Flag.set, Flag.data,
        Flag("--eval-tokens", "N", "validation tokens that each finished run is judged by (\(Comparison.defaultEvaluationTokens))"),
        Flag("--out", "DIR", "the comparison's folder; by default comparisons/NAME. The same command continues what is there"),
        Flag("--jobs", "N", "runs at once, sharing the cores (1)"),
        Flag.device, Flag("--threads", "N", "threads of each run; by default the cores divided by the jobs"),
        Flag("--retry", "try runs again that failed before"),
        Flag("--run", "VARIANT/SEED", "with a comparison's folder: do this one run and nothing else, as compare itself starts it"),
        Flag("--stop-with-input", "with --run: stop, saved, when standard input ends, as it does with the process that holds it"),
        Flag.json,
    ]

    static func run(_ arguments: Arguments, _ registries: Registries) throws {
        if let label = arguments.string("--run") { return try work(label, arguments, registries) }
        let machine = try Machine(arguments)
        var (folder, comparison) = try comparison(arguments, machine.device, registries)
        let lock = try folder.lock()
        let progress = CompareProgress(json: arguments.has("--json"))
        try comparison.settleSteps(on: machine.device, registries, progress: progress.note)
        try folder.save(comparison)
        // Held until everything is written.
        try withExtendedLifetime(lock) {
            try train(comparison, in: folder, machine, progress, arguments, registries)
        }
    }

    /// How the cores are shared.
    private struct Machine {
        let jobs: Int
        let threads: Int
        let device: DeviceChoice

        /// What a run computes on, for people.
        var share: String { device.kind == .cpu ? "\(threads) thread\(threads == 1 ? "" : "s") each" : "on the GPU" }

        /// What says the same to a worker.
        var flags: [String] {
            device.kind == .cpu ? ["--device", "cpu", "--threads", String(threads)] : ["--device", device.kind.rawValue]
        }

        init(_ arguments: Arguments) throws {
            let cores = ProcessInfo.processInfo.activeProcessorCount
            jobs = try arguments.int("--jobs", in: 1...max(cores, 1)) ?? 1
            threads = try arguments.int("--threads", in: 1...1024) ?? max(1, cores / jobs)
            let asked = try arguments.device()
            // Settled once, so that every run of the comparison is on the same kind of device.
            let isGPU = try asked.context().backend.name == "cuda"
            device = DeviceChoice(isGPU ? .cuda : .cpu, threads: threads, note: asked.note)
            guard isGPU || jobs == 1 || jobs * threads <= cores else {
                throw UsageError(
                    "compare: \(jobs) runs of \(threads) threads are more than this machine's \(cores) cores; lower --jobs or --threads")
            }
        }
    }

    /// The comparison that the command line asks for, and its folder.
    private static func comparison(
        _ arguments: Arguments, _ device: DeviceChoice, _ registries: Registries
    ) throws -> (folder: ComparisonFolder, comparison: Comparison) {
        guard !arguments.positions.isEmpty else {
            throw UsageError("compare: expected configs to compare, none was given; ./runner compare --help shows an example")
        }
        let seeds = try arguments.int("--seeds", in: 1...10_000)
        if arguments.positions.count == 1, ComparisonFolder.exists(arguments.positions[0]) {
            for flag in ["--budget", "--baseline", "--grid", "--match", "--set", "--data", "--eval-tokens", "--out"]
            where arguments.has(flag) {
                throw UsageError(
                    "compare: \(arguments.positions[0]) is a comparison already, which \(flag) cannot change; name configs instead")
            }
            let folder = ComparisonFolder(path: arguments.positions[0])
            var comparison = try folder.open(registries)
            if let seeds { comparison.seeds = seeds }
            try comparison.requireSameText()
            return (folder, comparison)
        }
        var variants = VariantRequest(configs: arguments.positions)
        variants.overrides = try arguments.overrides()
        variants.grid = try arguments.strings("--grid").map { try GridAxis($0) }
        variants.baseline = arguments.string("--baseline")
        var request = Comparison.Request(variants)
        request.device = device
        let budget = arguments.string("--budget")
        request.budget = try budget.flatMap { $0 == "none" ? nil : try Budget($0) }
        request.usesUsualBudget = budget == nil
        if let what = arguments.string("--match") {
            guard what == "parameters" else { throw UsageError("compare: --match \(what) is unknown; use --match parameters") }
            request.matchesParameters = true
        }
        request.seeds = seeds ?? request.seeds
        request.evaluationTokens = try arguments.int("--eval-tokens", in: 1...Int(Int32.max)) ?? request.evaluationTokens
        let comparison = try PreparationReport().during {
            try Comparison(request, registries, progress: $0)
        }
        return try ComparisonFolder.take(for: comparison, out: arguments.string("--out"), registries)
    }

    /// Does the runs that are not done yet, and shows what all of them came to.
    private static func train(
        _ comparison: Comparison, in folder: ComparisonFolder, _ machine: Machine, _ progress: CompareProgress, _ arguments: Arguments,
        _ registries: Registries
    ) throws {
        let board = try RunBoard(comparison, in: folder, retrying: arguments.has("--retry"), registries)
        let interrupt = InterruptFlag()
        let trained = board.waiting.count
        try progress.begin(board, jobs: machine.jobs, each: machine.share)
        let pool = try WorkerPool(size: machine.jobs)
        try pool.run(
            board.waiting.map { run in
                WorkerPool.Job(
                    label: run.label,
                    arguments: [
                        name, folder.path, "--run", run.label, "--stop-with-input", "--jobs", String(machine.jobs),
                    ] + machine.flags, errorPath: "\(folder.run(run.variant, seedIndex: run.index).folder.path).err")
            }, shouldStop: { interrupt.isSet }, watch: progress.watch
        ) { job, end in
            try board.update(job.label, end)
            progress.ended(job.label, end)
        }
        progress.clear()
        let results = try ComparisonResults(comparison, statuses: board.statuses)
        let table = CompareTable(results)
        if results.runsFinished > 0 { try results.write(to: folder, markdown: table.markdown) }
        if interrupt.isSet {
            progress.stopped(results, folder)
            throw Interrupted()
        }
        let lost = board.withoutWeights.map(\.label)
        if arguments.has("--json") {
            let here: JSON = ["runs_trained": .int(trained), "runs_without_weights": .array(lost.map { .string($0) })]
            emit(results.json.merging(here, known: { _, _ in nil }).text() + "\n")
        } else {
            progress.end(table, folder, isWritten: results.runsFinished > 0, withoutWeights: board.withoutWeights)
        }
        let first = results.rows.flatMap(\.failures).first?.message ?? "none"
        if results.runsFinished == 0 { throw Failure("no run of \(folder.path) finished; the first failure: \(first)") }
        // What finished is shown and written; a script still has to learn that it is not all of it.
        if results.runsFailed > 0 {
            throw Failure(
                "\(results.runsFailed) of \(comparison.runs.count) runs of \(folder.path) failed; --retry tries them again. "
                    + "The first failure: \(first)")
        }
    }

    /// One run, in a process of its own.
    private static func work(_ label: String, _ arguments: Arguments, _ registries: Registries) throws {
        let path = try arguments.exactly(1, "a comparison's folder with --run")[0]
        let jobs = try arguments.int("--jobs", in: 1...1_000_000) ?? 1
        let interrupt = InterruptFlag(), input = arguments.has("--stop-with-input") ? InputEnd() : nil
        let worker = try RunWorker(ComparisonFolder(path: path), run: label, on: arguments.device(), jobs: jobs, registries)
        let outcome = try worker.work { interrupt.isSet || input?.hasCome == true }
        if outcome == .interrupted { throw Interrupted() }
    }
}
