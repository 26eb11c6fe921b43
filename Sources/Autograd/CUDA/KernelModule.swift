/// One family's kernels on the device.
package final class KernelModule {
    private let session: CUDASession
    private let module: CUDAHandle
    private var functions: [String: CUDAHandle] = [:]
    /// Functions that were told they may take more than 48 KiB of shared memory, and how much.
    private var allowed: [String: Int] = [:]

    /// - Parameter code: a cubin for the session's device.
    package init(_ session: CUDASession, code: [UInt8]) throws(CUDAError) {
        var module: CUDAHandle?
        let status = code.withUnsafeBytes { session.driver.loadModule(&module, $0.baseAddress) }
        try session.driver.check(status, "cuModuleLoadData")
        guard let module else { throw .call("cuModuleLoadData", reason: "it gave no module") }
        (self.session, self.module) = (session, module)
    }

    deinit { _ = session.driver.unloadModule(module) }

    /// Asks for a kernel to run after what the stream has; returns at once.
    /// - Throws: `CUDAError.launch` with the kernel's name, `.geometry`.
    package func launch(_ name: String, _ geometry: LaunchGeometry, _ arguments: KernelArguments) throws(CUDAError) {
        try geometry.check(kernel: name, device: session.device)
        let function = try function(name)
        try allowShared(geometry.sharedBytes, name, function)
        let (blocks, threads) = (geometry.blocks, geometry.threads)
        let status = arguments.withPointers { pointers in
            session.driver.launch(
                function, UInt32(blocks.x), UInt32(blocks.y), UInt32(blocks.z), UInt32(threads), 1, 1, UInt32(geometry.sharedBytes),
                session.stream, pointers, nil)
        }
        guard status == 0 else { throw .launch(kernel: name, reason: session.driver.reason(status)) }
    }

    private func function(_ name: String) throws(CUDAError) -> CUDAHandle {
        if let known = functions[name] { return known }
        var function: CUDAHandle?
        let status = session.driver.moduleFunction(&function, module, name)
        guard status == 0, let function else { throw .launch(kernel: name, reason: session.driver.reason(status)) }
        functions[name] = function
        return function
    }

    private func allowShared(_ bytes: Int, _ name: String, _ function: CUDAHandle) throws(CUDAError) {
        guard bytes > 48 << 10, bytes > allowed[name, default: 0] else { return }
        let maxDynamicSharedSize: Int32 = 8
        try session.driver.check(session.driver.setFunctionAttribute(function, maxDynamicSharedSize, Int32(bytes)), "cuFuncSetAttribute")
        allowed[name] = bytes
    }
}

/// A kernel's arguments, in order, each of 8 or 4 bytes or a struct as C lays it out. The types must be the kernel's own.
package struct KernelArguments {
    private var bytes: [UInt8] = []
    private var starts: [Int] = []

    package init() {}

    /// Appends a value of a trivial type.
    package mutating func append<Value: BitwiseCopyable>(_ value: Value) {
        // As aligned as any argument needs to be, counted from memory that is aligned so.
        bytes += [UInt8](repeating: 0, count: (16 - bytes.count % 16) % 16)
        starts.append(bytes.count)
        withUnsafeBytes(of: value) { bytes += $0 }
    }

    /// The driver copies the arguments before `body` returns.
    package func withPointers<Result>(_ body: (UnsafeMutablePointer<UnsafeMutableRawPointer?>?) -> Result) -> Result {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(bytes.count, 1), alignment: 16)
        defer { memory.deallocate() }
        memory.copyBytes(from: bytes)
        var pointers = starts.map { start in memory.baseAddress.map { $0 + start } }
        return pointers.withUnsafeMutableBufferPointer { body($0.baseAddress) }
    }

    package var count: Int { starts.count }
}
