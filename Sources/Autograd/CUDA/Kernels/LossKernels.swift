extension CUDASource {
    /// Cross-entropy of rows of logits, and its gradient in their place. A block a row.
    static let loss = CUDASource(
        name: "loss",
        body: fours + #"""
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
                    bool fours = stride % 4 == 0 && aligned(row);
                    float inverse = softcap > 0 ? 1.0f / softcap : 0.0f, aimed = get(row, target), before = 0;
                    // One pass for the largest and the sum below it: where a larger one comes, the sum so far shrinks.
                    float top = -INFINITY, sum = 0;
                    each_four(row, vocabulary, fours, [&](Size c, const Loaded<4> &x) {
                        float z[4], larger = top;
                        for (int l = 0; l < 4; l++) {
                            if (c + l >= vocabulary) continue;
                            z[l] = softcap > 0 ? softcap * tanhf(x[l] * inverse) : x[l];
                            larger = fmaxf(larger, z[l]);
                            // Any that is as large and earlier, or larger, is a miss; NaN anywhere too.
                            if (!(x[l] <= aimed) || (x[l] == aimed && c + l < target)) before = 1;
                        }
                        if (larger > top) sum *= top == -INFINITY ? 0.0f : expf(top - larger);
                        top = larger;
                        for (int l = 0; l < 4; l++)
                            if (c + l < vocabulary && z[l] != -INFINITY) sum += expf(z[l] - top);
                    });
                    float largest = block_max(top);
                    // A thread without a number has 0, or NaN where it met that alone.
                    sum = block_sum(top == -INFINITY ? sum : sum * expf(top - largest));
                    float misses = hits ? block_sum(before) : 0.0f;
                    float z = softcap > 0 ? softcap * tanhf(aimed * inverse) : aimed;
                    if (threadIdx.x == 0) {
                        losses[r] = (largest - z) + logf(sum);
                        if (hits) hits[r] = misses == 0;
                    }
                    if (!gradient) continue;
                    float factor = gradient_scale / sum;
                    each_four(row, vocabulary, fours, [&](Size c, const Loaded<4> &x) {
                        Made<4> made;
                        for (int l = 0; l < 4; l++) {
                            float t = softcap > 0 ? tanhf(x[l] * inverse) : 0.0f;
                            float value = factor * expf((softcap > 0 ? softcap * t : x[l]) - largest);
                            if (c + l == target) value -= gradient_scale;
                            made[l] = c + l < vocabulary ? value * ((1.0f - t) * (1.0f + t)) : 0.0f;
                        }
                        put_four(row, c, stride, fours, made, 0);
                    });
                    // The last four may have reached beyond.
                    const Size done = min(stride, (vocabulary + 3) / 4 * 4);
                    EACH_IN_BLOCK(c, stride - done) set(row, done + c, 0);
                }
            }
            """#)
}
