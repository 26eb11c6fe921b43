// The product of decoding: rows of activations times a weight matrix in float32, bfloat16 or int8, which is read once.
//
// A result is a dot product as in dots.h, in lengths of LOOM_PRODUCT_LENGTH as in gemv.c, of float32 values: the order
// of summation depends on nothing else, so one sequence decoded alone and among others gives the same bits.
#include "lanes.h"

/// Rows of w that go through one length of x before the next: x stays in the second cache then. The length is gemv's.
enum { LOOM_PRODUCT_GROUP = 32, LOOM_PRODUCT_LENGTH = 1024 };
/// Up to LOOM_PRODUCT_ROWS rows, w is converted in registers; more rows find it converted in the first cache, BLOCK
/// rows of w at a time.
enum { LOOM_PRODUCT_ROWS = 4, LOOM_PRODUCT_BLOCK = 4 };

/// Some rows of w within one length of k, from column `begin` of w.
typedef struct {
    const void *data;
    loom_size stride, begin;
    const float *scales;  // of the first row's first group
    loom_size group, groups;
} loom_block;

/// The scale of row i of a block at column k of the length, and where the next group begins.
LOOM_INLINE loom_size group_at(const loom_block *w, loom_size k, loom_size length, loom_size *g) {
    *g = (w->begin + k) / w->group;
    loom_size end = (*g + 1) * w->group - w->begin;
    return end < length ? end : length;
}

/// sums[r * block + i] = Σ_k x[r * x_stride + k] w[i, k] over one length, for i < block and r < rows, both constants.
/// Groups are whole vectors. Memory is asked for what lies `ahead` of w.
LOOM_INLINE void product_tile(const int type, const loom_block *w, const int block, const float *x, loom_size x_stride,
                              const int rows, loom_size length, loom_size ahead, float *sums) {
    const loom_size line = 64 / loom_type_size(type);
    loom_lanes total[16], scales[16];
    float scale[16];
#pragma unroll
    for (int i = 0; i < 16; i++) total[i] = (loom_lanes){0};
    loom_size k = 0, whole = length / 16 * 16, g = 0, end = whole;
    do {
        if (type == LOOM_INT8) {
            end = group_at(w, k, length, &g);
#pragma unroll
            for (int i = 0; i < block; i++) {
                scale[i] = w->scales[i * w->groups + g];
                scales[i] = (loom_lanes){0} + scale[i];
            }
        }
        loom_size stop = end < whole ? end : whole;
#pragma clang loop unroll_count(2)
        for (; k < stop; k += 16) {
            loom_lanes xs[4];
#pragma unroll
            for (int r = 0; r < rows; r++) memcpy(&xs[r], x + r * x_stride + k, sizeof xs[r]);
#pragma unroll
            for (int i = 0; i < block; i++) {
                if (LOOM_PREFETCH && k % line == 0)
                    __builtin_prefetch((const char *)w->data + (i * w->stride + k + ahead) * loom_type_size(type));
                loom_lanes ws = loom_typed_lanes(type, w->data, i * w->stride + k);
                if (type == LOOM_INT8) ws = scales[i] * ws;
#pragma unroll
                for (int r = 0; r < rows; r++) total[r * block + i] = total[r * block + i] + ws * xs[r];
            }
        }
    } while (k < whole);
    loom_sum_lanes_16(total, sums);
    for (; k < length; k++) {
        if (type == LOOM_INT8) group_at(w, k, length, &g);
#pragma unroll
        for (int i = 0; i < block; i++) {
            float value = loom_typed_value(type, w->data, i * w->stride + k);
            if (type == LOOM_INT8) value = w->scales[i * w->groups + g] * value;
#pragma unroll
            for (int r = 0; r < rows; r++)
                sums[r * block + i] = sums[r * block + i] + value * x[r * x_stride + k];
        }
    }
}

/// The same into y: set with the first length of k, added with the others.
LOOM_INLINE void product_store(const int type, const loom_block *w, const int block, const float *x,
                               loom_size x_stride, const int rows, loom_size length, loom_size ahead, float *y,
                               loom_size y_stride, int begins) {
    float sums[16];
    product_tile(type, w, block, x, x_stride, rows, length, ahead, sums);
#pragma unroll
    for (int r = 0; r < rows; r++) {
#pragma unroll
        for (int i = 0; i < block; i++) {
            float *to = y + r * y_stride + i;
            *to = begins ? sums[r * block + i] : *to + sums[r * block + i];
        }
    }
}
