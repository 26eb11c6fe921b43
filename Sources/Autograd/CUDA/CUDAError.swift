/// Why the GPU cannot do something, in a line for people: what is wrong, where, and what to do.
public enum CUDAError: Error, Equatable, Sendable, CustomStringConvertible {
    /// None of the names could be opened. `reason` is the system's own word on the last one.
    case libraryMissing(CUDALibrary, tried: [String], reason: String)
    /// A library was opened that lacks a function Loom calls.
    case functionMissing(String, library: String)
    /// Versions as CUDA counts them: 12040 is 12.4.
    case driverTooOld(found: Int, needed: Int)
    case noDevice
    case deviceOutOfRange(Int, count: Int)
    /// Compute capability as "7.0".
    case deviceTooOld(name: String, capability: String)
    /// Bytes.
    case outOfMemory(requested: Int, free: Int, total: Int)
    /// The run-time compiler does not know the GPU's architecture. The version as CUDA counts.
    case compilerTooOld(found: Int, architecture: String)
    case compilation(kernels: String, architecture: String, log: String)
    case launch(kernel: String, reason: String)
    case geometry(kernel: String, problem: String)
    /// A matrix product that cannot be done; `product` says which.
    case product(String, problem: String)
    /// Any other failure of a call, with what the library says of it.
    case call(String, reason: String)

    public var description: String {
        let text =
            switch self {
            case .libraryMissing(let library, let tried, let reason):
                "\(library.title) was not found (tried \(tried.joined(separator: ", "))\(reason.isEmpty ? "" : "; \(reason)")). \(library.remedy)"
            case .functionMissing(let function, let library):
                "\(library) has no function \(function): it is older than Loom needs. Update it."
            case .driverTooOld(let found, let needed):
                "The NVIDIA driver is too old: it supports CUDA \(Self.version(found)), and \(Self.version(needed)) or newer is needed. "
                    + "Update the driver, or use --device cpu."
            case .noDevice:
                "The NVIDIA driver is installed but shows no GPU. Check nvidia-smi and CUDA_VISIBLE_DEVICES, or use --device cpu."
            case .deviceOutOfRange(let index, let count):
                "There is no GPU \(index): this machine shows \(count), counted from 0."
            case .deviceTooOld(let name, let capability):
                "\(name) has compute capability \(capability), and 8.0 (Ampere) or newer is needed. Use --device cpu."
            case .outOfMemory(let requested, let free, let total):
                "The GPU is out of memory: \(Self.size(requested)) asked for, \(Self.size(free)) of \(Self.size(total)) free. "
                    + "Lower train.batch (and raise train.grad_accumulation as much), model.context or the model's size."
            case .compilerTooOld(let found, let architecture):
                "CUDA's run-time compiler (NVRTC \(Self.version(found))) does not know this GPU's architecture \(architecture). Install a "
                    + "newer CUDA toolkit, or set LOOM_CUDA_LIBRARIES to the folder that holds it after: pip install nvidia-cuda-nvrtc"
            case .compilation(let kernels, let architecture, let log):
                "The \(kernels) kernels do not compile for \(architecture). This is a mistake in Loom; please report it with this log: \(log)"
            case .launch(let kernel, let reason):
                "The GPU failed in or before kernel \(kernel): \(reason). What the GPU held is lost; the last checkpoint is not."
            case .geometry(let kernel, let problem):
                "Kernel \(kernel) cannot be launched: \(problem)."
            case .product(let product, let problem):
                "The matrix product \(product) cannot be done: \(problem)."
            case .call(let function, let reason):
                "\(function) failed: \(reason)."
            }
        // A log has lines of its own; an error is one.
        return String(text.map { $0.isNewline ? " " : $0 })
    }

    /// Whether there is a GPU, or its driver, that something is wrong with; else the machine has none.
    public var isAboutAGPU: Bool {
        switch self {
        case .libraryMissing(.driver, _, let reason): !reason.isEmpty
        case .noDevice: false
        default: true
        }
    }

    /// 12040 as "12.4".
    package static func version(_ number: Int) -> String { "\(number / 1000).\(number % 1000 / 10)" }

    /// Bytes in the largest unit that keeps the number at least one, to one place.
    package static func size(_ bytes: Int) -> String {
        let units = ["bytes", "KiB", "MiB", "GiB", "TiB"]
        var value = Double(max(bytes, 0)), unit = 0
        while value >= 1024, unit + 1 < units.count {
            value /= 1024
            unit += 1
        }
        if unit == 0 { return "\(max(bytes, 0)) bytes" }
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }
}
