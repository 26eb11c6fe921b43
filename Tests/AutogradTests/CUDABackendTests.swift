import Autograd
import Foundation
import Testing

/// The CUDA backend on the software GPU, held against the CPU: the same operations, forward and back, in float32 and bfloat16.
@Suite(.serialized, .enabled(if: SoftwareGPU.isThere, "the software GPU cannot be built here"))
struct CUDABackendTests {
    /// Numbers that are the same on every device, rounded to `type` and wanting gradients.
    private func input(_ shape: [Int], _ number: UInt64, _ type: DType, on context: Context, ofParameter: Bool = false) -> Tensor {
        let x = context.empty(shape)
        context.backend.fillUniform(x, low: -1, high: 1, key: 11, stream: number)
        let rounded =
            type == .bfloat16 && !ofParameter ? x.floats.map { Float(bitPattern: ($0.bitPattern &+ 0x8000) & 0xffff_0000) } : x.floats
        let exact = context.tensor(rounded, shape)
        guard context.activationType == .bfloat16, !ofParameter else { return exact.requireGradient() }
        return exact.converted(to: .bfloat16).requireGradient()
    }

    /// Results and gradients of `body` on both devices, largest difference relative to the largest value of each.
    private func difference(
        _ type: DType, inputs shapes: [[Int]], parameters: Set<Int> = [], _ body: (Context, [Tensor]) -> Tensor
    ) throws -> Double {
        func results(_ context: Context) throws -> [[Float]] {
            let inputs = shapes.enumerated().map { index, shape in
                input(shape, UInt64(index), type, on: context, ofParameter: parameters.contains(index))
            }
            let y = context.recording { () -> Tensor in
                let y = body(context, inputs)
                // A gradient that differs from element to element.
                let weights = input(y.shape, 99, type, on: context)
                (y * weights).sum(scale: 0.5).backward()
                return y
            }
            try context.check()
            return [y.floats] + inputs.map { $0.gradient?.tensor?.floats ?? [] }
        }
        let cpu = try results(.cpu(threads: 1)), gpu = try results(Context(backend: SoftwareGPU.backend(), activationType: type))
        var worst = 0.0
        for (want, got) in zip(cpu, gpu) {
            guard want.count == got.count else { return .infinity }
            let size = want.reduce(1e-3) { max($0, abs($1)) }
            for (a, b) in zip(want, got) { worst = max(worst, a.isNaN || b.isNaN ? .infinity : Double(abs(a - b) / size)) }
        }
        return worst
    }

    private func tolerance(_ type: DType) -> Double { type == .float32 ? 1e-4 : 3e-2 }

