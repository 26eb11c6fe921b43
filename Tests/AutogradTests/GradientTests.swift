import Autograd
import Foundation
import Testing

/// Gradients that gather from several places, whose memory is shared until somebody writes.
struct GradientTests {
    /// A random graph over shared nodes, as text that runs on tensors and on doubles alike.
    struct Program {
        enum Step {
            case add(Int, Int), multiply(Int, Int), scale(Int), tanh(Int), reshape(Int), columns(Int, Int), widen(Int)
            case attend(Int), mix(Int, Int), norm(Int)
        }
        static let rows = 4, wide = 6, narrow = 2
        var steps: [Step] = []
        /// Nodes that no step reads: their sum is the loss, so that everything counts and most gradients begin shared.
        var ends: [Int] { Array(Set(0..<steps.count + 2).subtracting(steps.flatMap(Program.inputs))).sorted() }

        static func inputs(_ step: Step) -> [Int] {
            switch step {
            case .add(let a, let b), .multiply(let a, let b), .mix(let a, let b): [a, b]
            case .scale(let a), .tanh(let a), .reshape(let a), .columns(let a, _), .widen(let a), .attend(let a), .norm(let a): [a]
            }
        }

        /// Nodes 0 and 1 are leaves [1, 4, 6]; every step makes one more. `widths` tells nodes apart.
        init(seed: UInt64, length: Int) {
            var draw = Philox(key: 9).sequence(stream: seed)
            var widths = [Program.wide, Program.wide]
            func pick(_ width: Int? = nil) -> Int? {
                let fitting = widths.indices.filter { width == nil || widths[$0] == width }
                return fitting.isEmpty ? nil : fitting[draw.below(fitting.count)]
            }
            while steps.count < length {
                let a = pick() ?? 0, same = pick(widths[a]) ?? a
                switch draw.below(10) {
                case 0, 1: steps.append(.add(a, same))
                case 2: steps.append(.multiply(a, same))
                case 3: steps.append(.scale(a))
                case 4: steps.append(.tanh(a))
                case 5: steps.append(.reshape(a))
                case 6: guard let x = pick(Program.wide) else { continue }; steps.append(.columns(x, draw.below(5)))
                case 7: guard let x = pick(Program.narrow) else { continue }; steps.append(.widen(x))
                case 8: guard let x = pick(Program.wide) else { continue }; steps.append(.attend(x))
                default: steps.append(draw.below(2) == 0 ? .mix(a, same) : .norm(a))
                }
                switch steps[steps.count - 1] {
                case .columns, .attend: widths.append(Program.narrow)
                case .widen: widths.append(Program.wide)
                default: widths.append(widths[a])
                }
            }
        }

        func run(_ leaves: [Tensor], _ weight: Tensor, _ factor: Tensor) -> Tensor {
            var nodes = leaves
            for step in steps {
                switch step {
                case .add(let a, let b): nodes.append(nodes[a] + nodes[b])
                case .multiply(let a, let b): nodes.append(nodes[a] * nodes[b] * 0.5)
                case .scale(let a): nodes.append(nodes[a] * -0.7)
                case .tanh(let a): nodes.append(nodes[a].activation(.tanh))
                case .reshape(let a): nodes.append(nodes[a].reshaped([nodes[a].count]).reshaped(nodes[a].shape))
                case .columns(let a, let from): nodes.append(nodes[a].columns(from..<from + 2))
                case .widen(let a): nodes.append(nodes[a].linear(weight))
                case .attend(let a):
                    func heads(_ offset: Int) -> Heads { Heads(nodes[a], offset: offset, count: 1, dim: 2) }
                    nodes.append(
                        attention(
                            AttentionCall(
                                query: heads(0), key: heads(2), value: heads(4), options: AttentionOptions(scale: 0.7))))
                case .mix(let a, let b): nodes.append(Tensor.mix([(nodes[a], factor), (nodes[b], factor)]))
                case .norm(let a): nodes.append(nodes[a].rmsNorm(epsilon: 0.1))
                }
            }
            return ends.dropFirst().reduce(nodes[ends[0]].sum()) { $0 + nodes[$1].sum() }
        }

        func reference(_ leaves: [[Double]], _ weight: [Double], _ factor: Double) -> Double {
            var nodes = leaves
            for step in steps {
                switch step {
                case .add(let a, let b): nodes.append(zip(nodes[a], nodes[b]).map(+))
                case .multiply(let a, let b): nodes.append(zip(nodes[a], nodes[b]).map { 0.5 * $0 * $1 })
                case .scale(let a): nodes.append(nodes[a].map { -0.7 * $0 })
                case .tanh(let a): nodes.append(nodes[a].map { Foundation.tanh($0) })
                case .reshape(let a): nodes.append(nodes[a])
                case .columns(let a, let from): nodes.append(nodes[a].rows(of: 6).flatMap { $0[from..<from + 2] })
                case .widen(let a): nodes.append(Reference.linear(nodes[a], weight, k: 2))
                case .attend(let a):
                    let plain = Attention64(
                        queries: 4, keys: 4, heads: 1, keyHeads: 1, dim: 2, offsets: (0, 2, 4), strides: (6, 6, 6), scale: 0.7)
                    nodes.append(plain(nodes[a], nodes[a], nodes[a]))
                case .mix(let a, let b): nodes.append(zip(nodes[a], nodes[b]).map { factor * ($0 + $1) })
                case .norm(let a):
                    nodes.append(Reference.rmsNorm(nodes[a], nil, columns: nodes[a].count / 4, epsilon: 0.1))
                }
            }
            return ends.reduce(0) { $0 + nodes[$1].reduce(0, +) }
        }
    }

