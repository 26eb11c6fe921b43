import Autograd
import Testing

/// Several products in one call, and sums with something else than the output.
struct ProductBatchTests {
    @Test(arguments: [(false, false), (true, false), (false, true), (true, true)], [1, 3])
    func eachIsAsAlone(transposes: (a: Bool, b: Bool), batch: Int) {
        let context = Context.cpu(threads: 1), (m, n, k) = (40, 24, 33)
        func numbers(_ count: Int, _ seed: Int) -> [Float] { (0..<count).map { Float(($0 * 37 + seed * 11) % 101) / 50 - 1 } }
        let (a, b) = (context.tensor(numbers(batch * m * k, 1), [batch, m, k]), context.tensor(numbers(batch * k * n, 2), [batch, k, n]))
        let added = context.tensor(numbers(batch * m * n, 3), [batch, m, n])
        let c = context.tensor([Float](repeating: .nan, count: batch * m * n), [batch, m, n])
        context.backend.multiplyMatrices(
            MatrixProduct(
                a, b, transposeA: transposes.a, transposeB: transposes.b, into: c, m: m, n: n, k: k, alpha: 0.5, beta: 2, adding: added,
                batch: batch))
        for index in 0..<batch {
            let one = added.slice(index..<index + 1).copied()
            context.backend.multiplyMatrices(
                MatrixProduct(
                    a.slice(index..<index + 1), b.slice(index..<index + 1), transposeA: transposes.a, transposeB: transposes.b, into: one,
                    m: m, n: n, k: k, alpha: 0.5, beta: 2))
            #expect(c.slice(index..<index + 1).floats == one.floats)
        }
        #expect(added.floats == numbers(batch * m * n, 3), "what is added stays")
    }
}
