import Autograd
import Foundation
import Testing

/// How an algorithm is chosen and remembered. Times are the stub's: nothing is measured here.
struct CUDAProductsTuningTests {
    private let stub: StubCUBLASLt
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("loom-products-\(UUID().uuidString)")

    init() throws {
        stub = try StubCUBLASLt()
        stub.proposals = [.init(name: 1), .init(name: 2, scheme: 2), .init(name: 3)]
    }

    /// A driver whose clock says how long each algorithm took, by name; 5 for the others.
    private func driver(_ seconds: [UInt8: Float] = [:]) throws -> CUDADriver {
        var driver = try StubDriver.load()
        let stub = stub
        driver.elapsedTime = { to, _, _ in
            to?.pointee = stub.products.last.flatMap { seconds[$0.algorithm] } ?? 5
            return 0
        }
        driver.allocate = { to, bytes in
            to?.pointee = DeviceAddress(1 << 32)
            return bytes > 1 << 30 ? 2 : 0
        }
        return driver
    }

    private let call: CUDAProducts.Call = {
        var call = CUDAProducts.Call(
            .init(0x1000, .float32, stride: 16), .init(0x2000, .float32, stride: 24), into: .init(0x3000, .float32, stride: 24), m: 10,
            n: 24, k: 16)
        call.beta = 1
        return call
    }()

    private func algorithms(
        _ driver: CUDADriver, tunes: Bool = true, capturing: Bool = false, kept: Bool = true, call: CUDAProducts.Call? = nil
    ) throws -> [UInt8] {
        stub.products = []
        let record = kept ? ProductRecord(folder: folder) : nil
        let products = try CUDAProducts(CUDASession(driver), stub.table, precision: .float32, tunes: tunes, record: record)
        products.isCapturing = capturing
        try products.multiply(call ?? self.call)
        products.isCapturing = false
        try products.multiply(call ?? self.call)
        return stub.products.map(\.algorithm)
    }

    private var file: URL { folder.appendingPathComponent("products.json") }
    private func clean() { try? FileManager.default.removeItem(at: folder) }

    @Test func theFastestIsTaken() throws {
        let ran = try algorithms(driver([1: 3, 2: 1, 3: 2]), kept: false)
        #expect(ran.suffix(2) == [2, 2] && Set(ran) == [1, 2, 3])
        // Of equals the library's favourite.
        #expect(try algorithms(driver(), kept: false).suffix(2) == [1, 1])
        // One that does not run is no candidate.
        let multiply = stub.table.multiply
        stub.table.multiply = {
            $12?.load(as: UInt8.self) == 2 ? 15 : multiply($0, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
        }
        #expect(try algorithms(driver([2: 1, 3: 2]), kept: false).suffix(2) == [3, 3])
    }

    @Test func nothingIsMeasuredWhereItMustNotBe() throws {
        #expect(try algorithms(driver([2: 1]), tunes: false) == [1, 1])
        #expect(try algorithms(driver([2: 1]), capturing: true) == [1, 1])
        var large = call
        (large.m, large.c.stride) = (1 << 20, 1 << 20)
        #expect(try algorithms(driver([2: 1]), call: large) == [1, 1])
        #expect(!FileManager.default.fileExists(atPath: file.path))
    }

    @Test func measuringWritesElsewhere() throws {
        var other = call
        (other.epilogue, other.bias, other.aux, other.auxStride) = (.geluGradientBias, 0x4000, 0x5000, 24)
        _ = try algorithms(driver(), kept: false, call: other)
        let measured = stub.products.dropLast(2)
        #expect(measured.count > 3 && measured.allSatisfy { $0.d >= 1 << 32 && $0.c == 0x3000 && $0.beta == 1 })
        #expect(stub.products.suffix(2).allSatisfy { $0.d == 0x3000 })
        // The bias's gradient is an output, aux an operand here; the pointers are the call's at last.
        let biases = stub.attributes["operation 8"] ?? []
        #expect(biases.last == 0x4000 && biases.contains { $0 >= 1 << 32 } && stub.attributes["operation 11"] == [0x5000])
        stub.attributes = [:]
        other.epilogue = .geluAuxBias
        _ = try algorithms(driver(), kept: false, call: other)
        #expect(stub.attributes["operation 8"] == [0x4000] && stub.attributes["operation 11"]?.last == 0x5000)
        #expect(stub.attributes["operation 11"]?.contains { $0 >= 1 << 32 } == true)
    }

    @Test func anotherProcessDoesNotMeasureAgain() throws {
        defer { clean() }
        #expect(try algorithms(driver([3: 1])).count > 2)
        stub.calls = [:]
        #expect(try algorithms(driver([2: 1])) == [3, 3])
        #expect(stub.calls["check"] == 1 && stub.calls["heuristic"] == nil)
        // Also in a capture; not where tuning is off.
        #expect(try algorithms(driver(), capturing: true) == [3, 3])
        #expect(try algorithms(driver(), tunes: false) == [1, 1])
    }

    @Test func whatItDependsOnIsInTheName() throws {
        defer { clean() }
        #expect(try algorithms(driver([3: 1])).last == 3)
        var other = try driver([2: 1])
        other.deviceName = { to, _, _ in
            to?.pointee = 65
            return 0
        }
        #expect(try algorithms(other).last == 2)
        stub.table.version = { 130001 }
        #expect(try algorithms(driver([2: 1])).last == 2)
        stub.table.version = { 130000 }
        #expect(try algorithms(driver([2: 1])) == [3, 3])
        // Four kept: nobody's was lost.
        var narrow = call
        narrow.n = 23
        _ = try algorithms(driver([2: 1]), call: narrow)
        let text = try String(contentsOf: file, encoding: .utf8)
        #expect(text.components(separatedBy: "cuBLASLt 13000").count == 5 && text.contains("Stub GPU; cuBLASLt 130001; float32; "))
    }

    @Test func damageCostsOnlyTime() throws {
        defer { clean() }
        #expect(try algorithms(driver([3: 1])).last == 3)
        let whole = try String(contentsOf: file, encoding: .utf8)
        let damaged = [
            "", "{", "[]", "{\"format\": 2, \"algorithms\": {}}", String(whole.dropLast(40)),
            whole.replacingOccurrences(of: "0307", with: "0308"),
            whole.replacingOccurrences(of: "0307", with: "xx07"),
            whole.replacingOccurrences(of: "030707", with: "0307"),
            whole.replacingOccurrences(of: "\"format\" : 1", with: "\"format\" : 7"),
        ]
        for text in damaged {
            #expect(text != whole)
            try text.write(to: file, atomically: true, encoding: .utf8)
            #expect(try algorithms(driver([2: 1])).count > 2, "\(text)")
            #expect(try algorithms(driver([3: 1])) == [2, 2], "\(text)")
        }
        // An algorithm that would not give the same bits twice is not taken from disk either, nor one that needs too much memory.
        for spoilt in [StubCUBLASLt.Proposal(name: 2, scheme: 1), .init(name: 2, workspace: 1 << 30)] {
            stub.proposals[1] = spoilt
            #expect(try algorithms(driver()).last == 1)
            stub.proposals[1] = .init(name: 2, scheme: 2)
            clean()
            _ = try algorithms(driver([2: 1]))
        }
        clean()
        // A folder that cannot be written.
        try "a file".write(to: folder, atomically: true, encoding: .utf8)
        #expect(try algorithms(driver([3: 1])).last == 3)
    }
}
