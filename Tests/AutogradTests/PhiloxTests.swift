import Autograd
import Foundation
import Kernels
import Testing

/// The generator against published answers, and the kernels' against the generator.
struct PhiloxTests {
    struct Known: Decodable, Sendable, CustomTestStringConvertible {
        let source: String, key: [String], counter: [String], output: [String]
        var testDescription: String { "key \(key), counter \(counter)" }
        private func word(_ low: String, _ high: String) -> UInt64 {
            (UInt64(high, radix: 16) ?? 0) << 32 | (UInt64(low, radix: 16) ?? 0)
        }
        var keyWord: UInt64 { word(key[0], key[1]) }
        var index: UInt64 { word(counter[0], counter[1]) }
        var stream: UInt64 { word(counter[2], counter[3]) }
        var numbers: [UInt32] { output.compactMap { UInt32($0, radix: 16) } }
    }

    static let known: [Known] = {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fixtures/philox.json")
        return (try? JSONDecoder().decode([Known].self, from: Data(contentsOf: file))) ?? []
    }()

    @Test func answersAreThere() { #expect(PhiloxTests.known.count >= 10) }

    @Test(arguments: known)
    func knownAnswers(_ known: Known) {
        let block = Philox(key: known.keyWord).block(stream: known.stream, index: known.index)
        #expect([block.0, block.1, block.2, block.3] == known.numbers)
    }

    /// The kernel counts elements, four a block, so it reaches a quarter of all blocks.
    @Test(arguments: known.filter { $0.index < 1 << 62 })
    func knownAnswersInC(_ known: Known) {
        var found = [Float](repeating: 0, count: 4)
        loom_uniform(&found, 4, known.index * 4, 0, 1, known.keyWord, known.stream)
        #expect(found == known.numbers.map { Float($0 >> 8) * 0x1p-24 })
    }

    static func bits(_ element: UInt64, key: UInt64, stream: UInt64) -> UInt32 {
        let block = Philox(key: key).block(stream: stream, index: element / 4)
        return [block.0, block.1, block.2, block.3][Int(element % 4)]
    }

    /// Lengths and offsets that begin and end inside blocks and batches of the kernels.
    static let spans: [(offset: UInt64, count: Int)] = [
        (0, 1), (1, 2), (3, 7), (0, 511), (2, 512), (5, 1537), (0xFFFF_FFFD, 30), (3 << 40, 600),
    ]

    @Test(arguments: spans)
    func uniformInC(offset: UInt64, count: Int) {
        var found = [Float](repeating: 0, count: count)
        loom_uniform(&found, count, offset, -2, 3, 17, 1 << 35 | 4)
        let wanted = (0..<count).map { i in
            -2 + 5 * Float(PhiloxTests.bits(offset + UInt64(i), key: 17, stream: 1 << 35 | 4) >> 8) * 0x1p-24
        }
        #expect(zip(found, wanted).allSatisfy { abs($0 - $1) <= 4e-7 }, "uniform numbers from \(offset)")
        #expect(found.allSatisfy { $0 >= -2 && $0 < 3 })
    }

    @Test(arguments: spans)
    func normalInC(offset: UInt64, count: Int) {
        var found = [Float](repeating: 0, count: count)
        loom_normal(&found, count, offset, 0.5, 2, 99, 8)
        let wanted = (0..<count).map { i -> Double in
            let element = offset + UInt64(i), pair = element / 2 * 2
            let u1 = (Double(PhiloxTests.bits(pair, key: 99, stream: 8)) + 0.5) * 0x1p-32
            let angle = 2 * Double.pi * Double(PhiloxTests.bits(pair + 1, key: 99, stream: 8)) * 0x1p-32
            return 0.5 + 2 * (-2 * log(u1)).squareRoot() * (element % 2 == 0 ? cos(angle) : sin(angle))
        }
        expectClose(found, wanted, 1e-6, "normal numbers from \(offset)")
    }

    @Test(arguments: spans, [0.1 as Float, 0.5, 0.999])
    func dropoutInC(span: (offset: UInt64, count: Int), probability: Float) {
        let x = [Float](repeating: 1, count: span.count)
        var found = [Float](repeating: 9, count: span.count)
        loom_dropout(x, &found, span.count, span.offset, probability, 5, 6, 0)
        for i in 0..<span.count {
            let bits = PhiloxTests.bits(span.offset + UInt64(i), key: 5, stream: 6)
            let kept = Float(bits >> 8) * 0x1p-24 >= probability
            #expect(kept ? abs(found[i] * (1 - probability) - 1) < 1e-5 : found[i] == 0, "element \(i) from \(span.offset)")
        }
    }

    /// However the work is cut, element i is the same.
    @Test func fillsDoNotDependOnThreads() {
        func numbers(_ threads: Int) -> [Float] {
            let context = Context.cpu(threads: threads), x = context.empty([100_003])
            context.backend.fillNormal(x, deviation: 1, key: 4, stream: 2)
            return x.floats
        }
        #expect(numbers(1) == numbers(2))
        #expect(numbers(1) == numbers(3))
    }

    @Test func sequencesAreUniformAndRepeat() {
        var one = Philox(seed: 7, domain: .batches).sequence(stream: 3), two = one
        let draws = (0..<20_000).map { _ in one.below(10) }
        #expect(draws == (0..<20_000).map { _ in two.below(10) })
        for digit in 0..<10 {
            // 2000 expected with a deviation of 42: five of them.
            let count = draws.count { $0 == digit }
            #expect(abs(count - 2000) < 212, "\(digit) came \(count) times")
        }
        var other = Philox(seed: 7, domain: .sampling).sequence(stream: 3)
        #expect(draws != (0..<20_000).map { _ in other.below(10) }, "domains share numbers")
    }
}
