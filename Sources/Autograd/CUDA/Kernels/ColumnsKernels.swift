extension CUDASource {
    /// Rows and columns of matrices.
    static let columns = CUDASource(
        name: "columns",
        body: fours + #"""
            KERNEL(copy_columns)(
                Array x, Size x_stride, Array y, Size y_stride, Size rows, Size count, int accumulate) {
                bool fours = (count | x_stride | y_stride) % 4 == 0 && aligned(x, y);
                each_spot(rows * count, fours, [=](auto at) {
                    enum { W = decltype(at)::width };
                    Cell cell = cell_of(at.i, count);
                    Loaded<W> from = get(x, Spot<W>{cell.row * x_stride + cell.column});
                    Made<W> made;
                    for (int l = 0; l < W; l++) made[l] = from[l];
                    put(y, Spot<W>{cell.row * y_stride + cell.column}, made, accumulate);
                });
            }
            // y[r, c] = x[r, c] s[r]
            KERNEL(scale_rows)(Array x, Array s, Array y, Size rows, Size columns, int accumulate) {
                each_spot(rows * columns, columns % 4 == 0 && aligned(x, y), [=](auto at) {
                    enum { W = decltype(at)::width };
                    Loaded<W> from = get(x, at);
                    float factor = get(s, cell_of(at.i, columns).row);
                    Made<W> made;
                    for (int l = 0; l < W; l++) made[l] = from[l] * factor;
                    put(y, at, made, accumulate);
                });
            }
            // y[r] = Σ_c a[r, c] b[r, c]; a block a row.
            KERNEL(row_dots)(Array a, Array b, Array y, Size rows, Size columns, int accumulate) {
                bool fours = columns % 4 == 0 && aligned(a, b);
                for (Size r = blockIdx.x; r < rows; r += gridDim.x) {
                    Array left = tail(a, r * columns), right = tail(b, r * columns);
                    float sum = 0;
                    for (Size i = place_in_row(0); i < columns; i += 4 * blockDim.x) {
                        Loaded<4> p = load_four(left, i, columns, fours), q = load_four(right, i, columns, fours);
                        for (int l = 0; l < 4; l++) sum = fmaf(p[l], q[l], sum);
                    }
                    sum = block_sum(sum);
                    if (threadIdx.x == 0) put(y, r, sum, accumulate);
                }
            }
            // x, y [batch, time, width]: y[b, t] = x[b, t - 1], y[b, 0] = first[b], or 0 where first is null; reverse: y[b, t] =
            // x[b, t + 1], the last 0.
            KERNEL(shift)(
                Array x, Array first, Array y, Size batch, Size time, Size width, int reverse, int accumulate) {
                each_spot(batch * time * width, width % 4 == 0 && aligned(x, first, y), [=](auto at) {
                    enum { W = decltype(at)::width };
                    Cell row = cell_of(at.i, width), example = cell_of(row.row, time);
                    Array from = x;
                    Size place = reverse ? at.i + width : at.i - width;
                    bool there = reverse ? example.column + 1 < time : example.column > 0;
                    if (!there && !reverse && first.data) {
                        from = first;
                        place = example.row * width + row.column;
                        there = true;
                    }
                    Made<W> made = {};
                    if (there) {
                        Loaded<W> values = get(from, Spot<W>{place});
                        for (int l = 0; l < W; l++) made[l] = values[l];
                    }
                    put(y, at, made, accumulate);
                });
            }
            // Sums of columns in two steps: each chunk of rows (a block in y) leaves its own sums in partial [chunks, columns], which
            // finish_columns adds up in order. A warp's lanes are 32 columns side by side.
            // Of `number` of every eighth row from r on; the type is known, so that loads need not wait for a branch each.
            template <typename T, typename Number>
            DEVICE float sum_of_rows(const T *x, Size r, Size end, Size columns, Size c, Number number) {
                float sum = 0;
                #pragma unroll 8
                for (; r < end; r += 8) sum += number(x[r * columns + c]);
                return sum;
            }
            KERNEL(column_sums)(Array x, Size rows, Size columns, Size chunk, float *partial) {
                SHARED float sums[8][32];
                Size c = (Size)blockIdx.x * 32 + threadIdx.x % 32;
                Size end = min((Size)(blockIdx.y + 1) * chunk, rows);
                float sum = 0;
                Size first = (Size)blockIdx.y * chunk + threadIdx.x / 32;
                if (c < columns && x.type == FLOAT32) {
                    sum = sum_of_rows((const float *)x.data, first, end, columns, c, [](float x) { return x; });
                } else if (c < columns) {
                    sum = sum_of_rows(
                        (const unsigned short *)x.data, first, end, columns, c, [](unsigned short x) { return widened(x); });
                }
                sums[threadIdx.x / 32][threadIdx.x % 32] = sum;
                __syncthreads();
                if (threadIdx.x >= 32 || c >= columns) return;
                for (int warp = 1; warp < 8; warp++) sum += sums[warp][threadIdx.x];
                partial[(Size)blockIdx.y * columns + c] = sum;
            }
            // y[c] += Σ partial[chunk, c]
            KERNEL(finish_columns)(const float *partial, Size chunks, Size columns, float *y) {
                EACH(c, columns) {
                    float sum = 0;
                    // There are few threads: each has many loads under way, and adds in order.
                    #pragma unroll 16
                    for (Size chunk = 0; chunk < chunks; chunk++) sum += partial[chunk * columns + c];
                    y[c] += sum;
                }
            }
            """#)
}
