extension CUDASource {
    /// Activations and gated ones with their gradients. The kinds are numbered as `Activation` is.
    static let activations = CUDASource(
        name: "activations",
        body: fours + #"""
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

            KERNEL(activation)(int kind, Array x, Array y, Size n) {
                map(n, y, [=](float x) { float slope; return activate(kind, x, &slope); }, x);
            }
            KERNEL(activation_backward)(int kind, Array x, Array dy, Array dx, Size n, int accumulate) {
                auto gradient = [=](float x, float dy) {
                    float slope;
                    activate(kind, x, &slope);
                    return dy * slope;
                };
                if (accumulate) {
                    map(n, dx, [=](float x, float dy, float dx) { return dx + gradient(x, dy); }, x, dy, dx);
                } else {
                    map(n, dx, gradient, x, dy);
                }
            }
            // x [rows, 2 hidden] as [gate, value], y [rows, hidden]
            KERNEL(gated)(int kind, Array x, Array y, Size rows, Size hidden) {
                each_spot(rows * hidden, hidden % 4 == 0 && aligned(x, y), [=](auto at) {
                    enum { W = decltype(at)::width };
                    Spot<W> from = {cell_of(at.i, hidden).row * hidden + at.i};
                    Loaded<W> gate = get(x, from), value = get(x, Spot<W>{from.i + hidden});
                    Made<W> made;
                    float slope;
                    for (int l = 0; l < W; l++) made[l] = activate(kind, gate[l], &slope) * value[l];
                    set(y, at, made);
                });
            }
            // dx may be x.
            KERNEL(gated_backward)(int kind, Array x, Array dy, Array dx, Size rows, Size hidden) {
                each_spot(rows * hidden, hidden % 4 == 0 && aligned(x, dy, dx), [=](auto at) {
                    enum { W = decltype(at)::width };
                    Spot<W> first = {cell_of(at.i, hidden).row * hidden + at.i}, second = {first.i + hidden};
                    Loaded<W> gate = get(x, first), value = get(x, second), upstream = get(dy, at);
                    Made<W> dgate, dvalue;
                    for (int l = 0; l < W; l++) {
                        float slope, activated = activate(kind, gate[l], &slope);
                        dgate[l] = upstream[l] * value[l] * slope;
                        dvalue[l] = upstream[l] * activated;
                    }
                    set(dx, first, dgate);
                    set(dx, second, dvalue);
                });
            }
            """#)
}
