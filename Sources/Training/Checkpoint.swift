import Architectures
import Autograd
import Components
import Configuration
import Formats
import Foundation
import Optimizers

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Where a run stands: everything besides weights and optimizer state that continuing exactly needs. Batches, dropout
/// and schedules depend on seed and step alone, so there is no generator to save.
public struct RunState: Codable, Sendable, Equatable {
    /// Steps done.
    public var step = 0
    public var tokens = 0
    public var seconds = 0.0
    public var bestValidationLoss: Double?
    public var bestStep: Int?
    public var lastValidationLoss: Double?
    /// Threads it was computed on; another number rounds differently.
    public var threads: Int?
    /// The GPU it was computed on; nil for the CPU.
    public var device: String?
    /// The hash of the text it was trained on.
    public var text: String?
    /// What its validation losses are of; losses of other text or other batches do not compare.
    public var validation: String?
    public init() {}

    /// Whether the numbers can be those of a run at `step`.
    func isSound(at step: Int) -> Bool {
        self.step == step && step >= 0 && (0...1 << 60).contains(tokens) && seconds.isFinite && seconds >= 0
            && (bestStep.map { (0...step).contains($0) } ?? true) && (threads.map { $0 > 0 } ?? true)
    }
}

/// One checkpoint: a folder with model.safetensors, optimizer.safetensors and state.json.
///
/// It is written under a temporary name, synced, and renamed; a kill at any moment leaves the last good one.
public struct Checkpoint: Sendable {
    public let path: String
    public let step: Int

    /// Whether its weights are there, whole or not.
    public var hasWeights: Bool { FileManager.default.fileExists(atPath: "\(path)/model.safetensors") }

    /// The matrices that it holds as two factors of lower rank, by name; empty for what training writes.
    /// - Throws: `Safetensors.Failure` where its weights cannot be read.
    public func factoredMatrices() throws -> [String] {
        let names = try Safetensors.File(path: "\(path)/model.safetensors").entries.keys
        return names.filter { $0.hasSuffix(".left") }.map { String($0.dropLast(5)) }.filter { names.contains("\($0).right") }.sorted()
    }

    /// How many numbers its weights are, factors counted as they are stored.
    /// - Throws: `Safetensors.Failure` where they cannot be read.
    public func storedNumbers() throws -> Int {
        try Safetensors.File(path: "\(path)/model.safetensors").entries.values.reduce(0) { $0 + $1.shape.reduce(1, *) }
    }

