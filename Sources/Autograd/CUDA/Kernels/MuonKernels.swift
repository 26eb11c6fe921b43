extension CUDASource {
    /// What Muon needs besides products. Sums of squares come from `sums` and stay on the device, as totals in double.
    static let muon = CUDASource(
        name: "muon",
        body: fours + #"""
            // x *= norm / (slack √total + epsilon)
            KERNEL(normalize)(Array x, Size n, const double *total, float norm, float slack, float epsilon) {
                float factor = norm / (slack * (float)sqrt(total[0]) + epsilon);
                map(n, x, [=](float x) { return x * factor; }, x);
            }
            // squares[r] = Σ x², by row; norms become their roots in equalize_factors.
            KERNEL(row_squares)(Array x, float *squares, Size rows, Size columns) {
                bool fours = columns % 4 == 0 && aligned(x);
                for (Size r = blockIdx.x; r < rows; r += gridDim.x) {
                    float sum = 0;
                    for (Size i = place_in_row(0); i < columns; i += 4 * blockDim.x) {
                        Loaded<4> four = load_four(tail(x, r * columns), i, columns, fours);
                        for (int l = 0; l < 4; l++) sum = fmaf(four[l], four[l], sum);
                    }
                    sum = block_sum(sum);
                    if (threadIdx.x == 0) squares[r] = sum;
                }
            }
            // squares[c] = Σ x², by column; warps are rows apart, lanes columns.
            KERNEL(column_squares)(Array x, float *squares, Size rows, Size columns) {
                SHARED float sums[8][32];
                int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
                Size c = (Size)blockIdx.x * 32 + lane;
                float sum = 0;
                if (c < columns)
                    for (Size r = warp; r < rows; r += 8) sum = fmaf(get(x, r * columns + c), get(x, r * columns + c), sum);
                sums[warp][lane] = sum;
                __syncthreads();
                if (warp > 0 || c >= columns) return;
                for (int other = 1; other < 8; other++) sum += sums[other][lane];
                squares[c] = sum;
            }
            // squares of rows become factors that give every row the mean of all norms. One block.
            KERNEL(equalize_factors)(float *squares, Size rows) {
                double sum = 0;
                EACH_IN_BLOCK(r, rows) sum += (double)sqrtf(squares[r]);
                float mean = (float)(block_sum(sum) / (double)rows);
                EACH_IN_BLOCK(r, rows) squares[r] = mean / fmaxf(sqrtf(squares[r]), 1e-10f);
            }
            // NorMuon: v follows the mean of squares over `over` numbers; squares become 1 / √v.
            KERNEL(variance_factors)(float *squares, float *v, Size kept, Size over, float beta2) {
                EACH(i, kept) {
                    float value = fmaf(beta2, v[i], (1.0f - beta2) * squares[i] / (float)over);
                    v[i] = value;
                    squares[i] = 1.0f / sqrtf(fmaxf(value, 1e-10f));
                }
            }
            // x *= √before / √after: the norm it had.
            KERNEL(restore_norm)(Array x, Size n, const double *before, const double *after) {
                float factor = (float)(sqrt(before[0]) / fmax(sqrt(after[0]), 1e-10));
                map(n, x, [=](float x) { return x * factor; }, x);
            }
            // p -= rate g, and rate decay p where g and p agree in sign. shadow, which may be null, becomes p in bfloat16.
            KERNEL(cautious_update)(float *p, Array g, Size n, float rate, float decay, unsigned short *shadow) {
                Array values = float_array(p), narrow = narrow_array(shadow);
                each_spot(n, aligned(values, g, narrow), [=](auto at) {
                    enum { W = decltype(at)::width };
                    Loaded<W> value = get(values, at), slope = get(g, at);
                    Made<W> made;
                    for (int l = 0; l < W; l++) {
                        float agrees = slope[l] * value[l] >= 0 ? 1.0f : 0.0f;
                        made[l] = value[l] - rate * (slope[l] + decay * value[l] * agrees);
                    }
                    set(values, at, made);
                    if (narrow.data) set(narrow, at, made);
                });
            }
            """#)
}
