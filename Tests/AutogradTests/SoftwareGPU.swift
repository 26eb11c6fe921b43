import Autograd
import Foundation

/// Libraries with NVIDIA's names that compute on the CPU (Tests/SoftwareGPU), built once into the package's build folder.
enum SoftwareGPU {
    /// Where they are; nil where they cannot be built: without clang, or elsewhere than on Linux.
    static let folder: String? = {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
        let target = "\(root)/.build/software-gpu"
        let build = Process()
        build.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        build.arguments = ["bash", "\(root)/Tests/SoftwareGPU/build.sh", target]
        guard (try? build.run()) != nil else { return nil }
        build.waitUntilExit()
        return build.terminationStatus == 0 && FileManager.default.fileExists(atPath: "\(target)/libcublasLt.so.13") ? target : nil
    }()

    static var isThere: Bool { folder != nil }

    static var finder: LibraryFinder {
        let folder = folder ?? "/nowhere"
        return LibraryFinder(environment: ["LOOM_CUDA_LIBRARIES": folder], list: { _ in [] }) { path in
            // The driver is looked for where the system looks.
            DynamicLibrary.open(path == "libcuda.so.1" ? "\(folder)/\(path)" : path)
        }
    }

    /// A backend on it, its driver changed by `change`.
    static func backend(_ change: (inout CUDADriver) -> Void = { _ in }) throws -> CUDABackend {
        var driver = try CUDADriver.start(finder).driver
        change(&driver)
        let session = try CUDASession(driver), cache = KernelCache(folder: URL(fileURLWithPath: "\(folder ?? "")/cache"))
        return CUDABackend(
            session, kernels: KernelLibrary(session, compiler: try NVRTC(finder.find(.nvrtc)), cache: cache),
            products: try CUDAProducts(session, CUBLASLt(finder.find(.cublasLt)), precision: .float32))
    }
}
