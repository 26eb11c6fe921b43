import Autograd
import Foundation
import Testing

/// What cuBLASLt is asked for, and what is made of its answers, with a library that computes nothing. What is computed is checked
/// by CUDAProductsSoftwareTests.
struct CUDAProductsTests {
    typealias Call = CUDAProducts.Call
    typealias Matrix = CUDAProducts.Matrix

    private let stub: StubCUBLASLt
    private let driver: CUDADriver

    init() throws { (stub, driver) = (try StubCUBLASLt(), try StubDriver.load()) }

    private func products(
        precision: CUDAProducts.Precision = .float32, tunes: Bool = false, record: ProductRecord? = nil, driver: CUDADriver? = nil
    ) throws -> CUDAProducts {
        try CUDAProducts(CUDASession(driver ?? self.driver), stub.table, precision: precision, tunes: tunes, record: record)
    }

    /// c [10, 24] = a [10, 16]·b [16, 24], all of bfloat16.
    private let call = Call(
        Matrix(0x1000, .bfloat16, stride: 16), Matrix(0x2000, .bfloat16, stride: 32), into: Matrix(0x3000, .bfloat16, stride: 40),
        m: 10, n: 24, k: 16)

    private func changed(_ change: (inout Call) -> Void) -> Call {
        var call = call
        change(&call)
        return call
    }

    private func error(_ body: () throws -> Void) -> CUDAError? {
        do {
            try body()
            return nil
        } catch { return error as? CUDAError }
    }

    // MARK: The library

    static let names = [
        "cublasLtCreate", "cublasLtDestroy", "cublasLtGetVersion", "cublasLtGetStatusString", "cublasLtMatmulDescCreate",
        "cublasLtMatmulDescDestroy", "cublasLtMatmulDescSetAttribute", "cublasLtMatrixLayoutCreate", "cublasLtMatrixLayoutDestroy",
        "cublasLtMatrixLayoutSetAttribute", "cublasLtMatmulPreferenceCreate", "cublasLtMatmulPreferenceDestroy",
        "cublasLtMatmulPreferenceSetAttribute", "cublasLtMatmulAlgoGetHeuristic", "cublasLtMatmulAlgoCheck",
        "cublasLtMatmulAlgoConfigGetAttribute", "cublasLtMatmul",
    ]

    @Test(arguments: names)
    func everyFunctionIsNeeded(_ name: String) {
        let nothing: @convention(c) () -> Int32 = { 0 }
        let library = DynamicLibrary(path: "libcublasLt.so.13") {
            $0 == name ? nil : unsafeBitCast(nothing, to: UnsafeMutableRawPointer.self)
        }
        #expect(error { _ = try CUBLASLt(library) } == .functionMissing(name, library: "libcublasLt.so.13"))
    }

    /// With LOOM_CUDA_LIBRARIES naming a folder that holds cuBLASLt, the real one has the functions and takes what a plan says; it
    /// needs no GPU for that.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["LOOM_CUDA_LIBRARIES"] != nil))
    func theRealLibraryTakesThem() throws {
        let library = try CUBLASLt(LibraryFinder.system.find(.cublasLt))
        #expect(library.version() >= 120000 && library.reason(15).contains("not supported"))
        let operation = try library.makeOperation(computing: .tf32)
        for attribute in [CUBLASLt.OperationAttribute.transposeA, .transposeB] { try library.set(attribute, of: operation, to: Int32(1)) }
        for epilogue in CUDAProducts.Epilogue.allCases { try library.set(.epilogue, of: operation, to: number(epilogue)) }
        try library.set(.biasType, of: operation, to: CUBLASLt.DataType.bfloat16.rawValue)
        for attribute in [CUBLASLt.OperationAttribute.biasPointer, .auxiliaryPointer, .auxiliaryStride] {
            try library.set(attribute, of: operation, to: UInt64(4096))
        }
        let layout = try library.makeLayout(.bfloat16, rows: 24, columns: 16, stride: 32)
        try library.set(.batchCount, of: layout, to: Int32(4))
        try library.set(.batchStride, of: layout, to: Int64(512))
        let preference = try library.makePreference()
        try library.set(.workspaceBytes, of: preference, to: UInt64(1 << 20))
        for attribute in [CUBLASLt.PreferenceAttribute.reductionSchemes, .alignmentA, .alignmentB, .alignmentC, .alignmentD] {
            try library.set(attribute, of: preference, to: UInt32(2))
        }
        // Sizes are looked at.
        #expect(throws: CUDAError.self) { try library.set(.transposeA, of: operation, to: Int64(1)) }
        #expect(throws: CUDAError.self) { try library.set(.batchCount, of: layout, to: Int64(1)) }
        #expect(throws: CUDAError.self) { try library.set(.workspaceBytes, of: preference, to: UInt32(1)) }
    }

