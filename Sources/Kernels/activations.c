// Activation functions, gated ones, and the soft cap, forward and backward.
//
// The kind is a constant in each loop: the functions below are inlined once for each kind.
#include "vector_math.h"

static const float root_two_over_pi = 0.7978845608028654f, cubic = 0.044715f, density_scale = 0.3989422804014327f;

/// f(x). Comparisons are written so that NaN stays NaN.
LOOM_INLINE float activate(const int kind, float x) {
    float positive = x < 0.0f ? 0.0f : x, density;
    switch (kind) {
    case LOOM_RELU: return positive;
    case LOOM_GELU: return x * fast_normal(x, &density);
    // (1 + tanh u) / 2 is σ(2u), which keeps its accuracy for negative u.
    case LOOM_GELU_TANH: return x * fast_sigmoid(2.0f * root_two_over_pi * x * (1.0f + cubic * x * x));
    case LOOM_RELU2: return positive * positive;
    case LOOM_SILU: return x * fast_sigmoid(x);
    case LOOM_SIGMOID: return fast_sigmoid(x);
    default: return fast_tanh(x);
    }
}

/// σ(x) and σ'(x) = σ(x) σ(-x), both from e^-|x|, so that neither cancels.
LOOM_INLINE float sigmoid_derivative(float x, float *value) {
    float e = fast_exp(-__builtin_fabsf(x)), inverse = 1.0f / (1.0f + e);
    *value = (x < 0.0f ? e : 1.0f) * inverse;
    return e * inverse * inverse;
}

/// f(x) and f'(x).
LOOM_INLINE float derivative(const int kind, float x, float *value) {
    float positive = x < 0.0f ? 0.0f : x, density, s, ds;
    switch (kind) {
    case LOOM_RELU:
        *value = positive;
        return x > 0.0f ? 1.0f : (x <= 0.0f ? 0.0f : x);
    case LOOM_GELU:
        s = fast_normal(x, &density);
        *value = x * s;
        return s + x * (density_scale * density);
    case LOOM_GELU_TANH:
        ds = sigmoid_derivative(2.0f * root_two_over_pi * x * (1.0f + cubic * x * x), &s);
        *value = x * s;
        return s + x * ds * (2.0f * root_two_over_pi * (1.0f + 3.0f * cubic * x * x));
    case LOOM_RELU2:
        *value = positive * positive;
        return 2.0f * positive;
    case LOOM_SILU:
        ds = sigmoid_derivative(x, &s);
        *value = x * s;
        return s + x * ds;
    case LOOM_SIGMOID:
        return sigmoid_derivative(x, value);
    default:
        *value = fast_tanh(x);
        return fast_tanh_derivative(x);
    }
}

/// Calls a macro with each kind as a constant.
#define FOR_KIND(kind, DO)                              \
    switch (kind) {                                     \
    case LOOM_RELU: DO(LOOM_RELU) break;                \
    case LOOM_GELU: DO(LOOM_GELU) break;                \
    case LOOM_GELU_TANH: DO(LOOM_GELU_TANH) break;      \
    case LOOM_RELU2: DO(LOOM_RELU2) break;              \
    case LOOM_SILU: DO(LOOM_SILU) break;                \
    case LOOM_SIGMOID: DO(LOOM_SIGMOID) break;          \
    default: DO(LOOM_TANH) break;                       \
    }

LOOM_HOT void loom_activation(int kind, const float *x, float *y, loom_size n) {
#define FORWARD(K)    \
    LOOM_VECTORIZE    \
    for (loom_size i = 0; i < n; i++) y[i] = activate(K, x[i]);
    FOR_KIND(kind, FORWARD)
#undef FORWARD
}

LOOM_HOT void loom_activation_backward(int kind, const float *x, const float *dy, float *dx, loom_size n,
                                       int accumulate) {
    float value;
#define ASSIGN(K)     \
    LOOM_VECTORIZE    \
    for (loom_size i = 0; i < n; i++) dx[i] = dy[i] * derivative(K, x[i], &value);
#define ADD(K)        \
    LOOM_VECTORIZE    \
    for (loom_size i = 0; i < n; i++) dx[i] = dx[i] + dy[i] * derivative(K, x[i], &value);
    if (accumulate) {
        FOR_KIND(kind, ADD)
    } else {
        FOR_KIND(kind, ASSIGN)
    }
#undef ASSIGN
#undef ADD
}

LOOM_HOT void loom_gated(int kind, const float *x, float *y, loom_size rows, loom_size hidden) {
    for (loom_size r = 0; r < rows; r++) {
        const float *gate = x + 2 * r * hidden, *value = gate + hidden;
        float *to = y + r * hidden;
#define FORWARD(K)    \
    LOOM_VECTORIZE    \
    for (loom_size i = 0; i < hidden; i++) to[i] = activate(K, gate[i]) * value[i];
        FOR_KIND(kind, FORWARD)
#undef FORWARD
    }
}

LOOM_HOT void loom_gated_backward(int kind, const float *x, const float *dy, float *dx, loom_size rows,
                                  loom_size hidden) {
    for (loom_size r = 0; r < rows; r++) {
        const float *gate = x + 2 * r * hidden, *value = gate + hidden, *from = dy + r * hidden;
        float *dgate = dx + 2 * r * hidden, *dvalue = dgate + hidden;
#define BACKWARD(K)                                              \
    LOOM_VECTORIZE                                               \
    for (loom_size i = 0; i < hidden; i++) {                     \
        float activated, slope = derivative(K, gate[i], &activated); \
        float dgate_i = from[i] * value[i] * slope;              \
        dvalue[i] = from[i] * activated;                         \
        dgate[i] = dgate_i;                                      \
    }
        FOR_KIND(kind, BACKWARD)
#undef BACKWARD
    }
}

LOOM_HOT void loom_softcap(const float *x, float cap, float *y, loom_size n) {
    float inverse = 1.0f / cap;
    LOOM_VECTORIZE
    for (loom_size i = 0; i < n; i++) y[i] = cap * fast_tanh(x[i] * inverse);
}

LOOM_HOT void loom_softcap_backward(const float *y, const float *dy, float cap, float *dx, loom_size n,
                                    int accumulate) {
    float inverse = 1.0f / cap;
    if (accumulate) {
        LOOM_VECTORIZE
        for (loom_size i = 0; i < n; i++) {
            float t = y[i] * inverse;
            dx[i] = dx[i] + dy[i] * ((1.0f - t) * (1.0f + t));
        }
    } else {
        LOOM_VECTORIZE
        for (loom_size i = 0; i < n; i++) {
            float t = y[i] * inverse;
            dx[i] = dy[i] * ((1.0f - t) * (1.0f + t));
        }
    }
}