    private static let operations: [(name: String, inputs: [[Int]], parameters: Set<Int>, body: @Sendable (Context, [Tensor]) -> Tensor)] =
        [
            ("sums and products", [[6, 40], [6, 40]], [], { _, x in (x[0] + x[1]) * x[0] * 0.5 + x[1] }),
            ("mix", [[6, 40], [6, 40], [1], [1]], [2, 3], { _, x in .mix([(x[0], x[2]), (x[1], x[3])]) }),
            ("layer norm", [[7, 96], [96], [96]], [1, 2], { _, x in x[0].layerNorm(weight: x[1], bias: x[2], epsilon: 1e-5) }),
            (
                "rms norm of a sum", [[7, 96], [7, 96], [96]], [2],
                { _, x in
                    let sum = x[0] + x[1]
                    return sum.rmsNorm(weight: x[2], offset: 1, epsilon: 1e-6) + sum
                }
            ),
            ("linear", [[9, 48], [24, 48], [24]], [1, 2], { _, x in x[0].linear(x[1], bias: x[2]) }),
            ("linear of many rows", [[70, 48], [24, 48], [24]], [1, 2], { _, x in x[0].linear(x[1], bias: x[2]) }),
            (
                "softcap and dropout", [[6, 50]], [],
                { _, x in
                    x[0].softcapped(0.7).dropout(DropoutMask(probability: 0.3, key: 5, stream: 3, offset: 7))
                }
            ),
            (
                "columns and rows", [[2, 5, 24], [10]], [],
                { _, x in
                    x[0].columns(3..<20).reshaped([10, 17]).scaledRows(by: x[1]).reshaped([2, 5, 17]).shiftedInTime()
                }
            ),
            ("look-up", [[13, 20]], [0], { context, x in x[0].rows(at: context.tensor([3, 3, 12, 0, 3, 7, 12] as [Int32], [7])) }),
            (
                "cross-entropy", [[6, 33]], [],
                { context, x in
                    x[0].crossEntropy(
                        targets: context.tensor([3, 0, -1, 29, 8, 8] as [Int32], [6]), LossOptions(vocabulary: 30, softcap: 5, scale: 0.2))
                }
            ),
            (
                "attention, windowed and grouped", [[2, 70, 128], [2, 70, 64], [2, 70, 64]], [],
                { _, x in
                    attention(
                        AttentionCall(
                            query: Heads(x[0], count: 4, dim: 32), key: Heads(x[1], count: 2, dim: 32),
                            value: Heads(x[2], count: 2, dim: 32),
                            options: AttentionOptions(window: 20, scale: 0.2, softcap: 3, slopes: [0.5, 0.25, 0.1, 0.05])))
                }
            ),
            (
                "attention on tensor cores", [[1, 150, 128], [1, 150, 64], [1, 150, 64]], [],
                { _, x in
                    attention(
                        AttentionCall(
                            query: Heads(x[0], count: 2, dim: 64), key: Heads(x[1], count: 1, dim: 64),
                            value: Heads(x[2], count: 1, dim: 64),
                            options: AttentionOptions(window: 90, scale: 0.125, dropout: DropoutMask(probability: 0.2, key: 9, stream: 4))))
                }
            ),
            (
                "heads made ready", [[2, 6, 64], [32]], [1],
                { context, x in
                    let angles = (0..<6 * 8).map { Float($0) * 0.1 }
                    let table = RotaryTable(
                        cosines: context.tensor(angles.map { Float(cos(Double($0))) }, [6, 8]),
                        sines: context.tensor(angles.map { Float(sin(Double($0))) }, [6, 8]), rotary: 16, interleaved: false)
                    let positions = context.tensor((0..<12).map { Int32($0 % 6) }, [12])
                    return Heads(x[0], count: 2, dim: 32).prepared(
                        normalize: 1e-6, weight: x[1], rotary: table, positions: positions, scale: 1.2
                    ).tensor
                }
            ),
            (
                "experts", [[8, 4], [8, 20]], [],
                { context, x in
                    let routing = x[0].routed(top: 2)
                    let parts = routing.rows.indices.filter { !routing.rows[$0].isEmpty }.map { expert -> (rows: Tensor, ids: Tensor) in
                        let ids = context.tensor(routing.rows[expert], [routing.rows[expert].count])
                        let places = context.tensor(routing.places[expert], [routing.places[expert].count])
                        return (x[1].rows(at: ids).scaledRows(by: routing.weights.rows(at: places)), ids)
                    }
                    return .scattered(parts, to: 8, width: 20, on: context)
                }
            ),
        ]

    @Test(arguments: [DType.float32, .bfloat16], operations.indices)
    func operationsAgreeWithTheCPU(_ type: DType, _ index: Int) throws {
        let operation = Self.operations[index]
        let worst = try difference(type, inputs: operation.inputs, parameters: operation.parameters, operation.body)
        #expect(worst < tolerance(type), "\(operation.name) in \(type): \(worst)")
    }

    @Test(arguments: Activation.allCases)
    func activationsAgreeWithTheCPU(_ kind: Activation) throws {
        for type in [DType.float32, .bfloat16] {
            #expect(try difference(type, inputs: [[5, 64]]) { _, x in x[0].activation(kind) } < tolerance(type))
            #expect(try difference(type, inputs: [[5, 64]]) { _, x in x[0].gated(kind) } < tolerance(type))
        }
    }