    @Test(arguments: 0..<8)
    func randomGraphs(group: Int) {
        let context = TestDevice.context(threads: 1)
        let values = [random(24, stream: 0), random(24, stream: 1), random(12, stream: 2, deviation: 0.5), [0.6]]
        let exact = values.map { $0.map(Double.init) }
        for seed in 0..<40 {
            let program = Program(seed: UInt64(group * 40 + seed), length: 4 + seed % 17)
            let leaves = zip(values, [[1, 4, 6], [1, 4, 6], [6, 2], [1]]).map { context.tensor($0, $1).requireGradient() }
            context.recording { program.run(Array(leaves[0..<2]), leaves[2], leaves[3]).backward() }
            for (input, leaf) in leaves.enumerated() {
                let found = leaf.gradient?.tensor?.floats ?? [Float](repeating: 0, count: leaf.count)
                let slopes = exact[input].indices.map { element in
                    func value(_ step: Double) -> Double {
                        var moved = exact
                        moved[input][element] += step
                        return program.reference(Array(moved[0..<2]), moved[2], moved[3][0])
                    }
                    return (value(1e-5) - value(-1e-5)) / 2e-5
                }
                expectClose(found, slopes, 3e-4, "gradient of leaf \(input) of \(program.steps)")
            }
        }
    }

    @Test func theFirstContributionIsNotWrittenTo() {
        let context = Context.cpu(threads: 1), x = context.zeros([3]).requireGradient()
        let shared = context.tensor([1, 2, 3] as [Float], [3]), view = shared.view(at: 0, [3])
        for (what, contribution) in [("tensor", shared), ("view", view)] {
            let x = context.zeros([3]).requireGradient()
            x.gradient?.accumulate(contribution)
            x.gradient?.accumulate(contribution)
            x.gradient?.accumulate(shared)
            #expect(x.gradient?.tensor?.floats == [3, 6, 9])
            #expect(shared.floats == [1, 2, 3], "the \(what) handed in was written to")
        }
        // A view that only the gradient holds, of memory that others hold.
        let z = context.zeros([3]).requireGradient()
        z.gradient?.accumulate(shared.view(at: 0, [3]))
        z.gradient?.accumulate(shared)
        #expect(z.gradient?.tensor?.floats == [2, 4, 6])
        #expect(shared.floats == [1, 2, 3], "the memory of a view was written to")
        // One tensor that is the first contribution of two gradients.
        let y = context.zeros([3]).requireGradient()
        for tensor in [x, y] { tensor.gradient?.accumulate(shared) }
        x.gradient?.accumulate(context.ones([3]))
        #expect(x.gradient?.tensor?.floats == [2, 3, 4])
        #expect(y.gradient?.tensor?.floats == [1, 2, 3])
    }

    @Test func leavesGatherOverPasses() {
        let context = Context.cpu(threads: 1)
        let memory = context.tensor([10, 20] as [Float], [2])
        let start: [Float] = [1, 2]
        let parameter = context.tensor(start, [2]), leaf = context.tensor(start, [2]).requireGradient()
        parameter.attach(Gradient(gatheringIn: memory))
        for pass in 1...3 {
            context.recording { (parameter * parameter + leaf * 3).sum().backward() }
            let times = Float(pass)
            #expect(memory.floats == [10 + 2 * times, 20 + 4 * times])
            #expect(leaf.gradient?.tensor?.floats == [3 * times, 3 * times])
        }
    }

    /// A tied weight gathers from the embedding and from the head in one pass, and over two.
    @Test func tiedTable() {
        let shapes = [[5, 3]], ids: [Int32] = [4, 1, 4], targets: [Int32] = [0, 4, 4]
        check(
            OperationCase("tied table", shapes, isLoss: true) { context, x in
                x[0].rows(at: context.tensor(ids, [3])).headLoss(
                    weight: x[0], bias: nil, targets: context.tensor(targets, [3]), LossOptions(vocabulary: 5, scale: 0.5))
            } reference: { x in
                let rows = ids.flatMap { x[0].rows(of: 3)[Int($0)] }
                return [
                    0.5
                        * Reference.crossEntropy(
                            Reference.linear(rows, x[0], k: 3), targets: targets, stride: 5, vocabulary: 5, softcap: 0)
                ]
            })
    }

    @Test func nothingIsRecordedOutsideOrForConstants() {
        let context = Context.cpu(threads: 1)
        let x = context.ones([2]).requireGradient(), constant = context.ones([2])
        let outside = x * 2
        #expect(!outside.requiresGradient)
        context.recording {
            #expect(!(constant * constant).requiresGradient)
            #expect((constant * x).requiresGradient)
            let y = x * 3
            // A recording inside another has a tape of its own.
            context.recording { (x * 5).sum().backward() }
            y.sum().backward()
        }
        #expect(!context.isRecording)
        #expect(x.gradient?.tensor?.floats == [8, 8])
        #expect(constant.gradient == nil)
    }
}
