import Autograd
import Foundation
import Testing

extension Tag {
    /// Needs a GPU, or the software one of Tests/SoftwareGPU: runs where LOOM_TEST_GPU=1 asks for it, and not elsewhere.
    @Tag static var gpu: Self
}

/// Where a test's operations run: on the CPU, but on the GPU inside `GPUTests`.
enum TestDevice {
    @TaskLocal static var isGPU = false
    static let hasGPU = ProcessInfo.processInfo.environment["LOOM_TEST_GPU"] == "1"

    static func context(threads: Int) -> Context { isGPU ? gpu(.float32) : .cpu(threads: threads) }

    static func gpu(_ type: DType) -> Context {
        do throws(CUDAError) { return try .cuda(activationType: type) } catch {
            Issue.record("no GPU: \(error)")
            return .cpu(threads: 1)
        }
    }
}

/// The tests of operations again, on the GPU and in float32: every kernel against double precision and central differences, in all
/// surroundings. One at a time, as they share a device.
@Suite(.tags(.gpu), .serialized, .enabled(if: TestDevice.hasGPU, "LOOM_TEST_GPU=1 runs these, where there is a GPU"))
struct GPUTests {
    private func onGPU(_ body: () throws -> Void) rethrows { try TestDevice.$isGPU.withValue(true, operation: body) }

    @Test func thereIsOne() throws {
        let context = try Context.cuda(activationType: .float32)
        #expect(context.backend is CUDABackend)
        #expect(context.tensor([1, 2, 3] as [Float], [3]).sum().item == 6)
        try context.check()
    }

    @Test(arguments: AttentionTests.groupings + AttentionTests.windows + AttentionTests.scores + AttentionTests.offsets)
    func attentionForms(_ form: AttentionTests.Form) { onGPU { AttentionTests().forms(form) } }

    @Test(arguments: AttentionTests.sizes + AttentionTests.longStrips)
    func attentionSizes(_ form: AttentionTests.Form) { onGPU { AttentionTests().sizesAroundTheStrip(form) } }

    @Test func attentionOfLargeScores() { onGPU { AttentionTests().largeScores() } }

    @Test(arguments: [(1, 1), (4, 2)])
    func attentionOfOneTensor(heads: Int, keyHeads: Int) {
        onGPU { AttentionTests().overlappingColumns(heads: heads, keyHeads: keyHeads) }
    }

    @Test(arguments: DecodeTests.forms)
    func decoding(_ form: DecodeTests.Form) { onGPU { DecodeTests().ring(form, threads: 1) } }

    @Test(arguments: HeadsTests.preparations)
    func heads(_ preparation: HeadsTests.Preparation) { onGPU { HeadsTests().prepared(preparation) } }

    @Test(arguments: OperationTests.pointwise)
    func pointwise(_ test: OperationCase) { onGPU { OperationTests().pointwiseAndRows(test) } }

    @Test(arguments: Activation.allCases)
    func activations(_ kind: Activation) {
        onGPU {
            OperationTests().activations(kind)
            OperationTests().activationsFarOut(kind)
        }
    }

    @Test(arguments: [(1, 1), (5, 20), (64, 300)])
    func norms(rows: Int, columns: Int) { onGPU { OperationTests().norms(rows: rows, columns: columns) } }

    @Test(arguments: LossTests.forms)
    func losses(_ form: LossTests.Form) {
        onGPU {
            LossTests().crossEntropy(form)
            for bias in [false, true] { LossTests().headLoss(form, bias: bias) }
        }
    }

    @Test func lossesOfManyTokens() {
        onGPU {
            LossTests().headLossInChunks()
            LossTests().hitsAreLikeliestTargets()
            LossTests().largeLogits()
        }
    }

    @Test(arguments: [(7, 5, 2), (9, 4, 1)])
    func routing(rows: Int, experts: Int, k: Int) {
        onGPU {
            RoutingTests().weightsAndBalance(rows: rows, experts: experts, k: k)
            RoutingTests().everyRowGoesToItsExperts()
        }
    }

    @Test(arguments: 0..<8)
    func gradientsThatGather(group: Int) { onGPU { GradientTests().randomGraphs(group: group) } }

    // MARK: bfloat16, against the CPU in float32 on the same rounded numbers