    /// Gradients of a head come out of the loss itself, in chunks.
    @Test(arguments: [DType.float32, .bfloat16]) func theHeadsLossAgrees(_ type: DType) throws {
        func results(_ context: Context) throws -> [[Float]] {
            let x = input([12, 32], 0, type, on: context), weight = input([40, 32], 1, type, on: context, ofParameter: true)
            let hits = context.empty([12], .int32), targets = context.tensor((0..<12).map { Int32($0 * 3 % 40) - ($0 == 4 ? 50 : 0) }, [12])
            let loss = context.recording { () -> Tensor in
                let loss = x.headLoss(
                    weight: weight, bias: nil, targets: targets, LossOptions(vocabulary: 38, softcap: 4, scale: 0.1), hits: hits)
                loss.backward()
                return loss
            }
            try context.check()
            return [loss.floats, x.gradient?.tensor?.floats ?? [], weight.gradient?.tensor?.floats ?? [], hits.int32s.map { Float($0) }]
        }
        let cpu = try results(.cpu(threads: 1)), gpu = try results(Context(backend: SoftwareGPU.backend(), activationType: type))
        for (want, got) in zip(cpu, gpu) {
            let size = want.reduce(1e-3) { max($0, abs($1)) }
            #expect(want.count == got.count && zip(want, got).allSatisfy { Double(abs($0 - $1) / size) < tolerance(type) })
        }
    }

    /// In the middle of tokens, so that rounding decides nothing.
    private static let draws: [Double] = [0.2501, 0.5001, 0.7501]
    private static let samplings: [TokenSampling] = [
        .init(temperature: 1.3), .init(temperature: 5, topK: 30), .init(temperature: 5, topP: 0.7),
        .init(temperature: 9, topK: 300, topP: 0.4), .init(temperature: 2, topK: 100_000),
    ]

    /// Tokens drawn from the first 690 of each row's logits.
    private func drawn(_ logits: Tensor) throws -> [[Int32]] {
        let context = logits.context, draws = context.empty([3, 2]), ids = context.empty([3], .int32)
        Self.draws.withUnsafeBytes { context.backend.upload($0, to: draws) }
        return try Self.samplings.map { sampling in
            context.backend.sample(logits, of: 690, sampling, draws: draws, into: ids)
            try context.check()
            return ids.int32s
        }
    }

