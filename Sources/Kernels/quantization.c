// Numbers in fewer bits: bfloat16, and int8 with a scale for each group.
#include "vector_math.h"

LOOM_HOT void loom_to_bfloat16(const float *x, uint16_t *y, loom_size n) {
    LOOM_VECTORIZE
    for (loom_size i = 0; i < n; i++) {
        uint32_t bits = loom_bits(x[i]);
        uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1)) >> 16;
        uint32_t quiet = (bits >> 16) | 0x40u;  // a NaN whose low bits are lost must not become infinity
        y[i] = (uint16_t)((bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
    }
}

LOOM_HOT void loom_from_bfloat16(const uint16_t *x, float *y, loom_size n) {
    LOOM_VECTORIZE
    for (loom_size i = 0; i < n; i++) y[i] = loom_from_bits((uint32_t)x[i] << 16);
}

LOOM_INLINE float quantize_group(const float *w, int8_t *q, loom_size n) {
    const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, kept in the low bits
    int32_t largest = 0;              // magnitudes order as their bits do; NaN is above infinity
    LOOM_VECTORIZE
    for (loom_size i = 0; i < n; i++) {
        int32_t magnitude = (int32_t)(loom_bits(w[i]) & 0x7fffffffu);
        largest = magnitude > largest ? magnitude : largest;
    }
    float top = loom_from_bits((uint32_t)largest);
    float inverse = top < 1e-35f ? 0.0f : 127.0f / top;
    LOOM_VECTORIZE
    for (loom_size i = 0; i < n; i++) q[i] = (int8_t)(uint8_t)loom_bits(w[i] * inverse + magic);
    return top < 1e-35f ? 0.0f : top / 127.0f;
}

LOOM_HOT void loom_quantize(const float *w, int8_t *q, float *scales, loom_size rows, loom_size columns,
                            loom_size group) {
    for (loom_size r = 0; r < rows; r++) {
        for (loom_size c = 0; c < columns; c += group) {
            loom_size n = columns - c < group ? columns - c : group;
            *scales++ = quantize_group(w + r * columns + c, q + r * columns + c, n);
        }
    }
}

LOOM_HOT void loom_dequantize(const int8_t *q, const float *scales, float *w, loom_size rows, loom_size columns,
                              loom_size group) {
    for (loom_size r = 0; r < rows; r++) {
        for (loom_size c = 0; c < columns; c += group) {
            loom_size n = columns - c < group ? columns - c : group;
            const int8_t *from = q + r * columns + c;
            float scale = *scales++, *to = w + r * columns + c;
            LOOM_VECTORIZE
            for (loom_size i = 0; i < n; i++) to[i] = scale * (float)from[i];
        }
    }
}
