extension CUDASource {
    /// Fills, sums, products, the soft cap, and from one type to another.
    static let elementwise = CUDASource(
        name: "elementwise",
        body: fours + #"""
            KERNEL(fill)(Array y, float value, Size n) {
                map(n, y, [=] { return value; });
            }
            // y[r, c] = value for `count` columns from `first` on.
            KERNEL(fill_columns)(Array y, float value, Size rows, Size columns, Size first, Size count) {
                each_spot(rows * count, (columns | first | count) % 4 == 0 && aligned(y), [=](auto at) {
                    enum { W = decltype(at)::width };
                    Cell cell = cell_of(at.i, count);
                    Made<W> made;
                    for (int l = 0; l < W; l++) made[l] = value;
                    set(y, Spot<W>{cell.row * columns + first + cell.column}, made);
                });
            }
            // y = x in y's type, to the nearest.
            KERNEL(convert)(Array x, Array y, Size n) {
                map(n, y, [](float x) { return x; }, x);
            }
            KERNEL(add)(Array a, Array b, Array y, Size n) {
                map(n, y, [](float a, float b) { return a + b; }, a, b);
            }
            KERNEL(multiply)(Array a, Array b, Array y, Size n, int accumulate) {
                if (accumulate) {
                    map(n, y, [](float a, float b, float y) { return fmaf(a, b, y); }, a, b, y);
                } else {
                    map(n, y, [](float a, float b) { return a * b; }, a, b);
                }
            }
            KERNEL(scale)(Array x, float factor, Array y, Size n) {
                map(n, y, [=](float x) { return factor * x; }, x);
            }
            // y += factor x
            KERNEL(accumulate)(Array x, float factor, Array y, Size n) {
                map(n, y, [=](float x, float y) { return fmaf(factor, x, y); }, x, y);
            }
            // y += x s[0]
            KERNEL(accumulate_scaled)(Array x, const float *s, Array y, Size n) {
                float factor = s[0];
                map(n, y, [=](float x, float y) { return fmaf(factor, x, y); }, x, y);
            }
            // y = Σ x s[0] over up to eight terms; further ones come in a second call, which adds.
            struct Terms { Array x[8]; const float *s[8]; int count, accumulate; };
            KERNEL(scaled_sum)(Terms terms, Array y, Size n) {
                // Over all eight, so that each is known when this is compiled: an index that is not costs a copy of the terms.
                bool fours = aligned(y);
                float factors[8];
                #pragma unroll
                for (int t = 0; t < 8; t++) {
                    if (t >= terms.count) continue;
                    fours &= aligned(terms.x[t]);
                    factors[t] = terms.s[t][0];
                }
                each_spot(n, fours, [&](auto at) {
                    enum { W = decltype(at)::width };
                    Made<W> sum = {};
                    if (terms.accumulate) {
                        Loaded<W> old = get(y, at);
                        for (int l = 0; l < W; l++) sum[l] = old[l];
                    }
                    #pragma unroll
                for (int t = 0; t < 8; t++) {
                        if (t >= terms.count) continue;
                        Loaded<W> x = get(terms.x[t], at);
                        for (int l = 0; l < W; l++) sum[l] = fmaf(factors[t], x[l], sum[l]);
                    }
                    set(y, at, sum);
                });
            }
            // y = cap tanh(x / cap)
            KERNEL(softcap)(Array x, float cap, Array y, Size n) {
                float inverse = 1.0f / cap;
                map(n, y, [=](float x) { return cap * tanhf(x * inverse); }, x);
            }
            // y is what softcap gave.
            KERNEL(softcap_backward)(Array y, Array dy, float cap, Array dx, Size n, int accumulate) {
                float inverse = 1.0f / cap;
                auto gradient = [=](float y, float dy) {
                    float t = y * inverse;
                    return dy * ((1.0f - t) * (1.0f + t));
                };
                if (accumulate) {
                    map(n, dx, [=](float y, float dy, float dx) { return dx + gradient(y, dy); }, y, dy, dx);
                } else {
                    map(n, dx, gradient, y, dy);
                }
            }
            """#)
}
