// Cross-entropy of rows of logits, and its gradient in their place.
#include "vector_math.h"

/// The largest of the first n, NaN if there is a positive NaN among them. (Another NaN meets the sum of exponentials.)
LOOM_INLINE float row_maximum(const float *x, loom_size n) {
    int32_t best = INT32_MIN;
    LOOM_VECTORIZE
    for (loom_size c = 0; c < n; c++) {
        int32_t order = loom_order(x[c]);
        best = order > best ? order : best;
    }
    return loom_from_order(best);
}

LOOM_INLINE int has_value(const float *x, loom_size n, float value) {
    int found = 0;
    LOOM_VECTORIZE
    for (loom_size c = 0; c < n; c++) found |= x[c] == value;
    return found;
}

/// Σ e^(z - top); with `store` the terms replace the row.
LOOM_INLINE float sum_exponentials(float *x, loom_size n, float top, const int store) {
    LOOM_REASSOCIATE
    float sum = 0;
    LOOM_VECTORIZE
    for (loom_size c = 0; c < n; c++) {
        float e = fast_exp(x[c] - top);
        if (store) x[c] = e;
        sum += e;
    }
    return sum;
}

/// The same through the soft cap; with `store` the capped logits replace the row.
LOOM_INLINE float sum_capped(float *x, loom_size n, float top, float cap, const int store) {
    LOOM_REASSOCIATE
    float inverse = 1.0f / cap, sum = 0;
    LOOM_VECTORIZE
    for (loom_size c = 0; c < n; c++) {
        float z = cap * fast_tanh(x[c] * inverse);
        if (store) x[c] = z;
        sum += fast_exp(z - top);
    }
    return sum;
}

LOOM_HOT void loom_cross_entropy(float *logits, loom_size stride, const int32_t *targets, loom_size rows,
                                 loom_size vocabulary, float softcap, float *losses, int gradient,
                                 float gradient_scale, int32_t *hits) {
    for (loom_size r = 0; r < rows; r++) {
        float *row = logits + r * stride;
        loom_size target = targets[r];
        if (target < 0) {
            losses[r] = 0;
            if (hits) hits[r] = 0;
            if (gradient) memset(row, 0, (size_t)stride * sizeof(float));
            continue;
        }
        float largest = row_maximum(row, vocabulary), aimed = row[target];
        if (hits) hits[r] = aimed == largest && !has_value(row, target, largest);
        float top = softcap > 0 ? softcap * fast_tanh(largest * (1.0f / softcap)) : largest;
        float z = softcap > 0 ? softcap * fast_tanh(aimed * (1.0f / softcap)) : aimed;
        float sum;
        if (softcap > 0) {
            sum = gradient ? sum_capped(row, vocabulary, top, softcap, 1)
                           : sum_capped(row, vocabulary, top, softcap, 0);
        } else {
            sum = gradient ? sum_exponentials(row, vocabulary, top, 1) : sum_exponentials(row, vocabulary, top, 0);
        }
        losses[r] = (top - z) + fast_log(sum);
        if (!gradient) continue;
        float factor = gradient_scale / sum;
        if (softcap > 0) {
            float inverse = 1.0f / softcap, t = z * inverse;
            LOOM_VECTORIZE
            for (loom_size c = 0; c < vocabulary; c++) {
                float ratio = row[c] * inverse;
                row[c] = factor * fast_exp(row[c] - top) * ((1.0f - ratio) * (1.0f + ratio));
            }
            row[target] -= gradient_scale * ((1.0f - t) * (1.0f + t));
        } else {
            LOOM_VECTORIZE
            for (loom_size c = 0; c < vocabulary; c++) row[c] *= factor;
            row[target] -= gradient_scale;
        }
        memset(row + vocabulary, 0, (size_t)(stride - vocabulary) * sizeof(float));
    }
}

LOOM_HOT double loom_softmax_weights(const float *logits, loom_size n, float scale, float *weights) {
    LOOM_REASSOCIATE
    float largest = row_maximum(logits, n);
    double sum = 0;
    LOOM_VECTORIZE
    for (loom_size i = 0; i < n; i++) {
        float weight = fast_exp((logits[i] - largest) * scale);
        weights[i] = weight;
        sum += (double)weight;
    }
    return sum;
}
