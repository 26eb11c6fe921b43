import Autograd
import Foundation
import Testing

/// Sources, launches and the cache of compiled kernels, with stubs of driver and compiler. What the kernels compute is checked by
/// Tests/KernelsCUDA, and that they compile too.
struct CUDAKernelTests {
    // MARK: Launches

    @Test func elementsFillTheDeviceAndNoMore() {
        #expect(LaunchGeometry.elements(0, on: 100).blocks == (1, 1, 1))
        #expect(LaunchGeometry.elements(256, on: 100).blocks == (1, 1, 1))
        #expect(LaunchGeometry.elements(257, on: 100).blocks == (2, 1, 1))
        #expect(LaunchGeometry.elements(.max, on: 100).blocks == (3200, 1, 1))
        #expect(LaunchGeometry.elements(1000, on: 0).blocks.x >= 1)
    }

    @Test func rowsHaveWholeWarps() {
        #expect(LaunchGeometry.rows(10, columns: 1) == LaunchGeometry(blocks: (10, 1, 1), threads: 32))
        #expect(LaunchGeometry.rows(10, columns: 33).threads == 64)
        #expect(LaunchGeometry.rows(10, columns: 1 << 40).threads == 256)
        #expect(LaunchGeometry.rows(10, columns: 512, perThread: 16).threads == 32)
        #expect(LaunchGeometry.rows(10, columns: 768, perThread: 16).threads == 64)
        #expect(LaunchGeometry.rows(10, columns: 1 << 40, perThread: 16).threads == 256)
        #expect(LaunchGeometry.rows(10, columns: 768, perThread: 0).threads == 256)
        #expect(LaunchGeometry.rows(.max, columns: 0).blocks.x == Int(Int32.max))
        #expect(LaunchGeometry.rows(0, columns: 0) == LaunchGeometry(blocks: (1, 1, 1), threads: 32))
    }

    @Test(arguments: [
        LaunchGeometry(blocks: (0, 1, 1), threads: 32), LaunchGeometry(blocks: (1, 65536, 1), threads: 32),
        LaunchGeometry(blocks: (1, 1, -1), threads: 32), LaunchGeometry(blocks: (1, 1, 1), threads: 0),
        LaunchGeometry(blocks: (1, 1, 1), threads: 257), LaunchGeometry(blocks: (1, 1, 1), threads: 32, sharedBytes: 228 << 10),
        LaunchGeometry(blocks: (.max, 1, 1), threads: 32),
    ])
    func impossibleLaunchesAreRefusedBeforeTheDriver(_ geometry: LaunchGeometry) throws {
        var driver = try StubDriver.load(), launches = 0
        driver.launch = { _, _, _, _, _, _, _, _, _, _, _ in
            launches += 1
            return 0
        }
        let module = try KernelModule(CUDASession(driver), code: [1])
        #expect(throws: CUDAError.self) { try module.launch("fill", geometry, KernelArguments()) }
        #expect(launches == 0)
        try module.launch("fill", LaunchGeometry(blocks: (1, 1, 1), threads: 32), KernelArguments())
        #expect(launches == 1)
    }

    @Test func argumentsArriveAsTheyAre() throws {
        var driver = try StubDriver.load(), seen: [Double] = [], shape: [UInt32] = []
        driver.launch = { _, x, y, z, threads, _, _, shared, _, arguments, _ in
            shape = [x, y, z, threads, shared]
            if let arguments {
                seen.append(Double(arguments[0]?.load(as: DeviceAddress.self) ?? 0))
                seen.append(Double(arguments[1]?.load(as: Float.self) ?? 0))
                seen.append(Double(arguments[2]?.load(as: Int64.self) ?? 0))
                seen.append(Double(arguments[3]?.load(as: Int32.self) ?? 0))
            }
            return 0
        }
        var arguments = KernelArguments()
        arguments.append(DeviceAddress(4096))
        arguments.append(Float(2.5))
        arguments.append(Int64(-7))
        arguments.append(Int32(9))
        try KernelModule(CUDASession(driver), code: [1]).launch(
            "fill", LaunchGeometry(blocks: (5, 4, 3), threads: 64, sharedBytes: 128), arguments)
        #expect(seen == [4096, 2.5, -7, 9] && shape == [5, 4, 3, 64, 128] && arguments.count == 4)
    }

