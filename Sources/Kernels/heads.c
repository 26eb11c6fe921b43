// Query and key heads made ready for attention: RMS norm by head, rotary positions, scale.
#include <stdlib.h>

#include "vector_math.h"

/// (a, b) -> (a cos - b sin, b cos + a sin) for each pair, in place; direction -1 turns back.
LOOM_INLINE void rotate(float *x, const float *cosines, const float *sines, loom_size half, float direction,
                        const int interleaved) {
    LOOM_VECTORIZE
    for (loom_size j = 0; j < half; j++) {
        loom_size first = interleaved ? 2 * j : j, second = interleaved ? 2 * j + 1 : j + half;
        float a = x[first], b = x[second], cosine = cosines[j], sine = direction * sines[j];
        x[first] = a * cosine - b * sine;
        x[second] = b * cosine + a * sine;
    }
}

LOOM_INLINE void rotate_head(const loom_heads *h, float *x, loom_size row, float direction) {
    loom_size half = h->rotary / 2;
    if (half == 0) return;
    const float *cosines = h->cosines + h->positions[row] * half, *sines = h->sines + h->positions[row] * half;
    if (h->interleaved) {
        rotate(x, cosines, sines, half, direction, 1);
    } else {
        rotate(x, cosines, sines, half, direction, 0);
    }
}

LOOM_INLINE float inverse_rms(const float *x, loom_size n, float epsilon) {
    LOOM_REASSOCIATE
    float sum = 0;
    LOOM_VECTORIZE
    for (loom_size d = 0; d < n; d++) sum += x[d] * x[d];
    return 1.0f / fast_sqrt(sum / (float)n + epsilon);
}

LOOM_HOT void loom_heads_forward(const loom_heads *h, const float *in, float *out, float *rstd) {
    const float *weight = h->weight;
    float offset = h->weight_offset;
    loom_size dim = h->dim;
    for (loom_size r = 0; r < h->rows; r++) {
        for (loom_size head = 0; head < h->heads; head++) {
            const float *from = in + r * h->in_stride + head * dim;
            float *to = out + r * h->out_stride + head * dim, factor = h->scale;
            if (h->normalize) {
                float s = inverse_rms(from, dim, h->epsilon);
                rstd[r * h->heads + head] = s;
                factor *= s;
            }
            // The scale goes in before the rotation, which is linear.
            if (h->normalize && weight) {
                LOOM_VECTORIZE
                for (loom_size d = 0; d < dim; d++) to[d] = from[d] * factor * (offset + weight[d]);
            } else {
                LOOM_VECTORIZE
                for (loom_size d = 0; d < dim; d++) to[d] = from[d] * factor;
            }
            rotate_head(h, to, r, 1.0f);
        }
    }
}

/// The gradient through the norm of one head: t is the gradient by its output, x̂ = x rstd.
LOOM_INLINE void head_norm_backward(const float *x, const float *weight, float offset, float rstd, const float *t,
                                    float *dx, float *dweight, loom_size dim, const int weighted,
                                    const int accumulate) {
    float product = 0;
    {
        LOOM_REASSOCIATE
        LOOM_VECTORIZE
        for (loom_size d = 0; d < dim; d++) product += (weighted ? t[d] * (offset + weight[d]) : t[d]) * x[d];
    }
    float slope = product * rstd / (float)dim;
    if (dweight) {
        LOOM_VECTORIZE
        for (loom_size d = 0; d < dim; d++) dweight[d] = dweight[d] + t[d] * (x[d] * rstd);
    }
    LOOM_VECTORIZE
    for (loom_size d = 0; d < dim; d++) {
        float g = weighted ? t[d] * (offset + weight[d]) : t[d];
        float gradient = rstd * (g - x[d] * rstd * slope);
        dx[d] = accumulate ? dx[d] + gradient : gradient;
    }
}

LOOM_HOT static void heads_backward(const loom_heads *h, const float *in, const float *rstd, const float *dout,
                                    float *din, int accumulate, float *dweight, float *turned) {
    const float *weight = h->weight;
    float offset = h->weight_offset, scale = h->scale;
    loom_size dim = h->dim;
    for (loom_size r = 0; r < h->rows; r++) {
        for (loom_size head = 0; head < h->heads; head++) {
            const float *x = in + r * h->in_stride + head * dim, *from = dout + r * h->out_stride + head * dim;
            float *dx = din + r * h->in_stride + head * dim;
            LOOM_VECTORIZE
            for (loom_size d = 0; d < dim; d++) turned[d] = scale * from[d];
            rotate_head(h, turned, r, -1.0f);
            if (h->normalize) {
                float s = rstd[r * h->heads + head];
                if (weight && accumulate) {
                    head_norm_backward(x, weight, offset, s, turned, dx, dweight, dim, 1, 1);
                } else if (weight) {
                    head_norm_backward(x, weight, offset, s, turned, dx, dweight, dim, 1, 0);
                } else if (accumulate) {
                    head_norm_backward(x, weight, offset, s, turned, dx, dweight, dim, 0, 1);
                } else {
                    head_norm_backward(x, weight, offset, s, turned, dx, dweight, dim, 0, 0);
                }
            } else if (accumulate) {
                LOOM_VECTORIZE
                for (loom_size d = 0; d < dim; d++) dx[d] += turned[d];
            } else {
                memcpy(dx, turned, (size_t)dim * sizeof(float));
            }
        }
    }
}

void loom_heads_backward(const loom_heads *h, const float *in, const float *rstd, const float *dout, float *din,
                         int accumulate, float *dweight) {
    float local[512];
    float *turned = h->dim <= 512 ? local : malloc((size_t)h->dim * sizeof(float));
    if (turned == NULL) abort();
    heads_backward(h, in, rstd, dout, din, accumulate, dweight, turned);
    if (turned != local) free(turned);
}
