// Kernels that work number by number, and sums.

static void check_random() {
    using namespace random_kernels;
    // Sizes and offsets that are no multiples of four, and numbers past 32 bits.
    const u64 offsets[] = {0, 1, 7, (1ull << 40) + 3};
    for (u64 offset : offsets)
        for (int n : {1, 5, 1000}) {
            Floats x = floats(n), y(n), z(n);
            x[n / 2] = INFINITY;
            for (int accumulate = 0; accumulate < 2; accumulate++) {
                loom_dropout(x.data(), z.data(), n, offset, 0.3f, 0x123456789abcdefull, 42, accumulate);
                elements(n, [&] { dropout(x.data(), y.data(), n, offset, 0.3f, 0x123456789abcdefull, 42, accumulate); });
                same(!memcmp(y.data(), z.data(), sizeof(float) * n));
            }
        }
    report("dropout (same bits)", 0);
    const float ranges[][2] = {{0, 1}, {-0.1f, 0.3f}, {-1, 0}, {1, 1.0000002f}};
    for (auto &range : ranges)
        for (int n : {3, 1001}) {
            Floats y(n), z(n);
            loom_uniform(z.data(), n, 0, range[0], range[1], 99, 1ull << 40);
            elements(n, [&] { fill_uniform(y.data(), n, range[0], range[1], 99, 1ull << 40); });
            same(!memcmp(y.data(), z.data(), sizeof(float) * n));
        }
    report("fill_uniform (same bits)", 0);
    for (int n : {1, 6, 4099}) {
        Floats y(n), z(n);
        loom_normal(z.data(), n, 0, 0, 0.02f, 12345, 3);
        elements(n, [&] { fill_normal(y.data(), n, 0.02f, 12345, 3); });
        same(!memcmp(y.data(), z.data(), sizeof(float) * n));
    }
    report("fill_normal (same bits)", 0);
}

static void check_elementwise() {
    using namespace elementwise;
    for (int n : {1, 63, 1000}) {
        Floats a = floats(n), b = floats(n), y(n), z(n), s = floats(2);
        elements(n, [&] { fill(y.data(), 3.5f, n); });
        loom_fill(z.data(), 3.5f, n);
        compare(y, z);
        elements(n, [&] { add(a.data(), b.data(), y.data(), n); });
        loom_add(a.data(), b.data(), z.data(), n);
        compare(y, z);
        elements(n, [&] { multiply(a.data(), b.data(), y.data(), n, 0); });
        loom_multiply(a.data(), b.data(), z.data(), n);
        compare(y, z);
        elements(n, [&] { multiply(a.data(), b.data(), y.data(), n, 1); });
        loom_multiply_accumulate(a.data(), b.data(), z.data(), n);
        compare(y, z);
        elements(n, [&] { accumulate(a.data(), -0.7f, y.data(), n); });
        loom_accumulate(a.data(), -0.7f, z.data(), n);
        compare(y, z);
        elements(n, [&] { accumulate_scaled(a.data(), s.data(), y.data(), n); });
        loom_accumulate(a.data(), s[0], z.data(), n);
        compare(y, z);
        elements(n, [&] { scale(y.data(), 0.3f, y.data(), n); });
        loom_scale(z.data(), 0.3f, z.data(), n);
        compare(y, z);
        Terms terms = {{a.data(), b.data()}, {s.data(), s.data() + 1}, 2, 0};
        elements(n, [&] { scaled_sum(terms, y.data(), n); });
        loom_scale(a.data(), s[0], z.data(), n);
        loom_accumulate(b.data(), s[1], z.data(), n);
        compare(y, z);
        terms = {{b.data()}, {s.data()}, 1, 1};
        elements(n, [&] { scaled_sum(terms, y.data(), n); });
        loom_accumulate(b.data(), s[0], z.data(), n);
        compare(y, z);
    }
    Floats y = floats(7 * 11), z = y;
    elements(7 * 4, [&] { fill_columns(y.data(), 2, 7, 11, 5, 4); });
    loom_fill_rows(z.data() + 5, 2, 7, 4, 11);
    compare(y, z);
    report("fill ... scaled_sum", 2e-7);
    Floats x = floats(1000, -40, 40), dy = floats(1000), capped(1000), want(1000);
    elements(1000, [&] { softcap(x.data(), 15, capped.data(), 1000); });
    loom_softcap(x.data(), 15, want.data(), 1000);
    compare(capped, want);
    Floats dx = floats(1000), dwant = dx;
    for (int accumulate = 0; accumulate < 2; accumulate++) {
        elements(1000, [&] { softcap_backward(want.data(), dy.data(), 15, dx.data(), 1000, accumulate); });
        loom_softcap_backward(want.data(), dy.data(), 15, dwant.data(), 1000, accumulate);
        compare(dx, dwant);
    }
    report("softcap", 1e-6);
}

