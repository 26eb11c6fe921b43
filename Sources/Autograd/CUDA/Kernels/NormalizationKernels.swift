extension CUDASource {
    /// Layer norm and RMS norm by row, a block a row, and the sum of a residual stream before one in the same pass.
    static let normalization = CUDASource(
        name: "normalization",
        body: fours + #"""
            // y = (x - mean) rstd (offset + weight) + bias. Layer norm is centered; RMS norm is not and has no mean. weight and bias
            // may be null.
            struct Norm {
                Array weight, bias;
                float offset, epsilon;
                float *mean, *rstd;
                bool centered;
            };
            DEVICE void normalize_row(const Norm &norm, const Row &row, Size r, Array y) {
                float m = 0, squares = 0;
                if (norm.centered) {
                    each_four(row, [&](Size i, const Loaded<4> &x) {
                        for (int l = 0; l < 4; l++) m += x[l];  // zeros past the end
                    });
                    m = block_sum(m) / (float)row.n;
                }
                each_four(row, [&](Size i, const Loaded<4> &x) {
                    for (int l = 0; l < 4; l++)
                        if (i + l < row.n) squares = fmaf(x[l] - m, x[l] - m, squares);
                });
                float s = 1.0f / sqrtf(block_sum(squares) / (float)row.n + norm.epsilon);
                if (threadIdx.x == 0) {
                    if (norm.centered) norm.mean[r] = m;
                    norm.rstd[r] = s;
                }
                each_four(row, [&](Size i, const Loaded<4> &x) {
                    Made<4> made;
                    for (int l = 0; l < 4; l++) made[l] = (x[l] - m) * s;
                    if (norm.weight.data) {
                        Loaded<4> weight = load_four(norm.weight, i, row.n, row.fours);
                        for (int l = 0; l < 4; l++) made[l] *= norm.offset + weight[l];
                    }
                    if (norm.bias.data) {
                        Loaded<4> bias = load_four(norm.bias, i, row.n, row.fours);
                        for (int l = 0; l < 4; l++) made[l] += bias[l];
                    }
                    put_four(y, i, row.n, row.fours, made, 0);
                });
            }
            KERNEL(norm_forward)(
                Array x, const float *weight, const float *bias, float offset, float epsilon, Array y, float *mean,
                float *rstd, Size rows, Size columns, int centered) {
                Norm norm = {float_array(weight), float_array(bias), offset, epsilon, mean, rstd, centered != 0};
                bool fours = columns % 4 == 0 && aligned(x, y, norm.weight, norm.bias);
                for (Size r = blockIdx.x; r < rows; r += gridDim.x)
                    normalize_row(norm, load_row(tail(x, r * columns), columns, fours), r, tail(y, r * columns));
            }
            // sum = a + b, and y is the norm of sum as it lies there. sum may be a or b.
            KERNEL(norm_forward_add)(
                Array a, Array b, Array sum, const float *weight, const float *bias, float offset, float epsilon, Array y,
                float *mean, float *rstd, Size rows, Size columns, int centered) {
                Norm norm = {float_array(weight), float_array(bias), offset, epsilon, mean, rstd, centered != 0};
                bool fours = columns % 4 == 0 && aligned(a, b, sum, y, norm.weight, norm.bias);
                for (Size r = blockIdx.x; r < rows; r += gridDim.x) {
                    Row row = load_row(tail(a, r * columns), columns, fours);
                    Row other = load_row(tail(b, r * columns), columns, fours);
                    Array to = tail(sum, r * columns);
                    auto add = [&](Size i, const Loaded<4> &x, const Loaded<4> &y) {
                        Made<4> made;
                        for (int l = 0; l < 4; l++) made[l] = x[l] + y[l];
                        put_four(to, i, columns, fours, made, 0);
                        Loaded<4> stored;
                        stored.wide = true;
                        for (int l = 0; l < 4; l++)
                            stored.bits[l] = to.type == FLOAT32 ? bits_of(made[l]) : (u32)narrowed(made[l]) << 16;
                        return stored;
                    };
                    #pragma unroll
                    for (int k = 0; k < KEPT; k++)
                        if (place_in_row(k) < columns) row.kept[k] = add(place_in_row(k), row.kept[k], other.kept[k]);
                    for (Size i = place_in_row(KEPT); i < columns; i += 4 * blockDim.x)
                        add(i, load_four(row.x, i, columns, fours), load_four(other.x, i, columns, fours));
                    row.x = to;  // what is not kept, each thread reads where it wrote it
                    normalize_row(norm, row, r, tail(y, r * columns));
                }
            }
            // With g = dy (offset + weight) and x̂ = (x - mean) rstd: dx = rstd (g - centered average(g) - x̂ average(g x̂)).
            // dx may be dy. mean is null where it is not centered.
            KERNEL(norm_backward)(
                Array x, const float *weight, float offset, const float *mean, const float *rstd, Array dy, Array dx,
                Size rows, Size columns, int accumulate) {
                Array weights = float_array(weight);
                bool fours = columns % 4 == 0 && aligned(x, dy, dx, weights);
                for (Size r = blockIdx.x; r < rows; r += gridDim.x) {
                    Row from = load_row(tail(x, r * columns), columns, fours);
                    Row upstream = load_row(tail(dy, r * columns), columns, fours);
                    Array to = tail(dx, r * columns);
                    float m = mean ? mean[r] : 0.0f, s = rstd[r], sum = 0, product = 0;
                    auto weighted = [&](Size i, const Loaded<4> &dy) {
                        Made<4> g;
                        for (int l = 0; l < 4; l++) g[l] = dy[l];
                        if (weight) {
                            Loaded<4> w = load_four(weights, i, columns, fours);
                            for (int l = 0; l < 4; l++) g[l] *= offset + w[l];
                        }
                        return g;
                    };
                    each_four(from, upstream, [&](Size i, const Loaded<4> &x, const Loaded<4> &dy) {
                        Made<4> g = weighted(i, dy);
                        for (int l = 0; l < 4; l++) {
                            sum += g[l];  // zeros past the end
                            product = fmaf(g[l], x[l] - m, product);
                        }
                    });
                    float slope = block_sum(product) * s / (float)columns;
                    float shift = mean ? block_sum(sum) / (float)columns : 0.0f;
                    each_four(from, upstream, [&](Size i, const Loaded<4> &x, const Loaded<4> &dy) {
                        Made<4> g = weighted(i, dy), made;
                        for (int l = 0; l < 4; l++) made[l] = s * (g[l] - shift - (x[l] - m) * s * slope);
                        put_four(to, i, columns, fours, made, accumulate);
                    });
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
                const float *means = mean ? mean : rstd;
                auto add_rows = [&](auto x_at, auto dy_at) {
                    #pragma unroll 4
                    for (Size r = (Size)blockIdx.y * chunk + warp; r < end; r += 8) {
                        float g = dy_at(r * columns + c), m = means[r];
                        product = fmaf(g, (x_at(r * columns + c) - (mean ? m : 0.0f)) * rstd[r], product);
                        sum += g;
                    }
                };
                if (c < columns && x.type == BFLOAT16 && dy.type == BFLOAT16) {
                    // The types are known, so that loads need not wait for a branch each.
                    const unsigned short *xs = (const unsigned short *)x.data, *dys = (const unsigned short *)dy.data;
                    add_rows([=](Size i) { return widened(xs[i]); }, [=](Size i) { return widened(dys[i]); });
                } else if (c < columns) {
                    add_rows([=](Size i) { return get(x, i); }, [=](Size i) { return get(dy, i); });
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
