// Vectors of sixteen numbers: weights of any type as float32, and sums, of one vector or of many at once.
#ifndef LOOM_LANES_H
#define LOOM_LANES_H

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

typedef uint16_t loom_lanes_bfloat16 __attribute__((vector_size(32)));
typedef uint32_t loom_lanes_bits __attribute__((vector_size(64)));
typedef int8_t loom_lanes_int8 __attribute__((vector_size(16)));

/// The bytes of a weight.
LOOM_INLINE loom_size loom_type_size(int type) {
    return type == LOOM_FLOAT32 ? 4 : type == LOOM_BFLOAT16 ? 2 : 1;
}

LOOM_INLINE float loom_bfloat16_value(uint16_t x) {
    return loom_from_bits((uint32_t)x << 16);
}

/// The value of number i, without its scale. type is a constant here and below.
LOOM_INLINE float loom_typed_value(const int type, const void *x, loom_size i) {
    if (type == LOOM_FLOAT32) return ((const float *)x)[i];
    if (type == LOOM_BFLOAT16) return loom_bfloat16_value(((const uint16_t *)x)[i]);
    return (float)((const int8_t *)x)[i];
}

/// *y = the values of the 16 numbers from number i, without their scale.
LOOM_INLINE void loom_typed_lanes(const int type, const void *x, loom_size i, loom_lanes *y) {
    if (type == LOOM_FLOAT32) {
        memcpy(y, (const float *)x + i, sizeof *y);
    } else if (type == LOOM_BFLOAT16) {
        loom_lanes_bfloat16 halves;
        memcpy(&halves, (const uint16_t *)x + i, sizeof halves);
        loom_lanes_bits bits = __builtin_convertvector(halves, loom_lanes_bits) << 16;
        memcpy(y, &bits, sizeof *y);
    } else {
        loom_lanes_int8 bytes;
        memcpy(&bytes, (const int8_t *)x + i, sizeof bytes);
        *y = __builtin_convertvector(bytes, loom_lanes);
    }
}

/// Some lanes of two neighbours in an array of vectors.
#define LOOM_MERGE(v, ...) __builtin_shufflevector(v[2 * i], v[2 * i + 1], __VA_ARGS__)

/// sums[i] = loom_sum_lanes(&v[i]), to the last bit, for the 16 vectors of v at the price of two.
LOOM_INLINE void loom_sum_lanes_16(const loom_lanes *v, float *sums) {
    loom_lanes half[8], quarter[4], pair[2];
#pragma unroll
    for (int i = 0; i < 8; i++)
        half[i] = LOOM_MERGE(v, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
                  LOOM_MERGE(v, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
#pragma unroll
    for (int i = 0; i < 4; i++)
        quarter[i] = LOOM_MERGE(half, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +
                     LOOM_MERGE(half, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
    // A quarter has four vectors' sums, four lanes each; now (lane 0 + lane 2, lane 1 + lane 3) of two quarters.
#pragma unroll
    for (int i = 0; i < 2; i++)
        pair[i] = LOOM_MERGE(quarter, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29) +
                  LOOM_MERGE(quarter, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
    enum { i = 0 };
    loom_lanes all = LOOM_MERGE(pair, 0, 2, 16, 18, 4, 6, 20, 22, 8, 10, 24, 26, 12, 14, 28, 30) +
                     LOOM_MERGE(pair, 1, 3, 17, 19, 5, 7, 21, 23, 9, 11, 25, 27, 13, 15, 29, 31);
    // Position 4 b + c holds vector 4 c + b.
    all = __builtin_shufflevector(all, all, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    memcpy(sums, &all, sizeof all);
}

#undef LOOM_MERGE

/// to[j * to_stride + i] = from[i * from_stride + j] for i, j < 16: four rounds, each of which brings lanes 8, 4, 2 and 1
/// apart into one vector.
LOOM_INLINE void loom_transpose_lanes(const float *from, loom_size from_stride, float *to, loom_size to_stride) {
    loom_lanes x[16], y[16];
#pragma unroll
    for (int i = 0; i < 16; i++) memcpy(&x[i], from + i * from_stride, sizeof x[i]);
#define LOOM_EXCHANGE(x, y, DISTANCE, LOW, HIGH)                                                   \
    _Pragma("unroll") for (int i = 0; i < 16; i++) if (!(i & (DISTANCE))) {                        \
        y[i] = __builtin_shufflevector(x[i], x[i + (DISTANCE)], LOW);                              \
        y[i + (DISTANCE)] = __builtin_shufflevector(x[i], x[i + (DISTANCE)], HIGH);                \
    }
#define LOOM_LANES_OF(...) __VA_ARGS__
    LOOM_EXCHANGE(x, y, 8, LOOM_LANES_OF(0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23),
                  LOOM_LANES_OF(8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31))
    LOOM_EXCHANGE(y, x, 4, LOOM_LANES_OF(0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27),
                  LOOM_LANES_OF(4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31))
    LOOM_EXCHANGE(x, y, 2, LOOM_LANES_OF(0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29),
                  LOOM_LANES_OF(2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31))
    LOOM_EXCHANGE(y, x, 1, LOOM_LANES_OF(0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30),
                  LOOM_LANES_OF(1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31))
#undef LOOM_LANES_OF
#undef LOOM_EXCHANGE
#pragma unroll
    for (int i = 0; i < 16; i++) memcpy(to + i * to_stride, &x[i], sizeof x[i]);
}

#endif
