import Autograd
import Testing

/// Cross-entropy, and the head that makes its logits chunk by chunk.
struct LossTests {
    struct Form: Sendable, CustomTestStringConvertible {
        var vocabulary: Int, stride: Int, softcap: Float = 0
        var targets: [Int32]
        var testDescription: String { "V \(vocabulary) of \(stride), softcap \(softcap), targets \(targets)" }
        var options: LossOptions { LossOptions(vocabulary: vocabulary, softcap: softcap, scale: 0.2) }
    }

    static let forms = [
        Form(vocabulary: 5, stride: 5, targets: [0, 4, 2, 2]), Form(vocabulary: 5, stride: 8, targets: [0, 4, 2, 2]),
        Form(vocabulary: 65, stride: 65, softcap: 2, targets: [64, 0, 31, 7]),
        Form(vocabulary: 100, stride: 128, softcap: 15, targets: [99, -1, 50, -100]),
        Form(vocabulary: 1, stride: 1, targets: [0, 0, 0, 0]), Form(vocabulary: 33, stride: 33, targets: [-1, -1, -1, -1]),
    ]

    @Test(arguments: forms)
    func crossEntropy(_ form: Form) {
        check(
            OperationCase("cross-entropy \(form)", [[4, form.stride]]) { context, x in
                x[0].crossEntropy(targets: context.tensor(form.targets, [4]), form.options)
            } reference: { x in
                [
                    0.2
                        * Reference.crossEntropy(
                            x[0], targets: form.targets, stride: form.stride, vocabulary: form.vocabulary,
                            softcap: Double(form.softcap))
                ]
            })
    }

    @Test(arguments: forms, [false, true])
    func headLoss(_ form: Form, bias: Bool) {
        let width = 6
        check(
            OperationCase(
                "head loss \(form)", [[2, 2, width], [form.stride, width]] + (bias ? [[form.stride]] : []), isLoss: true
            ) { context, x in
                x[0].headLoss(
                    weight: x[1], bias: bias ? x[2] : nil, targets: context.tensor(form.targets, [2, 2]), form.options)
            } reference: { x in
                let logits = Reference.linear(x[0], x[1], bias ? x[2] : nil, k: width)
                return [
                    0.2
                        * Reference.crossEntropy(
                            logits, targets: form.targets, stride: form.stride, vocabulary: form.vocabulary,
                            softcap: Double(form.softcap))
                ]
            })
    }

    /// Several chunks (8 Mi logits each) equal one linear map and one cross-entropy.
    @Test func headLossInChunks() {
        let (rows, width, vocabulary) = (300, 2, 70_000)
        func run(_ make: (Context, [Tensor], Tensor) -> Tensor) -> [[Float]] {
            let context = TestDevice.context(threads: 2)
            let leaves = [[rows, width], [vocabulary, width], [vocabulary]].enumerated().map {
                context.tensor(random($0.element.reduce(1, *), stream: UInt64($0.offset)), $0.element).requireGradient()
            }
            let targets = context.tensor((0..<rows).map { Int32($0 % 7 == 3 ? -1 : $0 * 211 % vocabulary) }, [rows])
            let loss = context.recording {
                let loss = make(context, leaves, targets)
                loss.backward()
                return loss.floats
            }
            return [loss] + leaves.map { $0.gradient?.tensor?.floats ?? [] }
        }
        let options = LossOptions(vocabulary: vocabulary - 3, softcap: 4, scale: 0.01)
        let chunked = run { $1[0].headLoss(weight: $1[1], bias: $1[2], targets: $2, options) }
        let whole = run { $1[0].linear($1[1], bias: $1[2]).crossEntropy(targets: $2, options) }
        for (name, pair) in zip(["loss", "gradient of x", "of the weight", "of the bias"], zip(chunked, whole)) {
            expectClose(pair.0, pair.1.map(Double.init), 2e-5, "chunked head: \(name)")
        }
    }

    @Test func hitsAreLikeliestTargets() {
        let context = TestDevice.context(threads: 1), hits = context.tensor([9, 9, 9, 9] as [Int32], [4])
        // Rows pick the weight's column: the logits are the weight's columns. A tie goes to the first.
        let x = context.tensor([1, 0, 0, 1, 1, 0, 0, 1] as [Float], [4, 2])
        let weight = context.tensor([1, 5, 3, 5, 2, 0] as [Float], [3, 2])
        let targets = context.tensor([1, 0, 0, -1] as [Int32], [4])
        _ = x.headLoss(weight: weight, bias: nil, targets: targets, LossOptions(vocabulary: 3, scale: 1), hits: hits)
        var found = [Int32](repeating: 0, count: 4)
        found.withUnsafeMutableBytes { context.backend.download(hits, to: $0) }
        #expect(found[0..<3] == [1, 1, 0])
        #expect(found[3] == 0, "an ignored target is no hit")
    }

    /// Logits far apart: no overflow, and a loss that is a plain difference.
    @Test func largeLogits() {
        let context = TestDevice.context(threads: 1)
        let x = context.tensor([1e4, -1e4, 0, -1e4, 3e4, 0] as [Float], [2, 3]).requireGradient()
        context.recording {
            let loss = x.crossEntropy(
                targets: context.tensor([1, 1] as [Int32], [2]), LossOptions(vocabulary: 3, scale: 1))
            #expect(loss.item == 2e4)
            loss.backward()
        }
        #expect(x.gradient?.tensor?.floats == [1, -1, 0, 0, 0, 0])
    }
}
