import Autograd
import Foundation
import Testing

/// Products through all of `CUDAProducts` to the software cuBLASLt, held against sums in float64. That operands change places and
/// epilogues mean what they say is seen here; the real library's arithmetic is not.
@Suite(.enabled(if: !SoftwareCUBLASLt.isMissingHere, "what the software cuBLASLt is built with is not here"))
struct CUDAProductsSoftwareTests {
    typealias Call = CUDAProducts.Call
    typealias Epilogue = CUDAProducts.Epilogue

    private func products(
        precision: CUDAProducts.Precision = .float32, tunes: Bool = false, _ change: (inout CUBLASLt) -> Void = { _ in }
    ) throws -> CUDAProducts {
        var library = try #require(SoftwareCUBLASLt.built.library, "\(SoftwareCUBLASLt.built.reason)")
        change(&library)
        return try CUDAProducts(CUDASession(SoftwareCUBLASLt.driver()), library, precision: precision, tunes: tunes)
    }

    private func numbers(_ count: Int, _ seed: UInt64) -> [Float] {
        var state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Float(state >> 40) / Float(1 << 23) - 1
        }
    }

    /// Everything of one product: operands with gaps behind their rows, which hold NaN and must stay as they are.
    private struct Case {
        var m = 7, n = 13, k = 9, batch = 1
        var transposeA = false, transposeB = false
        var type = DType.float32, output = DType.float32
        var alpha: Float = 1, beta: Float = 0
        var epilogue = Epilogue.none
        /// Elements behind each row.
        var gap = 3
        /// Bytes that operands lie off an aligned place.
        var offset = 0
        var sharedB = false
    }

    private struct Outcome {
        var c: [Float], bias: [Float], aux: [Float]
        /// What should be there, NaN in the gaps.
        var expectedC: [Double], expectedBias: [Double], expectedAux: [Double]
        /// Σ |a·b| and the rest, for each of c: what rounding is measured by.
        var magnitude: [Double]
        var call: Call
    }

    private func run(_ x: Case, on products: CUDAProducts, again: Int = 1) throws -> Outcome {
        let (heightA, widthA) = x.transposeA ? (x.k, x.m) : (x.m, x.k), (heightB, widthB) = x.transposeB ? (x.n, x.k) : (x.k, x.n)
        func padded(_ height: Int, _ width: Int, _ seed: UInt64) -> [Float] {
            var values = numbers(height * (width + x.gap), seed)
            for index in values.indices where index % (width + x.gap) >= width { values[index] = .nan }
            return values
        }
        func batched(_ height: Int, _ width: Int, _ seed: UInt64, _ count: Int) -> [Float] {
            (0..<count).flatMap { padded(height, width, seed + UInt64($0)) }
        }
        let a = HostMatrix(batched(heightA, widthA, 1, x.batch), x.type, offset: x.offset)
        let b = HostMatrix(batched(heightB, widthB, 50, x.sharedB ? 1 : x.batch), x.type, offset: x.offset)
        let before = x.beta == 0 ? [Float](repeating: .nan, count: x.batch * x.m * (x.n + x.gap)) : batched(x.m, x.n, 99, x.batch)
        let c = HostMatrix(before, x.output, offset: x.offset)
        let bias = HostMatrix(numbers(max(x.m, x.n), 200), x.output)
        let auxStride = (x.n + 7) / 8 * 8 + 8, aux = HostMatrix(numbers(x.m * auxStride, 300).map { $0 * 2 }, x.output)
        let old = (c: c.values, bias: bias.values, aux: aux.values)

        var call = Call(
            .init(a.address, x.type, stride: widthA + x.gap, batchStride: x.batch == 1 ? 0 : heightA * (widthA + x.gap)),
            .init(b.address, x.type, stride: widthB + x.gap, batchStride: x.batch == 1 || x.sharedB ? 0 : heightB * (widthB + x.gap)),
            transposeA: x.transposeA, transposeB: x.transposeB,
            into: .init(c.address, x.output, stride: x.n + x.gap, batchStride: x.batch == 1 ? 0 : x.m * (x.n + x.gap)), m: x.m, n: x.n,
            k: x.k)
        (call.alpha, call.beta, call.epilogue, call.batch) = (x.alpha, x.beta, x.epilogue, x.batch)
        (call.bias, call.aux, call.auxStride) = (bias.address, aux.address, auxStride)
        for _ in 0..<again { try products.multiply(call) }

        var outcome = Outcome(
            c: c.values, bias: bias.values, aux: aux.values, expectedC: old.c.map(Double.init), expectedBias: old.bias.map(Double.init),
            expectedAux: old.aux.map(Double.init), magnitude: [Double](repeating: 0, count: c.count), call: call)
        let (valuesA, valuesB) = (a.values.map(Double.init), b.values.map(Double.init))
        func opA(_ batch: Int, _ i: Int, _ l: Int) -> Double {
            valuesA[(batch * heightA + (x.transposeA ? l : i)) * (widthA + x.gap) + (x.transposeA ? i : l)]
        }
        func opB(_ batch: Int, _ l: Int, _ j: Int) -> Double {
            valuesB[((x.sharedB ? 0 : batch) * heightB + (x.transposeB ? j : l)) * (widthB + x.gap) + (x.transposeB ? l : j)]
        }
        var columns = [Double](repeating: 0, count: x.n)
        for batch in 0..<x.batch {
            for i in 0..<x.m {
                for j in 0..<x.n {
                    let place = (batch * x.m + i) * (x.n + x.gap) + j
                    var value = 0.0, size = 1.0
                    for l in 0..<x.k {
                        value += opA(batch, i, l) * opB(batch, l, j)
                        size += abs(opA(batch, i, l) * opB(batch, l, j))
                    }
                    value *= Double(x.alpha)
                    if x.beta != 0 { value += Double(x.beta) * Double(old.c[place]) }
                    if [.bias, .geluBias, .geluAuxBias].contains(x.epilogue) { value += Double(old.bias[j]) }
                    if [.geluAux, .geluAuxBias].contains(x.epilogue) { outcome.expectedAux[i * auxStride + j] = value }
                    if [.gelu, .geluBias, .geluAux, .geluAuxBias].contains(x.epilogue) { value = gelu(value) }
                    if [.geluGradient, .geluGradientBias].contains(x.epilogue) {
                        let at = Double(old.aux[i * auxStride + j]), step = 1e-5
                        value *= (gelu(at + step) - gelu(at - step)) / (2 * step)
                    }
                    columns[j] += value
                    outcome.expectedC[place] = value
                    outcome.magnitude[place] = size
                }
            }
        }
        switch x.epilogue {
        case .geluGradientBias: for j in 0..<x.n { outcome.expectedBias[j] = columns[j] }
        case .sumsOfA: for i in 0..<x.m { outcome.expectedBias[i] = (0..<x.k).reduce(0) { $0 + opA(0, i, $1) } }
        case .sumsOfB: for j in 0..<x.n { outcome.expectedBias[j] = (0..<x.k).reduce(0) { $0 + opB(0, $1, j) } }
        default: break
        }
        return outcome
    }

    private func gelu(_ x: Double) -> Double { 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x))) }

    private func check(_ x: Case, on products: CUDAProducts, unit: Double? = nil) throws {
        let outcome = try run(x, on: products)
        // Rounding of the sums, by their size, and once more of what is stored.
        let relative = x.output == .bfloat16 ? 1.0 / 256 : 0, sums = unit ?? 4e-7
        func hold(_ found: [Float], _ expected: [Double], _ what: String, slack: (Int) -> Double) {
            for index in found.indices {
                let (value, wanted) = (Double(found[index]), expected[index])
                if wanted.isNaN && value.isNaN { continue }
                let near = abs(value - wanted) <= slack(index) + relative * abs(wanted)
                #expect(near, "\(what) \(index): \(value), not \(wanted), in \(outcome.call.description)")
                if !near { return }
            }
        }
        hold(outcome.c, outcome.expectedC, "c") { sums * outcome.magnitude[$0] * 3 }
        hold(outcome.aux, outcome.expectedAux, "aux") { _ in sums * Double(x.k + 3) }
        hold(outcome.bias, outcome.expectedBias, "bias") { _ in sums * Double(x.k + 3) * Double(x.m) }
    }

    // MARK: Products

    @Test func itBuilds() throws { #expect(SoftwareCUBLASLt.built.library != nil, "\(SoftwareCUBLASLt.built.reason)") }

    @Test(arguments: [(DType.float32, DType.float32), (.bfloat16, .float32), (.bfloat16, .bfloat16)])
    func allTranspositionsAndOddSizes(_ type: DType, _ output: DType) throws {
        let products = try products()
        for (m, n, k) in [(1, 1, 1), (7, 13, 9), (16, 8, 32), (33, 5, 2), (1, 40, 17), (31, 1, 64)] {
            for transposeA in [false, true] {
                for transposeB in [false, true] {
                    for gap in [0, 3] {
                        let x = Case(
                            m: m, n: n, k: k, transposeA: transposeA, transposeB: transposeB, type: type, output: output, alpha: 0.75,
                            beta: gap == 0 ? 0 : -0.5, gap: gap)
                        try check(x, on: products)
                    }
                }
            }
        }
    }

    @Test(arguments: Epilogue.allCases)
    func epilogues(_ epilogue: Epilogue) throws {
        let products = try products()
        for (type, output) in [(DType.float32, DType.float32), (.bfloat16, .float32), (.bfloat16, .bfloat16)] {
            for (transposeA, transposeB) in [(false, false), (true, false), (false, true), (true, true)] {
                for beta in [0, 1] as [Float] {
                    let x = Case(
                        m: 11, n: 14, k: 21, transposeA: transposeA, transposeB: transposeB, type: type, output: output, beta: beta,
                        epilogue: epilogue)
                    try check(x, on: products)
                }
            }
        }
    }

    @Test func batches() throws {
        let products = try products()
        for transposeA in [false, true] {
            try check(Case(m: 12, n: 12, k: 20, batch: 5, transposeA: transposeA, transposeB: !transposeA), on: products)
            try check(
                Case(batch: 4, transposeB: transposeA, type: .bfloat16, output: .bfloat16, beta: 2, sharedB: true), on: products)
        }
    }

    @Test func tf32RoundsOperands() throws {
        let x = Case(m: 20, n: 20, k: 64), exact = try run(x, on: products()), rough = try run(x, on: products(precision: .tf32))
        #expect(exact.c.indices.contains { !exact.c[$0].isNaN && exact.c[$0] != rough.c[$0] })
        try check(x, on: products(precision: .tf32), unit: 1.0 / 2048)
        // Of bfloat16 nothing is left to round.
        let half = Case(m: 20, n: 20, k: 64, type: .bfloat16)
        #expect(try run(half, on: products()).c.map(\.bitPattern) == run(half, on: products(precision: .tf32)).c.map(\.bitPattern))
    }

    @Test func operandsOffAnAlignedPlace() throws {
        let products = try products()
        for offset in [2, 4, 8, 16] { try check(Case(type: .bfloat16, output: .bfloat16, beta: 1, offset: offset), on: products) }
        #expect(products.planCount == 4)
    }

    // MARK: Repeating

    /// The library's favourite adds parts as they come, with other bits at each call; it must not be the one that runs.
    @Test func theSameBitsAgain() throws {
        let x = Case(m: 30, n: 30, k: 200, gap: 0)
        let first = try run(x, on: products()).c
        for _ in 0..<3 {
            let products = try products()
            for again in 1...3 { #expect(try run(x, on: products, again: again).c == first) }
        }
        // Where parts in place are let in, the bits do change: the test above can fail.
        let careless = try products {
            let set = $0.setPreference
            $0.setPreference = { preference, attribute, from, size in
                let all: UInt32 = 7
                return attribute == 3
                    ? withUnsafeBytes(of: all) { set(preference, attribute, $0.baseAddress, size) } : set(preference, attribute, from, size)
            }
            $0.algorithmAttribute = { _, _, _, _, _ in 7 }
        }
        var seen: Set<[Float]> = []
        for _ in 0..<3 { seen.insert(try run(x, on: careless).c) }
        #expect(seen.count > 1)
    }

    @Test(arguments: [Epilogue.none, .geluAuxBias, .geluGradientBias, .sumsOfA])
    func tuningChangesNothing(_ epilogue: Epilogue) throws {
        let x = Case(m: 24, n: 32, k: 40, beta: 1, epilogue: epilogue)
        try check(x, on: products(tunes: true))
    }

    // MARK: What the library refuses

    @Test func theLibraryRefusesWhatTheRealOneDoes() throws {
        let products = try products()
        // A bias of another type than c's.
        var x = Case(type: .bfloat16, output: .bfloat16, epilogue: .bias)
        var call = try run(x, on: products).call
        call.biasType = .float32
        #expect(try !products.supports(call))
        // What CUDAProducts would not let through, straight to the library.
        let library = try #require(SoftwareCUBLASLt.built.library)
        x.epilogue = .none
        let operation = try library.makeOperation(computing: .float32), preference = try library.makePreference()
        var context: CUDAHandle?
        #expect(library.create(&context) == 0)
        func asked(
            _ a: (DType, Int, Int, Int), _ b: (DType, Int, Int, Int), _ c: (DType, Int, Int, Int), batch: Int32 = 1
        ) throws -> Int32 {
            let layouts = try [a, b, c].map { type, rows, columns, stride in
                try library.makeLayout(#require(CUBLASLt.DataType(type)), rows: rows, columns: columns, stride: stride)
            }
            if batch != 1 { try library.set(.batchCount, of: layouts[0], to: batch) }
            defer { withExtendedLifetime((layouts, operation, preference)) {} }
            var memory = [UInt8](repeating: 0, count: 96 * 8), count: Int32 = 0
            return library.heuristic(
                context, operation.handle, layouts[0].handle, layouts[1].handle, layouts[2].handle, layouts[2].handle, preference.handle, 8,
                &memory, &count)
        }
        let f = DType.float32, h = DType.bfloat16
        #expect(try asked((f, 4, 5, 4), (f, 5, 6, 5), (f, 4, 6, 4)) == 0)
        #expect(try asked((f, 4, 5, 3), (f, 5, 6, 5), (f, 4, 6, 4)) == 7)
        #expect(try asked((f, 4, 5, 4), (f, 6, 6, 6), (f, 4, 6, 4)) == 7)
        #expect(try asked((f, 4, 5, 4), (f, 5, 6, 5), (f, 6, 4, 6)) == 7)
        #expect(try asked((f, 4, 5, 4), (f, 5, 6, 5), (f, 4, 6, 4), batch: 2) == 7)
        #expect(try asked((f, 4, 5, 4), (h, 5, 6, 5), (f, 4, 6, 4)) == 15)
        #expect(try asked((f, 4, 5, 4), (f, 5, 6, 5), (h, 4, 6, 4)) == 15)
        try library.set(.epilogue, of: operation, to: UInt32(5))
        #expect(try asked((f, 4, 5, 4), (f, 5, 6, 5), (f, 4, 6, 4)) == 7)
        try library.set(.epilogue, of: operation, to: CUBLASLt.Epilogue.geluAux.rawValue)
        try library.set(.auxiliaryStride, of: operation, to: Int64(12))
        #expect(try asked((f, 4, 5, 4), (f, 5, 6, 5), (f, 4, 6, 4)) == 7)
        #expect(library.destroy(context) == 0 && library.destroy(context) == 7)
    }
}
