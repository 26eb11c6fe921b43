// A few rows times a transposed weight matrix, which is read once: the product of decoding, bound by memory.
#include "dots.h"

/// `block` rows of w at a time against `rows` rows of x, both constants; at most 16 accumulators.
LOOM_INLINE void gemv_rows(const float *w, const float *x, const float *bias, float *y, const int rows,
                           const int block, loom_size x_stride, loom_size y_stride, loom_size k_count,
                           loom_size first, loom_size last) {
    float sums[16];
    loom_size n = first;
    for (; n + block <= last; n += block) {
        loom_dots(w + n * k_count, k_count, block, x, x_stride, rows, k_count, sums);
        for (int i = 0; i < block; i++)
            for (int r = 0; r < rows; r++)
                y[r * y_stride + n + i] = sums[i * rows + r] + (bias ? bias[n + i] : 0.0f);
    }
    for (; n < last; n++) {
        loom_dots(w + n * k_count, k_count, 1, x, x_stride, rows, k_count, sums);
        for (int r = 0; r < rows; r++) y[r * y_stride + n] = sums[r] + (bias ? bias[n] : 0.0f);
    }
}

LOOM_HOT void loom_gemv(const float *w, const float *x, const float *bias, float *y, loom_size rows,
                        loom_size x_stride, loom_size y_stride, loom_size k_count, loom_size first, loom_size last) {
#define ROWS(count, block) \
    case count: gemv_rows(w, x, bias, y, count, block, x_stride, y_stride, k_count, first, last); break;
    switch (rows) {
        ROWS(1, 8)
        ROWS(2, 4)
        ROWS(3, 4)
        ROWS(4, 4)
        ROWS(5, 2)
        ROWS(6, 2)
        ROWS(7, 2)
        ROWS(8, 2)
    default: break;
    }
#undef ROWS
}
