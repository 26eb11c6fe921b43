// Dot products of a few rows of one matrix with a few of another, the inner loop of matrix-vector products.
//
// Every dot product has one accumulator of 16 lanes and is summed in the same order, whatever rows it is computed
// beside: a result does not depend on how many rows a call has or where a range begins.
#ifndef LOOM_DOTS_H
#define LOOM_DOTS_H

#include "vector_math.h"

typedef float loom_lanes __attribute__((vector_size(64)));
typedef float loom_half_lanes __attribute__((vector_size(32)));
typedef float loom_quarter_lanes __attribute__((vector_size(16)));

LOOM_INLINE float loom_sum_lanes(const loom_lanes *v) {
    loom_half_lanes low = __builtin_shufflevector(*v, *v, 0, 1, 2, 3, 4, 5, 6, 7);
    loom_half_lanes high = __builtin_shufflevector(*v, *v, 8, 9, 10, 11, 12, 13, 14, 15);
    loom_half_lanes half = low + high;
    loom_quarter_lanes left = __builtin_shufflevector(half, half, 0, 1, 2, 3);
    loom_quarter_lanes right = __builtin_shufflevector(half, half, 4, 5, 6, 7);
    loom_quarter_lanes quarter = left + right;
    return (quarter[0] + quarter[2]) + (quarter[1] + quarter[3]);
}

/// sums[i * rows + r] = Σ_k w[i * w_stride + k] x[r * x_stride + k] for i < count, r < rows, both constants. With
/// `fresh`, a constant too, memory is asked for what lies `ahead` of w.
LOOM_INLINE void loom_dots(const float *w, loom_size w_stride, const int count, const float *x, loom_size x_stride,
                           const int rows, loom_size n, const int fresh,
                           loom_size ahead, float *sums) {
    loom_lanes total[16];
#pragma unroll
    for (int i = 0; i < count * rows; i++) total[i] = (loom_lanes){0};
    loom_size k = 0;
#pragma clang loop unroll_count(2)
    for (; k + 16 <= n; k += 16) {
        loom_lanes xs[8];
#pragma unroll
        for (int r = 0; r < rows; r++) memcpy(&xs[r], x + r * x_stride + k, sizeof xs[r]);
#pragma unroll
        for (int i = 0; i < count; i++) {
            loom_lanes ws;
            if (fresh) loom_prefetch(w + i * w_stride, k + ahead, 16);
            memcpy(&ws, w + i * w_stride + k, sizeof ws);
#pragma unroll
            for (int r = 0; r < rows; r++) total[i * rows + r] = total[i * rows + r] + ws * xs[r];
        }
    }
#pragma unroll
    for (int i = 0; i < count * rows; i++) sums[i] = loom_sum_lanes(&total[i]);
    for (; k < n; k++) {
#pragma unroll
        for (int i = 0; i < count; i++) {
#pragma unroll
            for (int r = 0; r < rows; r++)
                sums[i * rows + r] = sums[i * rows + r] + w[i * w_stride + k] * x[r * x_stride + k];
        }
    }
}

#endif