    /// The library's number of an epilogue, with operands in their other places.
    private func number(_ epilogue: CUDAProducts.Epilogue) -> UInt32 {
        switch epilogue {
        case .none: 1
        case .bias: 4
        case .gelu: 32
        case .geluBias: 36
        case .geluAux: 160
        case .geluAuxBias: 164
        case .geluGradient: 192
        case .geluGradientBias: 208
        case .sumsOfA: 512
        case .sumsOfB: 256
        }
    }

    @Test func resultsAreReadWhereTheyLie() throws {
        var bytes = [UInt8](repeating: 3, count: 64) + [0, 1, 0, 0, 0, 0, 0, 0, 15, 0, 0, 0] + [UInt8](repeating: 9, count: 20)
        let result = try #require(bytes.withUnsafeBytes { CUBLASLt.HeuristicResult($0) })
        #expect(result.algorithm.bytes == [UInt8](repeating: 3, count: 64) && result.workspaceBytes == 256 && result.state == 15)
        for index in 64..<72 { bytes[index] = 255 }
        #expect(bytes.withUnsafeBytes { CUBLASLt.HeuristicResult($0) }?.workspaceBytes == .max)
        bytes.removeLast()
        #expect(bytes.withUnsafeBytes { CUBLASLt.HeuristicResult($0) } == nil && CUBLASLt.Algorithm([1]) == nil)
    }

    // MARK: What is asked for

    @Test func operandsChangePlaces() throws {
        let products = try products()
        try products.multiply(changed { ($0.alpha, $0.beta) = (2, 0.5) })
        #expect(stub.layouts == [[14, 16, 10, 16], [14, 24, 16, 32], [14, 24, 10, 40]])
        let product = try #require(stub.products.first)
        #expect((product.a, product.b, product.c, product.d) == (0x2000, 0x1000, 0x3000, 0x3000))
        #expect(product.alpha == 2 && product.beta == 0.5 && product.workspace == 4096 && product.workspaceBytes == 32 << 20)
        #expect(stub.attributes["compute"] == [68] && stub.attributes["scale"] == [0])
        // Parts of sums are put together in float32 and one order, or not at all.
        #expect(stub.attributes["preference 3"] == [2] && stub.attributes["preference 1"] == [32 << 20])
        #expect(stub.attributes["operation 3"] == nil && stub.attributes["operation 4"] == nil && stub.attributes["operation 7"] == nil)
    }

    @Test func transpositionsTravelWithTheirOperand() throws {
        let products = try products()
        try products.multiply(changed { ($0.transposeA, $0.a.stride) = (true, 12) })
        #expect(stub.layouts[0] == [14, 10, 16, 12])
        #expect(stub.attributes["operation 4"] == [1] && stub.attributes["operation 3"] == nil)
        try products.multiply(changed { $0.transposeB = true })
        #expect(stub.layouts[4] == [14, 16, 24, 32])
        #expect(stub.attributes["operation 4"] == [1] && stub.attributes["operation 3"] == [1])
    }

