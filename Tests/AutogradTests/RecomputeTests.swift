import Autograd
import Testing

/// A part that is computed again going back has the gradients that it has by itself, bit for bit.
struct RecomputeTests {
    /// What a pass gave: the loss, gradients by its leaves, and how often its middle part was run.
    struct Found: Equatable {
        var loss: Float
        var gradients: [[Float]]
        var runs: Int
    }

    /// A stream x beside its beginning x0, as residual schemes have it: the part reads both, hands x0 on, and gives its result twice.
    private func pass(recomputing: Bool, threads: Int = 2) -> Found {
        let context = Context.cpu(threads: threads)
        func leaf(_ shape: [Int], _ stream: UInt64) -> Tensor {
            context.tensor(random(shape.reduce(1, *), stream: stream), shape).requireGradient()
        }
        let (rows, width) = (37, 24)
        let x0 = leaf([rows, width], 0), weight = leaf([width, width], 1), norm = leaf([width], 2), scale = leaf([1], 3)
        var runs = 0
        return context.recording {
            func part(_ tensors: [Tensor]) -> [Tensor] {
                runs += 1
                let mixed = Tensor.mix([(tensors[0], scale), (tensors[1], scale)])
                let mask = DropoutMask(probability: 0.25, key: 7, stream: 3)
                let y = mixed + mixed.rmsNorm(weight: norm, epsilon: 1e-5).linear(weight).activation(.gelu).dropout(mask)
                return [y, tensors[1], y, mixed]
            }
            var x = x0 * 0.5
            var extra = x0
            for _ in 0..<3 {
                let results = recomputing ? context.recomputing([x, x0], part) : part([x, x0])
                #expect(results[0] === results[2] && results[1] === x0)
                (x, extra) = (results[2], results[3])
            }
            let loss = (x * extra + x0).sum(scale: 0.01)
            loss.backward()
            return Found(loss: loss.item, gradients: [x0, weight, norm, scale].map { $0.gradient?.tensor?.floats ?? [] }, runs: runs)
        }
    }

    @Test(arguments: [1, 2]) func sameToTheLastBit(threads: Int) {
        let (kept, again) = (pass(recomputing: false, threads: threads), pass(recomputing: true, threads: threads))
        #expect(kept.loss.bitPattern == again.loss.bitPattern)
        for (a, b) in zip(kept.gradients, again.gradients) {
            #expect(!a.isEmpty && a.map(\.bitPattern) == b.map(\.bitPattern))
        }
        #expect(kept.runs == 3 && again.runs == 6)
    }

    /// Parts within parts, and a part that nothing goes back through.
    @Test func runsOnlyWhatItMust() {
        let context = Context.cpu(threads: 1), x = context.tensor([1, 2, 3] as [Float], [3]).requireGradient()
        var (inner, unused) = (0, 0)
        context.recording {
            let y = context.recomputing([x]) { outer in
                context.recomputing([outer[0] * 2]) { tensors in
                    inner += 1
                    #expect(context.expectsBackward)
                    return [tensors[0] * tensors[0]]
                }
            }
            _ = context.recomputing([x]) { tensors in
                unused += 1
                return [tensors[0] * 3]
            }
            y[0].sum().backward()
        }
        // Forward; again for the outer part, unrecorded; again for itself.
        #expect(inner == 3 && unused == 1)
        #expect(x.gradient?.tensor?.floats == [8, 16, 24])
        #expect(!context.isRecording && !context.expectsBackward)
        // Outside a recording it is the function itself.
        #expect(context.recomputing([x]) { [$0[0] * 2] }[0].floats == [2, 4, 6])
    }
}
