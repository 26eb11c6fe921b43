import Autograd
import Testing

/// One operation on given inputs, and the same in double precision. Values are made by `random`.
struct OperationCase: Sendable, CustomTestStringConvertible {
    let name: String
    let shapes: [[Int]]
    let operation: @Sendable (Context, [Tensor]) -> Tensor
    let reference: @Sendable ([[Double]]) -> [Double]
    /// Whether the output is a loss that `backward()` must start from.
    var isLoss = false
    var testDescription: String { name }

    init(
        _ name: String, _ shapes: [[Int]], isLoss: Bool = false,
        _ operation: @escaping @Sendable (Context, [Tensor]) -> Tensor,
        reference: @escaping @Sendable ([[Double]]) -> [Double]
    ) {
        (self.name, self.shapes, self.isLoss, self.operation, self.reference) = (name, shapes, isLoss, operation, reference)
    }
}

/// What else happens to the gradients of an operation's inputs: its backward function must write, or add, accordingly.
enum Surroundings: CaseIterable {
    /// Nobody else uses the inputs.
    case alone
    /// Another use of every input comes later and so goes back first: the operation finds gradients to add to.
    case usedAfter
    /// Another use comes earlier and adds to what the operation left.
    case usedBefore
    /// Gradients gather in memory laid out beforehand, as parameters' do, with something in it.
    case gathered
}

/// Checks the forward pass against the reference, and the gradient of Σ cotangent·output by every input against central
/// differences of the reference, in all surroundings and with each input the only one that wants a gradient.
func check(_ test: OperationCase, relative: Double = 1e-4, samples: Int = 40, threads: Int = 2) {
    let inputs = test.shapes.enumerated().map { random($0.element.reduce(1, *), stream: UInt64($0.offset)) }
    let exact = inputs.map { $0.map(Double.init) }
    let wanted = test.reference(exact)
    let context = TestDevice.context(threads: threads)
    expectClose(test.operation(context, tensors(context, inputs, test)).floats, wanted, relative, "\(test.name): output")

    let cotangent = test.isLoss ? [1] : random(wanted.count, stream: 99)
    let checkers = inputs.indices.map { index in
        Checker(test, exact, index, cotangent: cotangent.map(Double.init), samples: samples)
    }
    for surroundings in Surroundings.allCases {
        let found = gradients(test, inputs, cotangent, surroundings, context)
        for (checker, gradient) in zip(checkers, found) {
            checker.compare(gradient, relative, "\(test.name), \(surroundings): gradient of input \(checker.input)")
        }
    }
    for checker in checkers where inputs.count > 1 {
        let tensors = tensors(context, inputs, test)
        tensors[checker.input].requireGradient()
        context.recording { weighted(test.operation(context, tensors), cotangent, test).backward() }
        checker.compare(
            tensors[checker.input].gradient?.tensor?.floats ?? [], relative,
            "\(test.name): gradient of input \(checker.input), the only one asked for")
    }
}

/// Central differences of the reference at some elements of one input.
private struct Checker {
    let input: Int
    private let expected: [(element: Int, slope: Double)]

    init(_ test: OperationCase, _ values: [[Double]], _ input: Int, cotangent: [Double], samples: Int) {
        self.input = input
        let count = values[input].count
        var order = Philox(key: 5).sequence(stream: UInt64(input))
        let elements = count <= samples ? Array(0..<count) : [0, count - 1] + (2..<samples).map { _ in order.below(count) }
        expected = elements.map { element in
            func value(_ step: Double) -> Double {
                var moved = values
                moved[input][element] += step
                return zip(test.reference(moved), cotangent).reduce(0) { $0 + $1.0 * $1.1 }
            }
            let step = 1e-5
            return (element, (value(step) - value(-step)) / (2 * step))
        }
    }

    func compare(_ gradient: [Float], _ relative: Double, _ what: String) {
        guard let last = expected.map(\.element).max(), last < gradient.count else {
            Issue.record("\(what): has \(gradient.count) elements")
            return
        }
        let largest = gradient.reduce(0) { max($0, abs(Double($1))) }
        let limit = max(1e-6, relative * largest)
        for (element, slope) in expected where !(abs(Double(gradient[element]) - slope) <= limit) {
            Issue.record("\(what): element \(element) is \(gradient[element]), wanted \(slope), limit \(limit)")
            return
        }
    }
}

private func tensors(_ context: Context, _ inputs: [[Float]], _ test: OperationCase) -> [Tensor] {
    zip(inputs, test.shapes).map { context.tensor($0, $1) }
}

private func weighted(_ y: Tensor, _ cotangent: [Float], _ test: OperationCase) -> Tensor {
    test.isLoss ? y : (y * y.context.tensor(cotangent, y.shape)).sum()
}

private func gradients(
    _ test: OperationCase, _ inputs: [[Float]], _ cotangent: [Float], _ surroundings: Surroundings, _ context: Context
) -> [[Float]] {
    let leaves = tensors(context, inputs, test)
    let gathered = inputs.map { context.tensor(random($0.count, stream: 7), [$0.count]) }
    let before = gathered.map(\.floats)
    for (leaf, memory) in zip(leaves, gathered) {
        if surroundings == .gathered {
            leaf.attach(Gradient(gatheringIn: memory.view(at: 0, leaf.shape)))
        } else {
            leaf.requireGradient()
        }
    }
    // The other use's gradient is 3 everywhere. An input in between, so that leaves and made tensors are both tried.
    context.recording {
        let used = leaves.map { $0.reshaped($0.shape) }
        func others() -> Tensor { used.dropFirst().reduce((used[0] * 3).sum()) { $0 + ($1 * 3).sum() } }
        switch surroundings {
        case .alone, .gathered: weighted(test.operation(context, leaves), cotangent, test).backward()
        case .usedBefore:
            let other = others()
            (weighted(test.operation(context, used), cotangent, test) + other).backward()
        case .usedAfter:
            let loss = weighted(test.operation(context, used), cotangent, test)
            (loss + others()).backward()
        }
    }
    return leaves.enumerated().map { index, leaf in
        let found = leaf.gradient?.tensor?.floats ?? []
        return switch surroundings {
        case .alone: found
        case .usedAfter, .usedBefore: found.map { $0 - 3 }
        case .gathered: zip(found, before[index]).map { $0 - $1 }
        }
    }
}

/// Normal numbers that depend on `stream` alone.
func random(_ count: Int, stream: UInt64, deviation: Float = 1) -> [Float] {
    let context = Context.cpu(threads: 1), tensor = context.empty([count])
    context.backend.fillNormal(tensor, deviation: deviation, key: 42, stream: stream)
    return tensor.floats
}

/// Expects agreement within `relative` of the reference's largest value.
func expectClose(_ found: [Float], _ wanted: [Double], _ relative: Double, _ what: String) {
    guard found.count == wanted.count else {
        Issue.record("\(what): \(found.count) elements, wanted \(wanted.count)")
        return
    }
    let limit = max(1e-6, relative * wanted.reduce(0) { max($0, abs($1)) })
    let wrong = zip(found, wanted).enumerated().first { !(abs(Double($0.element.0) - $0.element.1) <= limit) }
    if let wrong {
        Issue.record("\(what): element \(wrong.offset) is \(wrong.element.0), wanted \(wrong.element.1), limit \(limit)")
    }
}
