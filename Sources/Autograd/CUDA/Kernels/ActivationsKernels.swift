extension CUDASource {
    /// Activations and gated ones with their gradients. The kinds are numbered as `Activation` is.
    static let activations = CUDASource(
        name: "activations",
        body: #"""
            enum { RELU, GELU, GELU_TANH, RELU2, SILU, SIGMOID, TANH };

            // σ(x) and σ'(x) = σ(x) σ(-x), both from e^-|x|, so that neither cancels.
            DEVICE float sigmoid(float x, float *slope) {
                float e = expf(-fabsf(x)), inverse = 1.0f / (1.0f + e);
                *slope = e * inverse * inverse;
                return (x < 0.0f ? e : 1.0f) * inverse;
            }

            // f(x) and f'(x). Comparisons are written so that NaN stays NaN.
            DEVICE float activate(int kind, float x, float *slope) {
                float positive = x < 0.0f ? 0.0f : x, s, ds;
                switch (kind) {
                case RELU:
                    *slope = x > 0.0f ? 1.0f : (x <= 0.0f ? 0.0f : x);
                    return positive;
                case GELU:
                    s = 0.5f * erfcf(-0.70710678118654752f * x);
                    *slope = fmaf(x, 0.3989422804014327f * expf(-0.5f * x * x), s);
                    return x * s;
                case GELU_TANH:
                    // (1 + tanh u) / 2 is σ(2u), which keeps its accuracy for negative u.
                    s = sigmoid(1.5957691216057308f * x * fmaf(0.044715f * x, x, 1.0f), &ds);
                    *slope = fmaf(x * ds, 1.5957691216057308f * fmaf(0.134145f * x, x, 1.0f), s);
                    return x * s;
                case RELU2:
                    *slope = 2.0f * positive;
                    return positive * positive;
                case SILU:
                    s = sigmoid(x, &ds);
                    *slope = fmaf(x, ds, s);
                    return x * s;
                case SIGMOID:
                    return sigmoid(x, slope);
                default:
                    // 1 - tanh² without its cancellation: 4σ'(2x).
                    sigmoid(2.0f * x, &ds);
                    *slope = 4.0f * ds;
                    return tanhf(x);
                }
            }

            KERNEL(activation)(int kind, const float *x, float *y, Size n) {
                float slope;
                EACH(i, n) y[i] = activate(kind, x[i], &slope);
            }
            KERNEL(activation_backward)(int kind, const float *x, const float *dy, float *dx, Size n, int accumulate) {
                EACH(i, n) {
                    float slope;
                    activate(kind, x[i], &slope);
                    put(dx + i, dy[i] * slope, accumulate);
                }
            }
            // x [rows, 2 hidden] as [gate, value], y [rows, hidden]
            KERNEL(gated)(int kind, const float *x, float *y, Size rows, Size hidden) {
                float slope;
                EACH(i, rows * hidden) {
                    const float *gate = x + i / hidden * 2 * hidden + i % hidden;
                    y[i] = activate(kind, gate[0], &slope) * gate[hidden];
                }
            }
            // dx may be x.
            KERNEL(gated_backward)(int kind, const float *x, const float *dy, float *dx, Size rows, Size hidden) {
                EACH(i, rows * hidden) {
                    Size at = i / hidden * 2 * hidden + i % hidden;
                    float slope, value = x[at + hidden], activated = activate(kind, x[at], &slope);
                    dx[at] = dy[i] * value * slope;
                    dx[at + hidden] = dy[i] * activated;
                }
            }
            """#)
}