    @Test func precisionIsOfFloat32Alone() throws {
        let single = changed { ($0.a.type, $0.b.type, $0.c.type) = (.float32, .float32, .float32) }
        for precision in CUDAProducts.Precision.allCases {
            let products = try products(precision: precision)
            try products.multiply(single)
            try products.multiply(call)
        }
        #expect(stub.attributes["compute"] == [68, 68, 77, 68])
    }

    @Test(arguments: CUDAProducts.Epilogue.allCases)
    func epiloguesAreNumbered(_ epilogue: CUDAProducts.Epilogue) throws {
        try products().multiply(changed { ($0.epilogue, $0.bias, $0.aux, $0.auxStride) = (epilogue, 0x4000, 0x5000, 24) })
        #expect(stub.attributes["operation 7"] ?? [1] == [UInt64(number(epilogue))])
        #expect(stub.attributes["operation 8"] == (epilogue.hasBias ? [0x4000] : nil))
        #expect(stub.attributes["operation 11"] == (epilogue.hasAux ? [0x5000] : nil))
        #expect(stub.attributes["operation 12"] == (epilogue.hasAux ? [24] : nil))
        #expect(stub.attributes["operation 26"] == nil)
    }

    @Test func batchesAndBiasTypesAreSaid() throws {
        let products = try products()
        try products.multiply(changed { ($0.batch, $0.a.batchStride, $0.b.batchStride, $0.c.batchStride) = (3, 160, 0, 400) })
        #expect(stub.attributes["layout 5"] == [3, 3, 3] && stub.attributes["layout 6"] == [160, 0, 400])
        try products.multiply(changed { ($0.epilogue, $0.bias, $0.biasType) = (.bias, 0x4000, .float32) })
        #expect(stub.attributes["operation 26"] == [0])
    }

    @Test func alignmentsAreThoseOfThePointers() throws {
        try products().multiply(changed { ($0.a.address, $0.b.address, $0.c.address) = (0x1002, 0x2004, 0x3008) })
        // The library's A is our b.
        #expect(stub.attributes["preference 5"] == [4] && stub.attributes["preference 6"] == [2])
        #expect(stub.attributes["preference 7"] == [8] && stub.attributes["preference 8"] == [8])
    }

    @Test func smallerWorkspaceBeforeHopper() throws {
        var driver = driver
        driver.deviceAttribute = { to, which, _ in
            to?.pointee = which == 75 ? 8 : 6
            return 0
        }
        #expect(try products(driver: driver).workspaceBytes == 4 << 20)
    }

    // MARK: Plans

    @Test func descriptorsAreMadeOnceAKey() throws {
        do {
            let products = try products()
            for offset in [0, 0x100, 0x100, 0x230] as [DeviceAddress] {
                try products.multiply(
                    changed {
                        $0.a.address += offset
                        ($0.epilogue, $0.bias, $0.alpha, $0.beta) = (.bias, 0x4000 + offset, Float(offset), 1)
                    })
            }
            #expect(products.planCount == 1 && stub.products.map(\.b) == [0x1000, 0x1100, 0x1100, 0x1230])
            #expect(stub.calls == ["create": 1, "operation": 1, "layout": 3, "preference": 1, "heuristic": 1])
            // The pointer is set when it is another one.
            #expect(stub.attributes["operation 8"] == [0x4000, 0x4100, 0x4230])
        }
        #expect(stub.alive.isEmpty)
    }

