extension CUDASource {
    /// Sums over whole tensors, in double and in two steps: each block leaves one number in partial [blocks], and one block adds
    /// those. The number of blocks depends on the size alone.
    static let sums = CUDASource(
        name: "sums",
        body: fours + #"""
            DEVICE void leave(double sum, double *partial) {
                sum = block_sum(sum);
                if (threadIdx.x == 0) partial[blockIdx.x] = sum;
            }
            KERNEL(sum_partial)(Array x, Size n, double *partial) {
                double sum = 0;
                EACH(k, (n + 3) / 4) {
                    Loaded<4> four = load_four(x, 4 * k, n, aligned(x) && 4 * k + 4 <= n);
                    for (int l = 0; l < 4; l++) sum += (double)four[l];  // zeros past the end
                }
                leave(sum, partial);
            }
            // y may be x, for the sum of squares.
            KERNEL(dot_partial)(Array x, Array y, Size n, double *partial) {
                double sum = 0;
                EACH(k, (n + 3) / 4) {
                    bool fours = aligned(x, y) && 4 * k + 4 <= n;
                    Loaded<4> a = load_four(x, 4 * k, n, fours), b = load_four(y, 4 * k, n, fours);
                    for (int l = 0; l < 4; l++) sum = fma((double)a[l], (double)b[l], sum);
                }
                leave(sum, partial);
            }
            // total[0] = Σ partial, y[0] = (or +=) factor Σ partial; either may be null. One block.
            KERNEL(finish_sum)(const double *partial, int count, double factor, double *total, float *y, int accumulate) {
                double sum = 0;
                EACH_IN_BLOCK(i, count) sum += partial[i];
                sum = block_sum(sum);
                if (threadIdx.x != 0) return;
                if (total) total[0] = sum;
                if (y) put(y, (float)(factor * sum), accumulate);
            }
            // first[0], which starts at all ones, becomes the smallest index of a value that is NaN or infinite.
            KERNEL(first_not_finite)(Array x, Size n, u64 *first) {
                EACH(i, n) {
                    if ((bits_of(get(x, i)) & 0x7f800000u) == 0x7f800000u) {
                        atomicMin(first, (u64)i);
                        return;  // this thread's later ones are larger
                    }
                }
            }
            """#)
}
