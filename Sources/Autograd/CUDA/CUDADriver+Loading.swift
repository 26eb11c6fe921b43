// The names carry the versions that the functions have in CUDA 12 and 13: cuda.h gives the plain names to them by #define,
// and dlsym knows nothing of that.
extension CUDADriver {
    /// - Throws: `CUDAError.functionMissing`.
    package init(_ library: DynamicLibrary) throws(CUDAError) {
        typealias OnHandle = @convention(c) (CUDAHandle?) -> Int32
        typealias Create = @convention(c) (Out<CUDAHandle?>, UInt32) -> Int32
        typealias Text = @convention(c) (Int32, Out<UnsafePointer<CChar>?>) -> Int32

        initialize = try library.function("cuInit", as: (@convention(c) (UInt32) -> Int32).self)
        driverVersion = try library.function("cuDriverGetVersion", as: (@convention(c) (Out<Int32>) -> Int32).self)
        errorName = try library.function("cuGetErrorName", as: Text.self)
        errorString = try library.function("cuGetErrorString", as: Text.self)

        deviceCount = try library.function("cuDeviceGetCount", as: (@convention(c) (Out<Int32>) -> Int32).self)
        device = try library.function("cuDeviceGet", as: (@convention(c) (Out<Int32>, Int32) -> Int32).self)
        deviceName = try library.function("cuDeviceGetName", as: (@convention(c) (Out<CChar>, Int32, Int32) -> Int32).self)
        deviceMemory = try library.function("cuDeviceTotalMem_v2", as: (@convention(c) (Out<Int>, Int32) -> Int32).self)
        deviceAttribute = try library.function(
            "cuDeviceGetAttribute", as: (@convention(c) (Out<Int32>, Int32, Int32) -> Int32).self)
        retainPrimaryContext = try library.function(
            "cuDevicePrimaryCtxRetain", as: (@convention(c) (Out<CUDAHandle?>, Int32) -> Int32).self)
        releasePrimaryContext = try library.function(
            "cuDevicePrimaryCtxRelease_v2", as: (@convention(c) (Int32) -> Int32).self)
        setCurrentContext = try library.function("cuCtxSetCurrent", as: OnHandle.self)

        memoryInfo = try library.function("cuMemGetInfo_v2", as: (@convention(c) (Out<Int>, Out<Int>) -> Int32).self)
        allocate = try library.function("cuMemAlloc_v2", as: (@convention(c) (Out<DeviceAddress>, Int) -> Int32).self)
        free = try library.function("cuMemFree_v2", as: (@convention(c) (DeviceAddress) -> Int32).self)
        allocateHost = try library.function(
            "cuMemHostAlloc", as: (@convention(c) (Out<UnsafeMutableRawPointer?>, Int, UInt32) -> Int32).self)
        freeHost = try library.function("cuMemFreeHost", as: (@convention(c) (UnsafeMutableRawPointer?) -> Int32).self)
        copyToDevice = try library.function(
            "cuMemcpyHtoDAsync_v2", as: (@convention(c) (DeviceAddress, UnsafeRawPointer?, Int, CUDAHandle?) -> Int32).self)
        copyToHost = try library.function(
            "cuMemcpyDtoHAsync_v2", as: (@convention(c) (UnsafeMutableRawPointer?, DeviceAddress, Int, CUDAHandle?) -> Int32).self)
        copyOnDevice = try library.function(
            "cuMemcpyDtoDAsync_v2", as: (@convention(c) (DeviceAddress, DeviceAddress, Int, CUDAHandle?) -> Int32).self)

        createStream = try library.function("cuStreamCreate", as: Create.self)
        destroyStream = try library.function("cuStreamDestroy_v2", as: OnHandle.self)
        synchronizeStream = try library.function("cuStreamSynchronize", as: OnHandle.self)
        streamWait = try library.function(
            "cuStreamWaitEvent", as: (@convention(c) (CUDAHandle?, CUDAHandle?, UInt32) -> Int32).self)
        createEvent = try library.function("cuEventCreate", as: Create.self)
        destroyEvent = try library.function("cuEventDestroy_v2", as: OnHandle.self)
        recordEvent = try library.function(
            "cuEventRecord", as: (@convention(c) (CUDAHandle?, CUDAHandle?) -> Int32).self)
        synchronizeEvent = try library.function("cuEventSynchronize", as: OnHandle.self)
        elapsedTime = try library.function(
            "cuEventElapsedTime", as: (@convention(c) (Out<Float>, CUDAHandle?, CUDAHandle?) -> Int32).self)

        beginCapture = try library.function(
            "cuStreamBeginCapture_v2", as: (@convention(c) (CUDAHandle?, Int32) -> Int32).self)
        endCapture = try library.function(
            "cuStreamEndCapture", as: (@convention(c) (CUDAHandle?, Out<CUDAHandle?>) -> Int32).self)
        instantiate = try library.function(
            "cuGraphInstantiateWithFlags", as: (@convention(c) (Out<CUDAHandle?>, CUDAHandle?, UInt64) -> Int32).self)
        launchGraph = try library.function("cuGraphLaunch", as: (@convention(c) (CUDAHandle?, CUDAHandle?) -> Int32).self)
        destroyExecutable = try library.function("cuGraphExecDestroy", as: OnHandle.self)
        destroyGraph = try library.function("cuGraphDestroy", as: OnHandle.self)

        loadModule = try library.function(
            "cuModuleLoadData", as: (@convention(c) (Out<CUDAHandle?>, UnsafeRawPointer?) -> Int32).self)
        unloadModule = try library.function("cuModuleUnload", as: OnHandle.self)
        moduleFunction = try library.function(
            "cuModuleGetFunction",
            as: (@convention(c) (Out<CUDAHandle?>, CUDAHandle?, UnsafePointer<CChar>?) -> Int32).self)
        setFunctionAttribute = try library.function(
            "cuFuncSetAttribute", as: (@convention(c) (CUDAHandle?, Int32, Int32) -> Int32).self)
        launch = try library.function(
            "cuLaunchKernel",
            as: (@convention(c) (
                CUDAHandle?, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, CUDAHandle?,
                UnsafeMutablePointer<UnsafeMutableRawPointer?>?, UnsafeMutablePointer<UnsafeMutableRawPointer?>?
            ) -> Int32).self)
    }
}
