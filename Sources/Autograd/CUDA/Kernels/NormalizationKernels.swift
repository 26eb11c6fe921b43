extension CUDASource {
    /// Layer norm and RMS norm by row, a block a row.
    static let normalization = CUDASource(
        name: "normalization",
        body: #"""
            // y = (x - mean) rstd (offset + weight) + bias. Layer norm is centered; RMS norm is not and has no mean. weight and bias
            // may be null.
            KERNEL(norm_forward)(
                Array x, const float *weight, const float *bias, float offset, float epsilon, Array y, float *mean,
                float *rstd, Size rows, Size columns, int centered) {
                for (Size r = blockIdx.x; r < rows; r += gridDim.x) {
                    Array from = tail(x, r * columns);
                    float m = 0, squares = 0;
                    if (centered) {
                        EACH_IN_BLOCK(c, columns) m += get(from, c);
                        m = block_sum(m) / (float)columns;
                    }
                    EACH_IN_BLOCK(c, columns) squares = fmaf(get(from, c) - m, get(from, c) - m, squares);
                    float s = 1.0f / sqrtf(block_sum(squares) / (float)columns + epsilon);
                    if (threadIdx.x == 0) {
                        if (centered) mean[r] = m;
                        rstd[r] = s;
                    }
                    EACH_IN_BLOCK(c, columns) {
                        float value = (get(from, c) - m) * s;
                        if (weight) value *= offset + weight[c];
                        if (bias) value += bias[c];
                        set(y, r * columns + c, value);
                    }
                }
            }
            // With g = dy (offset + weight) and x̂ = (x - mean) rstd: dx = rstd (g - centered average(g) - x̂ average(g x̂)).
            // dx may be dy. mean is null where it is not centered.
            KERNEL(norm_backward)(
                Array x, const float *weight, float offset, const float *mean, const float *rstd, Array dy, Array dx,
                Size rows, Size columns, int accumulate) {
                for (Size r = blockIdx.x; r < rows; r += gridDim.x) {
                    Array from = tail(x, r * columns), upstream = tail(dy, r * columns);
                    float m = mean ? mean[r] : 0.0f, s = rstd[r], sum = 0, product = 0;
                    EACH_IN_BLOCK(c, columns) {
                        float g = weight ? get(upstream, c) * (offset + weight[c]) : get(upstream, c);
                        sum += g;
                        product = fmaf(g, get(from, c) - m, product);
                    }
                    float slope = block_sum(product) * s / (float)columns;
                    float shift = mean ? block_sum(sum) / (float)columns : 0.0f;
                    EACH_IN_BLOCK(c, columns) {
                        float g = weight ? get(upstream, c) * (offset + weight[c]) : get(upstream, c);
                        put(dx, r * columns + c, s * (g - shift - (get(from, c) - m) * s * slope), accumulate);
                    }
                }
            }
            // Gradients by weight and bias (either may be null), in chunks of rows as column_sums: finish_columns adds them up.
            // Before norm_backward where dx is dy.
            KERNEL(norm_parameters)(
                Array x, const float *mean, const float *rstd, Array dy, Size rows, Size columns, Size chunk,
                float *weights, float *biases) {
                SHARED float sums[2][8][32];
                int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
                Size c = (Size)blockIdx.x * 32 + lane;
                Size end = min((Size)(blockIdx.y + 1) * chunk, rows);
                float product = 0, sum = 0;
                if (c < columns) {
                    for (Size r = (Size)blockIdx.y * chunk + warp; r < end; r += 8) {
                        float g = get(dy, r * columns + c), m = mean ? mean[r] : 0.0f;
                        product = fmaf(g, (get(x, r * columns + c) - m) * rstd[r], product);
                        sum += g;
                    }
                }
                sums[0][warp][lane] = product;
                sums[1][warp][lane] = sum;
                __syncthreads();
                if (warp > 0 || c >= columns) return;
                for (int other = 1; other < 8; other++) {
                    product += sums[0][other][lane];
                    sum += sums[1][other][lane];
                }
                if (weights) weights[(Size)blockIdx.y * columns + c] = product;
                if (biases) biases[(Size)blockIdx.y * columns + c] = sum;
            }
            """#)
}