    /// The checkpoints of a run, oldest first; what a killed process left half-written is not among them.
    public static func all(in folder: RunFolder) -> [Checkpoint] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.checkpointsPath)) ?? []
        return names.compactMap { name in
            guard name.hasPrefix("step-"), let step = Int(name.dropFirst(5)) else { return nil }
            return Checkpoint(path: "\(folder.checkpointsPath)/\(name)", step: step)
        }.sorted { $0.step < $1.step }
    }

    /// The checkpoint that `choice` names: `last`, `best` or a step.
    /// - Throws: `Failure` when the run has none such.
    public static func find(_ choice: String = "last", in folder: RunFolder) throws -> Checkpoint {
        let all = all(in: folder)
        guard let last = all.last else {
            throw Failure("\(folder.path) has no checkpoint yet; train it further with --resume, or start anew")
        }
        let steps = all.map { String($0.step) }.joined(separator: ", ")
        switch choice {
        case "last": return last
        case "best":
            // Before the first evaluation none is better than another.
            guard let best = try last.state().bestStep else { return last }
            guard let found = all.first(where: { $0.step == best }) else {
                throw Failure("the best checkpoint of \(folder.path), step \(best), is gone; there are: last, \(steps)")
            }
            return found
        default:
            guard let step = Int(choice), let found = all.first(where: { $0.step == step }) else {
                throw Failure("\(folder.path) has no checkpoint \(choice); there are: last, best, \(steps)")
            }
            return found
        }
    }

    /// - Throws: `Failure` when state.json is not there or says what cannot be.
    public func state() throws -> RunState {
        guard let data = FileManager.default.contents(atPath: "\(path)/state.json"),
            let state = try? JSONDecoder().decode(RunState.self, from: data), state.isSound(at: step)
        else { throw Failure("\(path)/state.json is missing or damaged") }
        return state
    }

    /// What keeps this checkpoint from being continued, found without loading it: a missing or cut file, a state that
    /// cannot be.
    var damage: (any Error)? {
        do {
            _ = try state()
            _ = try Safetensors.File(path: "\(path)/model.safetensors")
            guard FileManager.default.fileExists(atPath: "\(path)/optimizer.safetensors") else {
                throw Failure("\(path) has no optimizer.safetensors: its weights can be used, but training cannot go on from them")
            }
            _ = try Safetensors.File(path: "\(path)/optimizer.safetensors")
            return nil
        } catch {
            return error
        }
    }

    /// The newest checkpoint that is whole, and newer ones that are not.
    /// - Throws: what is wrong with the newest when none is whole.
    static func newestWhole(in folder: RunFolder) throws -> (whole: Checkpoint?, damaged: [Checkpoint]) {
        var damaged: [Checkpoint] = []
        var first: (any Error)?
        for checkpoint in all(in: folder).reversed() {
            guard let damage = checkpoint.damage else { return (checkpoint, damaged) }
            damaged.append(checkpoint)
            first = first ?? damage
        }
        if let first { throw first }
        return (nil, [])
    }

    /// Keeps the checkpoint's files under another name, so that the step can be saved again.
    func setAside() throws {
        let name = String(format: "damaged-step-%08d", step)
        let target = (path as NSString).deletingLastPathComponent + "/\(name)"
        try? FileManager.default.removeItem(atPath: target)
        guard rename(path, target) == 0 else {
            throw Failure("cannot rename \(path): \(String(cString: strerror(errno)))")
        }
    }

    /// Saves a checkpoint, then drops those that neither `keep` newest nor the best.
    public static func save(
        _ model: Model, _ optimizer: Optimizer, _ state: RunState, in folder: RunFolder, keep: Int
    ) throws {
        try write(model, optimizer, state, in: folder)
        prune(folder, keep: keep, best: state.bestStep)
    }

    /// Writes a checkpoint where there is none of its step; without an optimizer it can be used, and not continued.
    /// - Parameter factors: weights by name that are kept as factors.
    static func write(
        _ model: Model, _ optimizer: Optimizer?, _ state: RunState, factors: [String: FactoredWeight] = [:], in folder: RunFolder
    ) throws {
        let weights = model.store.parameters.flatMap { p in
            factors[p.name]?.sources(p.name) ?? p.value.map { [Safetensors.Source(p.name, $0)] } ?? []
        }
        try write(weights, optimizer, state, in: folder)
    }

    /// The same with weights from anywhere, each fetched when its turn to be written comes.
    static func write(_ weights: [Safetensors.Source], _ optimizer: Optimizer?, _ state: RunState, in folder: RunFolder) throws {
        let manager = FileManager.default
        let final = String(format: "%@/step-%08d", folder.checkpointsPath, state.step)
        guard !manager.fileExists(atPath: final) else { return }
        let temporary = "\(folder.checkpointsPath)/.saving-\(getpid())"
        try? manager.removeItem(atPath: temporary)
        do {
            try manager.createDirectory(atPath: temporary, withIntermediateDirectories: true)
        } catch {
            throw Failure("cannot save a checkpoint in \(folder.checkpointsPath): \(error.localizedDescription)")
        }
        // What was begun and not finished, for want of room or because the device failed, goes again.
        defer { try? manager.removeItem(atPath: temporary) }
        let metadata = ["format": "loom", "step": String(state.step)]
        try Safetensors.write(weights, metadata: metadata, to: "\(temporary)/model.safetensors")
        if let optimizer {
            try Safetensors.write(
                optimizer.state.map { Safetensors.Source($0.name, $0.tensor) }, metadata: metadata,
                to: "\(temporary)/optimizer.safetensors")
        }
        try RunFolder.writeAtomically(JSONEncoder().encode(state), to: "\(temporary)/state.json")
        synchronizeFolder(temporary)
        guard rename(temporary, final) == 0 else {
            throw Failure("cannot save \(final): \(String(cString: strerror(errno)))")
        }
        synchronizeFolder(folder.checkpointsPath)
    }

    private static func prune(_ folder: RunFolder, keep: Int, best: Int?) {
        for old in all(in: folder).dropLast(keep) where old.step != best {
            // Renamed first: a checkpoint is there whole or not at all.
            let gone = "\(folder.checkpointsPath)/.old-\(old.step)"
            if rename(old.path, gone) == 0 { try? FileManager.default.removeItem(atPath: gone) }
        }
    }

    private static func synchronizeFolder(_ path: String) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        close(descriptor)
    }

    /// Loads the weights.
    /// - Throws: `Safetensors.Failure` where file and model do not agree.
    public func load(into model: Model) throws {
        let file = try Safetensors.File(path: "\(path)/model.safetensors")
        for parameter in model.store.parameters {
            guard let value = parameter.value else { continue }
            if parameter.shape.count == 2,
                let factored = try FactoredWeight(parameter.name, rows: parameter.shape[0], columns: parameter.shape[1], in: file)
            {
                factored.multiply(into: value)
            } else {
                try file.load(parameter.name, into: value)
            }
        }
        model.store.refreshShadow()
    }

    /// Loads what the optimizer remembered.
    public func load(into optimizer: Optimizer) throws {
        let file = try Safetensors.File(path: "\(path)/optimizer.safetensors")
        for (name, tensor) in optimizer.state { try file.load(name, into: tensor) }
    }
}

extension Safetensors.Source {
    /// A float32 tensor, fetched from its device when its turn comes.
    init(_ name: String, _ tensor: Tensor) {
        self.init(name: name, shape: tensor.shape) { write in
            let values = tensor.floats
            // What could not be fetched must not be written.
            try tensor.context.check()
            try values.withUnsafeBytes { try write($0) }
        }
    }
}

extension Safetensors.File {
    func load(_ name: String, into tensor: Tensor) throws {
        try withBytes(of: name, dtype: "F32", shape: tensor.shape) { tensor.backend.upload($0, to: tensor) }
    }
}
