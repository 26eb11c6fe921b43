extension CUBLASLt {
    /// - Throws: `CUDAError.functionMissing`.
    package init(_ library: DynamicLibrary) throws(CUDAError) {
        typealias Handle = CUDAHandle?
        typealias OnHandle = @convention(c) (Handle) -> Int32
        typealias Make = @convention(c) (Out<Handle>) -> Int32
        typealias Set = @convention(c) (Handle, Int32, UnsafeRawPointer?, Int) -> Int32

        create = try library.function("cublasLtCreate", as: Make.self)
        destroy = try library.function("cublasLtDestroy", as: OnHandle.self)
        version = try library.function("cublasLtGetVersion", as: (@convention(c) () -> Int).self)
        statusString = try library.function(
            "cublasLtGetStatusString", as: (@convention(c) (Int32) -> UnsafePointer<CChar>?).self)

        createOperation = try library.function(
            "cublasLtMatmulDescCreate", as: (@convention(c) (Out<Handle>, Int32, Int32) -> Int32).self)
        destroyOperation = try library.function("cublasLtMatmulDescDestroy", as: OnHandle.self)
        setOperation = try library.function("cublasLtMatmulDescSetAttribute", as: Set.self)

        createLayout = try library.function(
            "cublasLtMatrixLayoutCreate", as: (@convention(c) (Out<Handle>, Int32, UInt64, UInt64, Int64) -> Int32).self)
        destroyLayout = try library.function("cublasLtMatrixLayoutDestroy", as: OnHandle.self)
        setLayout = try library.function("cublasLtMatrixLayoutSetAttribute", as: Set.self)

        createPreference = try library.function("cublasLtMatmulPreferenceCreate", as: Make.self)
        destroyPreference = try library.function("cublasLtMatmulPreferenceDestroy", as: OnHandle.self)
        setPreference = try library.function("cublasLtMatmulPreferenceSetAttribute", as: Set.self)

        heuristic = try library.function(
            "cublasLtMatmulAlgoGetHeuristic",
            as: (@convention(c) (
                Handle, Handle, Handle, Handle, Handle, Handle, Handle, Int32, UnsafeMutableRawPointer?, Out<Int32>
            ) -> Int32).self)
        checkAlgorithm = try library.function(
            "cublasLtMatmulAlgoCheck",
            as: (@convention(c) (
                Handle, Handle, Handle, Handle, Handle, Handle, UnsafeRawPointer?, UnsafeMutableRawPointer?
            ) -> Int32).self)
        algorithmAttribute = try library.function(
            "cublasLtMatmulAlgoConfigGetAttribute",
            as: (@convention(c) (UnsafeRawPointer?, Int32, UnsafeMutableRawPointer?, Int, Out<Int>) -> Int32).self)
        multiply = try library.function(
            "cublasLtMatmul",
            as: (@convention(c) (
                Handle, Handle, UnsafeRawPointer?, DeviceAddress, Handle, DeviceAddress, Handle, UnsafeRawPointer?, DeviceAddress,
                Handle, DeviceAddress, Handle, UnsafeRawPointer?, DeviceAddress, Int, Handle
            ) -> Int32).self)
    }
}
