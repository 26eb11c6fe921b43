extension CUDASource {
    /// What Muon needs besides products. Sums of squares come from `sums` and stay on the device, as totals in double.
    static let muon = CUDASource(
        name: "muon",
        body: #"""
            // x *= norm / (slack √total + epsilon)
            KERNEL(normalize)(float *x, Size n, const double *total, float norm, float slack, float epsilon) {
                float factor = norm / (slack * (float)sqrt(total[0]) + epsilon);
                EACH(i, n) x[i] *= factor;
            }
            // squares[r] = Σ x², by row; norms become their roots in equalize_factors.
            KERNEL(row_squares)(const float *x, float *squares, Size rows, Size columns) {
                for (Size r = blockIdx.x; r < rows; r += gridDim.x) {
                    float sum = 0;
                    EACH_IN_BLOCK(c, columns) sum = fmaf(x[r * columns + c], x[r * columns + c], sum);
                    sum = block_sum(sum);
                    if (threadIdx.x == 0) squares[r] = sum;
                }
            }
            // squares[c] = Σ x², by column; warps are rows apart, lanes columns.
            KERNEL(column_squares)(const float *x, float *squares, Size rows, Size columns) {
                SHARED float sums[8][32];
                int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
                Size c = (Size)blockIdx.x * 32 + lane;
                float sum = 0;
                if (c < columns)
                    for (Size r = warp; r < rows; r += 8) sum = fmaf(x[r * columns + c], x[r * columns + c], sum);
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
            KERNEL(restore_norm)(float *x, Size n, const double *before, const double *after) {
                float factor = (float)(sqrt(before[0]) / fmax(sqrt(after[0]), 1e-10));
                EACH(i, n) x[i] *= factor;
            }
            // p -= rate g, and rate decay p where g and p agree in sign.
            KERNEL(cautious_update)(float *p, const float *g, Size n, float rate, float decay) {
                EACH(i, n) {
                    float agrees = g[i] * p[i] >= 0 ? 1.0f : 0.0f;
                    p[i] -= rate * (g[i] + decay * p[i] * agrees);
                }
            }
            """#)
}
