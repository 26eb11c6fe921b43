import Autograd
import Testing

/// The host's side of the GPU, on machines without one: a stub driver whose functions tests replace by failing ones.
struct CUDADriverTests {
    private func error(_ body: () throws -> Void) -> CUDAError? {
        do {
            try body()
            return nil
        } catch {
            return error as? CUDAError
        }
    }

    // MARK: Libraries

    private func finder(_ environment: [String: String] = [:], files: [String: [String]] = [:], opens: Set<String>) -> LibraryFinder {
        LibraryFinder(environment: environment, list: { files[$0] ?? [] }) { path in
            opens.contains(path)
                ? (DynamicLibrary(path: path, symbol: { _ in nil }), "") : (nil, "\(path): No such file or directory")
        }
    }

    @Test func missingLibrariesSayHowToGetThem() throws {
        let none = finder(opens: [])
        for (library, word) in [
            (CUDALibrary.driver, "driver"), (.nvrtc, "pip install nvidia-cuda-nvrtc"), (.cublasLt, "pip install nvidia-cublas"),
        ] {
            let found = try #require(error { _ = try none.find(library) })
            #expect(found.description.contains(word) && found.description.contains(".so") && !found.description.contains("\n"))
        }
        #expect(error { _ = try CUDADriver.start(none) } == .libraryMissing(.driver, tried: ["libcuda.so.1"], reason: ""))
    }

    @Test func aLibraryThatIsThereAndDoesNotOpenIsSaid() {
        let broken = LibraryFinder(environment: ["LOOM_CUDA_LIBRARIES": "/x"], list: { _ in [] }) {
            (nil, $0 == "/x/libnvrtc.so.13" ? "/x/libnvrtc.so.13: wrong ELF class" : "\($0): No such file or directory")
        }
        let found = error { _ = try broken.find(.nvrtc) }
        #expect(found?.description.contains("wrong ELF class") == true)
    }

    @Test func namedFoldersComeFirst() throws {
        let system = try finder(opens: ["libnvrtc.so.12"]).find(.nvrtc)
        #expect(system.path == "libnvrtc.so.12")
        let toolkit = try finder(["CUDA_HOME": "/opt/cuda"], opens: ["libnvrtc.so.13", "/opt/cuda/lib64/libnvrtc.so.13"]).find(.nvrtc)
        #expect(toolkit.path == "/opt/cuda/lib64/libnvrtc.so.13")
        // A Python environment, as pip leaves it: since CUDA 13, and before.
        let environment = ["LOOM_CUDA_LIBRARIES": "/venv", "CUDA_HOME": "/opt/cuda"]
        let site = "/venv/lib/python3.12/site-packages/nvidia"
        let files = ["/venv/lib": ["python3.12"], site: ["cu13", "cuda_nvrtc", "cublas"]]
        let new = "\(site)/cu13/lib/libnvrtc.so.13", old = "\(site)/cuda_nvrtc/lib/libnvrtc.so.12"
        #expect(try finder(environment, files: files, opens: [new, "/opt/cuda/lib64/libnvrtc.so.13"]).find(.nvrtc).path == new)
        #expect(try finder(environment, files: files, opens: [old]).find(.nvrtc).path == old)
    }

    @Test func noLibraryNewerThanTheDriver() throws {
        #expect(CUDALibrary.nvrtc.fileNames(driverMajor: 12) == ["libnvrtc.so.12"])
        #expect(CUDALibrary.cublasLt.fileNames(driverMajor: 14) == ["libcublasLt.so.13", "libcublasLt.so.12"])
        let found = error { _ = try finder(opens: ["libnvrtc.so.13"]).find(.nvrtc, driverMajor: 12) }
        #expect(found == .libraryMissing(.nvrtc, tried: ["libnvrtc.so.12"], reason: ""))
    }

    // MARK: Start

    @Test(arguments: StubDriver.functions.keys.sorted())
    func everyFunctionIsNeeded(_ name: String) {
        let library = DynamicLibrary(path: "libcuda.so.1", symbol: { $0 == name ? nil : StubDriver.functions[$0] })
        #expect(error { _ = try CUDADriver(library) } == .functionMissing(name, library: "libcuda.so.1"))
    }

    @Test func oldDriver() throws {
        var driver = try StubDriver.load()
        driver.driverVersion = {
            $0?.pointee = 11040
            return 0
        }
        let found = error { _ = try driver.start() }
        #expect(found == .driverTooOld(found: 11040, needed: 12000))
        #expect(found?.description.contains("CUDA 11.4") == true && found?.description.contains("12.0") == true)
    }

