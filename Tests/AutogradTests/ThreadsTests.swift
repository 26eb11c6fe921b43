import Autograd
import Testing

/// At a fixed number of threads results are the same bit for bit; at different numbers they differ by rounding alone.
struct ThreadsTests {
    static let steps = [Step(), Step(batch: 3, time: 130, width: 48, vocabulary: 1000)]

    @Test(arguments: steps.indices, [1, 2, 3])
    func sameBits(step: Int, threads: Int) {
        let first = ThreadsTests.steps[step].result(threads: threads)
        for _ in 0..<3 {
            let again = ThreadsTests.steps[step].result(threads: threads)
            #expect(first.loss == again.loss)
            #expect(first.gradients == again.gradients, "gradients differ between runs at \(threads) threads")
        }
    }

    @Test(arguments: steps.indices)
    func closeBetweenThreadCounts(step: Int) {
        let one = ThreadsTests.steps[step].result(threads: 1)
        for threads in [2, 3, 4] {
            let many = ThreadsTests.steps[step].result(threads: threads)
            expectClose(many.loss, one.loss.map(Double.init), 1e-5, "loss at \(threads) threads")
            for (index, pair) in zip(many.gradients, one.gradients).enumerated() {
                expectClose(pair.0, pair.1.map(Double.init), 2e-5, "gradient \(index) at \(threads) threads")
            }
        }
    }
}
