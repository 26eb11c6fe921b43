// Attention of one query to a ring of keys and values, which may be kept in fewer bits.
#include "lanes.h"
#include "scores.h"

/// The keys or values of a ring that one loop reads.
typedef struct {
    const void *data;
    loom_size stride;
} loom_slots;

/// scores[j] = query · key j for count slots, a constant, from slot `first`; without scales.
LOOM_INLINE void key_scores(const int type, loom_slots keys, loom_size first, const int count, const float *query,
                            loom_size dim, float *scores) {
    loom_lanes total[16];
    float sums[16];
#pragma unroll
    for (int i = 0; i < 16; i++) total[i] = (loom_lanes){0};
    loom_size d = 0, at = first * keys.stride;
    for (; d + 16 <= dim; d += 16) {
        loom_lanes q;
        memcpy(&q, query + d, sizeof q);
#pragma unroll
        for (int i = 0; i < count; i++) {
            loom_lanes key;
            loom_typed_lanes(type, keys.data, at + i * keys.stride + d, &key);
            total[i] = total[i] + key * q;
        }
    }
    if (count > 1) {
        loom_sum_lanes_16(total, sums);
    } else {
        sums[0] = loom_sum_lanes(total);
    }
    for (; d < dim; d++) {
#pragma unroll
        for (int i = 0; i < count; i++)
            sums[i] = sums[i] + loom_typed_value(type, keys.data, at + i * keys.stride + d) * query[d];
    }
    memcpy(scores + first, sums, (size_t)count * sizeof(float));
}

/// out[d] += Σ_j weights[j] value j for 16 * wide numbers from number `at`, wide a constant.
LOOM_INLINE void add_values(const int type, loom_slots values, const float *weights, loom_size count, loom_size at,
                            const int wide, float *out) {
    loom_lanes total[2][8];
#pragma unroll
    for (int i = 0; i < 2 * wide; i++) total[i / wide][i % wide] = (loom_lanes){0};
    loom_size j = 0;
    for (; j + 2 <= count; j += 2) {
#pragma unroll
        for (int i = 0; i < 2 * wide; i++) {
            loom_lanes v;
            loom_typed_lanes(type, values.data, (j + i / wide) * values.stride + at + 16 * (i % wide), &v);
            total[i / wide][i % wide] = total[i / wide][i % wide] + weights[j + i / wide] * v;
        }
    }
    if (j < count) {
#pragma unroll
        for (int i = 0; i < wide; i++) {
            loom_lanes v;
            loom_typed_lanes(type, values.data, j * values.stride + at + 16 * i, &v);
            total[0][i] = total[0][i] + weights[j] * v;
        }
    }
#pragma unroll
    for (int i = 0; i < wide; i++) {
        loom_lanes sum = total[0][i] + total[1][i];
        memcpy(out + at + 16 * i, &sum, sizeof sum);
    }
}

LOOM_INLINE void decode(const int type, const loom_ring *ring, const float *query, loom_size count, loom_size newest,
                        loom_size dim, float scale, float softcap, float slope, float *scratch, float *out) {
    loom_slots keys = {ring->keys, ring->stride}, values = {ring->values, ring->stride};
    loom_size j = 0, d = 0;
    for (; j + 16 <= count; j += 16) key_scores(type, keys, j, 16, query, dim, scratch);
    for (; j < count; j++) key_scores(type, keys, j, 1, query, dim, scratch);
    if (type == LOOM_INT8) {
        LOOM_VECTORIZE
        for (j = 0; j < count; j++) scratch[j] *= ring->key_scales[j * ring->scale_stride];
    }
    // Slots up to the newest are newest - j back; those after it were written a round earlier.
    loom_size recent = newest + 1, older = count - recent;
    float top, other = -INFINITY;
    if (softcap > 0) {
        top = finish_scores(scratch, recent, recent, scale, softcap, slope, (float)newest, 1);
        if (older > 0)
            other = finish_scores(scratch + recent, older, older, scale, softcap, slope, (float)(count - 1), 1);
    } else {
        top = finish_scores(scratch, recent, recent, scale, 0, slope, (float)newest, 0);
        if (older > 0) other = finish_scores(scratch + recent, older, older, scale, 0, slope, (float)(count - 1), 0);
    }
    top = other > top ? other : top;
    float factor = 1.0f / exponentials(scratch, count, top);
    if (type == LOOM_INT8) {
        LOOM_VECTORIZE
        for (j = 0; j < count; j++) scratch[j] *= ring->value_scales[j * ring->scale_stride];
    }
    for (; d + 64 <= dim; d += 64) add_values(type, values, scratch, count, d, 4, out);
    for (; d + 16 <= dim; d += 16) add_values(type, values, scratch, count, d, 1, out);
    for (; d < dim; d++) {
        float sum = 0;
        for (j = 0; j < count; j++) sum = sum + scratch[j] * loom_typed_value(type, ring->values, j * ring->stride + d);
        out[d] = sum;
    }
    LOOM_VECTORIZE
    for (d = 0; d < dim; d++) out[d] *= factor;
}

LOOM_HOT void loom_attention_decode_ring(const loom_ring *ring, const float *query, loom_size count, loom_size newest,
                                         loom_size dim, float scale, float softcap, float slope, float *scratch,
                                         float *out) {
    memset(out, 0, (size_t)dim * sizeof(float));
    if (count <= 0) return;
    switch (ring->type) {
    case LOOM_FLOAT32: decode(LOOM_FLOAT32, ring, query, count, newest, dim, scale, softcap, slope, scratch, out); break;
    case LOOM_BFLOAT16: decode(LOOM_BFLOAT16, ring, query, count, newest, dim, scale, softcap, slope, scratch, out); break;
    default: decode(LOOM_INT8, ring, query, count, newest, dim, scale, softcap, slope, scratch, out); break;
    }
}
