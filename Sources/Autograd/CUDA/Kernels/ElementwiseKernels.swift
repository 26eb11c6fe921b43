extension CUDASource {
    /// Fills, sums, products, and the soft cap.
    static let elementwise = CUDASource(
        name: "elementwise",
        body: #"""
            KERNEL(fill)(float *y, float value, Size n) {
                EACH(i, n) y[i] = value;
            }
            // y[r, c] = value for `count` columns from `first` on.
            KERNEL(fill_columns)(float *y, float value, Size rows, Size columns, Size first, Size count) {
                EACH(i, rows * count) y[i / count * columns + first + i % count] = value;
            }
            KERNEL(add)(const float *a, const float *b, float *y, Size n) {
                EACH(i, n) y[i] = a[i] + b[i];
            }
            KERNEL(multiply)(const float *a, const float *b, float *y, Size n, int accumulate) {
                EACH(i, n) y[i] = accumulate ? fmaf(a[i], b[i], y[i]) : a[i] * b[i];
            }
            KERNEL(scale)(const float *x, float factor, float *y, Size n) {
                EACH(i, n) y[i] = factor * x[i];
            }
            // y += factor x
            KERNEL(accumulate)(const float *x, float factor, float *y, Size n) {
                EACH(i, n) y[i] = fmaf(factor, x[i], y[i]);
            }
            // y += x s[0]
            KERNEL(accumulate_scaled)(const float *x, const float *s, float *y, Size n) {
                float factor = s[0];
                EACH(i, n) y[i] = fmaf(factor, x[i], y[i]);
            }
            // y = Σ x s[0] over up to eight terms; further ones come in a second call, which adds.
            struct Terms { const float *x[8]; const float *s[8]; int count, accumulate; };
            KERNEL(scaled_sum)(Terms terms, float *y, Size n) {
                EACH(i, n) {
                    float sum = terms.accumulate ? y[i] : 0.0f;
                    for (int t = 0; t < terms.count; t++) sum = fmaf(terms.s[t][0], terms.x[t][i], sum);
                    y[i] = sum;
                }
            }
            // y = cap tanh(x / cap)
            KERNEL(softcap)(const float *x, float cap, float *y, Size n) {
                float inverse = 1.0f / cap;
                EACH(i, n) y[i] = cap * tanhf(x[i] * inverse);
            }
            // y is what softcap gave.
            KERNEL(softcap_backward)(const float *y, const float *dy, float cap, float *dx, Size n, int accumulate) {
                float inverse = 1.0f / cap;
                EACH(i, n) {
                    float t = y[i] * inverse;
                    put(dx + i, dy[i] * ((1.0f - t) * (1.0f + t)), accumulate);
                }
            }
            """#)
}
