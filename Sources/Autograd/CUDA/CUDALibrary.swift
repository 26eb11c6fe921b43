import Foundation

/// The libraries of CUDA, which are opened while running: a program built without them works where they are, and says what is
/// missing where they are not.
public enum CUDALibrary: String, Sendable, CaseIterable {
    /// Comes with the driver.
    case driver
    /// The compiler of kernels.
    case nvrtc
    /// Matrix products.
    case cublasLt

    package var title: String {
        switch self {
        case .driver: "NVIDIA's driver (libcuda)"
        case .nvrtc: "CUDA's run-time compiler (NVRTC)"
        case .cublasLt: "CUDA's matrix library (cuBLASLt)"
        }
    }

    package var remedy: String {
        let toolkit = "Install the CUDA toolkit, or set LOOM_CUDA_LIBRARIES to the folder that holds it after"
        return switch self {
        case .driver: "Install NVIDIA's driver for this GPU, or use --device cpu."
        case .nvrtc: "\(toolkit): pip install nvidia-cuda-nvrtc"
        case .cublasLt: "\(toolkit): pip install nvidia-cublas"
        }
    }

    /// File names, the best first. A library newer than the driver makes code that the driver does not load, so those of a later
    /// major version than `driverMajor` are left out.
    package func fileNames(driverMajor: Int) -> [String] {
        let majors = [13, 12].filter { $0 <= driverMajor }
        return switch self {
        case .driver: ["libcuda.so.1"]
        case .nvrtc: majors.map { "libnvrtc.so.\($0)" }
        case .cublasLt: majors.map { "libcublasLt.so.\($0)" }
        }
    }

    /// Folders to look in before the system's own way, from the environment: LOOM_CUDA_LIBRARIES (several apart by colons), then
    /// CUDA_PATH and CUDA_HOME. Each may be the folder of the libraries itself, a toolkit's root, or a Python environment that
    /// `pip install` put them into.
    package static func folders(_ environment: [String: String], list: (String) -> [String]) -> [String] {
        var roots = (environment["LOOM_CUDA_LIBRARIES"] ?? "").split(separator: ":").map(String.init)
        roots += ["CUDA_PATH", "CUDA_HOME"].compactMap { environment[$0] }.filter { !$0.isEmpty }
        var found: [String] = []
        for root in roots {
            found += [root, root + "/lib64", root + "/lib", root + "/targets/x86_64-linux/lib", root + "/targets/sbsa-linux/lib"]
            // pip's layout: …/site-packages/nvidia/cu13/lib, or before CUDA 13 …/nvidia/cuda_nvrtc/lib and …/nvidia/cublas/lib.
            var packages = [root, root + "/nvidia"]
            packages += list(root + "/lib").filter { $0.hasPrefix("python3") }.map { "\(root)/lib/\($0)/site-packages/nvidia" }
            for place in packages {
                found += list(place).filter { $0.hasPrefix("cu") }.sorted(by: >).map { "\(place)/\($0)/lib" }
            }
        }
        var seen: Set<String> = []
        return found.filter { seen.insert($0).inserted }
    }

    /// Every path to try, in order. The driver's library belongs to the running kernel module and is the system's to find.
    package func candidates(driverMajor: Int, environment: [String: String], list: (String) -> [String]) -> [String] {
        let names = fileNames(driverMajor: driverMajor)
        guard self != .driver else { return names }
        let folders = Self.folders(environment, list: list)
        return names.flatMap { name in folders.map { "\($0)/\(name)" } } + names
    }
}

/// What finding libraries needs of the system; tests give another one.
package struct LibraryFinder {
    package var environment: [String: String]
    /// Names in a folder, none where it cannot be read.
    package var list: (String) -> [String]
    /// Opens a library; nil and why where it cannot be.
    package var open: (String) -> (library: DynamicLibrary?, reason: String)

    package init(
        environment: [String: String], list: @escaping (String) -> [String],
        open: @escaping (String) -> (library: DynamicLibrary?, reason: String)
    ) {
        (self.environment, self.list, self.open) = (environment, list, open)
    }

    package static var system: LibraryFinder {
        LibraryFinder(
            environment: ProcessInfo.processInfo.environment,
            list: { (try? FileManager.default.contentsOfDirectory(atPath: $0)) ?? [] },
            open: DynamicLibrary.open)
    }

    /// The first library that opens.
    /// - Throws: `CUDAError.libraryMissing`.
    package func find(_ library: CUDALibrary, driverMajor: Int = 13) throws(CUDAError) -> DynamicLibrary {
        let names = library.fileNames(driverMajor: driverMajor)
        var reasons: [String] = []
        for path in library.candidates(driverMajor: driverMajor, environment: environment, list: list) {
            let (opened, reason) = open(path)
            if let opened { return opened }
            // A file that is there and does not open says more than one that is not.
            if path.contains("/"), !reason.contains("No such file") { reasons.append(reason) }
        }
        throw .libraryMissing(library, tried: names, reason: reasons.first ?? "")
    }
}
