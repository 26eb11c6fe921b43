// Attention of one token's heads to a ring of keys and values, which may be kept in fewer bits.
//
// Reading the ring is most of the work. A slot holds all key/value heads side by side, so heads go through the ring
// together, a few slots at a time: what is asked of memory then lies in a row, and each head finds its part in the second
// cache. What a head comes to depends on no other, to the last bit.
#include "lanes.h"
#include "scores.h"

/// Slots that all heads go through before the next, and how far ahead of them memory is asked.
enum { SLOTS = 32 };

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

/// out[d] += Σ_j weights[j] value j over slots first ..< end, for 16 * wide numbers from number `at`, wide a constant.
LOOM_INLINE void add_values(const int type, loom_slots values, const float *weights, loom_size first, loom_size end,
                            loom_size at, const int wide, float *out) {
    loom_lanes total[2][8];
#pragma unroll
    for (int i = 0; i < wide; i++) {
        memcpy(&total[0][i], out + at + 16 * i, sizeof total[0][i]);
        total[1][i] = (loom_lanes){0};
    }
    loom_size j = first;
    for (; j + 2 <= end; j += 2) {
#pragma unroll
        for (int i = 0; i < 2 * wide; i++) {
            loom_lanes v;
            loom_typed_lanes(type, values.data, (j + i / wide) * values.stride + at + 16 * (i % wide), &v);
            total[i / wide][i % wide] = total[i / wide][i % wide] + weights[j + i / wide] * v;
        }
    }
    if (j < end) {
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

/// The part of a block of slots that a range of heads reads: `bytes` of each of `count` slots from `first` on.
typedef struct {
    uintptr_t start;
    loom_size stride, bytes, first, count;
} loom_block_ahead;

/// Asks for the share of a block that falls to one of `heads` heads, into the second cache: all of it would push what is
/// in use out of the first.
LOOM_INLINE void ask_ahead(loom_block_ahead block, loom_size head, loom_size heads) {
    loom_size from = block.count * head / heads, to = block.count * (head + 1) / heads;
    for (loom_size j = block.first + from; j < block.first + to; j++) {
        uintptr_t slot = block.start + (uintptr_t)(j * block.stride);
        for (loom_size line = 0; line < block.bytes; line += 64)
            __builtin_prefetch((const void *)(slot + (uintptr_t)line), 0, 2);
    }
}

LOOM_INLINE loom_size smaller(loom_size a, loom_size b) { return a < b ? a : b; }

/// z and then weights that add up to 1 in place of a head's raw scores.
LOOM_INLINE void decode_weights(const int type, const loom_decode *call, loom_size head, float slope, float *scores) {
    const loom_ring *ring = call->ring;
    loom_size count = call->count, kv = head / call->group, j;
    if (type == LOOM_INT8) {
        LOOM_VECTORIZE
        for (j = 0; j < count; j++) scores[j] *= ring->key_scales[j * ring->scale_stride + kv];
    }
    // Slots up to the newest are newest - j back; those after it were written a round earlier.
    loom_size recent = call->newest + 1, older = count - recent;
    float top, other = -INFINITY, scale = call->scale, cap = call->softcap;
    if (cap > 0) {
        top = finish_scores(scores, recent, recent, scale, cap, slope, (float)call->newest, 1);
        if (older > 0) other = finish_scores(scores + recent, older, older, scale, cap, slope, (float)(count - 1), 1);
    } else {
        top = finish_scores(scores, recent, recent, scale, 0, slope, (float)call->newest, 0);
        if (older > 0) other = finish_scores(scores + recent, older, older, scale, 0, slope, (float)(count - 1), 0);
    }
    float factor = 1.0f / exponentials(scores, count, other > top ? other : top);
    if (type == LOOM_INT8) {
        LOOM_VECTORIZE
        for (j = 0; j < count; j++) scores[j] *= factor * ring->value_scales[j * ring->scale_stride + kv];
    } else {
        LOOM_VECTORIZE
        for (j = 0; j < count; j++) scores[j] *= factor;
    }
}

LOOM_INLINE void decode(const int type, const loom_decode *call, const float *query, const float *slopes, loom_size first,
                        loom_size last, float *scratch, float *out) {
    const loom_ring *ring = call->ring;
    const loom_size size = loom_type_size(type), count = call->count, dim = call->dim, heads = last - first;
    // The key/value heads of these heads, as bytes of a slot.
    loom_size low = first / call->group * dim * size, high = ((last - 1) / call->group + 1) * dim * size;
    loom_block_ahead ahead = {(uintptr_t)ring->keys + (uintptr_t)low, ring->stride * size, high - low, 0, 0};
    for (loom_size from = 0; from < count; from += SLOTS) {
        loom_size to = smaller(from + SLOTS, count);
        ahead.first = to, ahead.count = smaller(SLOTS, count - to);
        if (ahead.count == 0) {  // the first values
            ahead.start = (uintptr_t)ring->values + (uintptr_t)low;
            ahead.first = 0, ahead.count = smaller(SLOTS, count);
        }
        for (loom_size head = first; head < last; head++) {
            loom_slots keys = {(const char *)ring->keys + head / call->group * dim * size, ring->stride};
            float *scores = scratch + (head - first) * count;
            const float *q = query + head * dim;
            loom_size j = from;
            ask_ahead(ahead, head - first, heads);
            for (; j + 16 <= to; j += 16) key_scores(type, keys, j, 16, q, dim, scores);
            for (; j < to; j++) key_scores(type, keys, j, 1, q, dim, scores);
        }
    }
    for (loom_size head = first; head < last; head++)
        decode_weights(type, call, head, slopes ? slopes[head] : 0.0f, scratch + (head - first) * count);
    memset(out + first * dim, 0, (size_t)(heads * dim) * sizeof(float));
    ahead.start = (uintptr_t)ring->values + (uintptr_t)low;
    for (loom_size from = 0; from < count; from += SLOTS) {
        loom_size to = smaller(from + SLOTS, count);
        ahead.first = to, ahead.count = smaller(SLOTS, count - to);
        for (loom_size head = first; head < last; head++) {
            loom_slots values = {(const char *)ring->values + head / call->group * dim * size, ring->stride};
            const float *weights = scratch + (head - first) * count;
            float *y = out + head * dim;
            loom_size d = 0;
            ask_ahead(ahead, head - first, heads);
            for (; d + 64 <= dim; d += 64) add_values(type, values, weights, from, to, d, 4, y);
            for (; d + 16 <= dim; d += 16) add_values(type, values, weights, from, to, d, 1, y);
            for (; d < dim; d++) {
                float sum = y[d];
                for (loom_size j = from; j < to; j++)
                    sum = sum + weights[j] * loom_typed_value(type, values.data, j * values.stride + d);
                y[d] = sum;
            }
        }
    }
}

LOOM_HOT void loom_attention_decode(const loom_decode *call, const float *query, const float *slopes, loom_size first,
                                    loom_size last, float *scratch, float *out) {
    if (first >= last) return;
    if (call->count <= 0) {
        memset(out + first * call->dim, 0, (size_t)((last - first) * call->dim) * sizeof(float));
        return;
    }
    switch (call->ring->type) {
    case LOOM_FLOAT32: decode(LOOM_FLOAT32, call, query, slopes, first, last, scratch, out); break;
    case LOOM_BFLOAT16: decode(LOOM_BFLOAT16, call, query, slopes, first, last, scratch, out); break;
    default: decode(LOOM_INT8, call, query, slopes, first, last, scratch, out); break;
    }
}
