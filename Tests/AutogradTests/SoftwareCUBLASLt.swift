import Autograd
import Foundation

/// The software cuBLASLt of Tests/SoftwareGPU, built once a test run, and "device" memory that is the host's. It is built to compute at
/// once, whether or not another test has opened the software driver in this process.
enum SoftwareCUBLASLt {
    /// Nil and why, where it cannot be built.
    nonisolated(unsafe) static let built: (library: CUBLASLt?, reason: String) = {
        #if os(Linux)
            let folder = FileManager.default.temporaryDirectory.appendingPathComponent("loom-cublaslt-\(UUID().uuidString)")
            defer { try? FileManager.default.removeItem(at: folder) }
            let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            let script = Process(), said = Pipe()
            script.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            script.arguments = ["bash", root.appendingPathComponent("SoftwareGPU/build_cublaslt.sh").path, folder.path, "alone"]
            script.standardError = said
            do {
                try script.run()
                let text = String(decoding: said.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
                script.waitUntilExit()
                // 75 is what is missing here; anything else is ours, and a test says so.
                guard script.terminationStatus == 0 else { return (nil, "\(script.terminationStatus): \(text)") }
                let (opened, reason) = DynamicLibrary.open(folder.appendingPathComponent("libcublasLt-alone.so").path)
                return (try opened.map { try CUBLASLt($0) }, reason)
            } catch { return (nil, "\(error)") }
        #else
            return (nil, "75: it is for Linux")
        #endif
    }()

    static var isMissingHere: Bool { built.reason.hasPrefix("75:") }

    /// A driver whose memory is the host's, and which gives all of it back.
    static func driver() throws -> CUDADriver {
        var driver = try StubDriver.load()
        driver.allocate = { to, bytes in
            to?.pointee = DeviceAddress(UInt(bitPattern: UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 256)))
            return 0
        }
        driver.free = { address in
            UnsafeMutableRawPointer(bitPattern: UInt(address))?.deallocate()
            return 0
        }
        return driver
    }
}

/// Numbers in memory as a GPU would have them: float32, or bfloat16 rounded to nearest even.
final class HostMatrix {
    let type: DType
    let count: Int
    private let memory: UnsafeMutableRawPointer
    /// Bytes that the first element lies behind an aligned place.
    private let offset: Int

    init(_ values: [Float], _ type: DType, offset: Int = 0) {
        (self.type, count, self.offset) = (type, values.count, offset)
        memory = .allocate(byteCount: values.count * type.size + offset + 256, alignment: 256)
        for (index, value) in values.enumerated() { store(value, index) }
    }

    deinit { memory.deallocate() }

    var address: DeviceAddress { DeviceAddress(UInt(bitPattern: memory + offset)) }

    private func store(_ value: Float, _ index: Int) {
        if type == .float32 {
            memory.storeBytes(of: value, toByteOffset: offset + index * 4, as: Float.self)
        } else {
            memory.storeBytes(of: Self.rounded(value), toByteOffset: offset + index * 2, as: UInt16.self)
        }
    }

    private static func rounded(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        return value.isNaN ? 0x7fc0 : UInt16(truncatingIfNeeded: (bits &+ 0x7fff &+ (bits >> 16 & 1)) >> 16)
    }

    /// The numbers as they lie there.
    var values: [Float] {
        (0..<count).map { index in
            type == .float32
                ? memory.load(fromByteOffset: offset + index * 4, as: Float.self)
                : Float(bitPattern: UInt32(memory.load(fromByteOffset: offset + index * 2, as: UInt16.self)) << 16)
        }
    }
}