    @Test func keysThatDifferAnywhereDoNotShare() throws {
        let with = changed { ($0.epilogue, $0.bias, $0.aux, $0.auxStride) = (.geluAuxBias, 0x4000, 0x5000, 24) }
        let many = changed { ($0.batch, $0.a.batchStride, $0.b.batchStride, $0.c.batchStride) = (2, 160, 512, 400) }
        let changes: [(Call, (inout Call) -> Void)] = [
            (call, { _ in }), (call, { $0.m = 9 }), (call, { $0.n = 23 }), (call, { $0.k = 15 }), (call, { $0.transposeA = true }),
            (call, { $0.transposeB = true }), (call, { $0.a.stride = 17 }), (call, { $0.b.stride = 33 }), (call, { $0.c.stride = 41 }),
            (call, { $0.c.type = .float32 }), (call, { ($0.a.type, $0.b.type, $0.c.type) = (.float32, .float32, .float32) }),
            (call, { $0.a.address += 2 }), (call, { $0.b.address += 4 }), (call, { $0.c.address += 8 }), (call, { $0.epilogue = .gelu }),
            (with, { _ in }), (with, { $0.auxStride = 32 }), (with, { $0.bias += 2 }), (with, { $0.aux += 2 }),
            (with, { $0.biasType = .float32 }), (with, { $0.epilogue = .geluAux }), (with, { $0.epilogue = .geluBias }),
            (many, { _ in }), (many, { $0.batch = 3 }), (many, { $0.a.batchStride = 0 }), (many, { $0.b.batchStride = 0 }),
            (many, { $0.c.batchStride = 401 }),
        ]
        let products = try products()
        var texts: Set<String> = []
        for (index, (base, change)) in changes.enumerated() {
            var call = base
            change(&call)
            if call.transposeA { call.a.stride = 16 }
            try products.multiply(call)
            #expect(products.planCount == index + 1, "change \(index)")
            texts.insert(CUDAProducts.Key(call).text)
        }
        #expect(texts.count == changes.count)
        // What an epilogue or a single product does not use makes no other key.
        try products.multiply(changed { ($0.bias, $0.aux, $0.auxStride, $0.biasType) = (2, 6, 5, .float32) })
        try products.multiply(changed { $0.a.batchStride = 77 })
        #expect(products.planCount == changes.count)
    }

    // MARK: Failures

    @Test func whatCannotBeIsRefusedBeforeTheLibrary() throws {
        let changes: [(String, (inout Call) -> Void)] = [
            ("m is -1", { $0.m = -1 }), ("k is 0", { $0.k = 0 }), ("n is", { $0.n = .max }), ("batch is -2", { $0.batch = -2 }),
            ("both the same", { $0.a.type = .float32 }), ("both the same", { ($0.a.type, $0.b.type) = (.int8, .int8) }),
            ("is float32", { ($0.a.type, $0.b.type) = (.float32, .float32) }), ("or float32", { $0.c.type = .int32 }),
            ("a has no memory", { $0.a.address = 0 }), ("c is not aligned", { $0.c.address += 1 }),
            ("rows of a have 16", { $0.a.stride = 15 }), ("rows of b have 24", { $0.b.stride = -24 }),
            ("rows of a have 17", { ($0.transposeA, $0.m) = (true, 17) }), ("rows of c have 24", { $0.c.stride = 23 }),
            ("batch stride -1", { $0.a.batchStride = -1 }), ("overlap", { ($0.batch, $0.c.batchStride) = (2, 383) }),
            ("no epilogue", { ($0.batch, $0.c.batchStride, $0.epilogue) = (2, 400, .gelu) }), ("the bias has no", { $0.epilogue = .bias }),
            ("a bias is", { ($0.epilogue, $0.bias, $0.biasType) = (.bias, 8, .int32) }),
            ("aux has no", { $0.epilogue = .geluAux }), ("aux have 24", { ($0.epilogue, $0.aux, $0.auxStride) = (.geluAux, 16, 28) }),
            ("aux have 24", { ($0.epilogue, $0.aux, $0.auxStride) = (.geluGradient, 16, 16) }),
            ("alpha 1", { ($0.epilogue, $0.bias, $0.alpha) = (.sumsOfA, 16, 2) }), ("counted", { $0.a.stride = .max }),
            ("counted", { ($0.batch, $0.b.batchStride, $0.c.batchStride) = (2, .max, 400) }),
            ("counted", { ($0.epilogue, $0.aux, $0.auxStride) = (.geluAux, 16, .max / 8 * 8) }),
        ]
        let products = try products()
        for (words, change) in changes {
            let found = error { try products.multiply(changed(change)) }
            guard case .product = found else {
                Issue.record("\(words): \(String(describing: found))")
                continue
            }
            let line = found?.description ?? ""
            #expect(line.contains(words) && !line.contains("\n"), "\(words): \(line)")
            #expect(error { _ = try products.supports(changed(change)) } == found)
        }
        #expect(stub.calls == ["create": 1] && stub.products.isEmpty)
        // The last that can be.
        try products.multiply(changed { ($0.batch, $0.c.batchStride) = (2, 384) })
    }

