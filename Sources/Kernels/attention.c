// The softmax of attention over strips of scores, and its gradient.
#include "philox.h"
#include "scores.h"

/// The keys that row i of a strip sees: first ..< last.
LOOM_INLINE void visible_keys(const loom_strip *s, loom_size i, loom_size *first, loom_size *last) {
    loom_size position = s->query_position + i;
    loom_size oldest = position > s->window ? position - s->window : 0;
    loom_size low = oldest - s->key_position, high = position - s->key_position + 1;
    if (high > s->keys) high = s->keys;
    if (high < 0) high = 0;
    if (low < 0) low = 0;
    *first = low < high ? low : high;
    *last = high;
}

/// Rows are computed in whole vectors: what they hold past the visible keys is ignored, and zeroed at the end.
enum { LOOM_ROUND = 16 };

/// How many numbers to compute for n visible keys when there is room for `room`.
LOOM_INLINE loom_size rounded(loom_size n, loom_size room) {
    loom_size whole = (n + LOOM_ROUND - 1) / LOOM_ROUND * LOOM_ROUND;
    return whole < room ? whole : room;
}

/// The number of the dropout element of row i and the key at `key`.
LOOM_INLINE uint64_t dropout_element(const loom_strip *s, loom_size i, loom_size key) {
    return ((s->dropout_row + (uint64_t)i) << 32) + (uint64_t)(s->key_position + key);
}

LOOM_INLINE void drop(const loom_strip *s, float *x, loom_size n, uint64_t element, float factor) {
    uint32_t buffer[LOOM_PHILOX_BATCH];
    float inverse = 1.0f / (1.0f - s->dropout), p = s->dropout;
    for (loom_size done = 0; done < n;) {
        loom_size start, count = loom_philox_batch(buffer, element + (uint64_t)done, n - done, s->dropout_key,
                                                   s->dropout_stream, &start);
        const uint32_t *bits = buffer + start;
        float *to = x + done;
        LOOM_VECTORIZE
        for (loom_size j = 0; j < count; j++) to[j] = to[j] * factor * loom_keep(bits[j], p, inverse);
        done += count;
    }
}

LOOM_HOT void loom_attention_softmax(const loom_strip *s, float *scores, float *lse) {
    for (loom_size i = 0; i < s->rows; i++) {
        float *row = scores + i * s->stride;
        loom_size first, last;
        visible_keys(s, i, &first, &last);
        lse[i] = -INFINITY;
        if (first < last) {
            float *x = row + first;
            loom_size n = last - first, whole = rounded(n, s->keys - first);
            float distance = (float)(s->query_position + i - s->key_position - first);
            float top = s->softcap > 0 ? finish_scores(x, n, whole, s->scale, s->softcap, s->slope, distance, 1)
                                       : finish_scores(x, n, whole, s->scale, 0, s->slope, distance, 0);
            float sum = exponentials(x, whole, top), factor = 1.0f / sum;
            lse[i] = top + fast_log(sum);
            if (s->dropout > 0) {
                drop(s, x, whole, dropout_element(s, i, first), factor);
            } else {
                LOOM_ROWS
                for (loom_size j = 0; j < whole; j++) x[j] *= factor;
            }
        }
        memset(row, 0, (size_t)first * sizeof(float));
        memset(row + last, 0, (size_t)(s->keys - last) * sizeof(float));
    }
}

/// A run of keys of one row: scores -> weights, dweights -> the gradient by the scores. capped and dropped are
/// constants; bits has the random numbers of the run when dropped.
LOOM_INLINE void backward_run(const loom_strip *s, float *x, float *dx, loom_size n, float distance, float lse,
                              float delta, const uint32_t *bits, const int capped, const int dropped) {
    float scale = s->scale, cap = s->softcap, slope = s->slope, p = s->dropout;
    float ratio = capped ? scale / cap : 0.0f, inverse = dropped ? 1.0f / (1.0f - p) : 1.0f;
    LOOM_ROWS
    for (int32_t j = 0; j < (int32_t)n; j++) {
        float t = capped ? fast_tanh(x[j] * ratio) : 0.0f;
        float z = capped ? cap * t : scale * x[j];
        z = z - slope * (distance - (float)j);
        float w = fast_exp(z - lse);
        float keep = dropped ? loom_keep(bits[j], p, inverse) : 1.0f;
        float gradient = w * (keep * dx[j] - delta) * scale;
        x[j] = w * keep;
        dx[j] = capped ? gradient * ((1.0f - t) * (1.0f + t)) : gradient;
    }
}

LOOM_INLINE void backward_dropped(const loom_strip *s, float *x, float *dx, loom_size n, float distance, float lse,
                                  float delta, uint64_t element, const int capped) {
    uint32_t buffer[LOOM_PHILOX_BATCH];
    for (loom_size done = 0; done < n;) {
        loom_size start, count = loom_philox_batch(buffer, element + (uint64_t)done, n - done, s->dropout_key,
                                                   s->dropout_stream, &start);
        backward_run(s, x + done, dx + done, count, distance - (float)done, lse, delta, buffer + start, capped, 1);
        done += count;
    }
}

LOOM_HOT void loom_attention_delta(const float *dout, const float *out, loom_size rows, loom_size dim, loom_size stride,
                                   float *delta) {
    for (loom_size i = 0; i < rows; i++) {
        LOOM_REASSOCIATE
        const float *left = dout + i * stride, *right = out + i * stride;
        float sum = 0;
        LOOM_ROWS
        for (loom_size d = 0; d < dim; d++) sum += left[d] * right[d];
        delta[i] = sum;
    }
}

LOOM_HOT void loom_attention_softmax_backward(const loom_strip *s, float *scores, float *dweights, const float *lse,
                                              const float *delta) {
    for (loom_size i = 0; i < s->rows; i++) {
        float *row = scores + i * s->stride, *drow = dweights + i * s->stride;
        loom_size first, last;
        visible_keys(s, i, &first, &last);
        if (first < last) {
            float *x = row + first, *dx = drow + first;
            loom_size n = last - first, whole = rounded(n, s->keys - first);
            float distance = (float)(s->query_position + i - s->key_position - first);
            uint64_t element = dropout_element(s, i, first);
            if (s->dropout > 0) {
                if (s->softcap > 0) {
                    backward_dropped(s, x, dx, whole, distance, lse[i], delta[i], element, 1);
                } else {
                    backward_dropped(s, x, dx, whole, distance, lse[i], delta[i], element, 0);
                }
            } else if (s->softcap > 0) {
                backward_run(s, x, dx, whole, distance, lse[i], delta[i], NULL, 1, 0);
            } else {
                backward_run(s, x, dx, whole, distance, lse[i], delta[i], NULL, 0, 0);
            }
        }
        memset(row, 0, (size_t)first * sizeof(float));
        memset(drow, 0, (size_t)first * sizeof(float));
        memset(row + last, 0, (size_t)(s->keys - last) * sizeof(float));
        memset(drow + last, 0, (size_t)(s->keys - last) * sizeof(float));
    }
}
