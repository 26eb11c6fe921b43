extension CUDASource {
    /// Rows and columns of matrices.
    static let columns = CUDASource(
        name: "columns",
        body: #"""
            KERNEL(copy_columns)(
                Array x, Size x_stride, Array y, Size y_stride, Size rows, Size count, int accumulate) {
                EACH(i, rows * count) put(y, i / count * y_stride + i % count, get(x, i / count * x_stride + i % count), accumulate);
            }
            // y[r, c] = x[r, c] s[r]
            KERNEL(scale_rows)(Array x, Array s, Array y, Size rows, Size columns, int accumulate) {
                EACH(i, rows * columns) put(y, i, get(x, i) * get(s, i / columns), accumulate);
            }
            // y[r, c] = x[r, c] s[c]
            KERNEL(scale_columns)(Array x, const float *s, Array y, Size rows, Size columns) {
                EACH(i, rows * columns) set(y, i, get(x, i) * s[i % columns]);
            }
            // y[r, c] += bias[c]
            KERNEL(add_bias)(Array y, const float *bias, Size rows, Size columns) {
                EACH(i, rows * columns) set(y, i, get(y, i) + bias[i % columns]);
            }
            // y[r] = Σ_c a[r, c] b[r, c]; a block a row.
            KERNEL(row_dots)(Array a, Array b, Array y, Size rows, Size columns, int accumulate) {
                for (Size r = blockIdx.x; r < rows; r += gridDim.x) {
                    float sum = 0;
                    EACH_IN_BLOCK(c, columns) sum = fmaf(get(a, r * columns + c), get(b, r * columns + c), sum);
                    sum = block_sum(sum);
                    if (threadIdx.x == 0) put(y, r, sum, accumulate);
                }
            }
            // x, y [batch, time, width]: y[b, t] = x[b, t - 1], y[b, 0] = first[b], or 0 where first is null; reverse: y[b, t] =
            // x[b, t + 1], the last 0.
            KERNEL(shift)(
                Array x, Array first, Array y, Size batch, Size time, Size width, int reverse, int accumulate) {
                EACH(i, batch * time * width) {
                    Size c = i % width, t = i / width % time, b = i / width / time;
                    float value = 0;
                    if (reverse) {
                        if (t + 1 < time) value = get(x, i + width);
                    } else if (t > 0) {
                        value = get(x, i - width);
                    } else if (first.data) {
                        value = get(first, b * width + c);
                    }
                    put(y, i, value, accumulate);
                }
            }
            // Sums of columns in two steps: each chunk of rows (a block in y) leaves its own sums in partial [chunks, columns], which
            // finish_columns adds up in order. A warp's lanes are 32 columns side by side.
            KERNEL(column_sums)(Array x, Size rows, Size columns, Size chunk, float *partial) {
                SHARED float sums[8][32];
                Size c = (Size)blockIdx.x * 32 + threadIdx.x % 32;
                Size end = min((Size)(blockIdx.y + 1) * chunk, rows);
                float sum = 0;
                if (c < columns)
                    for (Size r = (Size)blockIdx.y * chunk + threadIdx.x / 32; r < end; r += 8) sum += get(x, r * columns + c);
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
                    for (Size chunk = 0; chunk < chunks; chunk++) sum += partial[chunk * columns + c];
                    y[c] += sum;
                }
            }
            """#)
}