    /// Heads of 64 and 128 dimensions, which go over tensor cores: sizes around the tiles, windows, caps, groups.
    static let flash: [AttentionTests.Form] = [64, 128].flatMap { dim in
        [1, 17, 64, 65, 130, 257].map { AttentionTests.Form(time: $0, heads: 4, keyHeads: 2, dim: dim, batch: 1, packed: true) } + [
            AttentionTests.Form(time: 130, dim: dim, window: 1), AttentionTests.Form(time: 200, dim: dim, window: 40, packed: true),
            AttentionTests.Form(time: 300, dim: dim, batch: 1, window: 128, packed: true),
            AttentionTests.Form(time: 96, heads: 4, keyHeads: 1, dim: dim, softcap: 2, packed: true),
            AttentionTests.Form(time: 70, keys: 90, dim: dim, batch: 1, window: 10, queryPosition: 20),
            AttentionTests.Form(time: 129, heads: 6, keyHeads: 3, dim: dim, batch: 1, packed: true),
        ]
    }

    @Test(arguments: flash)
    func flashAttention(_ form: AttentionTests.Form) throws {
        let gpu = TestDevice.gpu(.bfloat16), cpu = Context.cpu(threads: 2)
        let inputs = form.shapes.enumerated().map { index, shape in
            gpu.tensor(random(shape.reduce(1, *), stream: UInt64(index)), shape).converted(to: .bfloat16)
        }
        let count = form.batch * form.time * form.widths.q
        let upstream = gpu.tensor(random(count, stream: 99), [form.batch, form.time, form.widths.q]).converted(to: .bfloat16)
        func run(_ context: Context, _ leaves: [Tensor], _ upstream: Tensor) -> [[Float]] {
            leaves.forEach { $0.requireGradient() }
            let output = context.recording {
                let y = attention(form.call(leaves))
                (y * upstream).backward()
                return y.floats
            }
            return [output] + leaves.map { $0.gradient?.tensor?.floats ?? [] }
        }
        func copies() -> [Tensor] { inputs.map { $0.copied() } }
        let wanted = run(cpu, inputs.map { cpu.tensor($0.floats, $0.shape) }, cpu.tensor(upstream.floats, upstream.shape))
        let found = run(gpu, copies(), upstream), again = run(gpu, copies(), upstream)
        try gpu.check()
        // Eight bits of mantissa, in the weights and in what is written.
        for (index, pair) in zip(found, wanted).enumerated() {
            expectClose(pair.0, pair.1.map(Double.init), 2e-2, index == 0 ? "output" : "gradient of input \(index - 1)")
        }
        #expect(zip(found, again).allSatisfy { zip($0, $1).allSatisfy { $0.bitPattern == $1.bitPattern } }, "the same again, other bits")
    }

    /// Products and what follows them, at sizes that are whole tiles and that are not.
    @Test(arguments: [(1, 8, 8), (5, 24, 40), (64, 64, 64), (130, 200, 72), (256, 768, 768)])
    func products(rows: Int, inputs: Int, outputs: Int) throws {
        let gpu = TestDevice.gpu(.bfloat16), cpu = Context.cpu(threads: 2)
        let x = gpu.tensor(random(rows * inputs, stream: 1), [rows, inputs]).converted(to: .bfloat16)
        let weight = random(outputs * inputs, stream: 2, deviation: 1 / Float(inputs).squareRoot()), bias = random(outputs, stream: 3)
        func run(_ context: Context, _ x: Tensor) -> [[Float]] {
            x.requireGradient()
            let parameters = [context.tensor(weight, [outputs, inputs]), context.tensor(bias, [outputs])]
            parameters.forEach { $0.requireGradient() }
            let output = context.recording {
                let y = x.linear(parameters[0], bias: parameters[1]).activation(.geluTanh)
                y.backward()
                return y.floats
            }
            return [output] + ([x] + parameters).map { $0.gradient?.tensor?.floats ?? [] }
        }
        let wanted = run(cpu, cpu.tensor(x.floats, x.shape)), found = run(gpu, x.copied())
        try gpu.check()
        for (index, pair) in zip(found, wanted).enumerated() {
            expectClose(pair.0, pair.1.map(Double.init), 3e-2, ["output", "gradient of x", "of the weight", "of the bias"][index])
        }
    }
}
