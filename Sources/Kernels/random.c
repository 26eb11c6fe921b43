// Dropout, uniform and normal numbers, each element addressed by its number in a Philox stream.
#include "philox.h"

LOOM_HOT void loom_dropout(const float *x, float *y, loom_size n, uint64_t offset, float p, uint64_t key,
                           uint64_t stream, int accumulate) {
    uint32_t buffer[LOOM_PHILOX_BATCH];
    float inverse = 1.0f / (1.0f - p);
    for (loom_size done = 0; done < n;) {
        loom_size start, count = loom_philox_batch(buffer, offset + (uint64_t)done, n - done, key, stream, &start);
        const uint32_t *bits = buffer + start;
        const float *from = x + done;
        float *to = y + done;
        loom_prefetch(from, 4 * LOOM_PHILOX_BATCH, LOOM_PHILOX_BATCH);
        // A dropped value is 0 even where x is infinite, hence a choice and not a product.
        if (accumulate) {
            LOOM_VECTORIZE
            for (loom_size i = 0; i < count; i++) {
                float kept = from[i] * inverse;
                to[i] = to[i] + (loom_keep(bits[i], p, 1.0f) != 0.0f ? kept : 0.0f);
            }
        } else {
            LOOM_VECTORIZE
            for (loom_size i = 0; i < count; i++) {
                float kept = from[i] * inverse;
                to[i] = loom_keep(bits[i], p, 1.0f) != 0.0f ? kept : 0.0f;
            }
        }
        done += count;
    }
}

/// The float next below a finite one.
LOOM_INLINE float float_below(float x) {
    return x == 0.0f ? -0x1p-149f : loom_from_bits(loom_bits(x) + (x > 0.0f ? 0xffffffffu : 1u));
}

LOOM_HOT void loom_uniform(float *y, loom_size n, uint64_t offset, float low, float high, uint64_t key,
                           uint64_t stream) {
    uint32_t buffer[LOOM_PHILOX_BATCH];
    float width = high - low, last = float_below(high);
    for (loom_size done = 0; done < n;) {
        loom_size start, count = loom_philox_batch(buffer, offset + (uint64_t)done, n - done, key, stream, &start);
        const uint32_t *bits = buffer + start;
        float *to = y + done;
        LOOM_VECTORIZE
        for (loom_size i = 0; i < count; i++) {
            float value = low + width * ((float)(int32_t)(bits[i] >> 8) * 0x1p-24f);
            to[i] = value < high ? value : last;  // rounding may reach high
        }
        done += count;
    }
}

/// cos 2πu and sin 2πu for u = bits 2^-32: an eighth of a turn by Taylor series, the rest by symmetry.
LOOM_INLINE void turn(uint32_t bits, double *cosine, double *sine) {
    uint32_t quarter = (bits + 0x20000000u) >> 30;  // the nearest quarter turn
    double x = (double)(int32_t)(bits - (quarter << 30)) * (6.283185307179586 * 0x1p-32), z = x * x;
    double s = -1.0 / 1307674368000.0;
    s = s * z + 1.0 / 6227020800.0;
    s = s * z - 1.0 / 39916800.0;
    s = s * z + 1.0 / 362880.0;
    s = s * z - 1.0 / 5040.0;
    s = s * z + 1.0 / 120.0;
    s = s * z - 1.0 / 6.0;
    s = x + x * z * s;
    double c = -1.0 / 87178291200.0;
    c = c * z + 1.0 / 479001600.0;
    c = c * z - 1.0 / 3628800.0;
    c = c * z + 1.0 / 40320.0;
    c = c * z - 1.0 / 720.0;
    c = c * z + 1.0 / 24.0;
    c = 1.0 - 0.5 * z + z * z * c;
    double first = quarter & 1 ? s : c, second = quarter & 1 ? c : s;
    *cosine = (quarter + 1) & 2 ? -first : first;
    *sine = quarter & 2 ? -second : second;
}

LOOM_HOT void loom_normal(float *y, loom_size n, uint64_t offset, float mean, float deviation, uint64_t key,
                          uint64_t stream) {
    uint32_t buffer[LOOM_PHILOX_BATCH];
    float pairs[LOOM_PHILOX_BATCH];
    for (loom_size done = 0; done < n;) {
        loom_size start, count = loom_philox_batch(buffer, offset + (uint64_t)done, n - done, key, stream, &start);
        loom_size used = (start + count + 1) / 2;
        LOOM_VECTORIZE
        for (loom_size i = 0; i < used; i++) {
            double u = ((double)buffer[2 * i] + 0.5) * 0x1p-32, cosine, sine;
            double radius = __builtin_elementwise_sqrt(-2.0 * normal_log(u, 1));
            turn(buffer[2 * i + 1], &cosine, &sine);
            pairs[2 * i] = (float)(mean + deviation * (radius * cosine));
            pairs[2 * i + 1] = (float)(mean + deviation * (radius * sine));
        }
        memcpy(y + done, pairs + start, (size_t)count * sizeof(float));
        done += count;
    }
}