    @Test func nothingIsAskedForNothing() throws {
        let products = try products()
        for change in [{ $0.m = 0 }, { $0.n = 0 }, { $0.batch = 0 }] as [(inout Call) -> Void] {
            try products.multiply(changed(change))
            #expect(try products.supports(changed(change)))
        }
        #expect(stub.calls == ["create": 1])
    }

    @Test func noAlgorithmNamesTheShape() throws {
        for status in [0, 15] as [Int32] {
            var asked = 0
            stub.table.heuristic = { _, _, _, _, _, _, _, _, _, count in
                asked += 1
                count?.pointee = 0
                return status
            }
            let products = try products()
            let wrong = changed { ($0.epilogue, $0.transposeB) = (.gelu, true) }
            for _ in 0..<2 {
                let line = error { try products.multiply(wrong) }?.description ?? ""
                let words = ["bfloat16 [10 × 16]·[16 × 24]", "b transposed", "epilogue gelu", "no algorithm", "Stub GPU"]
                #expect(words.allSatisfy { line.contains($0) }, "\(line)")
                #expect(try !products.supports(wrong))
            }
            // It is asked once.
            #expect(asked == 1 && products.planCount == 0)
        }
        #expect(stub.alive.isEmpty)
    }

    @Test func unusableProposalsAreNone() throws {
        stub.proposals = [
            .init(name: 1, scheme: 1), .init(name: 2, scheme: 4), .init(name: 3, workspace: 1 << 30), .init(name: 4, state: 15),
        ]
        #expect(try !products().supports(call))
        stub.proposals.append(.init(name: 5, scheme: 2, workspace: 32 << 20))
        try products().multiply(call)
        #expect(stub.products.map(\.algorithm) == [5])
    }

    @Test func failuresSayWhoFailed() throws {
        let table = stub.table
        let failing: [(String, (inout CUBLASLt) -> Void)] = [
            ("cublasLtCreate", { $0.create = { _ in 1 } }), ("cublasLtMatmulDescCreate", { $0.createOperation = { _, _, _ in 3 } }),
            ("cublasLtMatmulDescSetAttribute", { $0.setOperation = { _, _, _, _ in 7 } }),
            ("cublasLtMatrixLayoutCreate", { $0.createLayout = { _, _, _, _, _ in 3 } }),
            ("cublasLtMatmulPreferenceCreate", { $0.createPreference = { _ in 3 } }),
            ("cublasLtMatmulPreferenceSetAttribute", { $0.setPreference = { _, _, _, _ in 7 } }),
            ("cublasLtMatmulAlgoGetHeuristic", { $0.heuristic = { _, _, _, _, _, _, _, _, _, _ in 13 } }),
            ("cublasLtMatmul ", { $0.multiply = { _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _ in 13 } }),
            ("cublasLtMatmulDescCreate", { $0.createOperation = { _, _, _ in 0 } }),  // succeeds and gives nothing
        ]
        for (name, fail) in failing {
            stub.table = table
            fail(&stub.table)
            let line = error { try products().multiply(changed { $0.transposeA = true }) }?.description ?? ""
            #expect(line.contains(name), "\(name): \(line)")
            #expect(stub.alive.isEmpty, "\(name)")
        }
        stub.table = table
        var driver = driver
        driver.allocate = { _, _ in 2 }
        #expect(error { _ = try products(driver: driver) } == .outOfMemory(requested: 32 << 20, free: 3 << 29, total: 16 << 30))
        #expect(stub.alive.isEmpty)
    }
}