    @Test func drawnTokensAgreeWithTheCPU() throws {
        let values = (0..<2100).map { Float($0 * 7919 % 256) / 16 - 8 }
        let cpu = try drawn(Context.cpu(threads: 1).tensor(values, [3, 700]))
        #expect(
            cpu
                == Self.samplings.map { sampling in
                    (0..<3).map { row in
                        values[row * 700..<row * 700 + 690].withUnsafeBufferPointer { sampling.token(of: $0, draw: Self.draws[row]) }
                    }
                })
        let logits = try Context(backend: SoftwareGPU.backend()).tensor(values, [3, 700])
        #expect(try drawn(logits) == cpu)
        #expect(try drawn(logits.converted(to: .bfloat16)) == cpu)
    }

    @Test func weightsInFewerBitsAgree() throws {
        for (type, rows) in [(DType.bfloat16, 3), (.int8, 3), (.bfloat16, 40), (.int8, 40)] {
            func result(_ context: Context) throws -> [Float] {
                let x = input([rows, 64], 0, .float32, on: context), weight = input([48, 64], 1, .float32, on: context)
                let y = context.empty([rows, 48])
                context.backend.multiplyMatrices(
                    MatrixProduct(x, weight.compressed(to: type, group: 32), transposeB: true, into: y, m: rows, n: 48, k: 64))
                try context.check()
                return y.floats
            }
            let cpu = try result(.cpu(threads: 1)), gpu = try result(Context(backend: SoftwareGPU.backend()))
            #expect(zip(cpu, gpu).allSatisfy { abs($0 - $1) < 1e-4 }, "\(type), \(rows) rows")
        }
    }

    // MARK: Failures

    @Test func theFirstFailureIsKeptAndNothingIsDoneAfterIt() throws {
        var launches = 0
        let backend = try SoftwareGPU.backend { driver in
            let launch = driver.launch
            driver.launch = {
                launches += 1
                return launches == 3 ? 719 : launch($0, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            }
        }
        let context = Context(backend: backend)
        let x = context.ones([4])
        _ = (x * 2).floats
        try context.check()
        let lost = x * 3
        #expect(lost.floats == [0, 0, 0, 0])
        #expect(throws: CUDAError.self) { try context.check() }
        let before = launches
        _ = (x * 4).floats
        #expect(launches == before && "\(backend.failure.map { "\($0)" } ?? "")".contains("scale"))
    }

    @Test func memoryThatIsKeptForReuseIsGivenBackBeforeGivingUp() throws {
        var allocations = 0, refusing = false
        let backend = try SoftwareGPU.backend { driver in
            let allocate = driver.allocate, free = driver.free
            driver.allocate = { to, size in
                allocations += 1
                return refusing ? 2 : allocate(to, size)
            }
            driver.free = {
                refusing = false
                return free($0)
            }
        }
        let context = Context(backend: backend)
        do { _ = context.ones([1000]) }
        refusing = true
        let x = context.ones([5000])
        #expect(!refusing && x.floats == [Float](repeating: 1, count: 5000))
        try context.check()
        // Nothing is left to give back: now it is an error that names sizes.
        refusing = true
        let none = context.empty([1 << 20])
        #expect(throws: CUDAError.self) { try context.check() }
        #expect("\(backend.failure.map { "\($0)" } ?? "")".contains("4.0 MiB"))
        _ = none
    }

    // MARK: Replaying

    @Test func aCaptureIsReplayedWithOtherInputsAndMasks() throws {
        let context = Context(backend: try SoftwareGPU.backend()), backend = context.backend
        let x = context.ones([64]), total = context.zeros([64]), dropped = context.zeros([64])
        func body() {
            // What is uploaded within is a constant of what is replayed.
            let two = context.tensor([Float](repeating: 2, count: 64), [64])
            backend.multiply(x, two, into: total, accumulate: true)
            backend.dropout(x, DropoutMask(probability: 0.5, key: 3, stream: 1), into: dropped, accumulate: false)
        }
        let work = try #require(backend.capture(body))
        let pin = context.pool.pin()
        defer { withExtendedLifetime(pin) {} }
        #expect(total.floats[0] == 0)
        for (step, value) in [(UInt64(4), Float(1)), (5, 10)] {
            backend.fill(x, value)
            work.replay(step: step)
            let expected = context.zeros([64])
            backend.dropout(x, DropoutMask(probability: 0.5, key: 3, stream: step << 16 | 1), into: expected, accumulate: false)
            #expect(dropped.floats == expected.floats && dropped.floats.contains(0))
        }
        #expect(total.floats == [Float](repeating: 22, count: 64))
        try context.check()
    }

    @Test func whatFetchesIsNotCaptured() throws {
        let context = Context(backend: try SoftwareGPU.backend()), backend = context.backend
        let x = context.ones([8])
        #expect(backend.capture { _ = (x * 2).floats } == nil)
        #expect((x * 2).floats == [Float](repeating: 2, count: 8))
        try context.check()
    }

    @Test func largeUploadsArriveWhole() throws {
        let context = Context(backend: try SoftwareGPU.backend())
        // More than the page-locked slots hold together.
        let values = (0..<(2 << 20) + 77).map { Float($0 % 8191) }
        let tensors = (0..<3).map { _ in context.tensor(values, [values.count]) }
        #expect(tensors.allSatisfy { $0.floats == values })
        try context.check()
    }
}
