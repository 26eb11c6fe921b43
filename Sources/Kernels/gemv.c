// A few rows times a transposed weight matrix, which is read once: the product of decoding, bound by memory.
#include "dots.h"

/// Rows of w that go through one length of x before the next, and that length: four rows of x and what streams past
/// them fit the first cache, and the second group of rows of x finds w in the second cache. Both are the same for any
/// number of rows, because the order of summation must not depend on it.
enum { LOOM_GEMV_GROUP = 32, LOOM_GEMV_LENGTH = 1024, LOOM_GEMV_ROWS = 4 };

/// The sums of one length of k, added to what is in y unless it is the first; the bias with the last.
LOOM_INLINE void gemv_store(float *y, const float *sums, const float *bias, const int rows, const int block,
                            loom_size y_stride, int begins, int ends) {
#pragma unroll
    for (int i = 0; i < block; i++) {
        float shift = ends && bias ? bias[i] : 0.0f;
#pragma unroll
        for (int r = 0; r < rows; r++) {
            float *to = y + r * y_stride + i;
            *to = (begins ? sums[i * rows + r] : *to + sums[i * rows + r]) + shift;
        }
    }
}

/// `count` rows of w, `block` at a time, against `rows` rows of x; block and rows are constants. w is asked for ahead
/// when `fresh`.
LOOM_INLINE void gemv_group(const float *w, const float *x, const float *bias, float *y, const int rows,
                            const int block, const int fresh, loom_size count, loom_size length, loom_size k_count,
                            loom_size x_stride, loom_size y_stride, int begins, int ends) {
    float sums[16];
    loom_size n = 0, ahead = fresh ? block * k_count : 0;
    for (; n + block <= count; n += block) {
        loom_dots(w + n * k_count, k_count, block, x, x_stride, rows, length, fresh, ahead, sums);
        gemv_store(y + n, sums, bias ? bias + n : NULL, rows, block, y_stride, begins, ends);
    }
    for (; n < count; n++) {
        loom_dots(w + n * k_count, k_count, 1, x, x_stride, rows, length, 0, 0, sums);
        gemv_store(y + n, sums, bias ? bias + n : NULL, rows, 1, y_stride, begins, ends);
    }
}

LOOM_HOT void loom_gemv(const float *w, const float *x, const float *bias, float *y, loom_size rows,
                        loom_size x_stride, loom_size y_stride, loom_size k_count, loom_size first, loom_size last) {
    loom_size group = rows > 1 ? LOOM_GEMV_GROUP : 8;
    for (loom_size n = first; n < last; n += group) {
        loom_size count = last - n < group ? last - n : group, k = 0;
        do {
            loom_size length = k_count - k < LOOM_GEMV_LENGTH ? k_count - k : LOOM_GEMV_LENGTH;
            int begins = k == 0, ends = k + length == k_count;
            for (loom_size r = 0; r < rows; r += LOOM_GEMV_ROWS) {
#define ROWS(row_count, block, fresh)                                                                              \
    gemv_group(w + n * k_count + k, x + r * x_stride + k, bias ? bias + n : NULL, y + r * y_stride + n, row_count, \
               block, fresh, count, length, k_count, x_stride, y_stride, begins, ends)
                switch (rows - r) {
                case 1: ROWS(1, 8, 0); break;
                case 2: ROWS(2, 2, 1); break;
                case 3: ROWS(3, 1, 1); break;
                default: ROWS(4, 1, 1); break;
                }
#undef ROWS
            }
            k += length;
        } while (k < k_count);
    }
}
