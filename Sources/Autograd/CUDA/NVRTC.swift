/// CUDA's run-time compiler: the functions that Loom calls, as a table that tests can fill with others.
package struct NVRTC {
    package typealias Out<T> = UnsafeMutablePointer<T>?
    package typealias Text = UnsafePointer<CChar>?

    package var version: (Out<Int32>, Out<Int32>) -> Int32
    package var errorString: (Int32) -> Text
    /// Program, source, name, number of headers, their texts, their names.
    package var create: (Out<CUDAHandle?>, Text, Text, Int32, UnsafePointer<Text>?, UnsafePointer<Text>?) -> Int32
    package var destroy: (Out<CUDAHandle?>) -> Int32
    package var compile: (CUDAHandle?, Int32, UnsafePointer<Text>?) -> Int32
    package var codeSize: (CUDAHandle?, Out<Int>) -> Int32
    package var code: (CUDAHandle?, Out<CChar>) -> Int32
    package var logSize: (CUDAHandle?, Out<Int>) -> Int32
    package var log: (CUDAHandle?, Out<CChar>) -> Int32

    /// - Throws: `CUDAError.functionMissing`.
    package init(_ library: DynamicLibrary) throws(CUDAError) {
        typealias Size = @convention(c) (CUDAHandle?, Out<Int>) -> Int32
        typealias Bytes = @convention(c) (CUDAHandle?, Out<CChar>) -> Int32
        version = try library.function("nvrtcVersion", as: (@convention(c) (Out<Int32>, Out<Int32>) -> Int32).self)
        errorString = try library.function("nvrtcGetErrorString", as: (@convention(c) (Int32) -> Text).self)
        create = try library.function(
            "nvrtcCreateProgram",
            as: (@convention(c) (Out<CUDAHandle?>, Text, Text, Int32, UnsafePointer<Text>?, UnsafePointer<Text>?) -> Int32).self)
        destroy = try library.function("nvrtcDestroyProgram", as: (@convention(c) (Out<CUDAHandle?>) -> Int32).self)
        compile = try library.function(
            "nvrtcCompileProgram", as: (@convention(c) (CUDAHandle?, Int32, UnsafePointer<Text>?) -> Int32).self)
        codeSize = try library.function("nvrtcGetCUBINSize", as: Size.self)
        code = try library.function("nvrtcGetCUBIN", as: Bytes.self)
        logSize = try library.function("nvrtcGetProgramLogSize", as: Size.self)
        log = try library.function("nvrtcGetProgramLog", as: Bytes.self)
    }

    /// As CUDA counts: 13010 is 13.1.
    package func versionNumber() throws(CUDAError) -> Int {
        var major: Int32 = 0, minor: Int32 = 0
        try check(version(&major, &minor), "nvrtcVersion")
        return Int(major) * 1000 + Int(minor) * 10
    }

    /// How every kernel is compiled. Products and sums stay apart unless a kernel says fma: then the device computes what the
    /// source says, as do the tests, which compile the same source for the host. Before version 13 the compiler takes the body of a
    /// generic lambda for a host's function, even inside a kernel, and refuses it unless the device is the default.
    package static func options(architecture: String) -> [String] {
        ["--gpu-architecture=\(architecture)", "--std=c++17", "--fmad=false", "--device-as-default-execution-space"]
    }

    /// NVRTC_ERROR_INVALID_OPTION. Of our options only the architecture is one that some version may not know.
    private static let invalidOption: Int32 = 5

    /// Machine code (a cubin) for one architecture, as "sm_90".
    /// - Throws: `CUDAError.compilation` with the compiler's log.
    package func machineCode(_ source: CUDASource, architecture: String) throws(CUDAError) -> [UInt8] {
        var program: CUDAHandle?
        let name = source.name + ".cu"
        try check(create(&program, source.text, name, 0, nil, nil), "nvrtcCreateProgram")
        defer { _ = destroy(&program) }
        let status = withTexts(Self.options(architecture: architecture)) { compile(program, Int32($0.count), $0.baseAddress) }
        if status == Self.invalidOption { throw .compilerTooOld(found: try versionNumber(), architecture: architecture) }
        guard status == 0 else {
            let said = compilerLog(program)
            throw .compilation(
                kernels: source.name, architecture: architecture, log: said.isEmpty ? reason(status) : said)
        }
        var size = 0
        try check(codeSize(program, &size), "nvrtcGetCUBINSize")
        guard size > 0 else { throw .call("nvrtcGetCUBINSize", reason: "the compiler gave no machine code") }
        var bytes = [CChar](repeating: 0, count: size)
        try check(code(program, &bytes), "nvrtcGetCUBIN")
        return bytes.map { UInt8(bitPattern: $0) }
    }

    private func compilerLog(_ program: CUDAHandle?) -> String {
        var size = 0
        guard logSize(program, &size) == 0, size > 1 else { return "" }
        var text = [CChar](repeating: 0, count: size)
        guard log(program, &text) == 0 else { return "" }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private func reason(_ status: Int32) -> String { errorString(status).map { String(cString: $0) } ?? "error \(status)" }

    private func check(_ status: Int32, _ function: String) throws(CUDAError) {
        guard status == 0 else { throw .call(function, reason: reason(status)) }
    }

    /// C strings that live as long as `body` runs.
    private func withTexts<Result>(_ texts: [String], _ body: (UnsafeBufferPointer<Text>) -> Result) -> Result {
        var bytes: [CChar] = []
        for text in texts { bytes += text.utf8CString }
        return bytes.withUnsafeBufferPointer { all in
            var start = 0
            let pointers = texts.map { text -> Text in
                defer { start += text.utf8.count + 1 }
                return all.baseAddress.map { $0 + start }
            }
            return pointers.withUnsafeBufferPointer(body)
        }
    }
}
