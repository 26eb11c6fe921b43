import Autograd

/// A library in place of libcuda for machines without a GPU: its functions all succeed and do little. It shows one device of
/// compute capability 9.0 with 16 GiB; "memory" is a counter. What a test wants to go wrong it puts into the table that was loaded.
///
/// Nothing here proves anything about a real driver but that Loom asks for these names and handles what they return.
enum StubDriver {
    static let version: Int32 = 13000

    /// The driver as `CUDADriver` loads it, by name.
    static func load() throws -> CUDADriver { try CUDADriver(DynamicLibrary(path: "stub", symbol: { functions[$0] })) }

    private static func address<Function>(_ function: Function) -> UnsafeMutableRawPointer {
        unsafeBitCast(function, to: UnsafeMutableRawPointer.self)
    }

    /// Any address but nil: nobody looks into a handle.
    static var handle: CUDAHandle? { OpaquePointer(bitPattern: 64) }

    /// By the names that libcuda.so.1 has in CUDA 12 and 13.
    nonisolated(unsafe) static let functions: [String: UnsafeMutableRawPointer] = {
        typealias Handle = CUDAHandle?
        typealias Out<T> = UnsafeMutablePointer<T>?
        let number: @convention(c) (UInt32) -> Int32 = { _ in 0 }
        let signed: @convention(c) (Int32) -> Int32 = { _ in 0 }
        let onHandle: @convention(c) (Handle) -> Int32 = { _ in 0 }
        let made: @convention(c) (Out<Handle>, UInt32) -> Int32 = { to, _ in
            to?.pointee = handle
            return 0
        }
        let ended: @convention(c) (Handle, Out<Handle>) -> Int32 = { _, to in
            to?.pointee = handle
            return 0
        }
        let instantiated: @convention(c) (Out<Handle>, Handle, UInt64) -> Int32 = { to, _, _ in
            to?.pointee = handle
            return 0
        }
        let begun: @convention(c) (Handle, Int32) -> Int32 = { _, _ in 0 }
        let version: @convention(c) (Out<Int32>) -> Int32 = { to in
            to?.pointee = StubDriver.version
            return 0
        }
        let one: @convention(c) (Out<Int32>) -> Int32 = { to in
            to?.pointee = 1
            return 0
        }
        let text: @convention(c) (Int32, Out<UnsafePointer<CChar>?>) -> Int32 = { _, _ in 1 }
        let device: @convention(c) (Out<Int32>, Int32) -> Int32 = { to, index in
            to?.pointee = index
            return 0
        }
        let name: @convention(c) (Out<CChar>, Int32, Int32) -> Int32 = { to, room, _ in
            for (index, byte) in "Stub GPU\0".utf8.enumerated() where index < room { to?[index] = CChar(bitPattern: byte) }
            return 0
        }
        let size: @convention(c) (Out<Int>, Int32) -> Int32 = { to, _ in
            to?.pointee = 16 << 30
            return 0
        }
        let attribute: @convention(c) (Out<Int32>, Int32, Int32) -> Int32 = { to, which, _ in
            to?.pointee = [75: 9, 76: 0, 16: 100, 97: 227 << 10][which] ?? 0
            return 0
        }
        let context: @convention(c) (Out<Handle>, Int32) -> Int32 = { to, _ in
            to?.pointee = handle
            return 0
        }
        let memory: @convention(c) (Out<Int>, Out<Int>) -> Int32 = { free, total in
            free?.pointee = 3 << 29
            total?.pointee = 16 << 30
            return 0
        }
        let allocate: @convention(c) (Out<DeviceAddress>, Int) -> Int32 = { to, _ in
            to?.pointee = 4096
            return 0
        }
        let free: @convention(c) (DeviceAddress) -> Int32 = { _ in 0 }
        let allocateHost: @convention(c) (Out<UnsafeMutableRawPointer?>, Int, UInt32) -> Int32 = { _, _, _ in 2 }
        let freeHost: @convention(c) (UnsafeMutableRawPointer?) -> Int32 = { _ in 0 }
        let up: @convention(c) (DeviceAddress, UnsafeRawPointer?, Int, Handle) -> Int32 = { _, _, _, _ in 0 }
        let down: @convention(c) (UnsafeMutableRawPointer?, DeviceAddress, Int, Handle) -> Int32 = { _, _, _, _ in 0 }
        let across: @convention(c) (DeviceAddress, DeviceAddress, Int, Handle) -> Int32 = { _, _, _, _ in 0 }
        let wait: @convention(c) (Handle, Handle, UInt32) -> Int32 = { _, _, _ in 0 }
        let pair: @convention(c) (Handle, Handle) -> Int32 = { _, _ in 0 }
        let elapsed: @convention(c) (Out<Float>, Handle, Handle) -> Int32 = { to, _, _ in
            to?.pointee = 1500
            return 0
        }
        let module: @convention(c) (Out<Handle>, UnsafeRawPointer?) -> Int32 = { to, _ in
            to?.pointee = handle
            return 0
        }
        let function: @convention(c) (Out<Handle>, Handle, UnsafePointer<CChar>?) -> Int32 = { to, _, _ in
            to?.pointee = handle
            return 0
        }
        let set: @convention(c) (Handle, Int32, Int32) -> Int32 = { _, _, _ in 0 }
        typealias Arguments = UnsafeMutablePointer<UnsafeMutableRawPointer?>?
        typealias Launch =
            @convention(c) (
                Handle, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, Handle, Arguments, Arguments
            ) -> Int32
        let launch: Launch = { _, _, _, _, _, _, _, _, _, _, _ in 0 }
        return [
            "cuInit": address(number), "cuDriverGetVersion": address(version), "cuGetErrorName": address(text),
            "cuGetErrorString": address(text), "cuDeviceGetCount": address(one), "cuDeviceGet": address(device),
            "cuDeviceGetName": address(name), "cuDeviceTotalMem_v2": address(size), "cuDeviceGetAttribute": address(attribute),
            "cuDevicePrimaryCtxRetain": address(context), "cuDevicePrimaryCtxRelease_v2": address(signed),
            "cuCtxSetCurrent": address(onHandle), "cuMemGetInfo_v2": address(memory), "cuMemAlloc_v2": address(allocate),
            "cuMemFree_v2": address(free), "cuMemHostAlloc": address(allocateHost), "cuMemFreeHost": address(freeHost),
            "cuMemcpyHtoDAsync_v2": address(up), "cuMemcpyDtoHAsync_v2": address(down), "cuMemcpyDtoDAsync_v2": address(across),
            "cuStreamCreate": address(made), "cuStreamDestroy_v2": address(onHandle),
            "cuStreamSynchronize": address(onHandle), "cuStreamWaitEvent": address(wait), "cuEventCreate": address(made),
            "cuEventDestroy_v2": address(onHandle), "cuEventRecord": address(pair), "cuEventSynchronize": address(onHandle),
            "cuEventElapsedTime": address(elapsed), "cuModuleLoadData": address(module), "cuModuleUnload": address(onHandle),
            "cuStreamBeginCapture_v2": address(begun), "cuStreamEndCapture": address(ended),
            "cuGraphInstantiateWithFlags": address(instantiated), "cuGraphLaunch": address(pair),
            "cuGraphExecDestroy": address(onHandle), "cuGraphDestroy": address(onHandle),
            "cuModuleGetFunction": address(function), "cuFuncSetAttribute": address(set), "cuLaunchKernel": address(launch),
        ]
    }()
}
