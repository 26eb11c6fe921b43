/// The options of a language model's loss.
public struct LossOptions {
    /// Columns of the logits that are tokens; further ones are padding.
    public var vocabulary: Int
    /// Logits become cap·tanh(logits / cap); 0 for none.
    public var softcap: Float = 0
    /// The loss is the sum over targets that count, times this. 1 / (number that count) gives the mean.
    public var scale: Float

    public init(vocabulary: Int, softcap: Float = 0, scale: Float) {
        (self.vocabulary, self.softcap, self.scale) = (vocabulary, softcap, scale)
    }
}

extension Tensor {
    /// Cross-entropy of logits [.., stride] against int32 targets, one element: scale·Σ(logsumexp(z) − z[target]).
    /// A negative target counts for nothing.
    public func crossEntropy(targets: Tensor, _ options: LossOptions) -> Tensor {
        precondition(targets.count == rows, "\(rows) rows of logits, \(targets.count) targets")
        let losses = context.empty([rows])
        // The kernel overwrites logits with their gradient, so it works on a copy of ours.
        let needed = requiresGradient && context.isRecording
        let work = copied()
        backend.crossEntropy(
            work, targets: targets, vocabulary: options.vocabulary, softcap: options.softcap, losses: losses,
            gradientScale: needed ? options.scale : nil, hits: nil)
        let y = context.empty([1])
        backend.sum(losses, scale: options.scale, into: y)
        y.recordBackward(from: [self]) { [gradient, backend] dy in
            guard let gradient else { return }
            let (dx, accumulate) = gradient.target()
            if accumulate {
                backend.accumulateScaled(work, factor: dy, into: dx)
            } else {
                backend.scaledSum([(work, dy)], into: dx)
            }
        }
        return y
    }

    /// The loss of a linear head over x [.., C] without ever holding all logits: weight [V, C], bias [V].
    ///
    /// Rows go through in chunks: product, cross-entropy that overwrites the logits with their gradient, and the two
    /// products back, while the chunk is in cache. So gradients are made in the forward pass and already carry
    /// `options.scale`; the loss that is returned must be what `backward()` starts from, or enter it with factor one.
    public func headLoss(
        weight: Tensor, bias: Tensor?, targets: Tensor, _ options: LossOptions, hits: Tensor? = nil
    ) -> Tensor {
        let (m, k, n) = (rows, columns, weight.shape[0])
        precondition(targets.count == m, "\(m) rows, \(targets.count) targets")
        let recording = context.isRecording
        let inputs = [self, weight, bias]
        let needed = recording && inputs.contains { $0?.requiresGradient == true }
        let losses = context.empty([m])
        let dx = needed && requiresGradient ? context.empty(shape, dtype) : nil
        let chunk = max(1, min(m, (dtype == .bfloat16 ? wideHeadChunkElements : headChunkElements) / n))
        for first in stride(from: 0, to: m, by: chunk) {
            let range = first..<min(m, first + chunk)
            let x = reshapedRows(m, k).slice(range)
            let logits = context.empty([range.count, n], dtype)
            backend.multiplyMatrices(
                MatrixProduct(x, weight, transposeB: true, into: logits, m: range.count, n: n, k: k, bias: bias))
            backend.crossEntropy(
                logits, targets: targets.reshapedRows(m, 1).slice(range), vocabulary: options.vocabulary,
                softcap: options.softcap, losses: losses.slice(range), gradientScale: needed ? options.scale : nil,
                hits: hits?.slice(range))
            guard needed else { continue }
            if let dx {
                let part = dx.reshapedRows(m, k).slice(range)
                backend.multiplyMatrices(MatrixProduct(logits, weight, into: part, m: range.count, n: k, k: n))
            }
            if let gradient = weight.gradient {
                let (dw, accumulate) = gradient.target()
                backend.multiplyMatrices(
                    MatrixProduct(
                        logits, x, transposeA: true, into: dw, m: n, n: k, k: range.count, beta: accumulate ? 1 : 0))
            }
            if let gradient = bias?.gradient {
                backend.columnSums(logits, addedTo: gradient.addingTarget())
            }
        }
        let y = context.empty([1])
        backend.sum(losses, scale: options.scale, into: y)
        y.recordBackward(from: inputs) { [gradient] _ in
            if let dx { gradient?.accumulate(dx) }
        }
        return y
    }

    /// The same memory as [rows, columns], unrecorded.
    private func reshapedRows(_ rows: Int, _ columns: Int) -> Tensor { view(at: 0, [rows, columns]) }
}

/// Logits a chunk of the head holds at most: 32 MB, which a CPU's cache or little more holds.
private let headChunkElements = 8 << 20
/// The same in bfloat16, which only a GPU computes in: 256 MB. Every chunk reads the whole weight twice and reads and writes all of its
/// gradient, for a vocabulary of 50,000 some 460 MB, so that a few hundred rows at a time would wait for memory most of the time.
private let wideHeadChunkElements = 128 << 20