    @Test func noDevice() throws {
        var driver = try StubDriver.load()
        driver.initialize = { _ in 100 }
        #expect(error { _ = try driver.start() } == .noDevice)
        driver = try StubDriver.load()
        driver.deviceCount = {
            $0?.pointee = 0
            return 0
        }
        #expect(error { _ = try driver.device(0) } == .noDevice)
    }

    @Test func aDevice() throws {
        var driver = try StubDriver.load()
        #expect(try driver.start() == 13000)
        let device = try driver.device(0)
        #expect(device.name == "Stub GPU" && device.architecture == "sm_90" && device.multiprocessors == 100 && device.memory == 16 << 30)
        #expect(error { _ = try driver.device(1) } == .deviceOutOfRange(1, count: 1))
        #expect(error { _ = try driver.device(-1) } == .deviceOutOfRange(-1, count: 1))
        driver.deviceAttribute = { to, which, _ in
            to?.pointee = which == 75 ? 7 : 5
            return 0
        }
        #expect(error { _ = try driver.device(0) } == .deviceTooOld(name: "Stub GPU", capability: "7.5"))
    }

    @Test func errorsCarryTheDriversWords() throws {
        var driver = try StubDriver.load()
        #expect(driver.reason(7) == "error 7")
        let words: StaticString = "CUDA_ERROR_X"
        driver.errorName = { _, to in
            to?.pointee = UnsafeRawPointer(words.utf8Start).assumingMemoryBound(to: CChar.self)
            return 0
        }
        driver.createStream = { _, _ in 7 }
        #expect(error { _ = try CUDASession(driver) } == .call("cuStreamCreate", reason: "CUDA_ERROR_X"))
    }

    // MARK: A session

    @Test func aFailedStartGivesTheContextBack() throws {
        var driver = try StubDriver.load(), held = 0
        driver.retainPrimaryContext = { to, _ in
            held += 1
            to?.pointee = StubDriver.handle
            return 0
        }
        driver.releasePrimaryContext = { _ in
            held -= 1
            return 0
        }
        do { _ = try CUDASession(driver) }
        #expect(held == 0)
        driver.createStream = { _, _ in 999 }
        #expect(error { _ = try CUDASession(driver) } != nil && held == 0)
        driver.createStream = { _, _ in 0 }  // succeeds and gives nothing
        #expect(error { _ = try CUDASession(driver) } != nil && held == 0)
    }

    @Test func outOfMemoryNamesTheSizes() throws {
        var driver = try StubDriver.load()
        driver.allocate = { _, _ in 2 }
        let session = try CUDASession(driver)
        let found = error { _ = try session.allocate(byteCount: 5 << 30) }
        #expect(found == .outOfMemory(requested: 5 << 30, free: 3 << 29, total: 16 << 30))
        let line = found?.description ?? ""
        #expect(["5.0 GiB", "1.5 GiB", "16.0 GiB", "train.batch"].allSatisfy { line.contains($0) })
    }

    @Test func nothingIsAskedForNothing() throws {
        var driver = try StubDriver.load()
        driver.allocate = { _, _ in 1 }
        driver.free = { _ in 1 }
        driver.copyToDevice = { _, _, _, _ in 1 }
        driver.copyOnDevice = { _, _, _, _ in 1 }
        let session = try CUDASession(driver)
        #expect(try session.allocate(byteCount: 0) == 0)
        try session.free(0)
        try session.upload(UnsafeRawBufferPointer(start: nil, count: 0), to: 0)
        try session.copy(from: 0, to: 0, byteCount: 0)
        #expect(error { _ = try session.allocate(byteCount: 1) } == .call("cuMemAlloc", reason: "error 1"))
    }

    @Test func aKernelThatFailsIsNamed() throws {
        var driver = try StubDriver.load()
        driver.synchronizeStream = { _ in 700 }
        let session = try CUDASession(driver)
        #expect(error { try session.synchronize(after: "adamw") } == .launch(kernel: "adamw", reason: "error 700"))
        #expect(error { try session.synchronize() } == .call("cuStreamSynchronize", reason: "error 700"))
    }

    @Test func timeBetweenMarks() throws {
        let driver = try StubDriver.load()
        let start = try CUDAEvent(driver), end = try CUDAEvent(driver)
        #expect(try end.seconds(since: start) == 1.5)
    }

    @Test func sizesForPeople() {
        #expect(CUDAError.size(0) == "0 bytes" && CUDAError.size(1023) == "1023 bytes" && CUDAError.size(-1) == "0 bytes")
        #expect(CUDAError.size(1024) == "1.0 KiB" && CUDAError.size(.max).hasSuffix("TiB"))
    }
}
