// What every softmax of attention does to a row of scores.
#ifndef LOOM_SCORES_H
#define LOOM_SCORES_H

#include "vector_math.h"

/// Rows may be short, so one vector at a time.
#define LOOM_ROWS _Pragma("clang loop vectorize(assume_safety) vectorize_width(16) interleave_count(1)")

/// z in place of n raw scores, -infinity after them up to `whole`. The first key is `distance` positions before the
/// query. Returns the largest z.
LOOM_INLINE float finish_scores(float *x, loom_size n, loom_size whole, float scale, float cap, float slope,
                                float distance, const int capped) {
    float inverse = capped ? scale / cap : 0.0f;
    int32_t best = INT32_MIN;
    LOOM_ROWS
    for (int32_t j = 0; j < (int32_t)whole; j++) {
        float z = capped ? cap * fast_tanh(x[j] * inverse) : scale * x[j];
        z = z - slope * (distance - (float)j);
        z = j < (int32_t)n ? z : -INFINITY;
        x[j] = z;
        int32_t order = loom_order(z);
        best = order > best ? order : best;
    }
    return loom_from_order(best);
}

/// e^(z - top) in place of z; returns the sum.
LOOM_INLINE float exponentials(float *x, loom_size n, float top) {
    LOOM_REASSOCIATE
    float sum = 0;
    LOOM_ROWS
    for (loom_size j = 0; j < n; j++) {
        float e = fast_exp(x[j] - top);
        x[j] = e;
        sum += e;
    }
    return sum;
}

#endif
