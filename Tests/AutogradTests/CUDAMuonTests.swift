import Autograd
import Testing

/// Muon's pieces on the software GPU, for stacks of matrices, held against the CPU.
@Suite(.serialized, .enabled(if: SoftwareGPU.isThere, "the software GPU cannot be built here"))
struct CUDAMuonTests {
    /// Wide, tall and odd ones; where rows are no multiple of four, matrices of a stack begin anywhere.
    static let shapes = [[3, 12, 40], [2, 40, 12], [4, 9, 7], [1, 33, 33]]
    private let clipped = 3.0

    private func numbers(_ shape: [Int], _ number: UInt64, _ context: Context) -> Tensor {
        let x = context.empty(shape)
        context.backend.fillUniform(x, low: -1, high: 1, key: 5, stream: number)
        return x
    }

    /// As operations of a stack take it: in the context's type, from numbers that bfloat16 holds.
    private func stack(_ shape: [Int], _ number: UInt64, _ context: Context) -> Tensor {
        let values = numbers(shape, number, context).floats.map { Float(bitPattern: ($0.bitPattern &+ 0x8000) & 0xffff_0000) }
        let x = context.tensor(values, shape)
        return context.activationType == .float32 ? x : x.converted(to: context.activationType)
    }

    /// What every piece leaves, by name.
    private func results(_ shape: [Int], _ context: Context) throws -> [(name: String, values: [Float])] {
        let backend = context.backend, (n, rows, columns) = (shape[0], shape[1], shape[2])
        var found: [(name: String, values: [Float])] = []
        func parameters(_ number: UInt64) -> [Tensor] { (0..<n).map { numbers([rows, columns], number + UInt64($0), context) } }

        // The second of two: a tensor may be part of another.
        let step = context.tensor([
            StepNumbers(lr: 9), StepNumbers(lr: 0.5, weightDecay: 0.5, momentum: 0.9, gradientScale: 0.5),
        ]).slice(1..<2)
        let squares = context.zeros([2])
        backend.sumOfSquares(context.tensor([Float(clipped)], [1]), into: squares)
        for (name, clip) in [("momentum", nil), ("clipped momentum", GradientClip(squares: squares, limit: 1.5))] {
            let averages = numbers(shape, 1, context), y = context.empty(shape, context.activationType)
            backend.nesterov(parameters(10), numbers: step, clip: clip, averages, into: y)
            found += [(name, y.floats), ("\(name), averages", averages.floats)]
        }
        let normal = stack(shape, 2, context)
        backend.normalize(normal, norm: 2, slack: 1.01, epsilon: 1e-7)
        found.append(("normalize", normal.floats))
        let even = stack(shape, 3, context)
        backend.equalizeRowNorms(even)
        found.append(("row norms", even.floats))
        for byRow in [false, true] {
            let g = stack(shape, 4, context), v = numbers([n, byRow ? rows : columns], 5, context)
            backend.multiply(v, v, into: v, accumulate: false)
            backend.reduceVariance(g, v, beta2: 0.9, byRow: byRow)
            found += [("variance, by row \(byRow)", g.floats), ("v, by row \(byRow)", v.floats)]
        }
        let g = stack(shape, 6, context), cautious = parameters(20), decayed = parameters(30)
        backend.cautiousUpdate(cautious, g, numbers: step, factor: 0.2)
        backend.decayedUpdate(decayed, g, numbers: step, factor: 0.2)
        found += [("cautious", cautious.flatMap(\.floats)), ("decayed", decayed.flatMap(\.floats))]

        let x = stack(shape, 7, context), side = min(rows, columns), tall = rows > columns
        let gram = context.empty([n, side, side], x.dtype), sum = context.empty(shape, x.dtype)
        backend.multiplyMatrices(
            MatrixProduct(
                x, x, transposeA: tall, transposeB: !tall, into: gram, m: side, n: side, k: max(rows, columns), batch: n))
        backend.multiplyMatrices(
            MatrixProduct(
                tall ? x : gram, tall ? gram : x, into: sum, m: rows, n: columns, k: side, alpha: 0.5, beta: 2, adding: x, batch: n))
        found += [("gram", gram.floats), ("sum", sum.floats)]
        try context.check()
        return found
    }

    @Test(arguments: [DType.float32, .bfloat16], shapes)
    func stacksAgreeWithTheCPU(_ type: DType, _ shape: [Int]) throws {
        let cpu = try results(shape, .cpu(threads: 1))
        let gpu = try results(shape, Context(backend: SoftwareGPU.backend(), activationType: type))
        #expect(cpu.count == gpu.count && cpu.count >= 12)
        for (want, got) in zip(cpu, gpu) {
            let size = want.values.reduce(1e-3) { max($0, abs($1)) }
            let worst = zip(want.values, got.values).map { $0.isNaN || $1.isNaN ? .infinity : abs($0 - $1) / size }.max()
            // What stays float32 is as exact with either type, but for what was rounded on its way.
            #expect(try #require(worst) < (type == .float32 ? 1e-5 : 2e-2), "\(want.name) of \(shape) in \(type)")
        }
    }

    /// However many matrices a stack has, the device is asked for as much.
    @Test func launchesDoNotGrowWithTheStack() throws {
        func launches(_ n: Int) throws -> Int {
            var count = 0
            let backend = try SoftwareGPU.backend { driver in
                let launch = driver.launch
                driver.launch = { (a, b, c, d, e, f, g, h, i, j, k) in
                    count += 1
                    return launch(a, b, c, d, e, f, g, h, i, j, k)
                }
            }
            let context = Context(backend: backend)
            let g = numbers([n, 12, 20], 1, context), v = numbers([n, 12], 2, context)
            let parameters = (0..<n).map { numbers([12, 20], 3 + UInt64($0), context) }
            let step = context.tensor([StepNumbers(lr: 0.1, weightDecay: 0.1, momentum: 0.9)])
            backend.synchronize()
            count = 0
            backend.nesterov(parameters, numbers: step, clip: nil, numbers([n, 12, 20], 2, context), into: g)
            backend.equalizeRowNorms(g)
            backend.normalize(g, norm: 1, slack: 1, epsilon: 1e-7)
            backend.reduceVariance(g, v, beta2: 0.9, byRow: true)
            backend.cautiousUpdate(parameters, g, numbers: step, factor: 1)
            backend.decayedUpdate(parameters, g, numbers: step, factor: 1)
            try context.check()
            return count
        }
        let one = try launches(1), six = try launches(6)
        #expect(one > 10 && six == one)
    }
}
