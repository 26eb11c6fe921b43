/// Handles of the driver, which only it looks into.
typealias CUDAHandle = OpaquePointer
/// An address on the device.
typealias DeviceAddress = UInt64

/// The functions of the driver API that Loom calls, with C's types. Each returns 0 or the number of an error.
///
/// It is a table, so that a test can put a function that fails in the place of any of them.
struct CUDADriver {
    typealias Out<T> = UnsafeMutablePointer<T>?

    // Start
    var initialize: (UInt32) -> Int32
    var driverVersion: (Out<Int32>) -> Int32
    var errorName: (Int32, Out<UnsafePointer<CChar>?>) -> Int32
    var errorString: (Int32, Out<UnsafePointer<CChar>?>) -> Int32

    // Devices
    var deviceCount: (Out<Int32>) -> Int32
    var device: (Out<Int32>, Int32) -> Int32
    var deviceName: (Out<CChar>, Int32, Int32) -> Int32
    var deviceMemory: (Out<Int>, Int32) -> Int32
    var deviceAttribute: (Out<Int32>, Int32, Int32) -> Int32
    var retainPrimaryContext: (Out<CUDAHandle?>, Int32) -> Int32
    var releasePrimaryContext: (Int32) -> Int32
    var setCurrentContext: (CUDAHandle?) -> Int32

    // Memory
    var memoryInfo: (Out<Int>, Out<Int>) -> Int32
    var allocate: (Out<DeviceAddress>, Int) -> Int32
    var free: (DeviceAddress) -> Int32
    var allocateHost: (Out<UnsafeMutableRawPointer?>, Int, UInt32) -> Int32
    var freeHost: (UnsafeMutableRawPointer?) -> Int32
    var copyToDevice: (DeviceAddress, UnsafeRawPointer?, Int, CUDAHandle?) -> Int32
    var copyToHost: (UnsafeMutableRawPointer?, DeviceAddress, Int, CUDAHandle?) -> Int32
    var copyOnDevice: (DeviceAddress, DeviceAddress, Int, CUDAHandle?) -> Int32
    var fillWords: (DeviceAddress, UInt32, Int, CUDAHandle?) -> Int32

    // Streams and events
    var createStream: (Out<CUDAHandle?>, UInt32) -> Int32
    var destroyStream: (CUDAHandle?) -> Int32
    var synchronizeStream: (CUDAHandle?) -> Int32
    var streamWait: (CUDAHandle?, CUDAHandle?, UInt32) -> Int32
    var createEvent: (Out<CUDAHandle?>, UInt32) -> Int32
    var destroyEvent: (CUDAHandle?) -> Int32
    var recordEvent: (CUDAHandle?, CUDAHandle?) -> Int32
    var synchronizeEvent: (CUDAHandle?) -> Int32
    var elapsedTime: (Out<Float>, CUDAHandle?, CUDAHandle?) -> Int32

    // Kernels
    var loadModule: (Out<CUDAHandle?>, UnsafeRawPointer?) -> Int32
    var unloadModule: (CUDAHandle?) -> Int32
    var moduleFunction: (Out<CUDAHandle?>, CUDAHandle?, UnsafePointer<CChar>?) -> Int32
    var setFunctionAttribute: (CUDAHandle?, Int32, Int32) -> Int32
    var launch: Launch

    /// Function, blocks in x y z, threads in x y z, bytes of shared memory, stream, addresses of the arguments, nil.
    typealias Launch = (
        CUDAHandle?, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, CUDAHandle?,
        UnsafeMutablePointer<UnsafeMutableRawPointer?>?, UnsafeMutablePointer<UnsafeMutableRawPointer?>?
    ) -> Int32
}