    @Test func failedLaunchesNameTheKernel() throws {
        var driver = try StubDriver.load()
        driver.launch = { _, _, _, _, _, _, _, _, _, _, _ in 701 }
        let geometry = LaunchGeometry.elements(10, on: 1)
        #expect(throws: CUDAError.launch(kernel: "adamw", reason: "error 701")) {
            try KernelModule(CUDASession(driver), code: [1]).launch("adamw", geometry, KernelArguments())
        }
        driver.moduleFunction = { _, _, _ in 500 }
        #expect(throws: CUDAError.launch(kernel: "adamw", reason: "error 500")) {
            try KernelModule(CUDASession(driver), code: [1]).launch("adamw", geometry, KernelArguments())
        }
        driver.loadModule = { _, _ in 209 }
        #expect(throws: CUDAError.call("cuModuleLoadData", reason: "error 209")) { _ = try KernelModule(CUDASession(driver), code: [1]) }
    }

    @Test func muchSharedMemoryIsAskedForOnce() throws {
        var driver = try StubDriver.load(), asked: [Int32] = []
        driver.setFunctionAttribute = { _, attribute, bytes in
            asked += [attribute, bytes]
            return 0
        }
        let module = try KernelModule(CUDASession(driver), code: [1])
        for bytes in [48 << 10, 100 << 10, 100 << 10, 60 << 10] {
            try module.launch("attention", LaunchGeometry(blocks: (1, 1, 1), threads: 32, sharedBytes: bytes), KernelArguments())
        }
        #expect(asked == [8, 100 << 10])
    }

    @Test func attentionTilesFitTheDevice() throws {
        let driver = try StubDriver.load(), device = try driver.device(0)
        for (dim, rows) in [(64, 32), (128, 32), (256, 32), (512, 16), (4096, 2), (9000, 1)] {
            let tiles = try AttentionTiles(headDim: dim, device: device)
            #expect(tiles.rows == rows && tiles.keysBytes <= device.sharedMemoryPerBlock)
            #expect(tiles.forwardBytes <= tiles.keysBytes && tiles.queriesBytes <= tiles.keysBytes)
            let geometry = tiles.geometry(count: 33, heads: 12, batch: 4, sharedBytes: tiles.keysBytes)
            #expect(geometry.blocks == ((33 + rows - 1) / rows, 12, 4))
            try geometry.check(kernel: "attention_keys", device: device)
        }
        #expect(throws: CUDAError.self) { _ = try AttentionTiles(headDim: 50_000, device: device) }
        #expect(throws: CUDAError.self) { _ = try AttentionTiles(headDim: .max, device: device) }
        #expect(throws: CUDAError.self) { _ = try AttentionTiles(headDim: 0, device: device) }
    }

    // MARK: Sources

    /// With LOOM_CUDA_LIBRARIES naming a folder that holds NVRTC, the real one compiles every family; it needs no GPU.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["LOOM_CUDA_LIBRARIES"] != nil), arguments: CUDASource.all)
    func theRealCompilerTakesThem(_ source: CUDASource) throws {
        let nvrtc = try NVRTC(LibraryFinder.system.find(.nvrtc))
        #expect(try nvrtc.versionNumber() >= 12000)
        #expect(KernelCache.isWhole(Data(try nvrtc.machineCode(source, architecture: "sm_90"))))
        #expect(throws: CUDAError.self) { _ = try nvrtc.machineCode(source, architecture: "sm_1") }
    }

    @Test func kernelsHaveNamesOfTheirOwn() {
        let names = CUDASource.all.flatMap(\.kernels)
        #expect(Set(names).count == names.count && names.contains("adamw") && names.contains("attention_keys"))
        #expect(Set(CUDASource.all.map(\.name)).count == CUDASource.all.count)
        for source in CUDASource.all { #expect(!source.kernels.isEmpty && !source.text.contains("#include")) }
    }

    // MARK: The cache

    /// A compiler that gives `code`, or fails with a log.
    private func compiler(code: [UInt8], failing: Bool = false, compiled: @escaping () -> Void = {}) throws -> NVRTC {
        let nothing: @convention(c) () -> Int32 = { 0 }
        let library = DynamicLibrary(path: "stub", symbol: { _ in unsafeBitCast(nothing, to: UnsafeMutableRawPointer.self) })
        var nvrtc = try NVRTC(library)
        nvrtc.version = { major, minor in
            major?.pointee = 13
            minor?.pointee = 1
            return 0
        }
        nvrtc.errorString = { _ in nil }
        nvrtc.create = { _, _, _, _, _, _ in 0 }
        nvrtc.destroy = { _ in 0 }
        nvrtc.compile = { _, count, options in
            compiled()
            let first = options?[0].map { String(cString: $0) }
            return failing || first != "--gpu-architecture=sm_90" || count < 2 ? 6 : 0
        }
        nvrtc.codeSize = { _, size in
            size?.pointee = code.count
            return 0
        }
        nvrtc.code = { _, to in
            for (index, byte) in code.enumerated() { to?[index] = CChar(bitPattern: byte) }
            return 0
        }
        let log = Array("line 1: error\nline 2\0".utf8)
        nvrtc.logSize = { _, size in
            size?.pointee = log.count
            return 0
        }
        nvrtc.log = { _, to in
            for (index, byte) in log.enumerated() { to?[index] = CChar(bitPattern: byte) }
            return 0
        }
        return nvrtc
    }

    private let code: [UInt8] = [0x7f, 0x45, 0x4c, 0x46] + [UInt8](repeating: 7, count: 100)

    @Test func compiledOnceAndKept() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: folder) }
        var runs = 0
        let nvrtc = try compiler(code: code) { runs += 1 }
        let source = try #require(CUDASource.all.first), cache = KernelCache(folder: folder)
        for _ in 0..<3 { #expect(try cache.machineCode(source, architecture: "sm_90", compiler: nvrtc) == code) }
        #expect(runs == 1)
        // A file that was cut off is made again.
        let file = try #require(try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil).first)
        try Data(code.prefix(10)).write(to: file)
        #expect(try cache.machineCode(source, architecture: "sm_90", compiler: nvrtc) == code && runs == 2)
        // A place that cannot be written costs only time.
        let nowhere = KernelCache(folder: file.appendingPathComponent("below a file"))
        #expect(try nowhere.machineCode(source, architecture: "sm_90", compiler: nvrtc) == code && runs == 3)
    }

    @Test func theKeyHoldsAllThatCodeDependsOn() throws {
        let first = CUDASource.all[0], second = CUDASource.all[1]
        let keys = [
            KernelCache.key(first, architecture: "sm_90", compiler: 13010), KernelCache.key(first, architecture: "sm_80", compiler: 13010),
            KernelCache.key(first, architecture: "sm_90", compiler: 13000), KernelCache.key(second, architecture: "sm_90", compiler: 13010),
        ]
        #expect(Set(keys).count == 4)
    }

    @Test func aFailedCompilationShowsTheLog() throws {
        let nvrtc = try compiler(code: code, failing: true), source = CUDASource.all[0]
        do {
            _ = try nvrtc.machineCode(source, architecture: "sm_90")
            Issue.record("it compiled")
        } catch {
            guard case .compilation(source.name, "sm_90", let log) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(log == "line 1: error\nline 2" && !error.description.contains("\n"))
        }
    }

    @Test func theCacheFollowsTheEnvironment() {
        #expect(KernelCache.standard(["LOOM_CUDA_CACHE": "/c", "HOME": "/h"]).folder?.path == "/c")
        #expect(KernelCache.standard(["XDG_CACHE_HOME": "/x", "HOME": "/h"]).folder?.path == "/x/loom/cuda")
        #expect(KernelCache.standard(["HOME": "/h"]).folder?.path == "/h/.cache/loom/cuda")
        #expect(KernelCache.standard([:]).folder == nil)
    }
}