static void check_activations() {
    using namespace activations;
    const int rows = 9, hidden = 70, n = rows * hidden;
    for (int kind = 0; kind < 7; kind++) {
        Floats x = floats(n, -8, 8), dy = floats(n), y(n), z(n), dx = floats(n), dz = dx;
        x[0] = 0, x[1] = NAN, x[2] = -60, x[3] = 60;
        elements(n, [&] { activation(kind, x.data(), y.data(), n); });
        loom_activation(kind, x.data(), z.data(), n);
        compare(y, z);
        for (int accumulate = 0; accumulate < 2; accumulate++) {
            elements(n, [&] { activation_backward(kind, x.data(), dy.data(), dx.data(), n, accumulate); });
            loom_activation_backward(kind, x.data(), dy.data(), dz.data(), n, accumulate);
            compare(dx, dz);
        }
        Floats pair = floats(2 * n, -4, 4), dpair(2 * n), wanted(2 * n);
        elements(n, [&] { gated(kind, pair.data(), y.data(), rows, hidden); });
        loom_gated(kind, pair.data(), z.data(), rows, hidden);
        compare(y, z);
        elements(n, [&] { gated_backward(kind, pair.data(), dy.data(), dpair.data(), rows, hidden); });
        loom_gated_backward(kind, pair.data(), dy.data(), wanted.data(), rows, hidden);
        compare(dpair, wanted);
    }
    report("activations, gated", 2e-6);
}

static void check_sums() {
    using namespace sums;
    for (int n : {1, 100, 5000}) {
        Floats x = floats(n), y = floats(n), s = {0.25f}, t = s;
        std::vector<double> partial(3), total(1);
        launch({3, 1, 1}, 64, [&] { sum_partial(x.data(), n, partial.data()); });
        launch({1, 1, 1}, 256, [&] { finish_sum(partial.data(), 3, 0.5, nullptr, s.data(), 0); });
        t[0] = (float)(0.5 * loom_sum(x.data(), n));
        compare(s, t);
        launch({3, 1, 1}, 256, [&] { dot_partial(x.data(), y.data(), n, partial.data()); });
        launch({1, 1, 1}, 32, [&] { finish_sum(partial.data(), 3, 1, total.data(), s.data(), 1); });
        t[0] += (float)loom_dot(x.data(), y.data(), n);
        compare(s, t);
        compare(total, std::vector<double>{loom_dot(x.data(), y.data(), n)});
        std::vector<u64> first = {~0ull};
        launch({3, 1, 1}, 64, [&] { first_not_finite(x.data(), n, first.data()); });
        same(first[0] == ~0ull);
        x[n - 1] = NAN, x[n / 2] = -INFINITY;
        launch({3, 1, 1}, 64, [&] { first_not_finite(x.data(), n, first.data()); });
        same(first[0] == (u64)(n / 2));
    }
    report("sums", 1e-6);
}

static void check_quantization() {
    using namespace quantization;
    Floats x = floats(999, -3, 3), y(999), z(999);
    x[0] = NAN, x[1] = INFINITY, x[2] = float_of(0x7f800001u), x[3] = 1 + 0x1p-8f, x[4] = 1 + 3 * 0x1p-8f;
    std::vector<unsigned short> a(999);
    std::vector<uint16_t> b(999);
    elements(999, [&] { to_bfloat16(x.data(), a.data(), 999); });
    loom_to_bfloat16(x.data(), b.data(), 999);
    same(a == std::vector<unsigned short>(b.begin(), b.end()));
    elements(999, [&] { from_bfloat16(a.data(), y.data(), 999); });
    loom_from_bfloat16(b.data(), z.data(), 999);
    same(!memcmp(y.data(), z.data(), 999 * sizeof(float)));
    const int rows = 9, columns = 100, group = 64, groups = 2;
    Floats w = floats(rows * columns), scales(rows * groups), wanted(rows * groups);
    for (int i = 0; i < group; i++) w[i] = 0;
    std::vector<signed char> q(rows * columns);
    std::vector<int8_t> p(rows * columns);
    launch({2, 1, 1}, 128, [&] { quantize(w.data(), q.data(), scales.data(), rows, columns, group); });
    loom_quantize(w.data(), p.data(), wanted.data(), rows, columns, group);
    same(scales == wanted && q == std::vector<signed char>(p.begin(), p.end()));
    y.resize(rows * columns), z.resize(rows * columns);
    elements(rows * columns, [&] { dequantize(q.data(), scales.data(), y.data(), rows, columns, group); });
    loom_dequantize(p.data(), wanted.data(), z.data(), rows, columns, group);
    same(y == z);
    report("bfloat16, int8 (same bits)", 0);
}

static void check_pointwise() {
    check_random();
    check_elementwise();
    check_activations();
    check_sums();
    check_quantization();
}
