extension CUDASource {
    /// What Muon needs besides products, for n matrices of one shape at once: stacks are [n, rows, columns], in either type. A block's
    /// matrix is its y. Sums are by matrix, in double or by row or column, and stay on the device; their order depends on the
    /// matrix's size alone, so that a matrix moves in company as it does alone.
    static let muon = CUDASource(
        name: "muon",
        body: fours + stepping + #"""
            // The matrices of this block: one, unless there are more than a grid may have.
            #define EACH_MATRIX(z, matrices) for (Size z = blockIdx.y; z < (matrices); z += gridDim.y)

            // Momentum m of gradients of n elements each, which lie anywhere: averages = m averages + (1 - m) g, y = m averages +
            // (1 - m) g, with g scaled and clipped.
            KERNEL(nesterov)(
                const float *const *gradients, float *averages, Array y, Size matrices, Size n, const StepNumbers *numbers,
                const double *squares, float limit) {
                float clipped, momentum = numbers->momentum;
                clip_gradients(squares, limit, &clipped);  // what is not finite stays
                float share = numbers->gradient_scale * clipped * (1.0f - momentum);
                EACH_MATRIX(z, matrices) {
                    Array slopes = float_array(gradients[z]), means = float_array(averages + z * n), made = tail(y, z * n);
                    each_spot(n, aligned(slopes, means, made), [=](auto at) {
                        enum { W = decltype(at)::width };
                        Loaded<W> slope = get(slopes, at), mean = get(means, at);
                        Made<W> average, ahead;
                        for (int l = 0; l < W; l++) {
                            float part = share * slope[l];
                            average[l] = fmaf(momentum, mean[l], part);
                            ahead[l] = fmaf(momentum, average[l], part);
                        }
                        set(means, at, average);
                        set(made, at, ahead);
                    });
                }
            }

            // partial[z, block] = this block's part of Σ x² of matrix z.
            KERNEL(partial_squares)(Array x, Size matrices, Size n, double *partial) {
                EACH_MATRIX(z, matrices) {
                    Array matrix = tail(x, z * n);
                    double sum = 0;
                    EACH(k, (n + 3) / 4) {
                        Loaded<4> four = load_four(matrix, 4 * k, n, aligned(matrix) && 4 * k + 4 <= n);
                        for (int l = 0; l < 4; l++) sum = fma((double)four[l], (double)four[l], sum);
                    }
                    sum = block_sum(sum);
                    if (threadIdx.x == 0) partial[z * gridDim.x + blockIdx.x] = sum;
                }
            }
            // The norm of matrix z from what `count` blocks left of it. All threads of a block must call.
            DEVICE double norm_of(const double *partial, Size z, int count) {
                double sum = 0;
                EACH_IN_BLOCK(i, count) sum += partial[z * count + i];
                return sqrt(block_sum(sum));
            }
            // x *= norm / (slack ‖x‖ + epsilon)
            KERNEL(normalize)(
                Array x, Size matrices, Size n, const double *partial, int count, float norm, float slack, float epsilon) {
                EACH_MATRIX(z, matrices) {
                    float factor = norm / (slack * (float)norm_of(partial, z, count) + epsilon);
                    Array matrix = tail(x, z * n);
                    map(n, matrix, [=](float x) { return x * factor; }, matrix);
                }
            }

            // squares[r] = Σ x², by row of all matrices; norms become their roots in equalize_factors.
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
            // squares[z, c] = Σ x², by column; warps are rows apart, lanes columns.
            KERNEL(column_squares)(Array x, float *squares, Size matrices, Size rows, Size columns) {
                SHARED float sums[8][32];
                int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
                Size c = (Size)blockIdx.x * 32 + lane;
                EACH_MATRIX(z, matrices) {
                    Array matrix = tail(x, z * rows * columns);
                    float sum = 0;
                    if (c < columns)
                        for (Size r = warp; r < rows; r += 8)
                            sum = fmaf(get(matrix, r * columns + c), get(matrix, r * columns + c), sum);
                    __syncthreads();  // sums of the matrix before have been read
                    sums[warp][lane] = sum;
                    __syncthreads();
                    if (warp > 0 || c >= columns) continue;
                    for (int other = 1; other < 8; other++) sum += sums[other][lane];
                    squares[z * columns + c] = sum;
                }
            }
            // squares of rows become factors that give every row the mean of all norms of its matrix. One block a matrix.
            KERNEL(equalize_factors)(float *squares, Size matrices, Size rows) {
                EACH_MATRIX(z, matrices) {
                    float *factors = squares + z * rows;
                    double sum = 0;
                    EACH_IN_BLOCK(r, rows) sum += (double)sqrtf(factors[r]);
                    float mean = (float)(block_sum(sum) / (double)rows);
                    EACH_IN_BLOCK(r, rows) factors[r] = mean / fmaxf(sqrtf(factors[r]), 1e-10f);
                }
            }
            // NorMuon: v follows the mean of squares over `over` numbers; squares become 1 / √v.
            KERNEL(variance_factors)(float *squares, float *v, Size kept, Size over, float beta2) {
                EACH(i, kept) {
                    float value = fmaf(beta2, v[i], (1.0f - beta2) * squares[i] / (float)over);
                    v[i] = value;
                    squares[i] = 1.0f / sqrtf(fmaxf(value, 1e-10f));
                }
            }
            // x[z, r, c] *= s[z, c]
            KERNEL(scale_stacked_columns)(Array x, const float *s, Size matrices, Size rows, Size columns) {
                EACH_MATRIX(z, matrices) {
                    Array matrix = tail(x, z * rows * columns), factors = float_array(s + z * columns);
                    each_spot(rows * columns, columns % 4 == 0 && aligned(matrix, factors), [=](auto at) {
                        Spot<decltype(at)::width> column = {cell_of(at.i, columns).column};
                        apply([](float x, float s) { return x * s; }, matrix, at, get(matrix, at), get(factors, column));
                    });
                }
            }
            // x *= ‖before‖ / ‖after‖: the norm it had.
            KERNEL(restore_norm)(Array x, Size matrices, Size n, const double *before, const double *after, int count) {
                EACH_MATRIX(z, matrices) {
                    double had = norm_of(before, z, count), has = norm_of(after, z, count);
                    float factor = (float)(had / fmax(has, 1e-10));
                    Array matrix = tail(x, z * n);
                    map(n, matrix, [=](float x) { return x * factor; }, matrix);
                }
            }

            // p = move(p, g) for parameters of n elements each, which lie anywhere.
            template <typename Move> DEVICE void move_each(float *const *parameters, Array g, Size matrices, Size n, Move move) {
                EACH_MATRIX(z, matrices) {
                    Array values = float_array(parameters[z]), slopes = tail(g, z * n);
                    map(n, values, move, values, slopes);
                }
            }
            // p -= rate g, and rate decay p where g and p agree in sign; rate = factor lr.
            KERNEL(cautious_update)(
                float *const *parameters, Array g, Size matrices, Size n, const StepNumbers *numbers, float factor) {
                float rate = numbers->lr * factor, decay = numbers->decay;
                move_each(parameters, g, matrices, n, [=](float p, float g) {
                    return p - rate * (g + decay * p * (g * p >= 0 ? 1.0f : 0.0f));
                });
            }
            // p = (1 - lr decay) p - rate g; rate = factor lr.
            KERNEL(decayed_update)(
                float *const *parameters, Array g, Size matrices, Size n, const StepNumbers *numbers, float factor) {
                float rate = numbers->lr * factor, keep = 1.0f - numbers->lr * numbers->decay;
                move_each(parameters, g, matrices, n, [=](float p, float g) { return fmaf(-rate, g, keep * p); });
            }
            """#)
}
