import Autograd
import Configuration
import Reports
import Training

/// What training a config will take of a device's memory, and what fits: `inspect --device cuda` and `inspect --memory SIZE`.
struct MemoryPrediction {
    /// The device that is asked about.
    struct Target {
        let device: TrainingMemory.Device, title: String, memory: Int

        /// Nil where nothing was asked about one.
        /// - Throws: `CUDAError` where a GPU is asked for and there is none that works, `UsageError`.
        init?(_ arguments: Arguments) throws {
            let choice = try arguments.device(), stated = try arguments.byteCount("--memory")
            if let stated {
                device = choice.kind == .cpu ? .cpu : .gpu
                (title, memory) = ("\(device == .gpu ? "a GPU" : "a machine") of \(stated.asBytes)", stated)
            } else {
                guard choice.kind == .cuda else { return nil }
                let backend = try choice.context().backend, found = backend.memoryByteCount ?? 0
                (device, memory, title) = (.gpu, found, "\(backend.title) of \(found.asBytes)")
            }
        }
    }

    private let target: Target
    private let memory: TrainingMemory
    /// The largest train.batch that fits as layers keep everything, and as they are computed again; 0 for none.
    private let largest: Int, largestRecomputing: Int

    init(_ config: RunConfig, vocabulary: Int, on target: Target) throws {
        self.target = target
        memory = try TrainingMemory(config, vocabulary: vocabulary, on: target.device)
        func largest(_ recomputes: Bool) throws -> Int {
            try TrainingMemory.largestBatch(
                config, vocabulary: vocabulary, on: target.device, memory: target.memory, recomputes: recomputes)
        }
        (self.largest, largestRecomputing) = (try largest(false), try largest(true))
    }

    private var fits: Bool { memory.total <= target.memory }

    var lines: [String] {
        let recomputing = memory.recomputes ? ", layers computed again" : ""
        let copy =
            memory.productWeights > 0 ? ", and \(memory.productWeights.asBytes) in \(memory.activationType.rawValue) for products" : ""
        func batch(_ count: Int) -> String { count > 0 ? count.grouped : "none, not even 1" }
        var lines = [
            "\npredicted for \(target.title) in \(memory.activationType.rawValue); nothing was run:",
            "  weights             \(memory.weights.asBytes)\(copy)",
            "  gradients           \(memory.gradients.asBytes)",
            "  optimizer state     \(memory.optimizerState.asBytes)",
            "  activations         \(memory.activations.asBytes) at batch \(memory.batch.grouped)\(recomputing)",
            "  kept for reuse      \(memory.kept.asBytes): sizes rounded up, and blocks between uses",
        ]
        if memory.workspace > 0 { lines.append("  workspace           \(memory.workspace.asBytes) for products and uploads") }
        let taken = "  in all              \(memory.total.asBytes), which \(fits ? "fits" : "does not fit")"
        lines.append(target.device == .gpu ? taken + "; what the driver takes for itself, some hundred MiB, is not counted" : taken)
        lines.append("  largest train.batch \(batch(largest)); with train.recompute=true \(batch(largestRecomputing))")
        return lines
    }

    var json: JSON {
        [
            "device": .string(target.device == .gpu ? "cuda" : "cpu"), "memory_bytes": .int(target.memory),
            "activation_type": .string(memory.activationType.rawValue), "batch": .int(memory.batch), "recompute": .bool(memory.recomputes),
            "weight_bytes": .int(memory.weights), "product_weight_bytes": .int(memory.productWeights),
            "gradient_bytes": .int(memory.gradients), "optimizer_state_bytes": .int(memory.optimizerState),
            "activation_bytes": .int(memory.activations), "kept_bytes": .int(memory.kept), "workspace_bytes": .int(memory.workspace),
            "pool_bytes": .int(memory.pool), "total_bytes": .int(memory.total), "fits": .bool(fits), "largest_batch": .int(largest),
            "largest_batch_recomputing": .int(largestRecomputing),
        ]
    }
}
