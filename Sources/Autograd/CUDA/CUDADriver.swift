/// Handles of the driver, which only it looks into.
package typealias CUDAHandle = OpaquePointer
/// An address on the device.
package typealias DeviceAddress = UInt64

/// The functions of the driver API that Loom calls, with C's types. Each returns 0 or the number of an error.
///
/// Not yet run against a real driver: names and types are those of NVIDIA's headers of CUDA 12 and 13 (Tests/SoftwareGPU/header.sh), and
/// only tests' own libraries have answered to them.
///
/// It is a table, so that a test can put a function that fails in the place of any of them.
package struct CUDADriver {
    package typealias Out<T> = UnsafeMutablePointer<T>?

    // Start
    package var initialize: (UInt32) -> Int32
    package var driverVersion: (Out<Int32>) -> Int32
    package var errorName: (Int32, Out<UnsafePointer<CChar>?>) -> Int32
    package var errorString: (Int32, Out<UnsafePointer<CChar>?>) -> Int32

    // Devices
    package var deviceCount: (Out<Int32>) -> Int32
    package var device: (Out<Int32>, Int32) -> Int32
    package var deviceName: (Out<CChar>, Int32, Int32) -> Int32
    package var deviceMemory: (Out<Int>, Int32) -> Int32
    package var deviceAttribute: (Out<Int32>, Int32, Int32) -> Int32
    package var retainPrimaryContext: (Out<CUDAHandle?>, Int32) -> Int32
    package var releasePrimaryContext: (Int32) -> Int32
    package var setCurrentContext: (CUDAHandle?) -> Int32

    // Memory
    package var memoryInfo: (Out<Int>, Out<Int>) -> Int32
    package var allocate: (Out<DeviceAddress>, Int) -> Int32
    package var free: (DeviceAddress) -> Int32
    package var allocateHost: (Out<UnsafeMutableRawPointer?>, Int, UInt32) -> Int32
    package var freeHost: (UnsafeMutableRawPointer?) -> Int32
    package var copyToDevice: (DeviceAddress, UnsafeRawPointer?, Int, CUDAHandle?) -> Int32
    package var copyToHost: (UnsafeMutableRawPointer?, DeviceAddress, Int, CUDAHandle?) -> Int32
    package var copyOnDevice: (DeviceAddress, DeviceAddress, Int, CUDAHandle?) -> Int32

    // Streams and events
    package var createStream: (Out<CUDAHandle?>, UInt32) -> Int32
    package var destroyStream: (CUDAHandle?) -> Int32
    package var synchronizeStream: (CUDAHandle?) -> Int32
    package var streamWait: (CUDAHandle?, CUDAHandle?, UInt32) -> Int32
    package var createEvent: (Out<CUDAHandle?>, UInt32) -> Int32
    package var destroyEvent: (CUDAHandle?) -> Int32
    package var recordEvent: (CUDAHandle?, CUDAHandle?) -> Int32
    package var synchronizeEvent: (CUDAHandle?) -> Int32
    package var elapsedTime: (Out<Float>, CUDAHandle?, CUDAHandle?) -> Int32

    // Graphs
    /// Stream, mode: 2 is relaxed.
    package var beginCapture: (CUDAHandle?, Int32) -> Int32
    package var endCapture: (CUDAHandle?, Out<CUDAHandle?>) -> Int32
    package var instantiate: (Out<CUDAHandle?>, CUDAHandle?, UInt64) -> Int32
    package var launchGraph: (CUDAHandle?, CUDAHandle?) -> Int32
    package var destroyExecutable: (CUDAHandle?) -> Int32
    package var destroyGraph: (CUDAHandle?) -> Int32

    // Kernels
    package var loadModule: (Out<CUDAHandle?>, UnsafeRawPointer?) -> Int32
    package var unloadModule: (CUDAHandle?) -> Int32
    package var moduleFunction: (Out<CUDAHandle?>, CUDAHandle?, UnsafePointer<CChar>?) -> Int32
    package var setFunctionAttribute: (CUDAHandle?, Int32, Int32) -> Int32
    package var launch: Launch

    /// Function, blocks in x y z, threads in x y z, bytes of shared memory, stream, addresses of the arguments, nil.
    package typealias Launch = (
        CUDAHandle?, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, CUDAHandle?,
        UnsafeMutablePointer<UnsafeMutableRawPointer?>?, UnsafeMutablePointer<UnsafeMutableRawPointer?>?
    ) -> Int32
}
