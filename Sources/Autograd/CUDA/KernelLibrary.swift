/// The kernels of one device: each family is compiled, or read from the cache of compiled ones, when a kernel of it is first launched.
package final class KernelLibrary {
    private let session: CUDASession
    private let compiler: NVRTC
    private let cache: KernelCache
    private var modules: [String: KernelModule] = [:]
    /// The kernel launched last: an error of the device shows later, and this is the best there is to say where.
    package private(set) var last: String?

    package init(_ session: CUDASession, compiler: NVRTC, cache: KernelCache) {
        (self.session, self.compiler, self.cache) = (session, compiler, cache)
    }

    /// Asks for a kernel to run after what the stream has; returns at once.
    package func launch(
        _ family: CUDASource, _ kernel: String, _ geometry: LaunchGeometry, _ arguments: KernelArguments
    ) throws(CUDAError) {
        let module = try module(family)
        last = kernel
        try module.launch(kernel, geometry, arguments)
    }

    private func module(_ family: CUDASource) throws(CUDAError) -> KernelModule {
        if let known = modules[family.name] { return known }
        let code = try cache.machineCode(family, architecture: session.device.architecture, compiler: compiler)
        let module = try KernelModule(session, code: code)
        modules[family.name] = module
        return module
    }
}
