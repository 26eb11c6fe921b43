import Autograd
import Testing

/// What the pool reserves and what a step holds at most.
struct MemoryTests {
    @Test func stepsAfterTheFirstReserveNothing() {
        let context = Context.cpu(threads: 2), step = Step(), parameters = step.parameters(context)
        _ = step.run(context, parameters)
        let reserved = context.pool.bytesReserved, inUse = context.pool.bytesInUse, peak = context.pool.peakBytesInUse
        for number in 2...5 {
            context.pool.resetPeak()
            _ = step.run(context, parameters)
            #expect(context.pool.bytesReserved == reserved, "step \(number) reserved more")
            #expect(context.pool.bytesInUse == inUse, "step \(number) left tensors behind")
            #expect(context.pool.peakBytesInUse <= peak, "step \(number) held more than the first")
        }
    }

    @Test func everythingGoesWhenItIsDropped() {
        let context = Context.cpu(threads: 1)
        do {
            let step = Step(), parameters = step.parameters(context)
            _ = step.run(context, parameters)
            withExtendedLifetime(parameters) { #expect(context.pool.bytesInUse > 0) }
        }
        #expect(context.pool.bytesInUse == 0)
        context.pool.trim()
        #expect(context.pool.bytesReserved == 0)
    }

    /// The pool's peak over attention and its way back, which grows with T and not with T². A backend's workspace, one
    /// strip of 64 × T scores a thread, does not come from the pool and is linear in T by its shape.
    @Test(arguments: [1, 4])
    func attentionIsLinearInTime(heads: Int) {
        func peak(_ time: Int) -> Int {
            let context = Context.cpu(threads: 2)
            let x = context.tensor(random(time * 3 * heads * 16, stream: 0), [1, time, 3 * heads * 16]).requireGradient()
            let before = context.pool.bytesInUse
            context.recording {
                func part(_ index: Int) -> Heads { Heads(x, offset: index * heads * 16, count: heads, dim: 16) }
                attention(
                    AttentionCall(query: part(0), key: part(1), value: part(2), options: AttentionOptions(scale: 0.25))
                ).sum().backward()
            }
            return context.pool.peakBytesInUse - before
        }
        let (short, long) = (peak(256), peak(1024))
        #expect(long <= short * 4 + 1024, "4 times the length takes \(long) bytes instead of \(short)")
    }

    /// A pass over shapes holds what a pass over memory holds, allocation by allocation.
    @Test(arguments: [Step(), Step(batch: 1, time: 1, width: 8, vocabulary: 5), Step(batch: 3, time: 33, width: 20, vocabulary: 11)])
    func shapesMeasureTheSame(_ step: Step) {
        func measure(_ context: Context) -> [Int] {
            let parameters = step.parameters(context)
            let atRest = context.pool.bytesInUse
            context.pool.resetPeak()
            _ = step.run(context, parameters)
            return [atRest, context.pool.peakBytesInUse, context.pool.bytesInUse, context.pool.bytesReserved]
        }
        #expect(measure(.shapesOnly()) == measure(.cpu(threads: 2)))
    }

    @Test func sizesRoundUpByAnEighthAtMost() {
        let context = Context.shapesOnly()
        for bytes in [1, 64, 65, 100, 1000, 4096, 4097, 123_456, 10_000_000] {
            let before = context.pool.bytesInUse
            let tensor = context.empty([(bytes + 3) / 4])
            let taken = context.pool.bytesInUse - before
            withExtendedLifetime(tensor) {}
            #expect(taken >= bytes && taken <= max(bytes + 128, bytes + bytes / 8 + 1), "\(bytes) bytes take \(taken)")
        }
    }

    /// What is captured writes to the blocks that were there; those that came later may go.
    @Test func aPinHoldsWhatWasThere() {
        let context = Context.cpu(threads: 1), pool = context.pool
        do { _ = context.empty([1000]) }
        let early = pool.bytesReserved
        var pin: PoolPin? = pool.pin()
        do { _ = context.empty([500_000]) }
        #expect(pool.bytesReserved > early)
        pool.trim()
        #expect(pool.bytesReserved == early)
        withExtendedLifetime(pin) {}
        pin = nil
        pool.trim()
        #expect(pool.bytesReserved == 0)
    }
}
