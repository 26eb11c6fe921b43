/// What a GPU is, asked of the driver once.
public struct CUDADevice: Equatable, Sendable {
    /// As the driver counts, which is what CUDA_VISIBLE_DEVICES leaves.
    public let index: Int
    public let name: String
    /// Bytes.
    public let memory: Int
    public let capabilityMajor: Int, capabilityMinor: Int
    public let multiprocessors: Int
    /// Bytes of shared memory that one block may ask for.
    public let sharedMemoryPerBlock: Int
    package let ordinal: Int32

    /// What the compiler calls it: "sm_90".
    public var architecture: String { "sm_\(capabilityMajor)\(capabilityMinor)" }

    /// The numbers of the driver's attributes.
    package enum Attribute: Int32 {
        case multiprocessors = 16, capabilityMajor = 75, capabilityMinor = 76, sharedMemoryPerBlock = 97
    }
}

extension CUDADriver {
    /// The oldest driver that loads what NVRTC 12 makes.
    package static let oldestVersion = 12000

    /// The driver of this machine, initialized, with the version of CUDA that it supports (13010 is 13.1).
    /// - Throws: `CUDAError`: no driver, too old, or no GPU.
    package static func start(_ finder: LibraryFinder = .system) throws(CUDAError) -> (driver: CUDADriver, version: Int) {
        let driver = try CUDADriver(finder.find(.driver))
        return (driver, try driver.start())
    }

    /// Initializes; the version of CUDA that the driver supports.
    package func start() throws(CUDAError) -> Int {
        // An old driver may fail to initialize; that it is old is the better thing to say.
        var version: Int32 = 0
        try check(driverVersion(&version), "cuDriverGetVersion")
        guard version >= Self.oldestVersion else { throw .driverTooOld(found: Int(version), needed: Self.oldestVersion) }
        let status = initialize(0)
        if status == Status.noDevice { throw .noDevice }
        try check(status, "cuInit")
        return Int(version)
    }

    /// - Throws: `CUDAError.noDevice`, `.deviceOutOfRange`, `.deviceTooOld`.
    package func device(_ index: Int) throws(CUDAError) -> CUDADevice {
        var count: Int32 = 0
        let status = deviceCount(&count)
        if status == Status.noDevice || (status == 0 && count <= 0) { throw .noDevice }
        try check(status, "cuDeviceGetCount")
        guard index >= 0, index < Int(count) else { throw .deviceOutOfRange(index, count: Int(count)) }
        var ordinal: Int32 = 0
        try check(device(&ordinal, Int32(index)), "cuDeviceGet")
        var text = [CChar](repeating: 0, count: 256), memory = 0
        try check(deviceName(&text, Int32(text.count), ordinal), "cuDeviceGetName")
        try check(deviceMemory(&memory, ordinal), "cuDeviceTotalMem")
        let name = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let found = CUDADevice(
            index: index, name: name, memory: memory, capabilityMajor: try attribute(.capabilityMajor, of: ordinal),
            capabilityMinor: try attribute(.capabilityMinor, of: ordinal),
            multiprocessors: max(1, try attribute(.multiprocessors, of: ordinal)),
            sharedMemoryPerBlock: try attribute(.sharedMemoryPerBlock, of: ordinal), ordinal: ordinal)
        guard found.capabilityMajor >= 8 else {
            throw .deviceTooOld(name: name, capability: "\(found.capabilityMajor).\(found.capabilityMinor)")
        }
        return found
    }

    private func attribute(_ attribute: CUDADevice.Attribute, of ordinal: Int32) throws(CUDAError) -> Int {
        var value: Int32 = 0
        try check(deviceAttribute(&value, attribute.rawValue, ordinal), "cuDeviceGetAttribute")
        return Int(value)
    }
}
