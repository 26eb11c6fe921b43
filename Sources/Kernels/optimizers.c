// Parameter updates.
#include "vector_math.h"

LOOM_HOT void loom_adamw(float *p, const float *g, float *m, float *v, loom_size n, float gradient_scale, float lr,
                         float beta1, float beta2, float epsilon, float decay, float correction1, float correction2) {
    float kept = 1.0f - lr * decay, step = lr / correction1, inverse_root = 1.0f / fast_sqrt(correction2);
    float rest1 = 1.0f - beta1, rest2 = 1.0f - beta2;
    LOOM_VECTORIZE
    for (loom_size i = 0; i < n; i++) {
        float gradient = g[i] * gradient_scale;
        float first = beta1 * m[i] + rest1 * gradient;
        float second = beta2 * v[i] + rest2 * gradient * gradient;
        m[i] = first;
        v[i] = second;
        float denominator = fast_sqrt(second) * inverse_root + epsilon;
        p[i] = p[i] * kept - step * first / denominator;
    }
}

/// nesterov and buffered are constants where this is inlined.
LOOM_INLINE void sgd(float *p, const float *g, float *buffer, loom_size n, float gradient_scale, float lr,
                     float momentum, float decay, const int nesterov, const int buffered) {
    LOOM_VECTORIZE
    for (loom_size i = 0; i < n; i++) {
        float direction = g[i] * gradient_scale + decay * p[i];
        float step = direction;
        if (buffered) {
            float average = momentum * buffer[i] + direction;
            buffer[i] = average;
            step = nesterov ? direction + momentum * average : average;
        }
        p[i] = p[i] - lr * step;
    }
}

LOOM_HOT void loom_sgd(float *p, const float *g, float *buffer, loom_size n, float gradient_scale, float lr,
                       float momentum, float decay, int nesterov) {
    if (buffer == NULL) {
        sgd(p, g, buffer, n, gradient_scale, lr, momentum, decay, 0, 0);
    } else if (nesterov) {
        sgd(p, g, buffer, n, gradient_scale, lr, momentum, decay, 1, 1);
    } else {
        sgd(p, g, buffer, n, gradient_scale, lr, momentum, decay, 0, 1);
    }
}
