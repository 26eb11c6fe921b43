extension CUDABackend {
    /// Opens the libraries and the device.
    /// - Parameters:
    ///   - index: as the driver counts, which is what CUDA_VISIBLE_DEVICES leaves.
    ///   - products: how float32 matrices are multiplied.
    ///   - note: told, in a line, before what takes long.
    /// - Throws: `CUDAError`: a library is missing, the driver too old, no such device.
    package static func start(
        _ finder: LibraryFinder = .system, device index: Int = 0, products: CUDAProducts.Precision = .float32,
        cache: KernelCache = .standard(), note: @escaping (String) -> Void = { _ in }
    ) throws(CUDAError) -> CUDABackend {
        let (driver, version) = try CUDADriver.start(finder)
        // The device before its libraries: without one they are not worth asking for.
        _ = try driver.device(index)
        let major = version / 1000
        let compiler = try NVRTC(finder.find(.nvrtc, driverMajor: major))
        let library = try CUBLASLt(finder.find(.cublasLt, driverMajor: major))
        let session = try CUDASession(driver, device: index)
        // Off unless asked for: what a measurement chooses may differ from one to the next, and with it the last bits.
        let tunes = finder.environment["LOOM_CUDA_TUNE"] == "1"
        let kernels = KernelLibrary(session, compiler: compiler, cache: cache, note: note)
        // A compiler that does not know this GPU is found now, while there is a choice of another device.
        try kernels.load(.elementwise)
        return CUDABackend(
            session, kernels: kernels,
            products: try CUDAProducts(
                session, library, precision: products, tunes: tunes, record: tunes ? ProductRecord(folder: cache.folder) : nil))
    }
}

extension Context {
    /// An NVIDIA GPU.
    /// - Parameters:
    ///   - usesTF32: whether float32 matrices are multiplied with 10 bits behind the point, which is many times as fast.
    ///   - activationType: float32, or bfloat16, which is many times as fast.
    ///   - note: told, in a line, before what takes long.
    /// - Throws: `CUDAError`, which says what is missing and how to get it.
    public static func cuda(
        device index: Int = 0, usesTF32: Bool = false, activationType: DType = .bfloat16,
        note: @escaping (String) -> Void = { _ in }
    ) throws(CUDAError) -> Context {
        let backend = try CUDABackend.start(device: index, products: usesTF32 ? .tf32 : .float32, note: note)
        return Context(backend: backend, activationType: activationType)
    }
}
