extension CUDASource {
    /// Cross-entropy of rows of logits, and its gradient in their place. A block a row.
    static let loss = CUDASource(
        name: "loss",
        body: #"""
            // As loom_cross_entropy of Kernels/loss.c: losses[r] = logsumexp(z) - z[target], z the logits through the soft cap. With
            // `gradient`, logits become gradient_scale times the gradient by the uncapped ones, 0 past the vocabulary. A target < 0
            // counts for nothing. hits may be null.
            KERNEL(cross_entropy)(
                Array logits, Size stride, const int *targets, Size rows, Size vocabulary, float softcap, float *losses,
                int gradient, float gradient_scale, int *hits) {
                for (Size r = blockIdx.x; r < rows; r += gridDim.x) {
                    Array row = tail(logits, r * stride);
                    int target = targets[r];
                    if (target < 0) {
                        if (threadIdx.x == 0) {
                            losses[r] = 0;
                            if (hits) hits[r] = 0;
                        }
                        if (gradient) EACH_IN_BLOCK(c, stride) set(row, c, 0);
                        continue;
                    }
                    float inverse = softcap > 0 ? 1.0f / softcap : 0.0f, aimed = get(row, target), largest = -INFINITY, before = 0;
                    EACH_IN_BLOCK(c, vocabulary) {
                        largest = fmaxf(largest, get(row, c));
                        // Any that is as large and earlier, or larger, is a miss; NaN anywhere too.
                        if (!(get(row, c) <= aimed) || (get(row, c) == aimed && c < target)) before = 1;
                    }
                    largest = block_max(largest);
                    float misses = hits ? block_sum(before) : 0.0f;
                    float top = softcap > 0 ? softcap * tanhf(largest * inverse) : largest;
                    float z = softcap > 0 ? softcap * tanhf(aimed * inverse) : aimed;
                    float sum = 0;
                    EACH_IN_BLOCK(c, vocabulary) {
                        float value = softcap > 0 ? softcap * tanhf(get(row, c) * inverse) : get(row, c);
                        sum += expf(value - top);
                    }
                    sum = block_sum(sum);
                    if (threadIdx.x == 0) {
                        losses[r] = (top - z) + logf(sum);
                        if (hits) hits[r] = misses == 0;
                    }
                    if (!gradient) continue;
                    float factor = gradient_scale / sum;
                    EACH_IN_BLOCK(c, stride) {
                        float value = 0;
                        if (c < vocabulary) {
                            float t = softcap > 0 ? tanhf(get(row, c) * inverse) : 0.0f;
                            value = factor * expf((softcap > 0 ? softcap * t : get(row, c)) - top);
                            if (c == target) value -= gradient_scale;
                            value *= (1.0f - t) * (1.0f + t);
                        }
                        set(row, c, value);
                    }
                }
            }
            """#)
}
