import Testing
import Text

@Suite struct BatchSamplerTests {
    /// Tokens that say where they are.
    private func counting(_ count: Int) throws -> TokenFile {
        try TokenFile(tokens: (0..<Int32(count)).map { $0 }, vocabularySize: max(count, 1), name: "counting")
    }

    private func batch(_ sampler: BatchSampler, step: Int, rowOffset: Int = 0) -> (inputs: [Int32], targets: [Int32]) {
        var inputs = [Int32](repeating: -1, count: sampler.batch * sampler.context), targets = inputs
        inputs.withUnsafeMutableBufferPointer { inputs in
            targets.withUnsafeMutableBufferPointer { targets in
                sampler.batch(step: step, rowOffset: rowOffset, into: inputs, targets: targets)
            }
        }
        return (inputs, targets)
    }

    @Test(arguments: BatchSampler.Order.allCases) func rowsAreWindowsAndTargetsAreOneFurther(order: BatchSampler.Order) throws {
        let sampler = try BatchSampler(counting(100), context: 8, batch: 4, seed: 1, order: order)
        for step in [0, 1, 7, 1_000_000] {
            let (inputs, targets) = batch(sampler, step: step)
            for row in 0..<4 {
                let start = Int32(sampler.start(step: step, row: row))
                #expect(Array(inputs[row * 8..<row * 8 + 8]) == (start..<start + 8).map { $0 })
                #expect(Array(targets[row * 8..<row * 8 + 8]) == (start + 1..<start + 9).map { $0 })
            }
        }
    }

    @Test(arguments: BatchSampler.Order.allCases) func accumulationIsTheLargeBatch(order: BatchSampler.Order) throws {
        let tokens = try counting(1000)
        let large = try BatchSampler(tokens, context: 16, batch: 12, seed: 5, order: order)
        let small = try BatchSampler(tokens, context: 16, batch: 4, accumulation: 3, seed: 5, order: order)
        for step in 0..<5 {
            let whole = batch(large, step: step)
            let parts = (0..<3).map { batch(small, step: step, rowOffset: $0 * 4) }
            #expect(whole.inputs == parts.flatMap(\.inputs) && whole.targets == parts.flatMap(\.targets))
        }
    }

    @Test func randomStartsAreUniformAndReachBothEnds() throws {
        let sampler = try BatchSampler(counting(20), context: 8, batch: 1, seed: 3)
        var counts = [Int](repeating: 0, count: 12)
        for step in 0..<12_000 { counts[sampler.start(step: step, row: 0)] += 1 }
        #expect(counts.allSatisfy { $0 > 850 && $0 < 1150 }, "\(counts)")
    }

    @Test func seedsAndPurposesDiffer() throws {
        let tokens = try counting(100_000)
        let one = try BatchSampler(tokens, context: 8, batch: 4, seed: 1)
        let again = try BatchSampler(tokens, context: 8, batch: 4, seed: 1)
        let two = try BatchSampler(tokens, context: 8, batch: 4, seed: 2)
        let evaluation = try BatchSampler(tokens, context: 8, batch: 4, seed: 1, purpose: .evaluation)
        _ = batch(again, step: 0)
        #expect(batch(one, step: 3).inputs == batch(again, step: 3).inputs)
        #expect(batch(one, step: 3).inputs != batch(two, step: 3).inputs)
        #expect(batch(one, step: 3).inputs != batch(evaluation, step: 3).inputs)
        #expect(batch(one, step: 3).inputs != batch(one, step: 4).inputs)
    }

    @Test func sequentialCoversEverythingAndStartsOver() throws {
        let sampler = try BatchSampler(counting(41), context: 8, batch: 2, seed: 1, order: .sequential)
        #expect((0..<4).flatMap { step in (0..<2).map { sampler.start(step: step, row: $0) } } == [0, 8, 16, 24, 32, 0, 8, 16])
        #expect(try BatchSampler(counting(40), context: 8, batch: 2, seed: 1, order: .sequential).start(step: 2, row: 0) == 0)
    }

    @Test func textOfOneWindowIsEnoughAndLessIsNot() throws {
        let sampler = try BatchSampler(counting(9), context: 8, batch: 2, seed: 1)
        #expect(batch(sampler, step: 5).targets == [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8])
        let error = #expect(throws: TextError.self) { try BatchSampler(counting(8), context: 8, batch: 2, seed: 1) }
        #expect(error == .tooFewTokens(source: "counting", tokens: 8, needed: 9))
        #expect(throws: TextError.self) { try BatchSampler(counting(8), context: .max, batch: 2, seed: 1) }
        #expect(throws: TextError.self) { try BatchSampler(counting(8), context: 0, batch: 2, seed: 1) }
        #expect(throws: TextError.self) { try BatchSampler(counting(8), context: 2, batch: 0, seed: 1) }
        #expect(throws: TextError.self) { try BatchSampler(counting(8), context: 2, batch: .max, accumulation: 2, seed: 1) }
    }

    @Test func stridedWindowsCountEveryTokenOnce() throws {
        for count in [9, 10, 16, 17, 18, 40, 41, 100] {
            let tokens = try counting(count)
            for stride in 1...8 {
                var counted: [Int] = []
                for window in try tokens.stridedWindows(context: 8, stride: stride) {
                    #expect(window.start >= 0 && window.start + 8 < count && window.countedFrom >= 0 && window.countedFrom < 8)
                    counted.append(contentsOf: (window.countedFrom..<8).map { window.start + 1 + $0 })
                }
                #expect(counted == Array(1..<count), "\(count) tokens, stride \(stride)")
            }
        }
        #expect(throws: TextError.tooFewTokens(source: "counting", tokens: 8, needed: 9)) {
            try counting(8).stridedWindows(context: 8, stride: 8)
        }
        #expect(throws: TextError.self) { try counting(80).stridedWindows(context: 8, stride: 0) }
        #expect(throws: TextError.self) { try counting(80).stridedWindows(context: 8, stride: 9) }
    }
}
