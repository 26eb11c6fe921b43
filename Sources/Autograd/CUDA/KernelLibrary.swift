import Foundation

/// The kernels of one device: each family is compiled, or read from the cache of compiled ones, when a kernel of it is first launched.
package final class KernelLibrary {
    private let session: CUDASession
    private let compiler: NVRTC
    private let cache: KernelCache
    private let note: (String) -> Void
    private var modules: [String: KernelModule] = [:]
    private var hasLooked = false
    /// The kernel launched last: an error of the device shows later, and this is the best there is to say where.
    package private(set) var last: String?

    /// - Parameter note: told, in a line, before what takes long.
    package init(_ session: CUDASession, compiler: NVRTC, cache: KernelCache, note: @escaping (String) -> Void = { _ in }) {
        (self.session, self.compiler, self.cache, self.note) = (session, compiler, cache, note)
    }

    /// Asks for a kernel to run after what the stream has; returns at once.
    package func launch(
        _ family: CUDASource, _ kernel: String, _ geometry: LaunchGeometry, _ arguments: KernelArguments
    ) throws(CUDAError) {
        let module = try module(family)
        last = kernel
        try module.launch(kernel, geometry, arguments)
    }

    /// Makes a family ready before it is used.
    package func load(_ family: CUDASource) throws(CUDAError) { _ = try module(family) }

    private func module(_ family: CUDASource) throws(CUDAError) -> KernelModule {
        if let known = modules[family.name] { return known }
        try compileMissing()
        let code = try cache.machineCode(family, architecture: session.device.architecture, compiler: compiler)
        let module = try KernelModule(session, code: code)
        modules[family.name] = module
        return module
    }

    /// Compiles what the cache lacks, families side by side: most are needed within the first step, and one after another would take
    /// several times as long. One that does not compile says so when it is asked for.
    private func compileMissing() throws(CUDAError) {
        guard !hasLooked else { return }
        hasLooked = true
        let architecture = session.device.architecture, version = try compiler.versionNumber()
        let missing = CUDASource.all.filter { !cache.holds($0, architecture: architecture, compiler: version) }
        guard cache.folder != nil, missing.count > 1 else { return }
        note("compiling the GPU's kernels for \(architecture), once on this machine")
        // NVRTC may be called from several threads at once, each with a program of its own.
        let store = cache
        nonisolated(unsafe) let nvrtc = compiler
        DispatchQueue.concurrentPerform(iterations: missing.count) {
            _ = try? store.machineCode(missing[$0], architecture: architecture, compiler: nvrtc)
        }
    }
}
