// Kernels that work number by number, and sums.

static void check_dropout() {
    using namespace random_kernels;
    const u64 key = 0x123456789abcdefull;
    // Sizes and offsets that are no multiples of four, and numbers past 32 bits.
    const u64 offsets[] = {0, 1, 7, 8, (1ull << 40) + 3};
    for (u64 offset : offsets)
        for (int n : {1, 5, 1000}) {
            Floats values = rounded(floats(n));
            values[n / 2] = INFINITY;
            Typed x(values), y = numbers(n);
            for (int accumulate = 0; accumulate < 2; accumulate++) {
                u64 step = 3;
                Floats z = y.values();
                loom_dropout(values.data(), z.data(), n, offset, 0.3f, key, 42 + (accumulate ? step << 16 : 0), accumulate);
                elements(n, [&] { dropout(x, y, n, offset, 0.3f, key, 42, accumulate, accumulate ? &step : nullptr); });
                z = rounded(z);
                same(!memcmp(y.values().data(), z.data(), sizeof(float) * n) && y.intact());
                compare(y, z);
            }
        }
    report("dropout (same bits)", 0);
}

static void check_random() {
    using namespace random_kernels;
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

static void check_convert() {
    using namespace elementwise;
    Floats values = floats(999, -3, 3);
    values[0] = NAN, values[1] = INFINITY, values[2] = float_of(0x7f800001u), values[3] = 1 + 0x1p-8f, values[4] = 1 + 3 * 0x1p-8f;
    values[5] = 3.4e38f, values[6] = 1e-40f, values[7] = -0.0f;
    std::vector<uint16_t> want(999);
    loom_to_bfloat16(values.data(), want.data(), 999);
    for (int to = 0; to < 2; to++) {
        Typed x(values), y(floats(999), to);
        elements(999, [&] { convert(x, y, 999); });
        Floats z = rounded(x.values(), to);
        same(!memcmp(y.values().data(), z.data(), 999 * sizeof(float)) && y.intact());
        compare(y, z);
        if (to == 1) same(!memcmp(y.narrow(), want.data(), 999 * sizeof(uint16_t)));
    }
    report("convert (same bits)", 0);
}

static void check_elementwise() {
    using namespace elementwise;
    for (int n : {1, 63, 1000}) {
        Typed a = numbers(n), b = numbers(n), y = numbers(n);
        same(aligned((Array)a, (Array)y) == (variant.shift == 0));  // both ways are taken
        const Floats p = a.values(), q = b.values(), s = floats(2);
        Floats z(n);
        elements(n, [&] { fill(y, 3.5f, n); });
        loom_fill(z.data(), 3.5f, n);
        compare(y, z);
        elements(n, [&] { add(a, b, y, n); });
        loom_add(p.data(), q.data(), z.data(), n);
        compare(y, z);
        elements(n, [&] { multiply(a, b, y, n, 0); });
        loom_multiply(p.data(), q.data(), z.data(), n);
        compare(y, z);
        // What is read again was rounded before.
        z = y.values();
        elements(n, [&] { multiply(a, b, y, n, 1); });
        loom_multiply_accumulate(p.data(), q.data(), z.data(), n);
        compare(y, z);
        z = y.values();
        elements(n, [&] { accumulate(a, -0.7f, y, n); });
        loom_accumulate(p.data(), -0.7f, z.data(), n);
        compare(y, z);
        z = y.values();
        elements(n, [&] { accumulate_scaled(a, s.data(), y, n); });
        loom_accumulate(p.data(), s[0], z.data(), n);
        compare(y, z);
        z = y.values();
        elements(n, [&] { scale(y, 0.3f, y, n); });
        loom_scale(z.data(), 0.3f, z.data(), n);
        compare(y, z);
        Terms terms = {{a, b}, {s.data(), s.data() + 1}, 2, 0};
        elements(n, [&] { scaled_sum(terms, y, n); });
        loom_scale(p.data(), s[0], z.data(), n);
        loom_accumulate(q.data(), s[1], z.data(), n);
        compare(y, z);
        z = y.values();
        terms = {{b}, {s.data()}, 1, 1};
        elements(n, [&] { scaled_sum(terms, y, n); });
        loom_accumulate(q.data(), s[0], z.data(), n);
        compare(y, z);
    }
    Typed y = numbers(7 * 11);
    Floats z = y.values();
    elements(7 * 4, [&] { fill_columns(y, 2, 7, 11, 5, 4); });
    loom_fill_rows(z.data() + 5, 2, 7, 4, 11);
    compare(y, z);
    Typed fours(Floats(5 * 16, 0.5f));
    z = fours.values();
    elements(5 * 8, [&] { fill_columns(fours, 2, 5, 16, 4, 8); });
    loom_fill_rows(z.data() + 4, 2, 5, 8, 16);
    compare(fours, z);
    report("fill ... scaled_sum", 2e-7);

    // Types may differ from one array to the next.
    Typed a(floats(200), 0), b(floats(200), 1), mixed = numbers(200);
    z.resize(200);
    elements(200, [&] { add(a, b, mixed, 200); });
    loom_add(a.values().data(), b.values().data(), z.data(), 200);
    compare(mixed, z);
    report("mixed types", 2e-7);

    // An array that is taken for another type must not pass.
    Typed x = numbers(200), other = numbers(200);
    x.type = 1 - x.type;
    elements(200, [&] { add(x, x, other, 200); });
    x.type = 1 - x.type;
    z = x.values();
    loom_add(z.data(), z.data(), z.data(), 200);
    compare(other, z);
    bool seen = worst > 0.1;
    worst = 0;
    elements(200, [&] { fill(other, 1, 200); });
    z.assign(200, 1);
    other.type = 1 - other.type;
    compare(other, z);
    seen = seen && worst > 0.1;
    worst = 0;
    same(seen);
    digest = 1;  // what lay beside the arrays differs
    report("a wrong type is seen", 0);
}

static void check_softcap() {
    using namespace elementwise;
    Typed x = numbers(1000, -40, 40), dy = numbers(1000), capped = numbers(1000), dx = numbers(1000);
    Floats want(1000);
    elements(1000, [&] { softcap(x, 15, capped, 1000); });
    loom_softcap(x.values().data(), 15, want.data(), 1000);
    compare(capped, want);
    for (int accumulate = 0; accumulate < 2; accumulate++) {
        Floats dwant = dx.values();
        elements(1000, [&] { softcap_backward(capped, dy, 15, dx, 1000, accumulate); });
        loom_softcap_backward(capped.values().data(), dy.values().data(), 15, dwant.data(), 1000, accumulate);
        compare(dx, dwant);
    }
    report("softcap", 1e-6);
}

static void check_activations() {
    using namespace activations;
    const int rows = 9;
    for (int hidden : {70, 72})
        for (int kind = 0; kind < 7; kind++) {
            const int n = rows * hidden;
            Floats values = rounded(floats(n, -8, 8)), z(n);
            values[0] = 0, values[1] = NAN, values[2] = -60, values[3] = 60;
            Typed x(values), dy = numbers(n), y = numbers(n), dx = numbers(n);
            const Floats upstream = dy.values();
            elements(n, [&] { activation(kind, x, y, n); });
            loom_activation(kind, values.data(), z.data(), n);
            compare(y, z);
            for (int accumulate = 0; accumulate < 2; accumulate++) {
                Floats dz = dx.values();
                elements(n, [&] { activation_backward(kind, x, dy, dx, n, accumulate); });
                loom_activation_backward(kind, values.data(), upstream.data(), dz.data(), n, accumulate);
                compare(dx, dz);
            }
            Typed pair = numbers(2 * n, -4, 4), dpair = numbers(2 * n);
            const Floats pairs = pair.values();
            Floats wanted(2 * n);
            elements(n, [&] { gated(kind, pair, y, rows, hidden); });
            loom_gated(kind, pairs.data(), z.data(), rows, hidden);
            compare(y, z);
            elements(n, [&] { gated_backward(kind, pair, dy, dpair, rows, hidden); });
            loom_gated_backward(kind, pairs.data(), upstream.data(), wanted.data(), rows, hidden);
            compare(dpair, wanted);
            elements(n, [&] { gated_backward(kind, pair, dy, pair, rows, hidden); });
            compare(pair, wanted);
        }
    report("activations, gated", 2e-6);
}

static void check_sums() {
    using namespace sums;
    for (int n : {1, 100, 5000}) {
        Typed x = numbers(n), y = numbers(n);
        Floats values = x.values(), others = y.values(), s = {0.25f}, t = s;
        std::vector<double> partial(3), total(1);
        launch({3, 1, 1}, 64, [&] { sum_partial(x, n, partial.data()); });
        launch({1, 1, 1}, 256, [&] { finish_sum(partial.data(), 3, 0.5, nullptr, s.data(), 0); });
        t[0] = (float)(0.5 * loom_sum(values.data(), n));
        compare(s, t);
        launch({3, 1, 1}, 256, [&] { dot_partial(x, y, n, partial.data()); });
        launch({1, 1, 1}, 32, [&] { finish_sum(partial.data(), 3, 1, total.data(), s.data(), 1); });
        t[0] += (float)loom_dot(values.data(), others.data(), n);
        compare(s, t);
        compare(total, std::vector<double>{loom_dot(values.data(), others.data(), n)});
        std::vector<u64> first = {~0ull};
        launch({3, 1, 1}, 64, [&] { first_not_finite(x, n, first.data()); });
        same(first[0] == ~0ull);
        values[n - 1] = NAN, values[n / 2] = -INFINITY;
        x = values;
        launch({3, 1, 1}, 64, [&] { first_not_finite(x, n, first.data()); });
        same(first[0] == (u64)(n / 2));
    }
    report("sums", 1e-6);
}

static void check_quantization() {
    using namespace quantization;
    const int rows = 9, columns = 100, group = 64, groups = 2, n = rows * columns;
    Floats values = rounded(floats(n)), scales(rows * groups), wanted(rows * groups), z(n);
    for (int i = 0; i < group; i++) values[i] = 0;
    Typed w(values), y = numbers(n);
    std::vector<signed char> q(n);
    std::vector<int8_t> p(n);
    launch({2, 1, 1}, 128, [&] { quantize(w, q.data(), scales.data(), rows, columns, group); });
    loom_quantize(values.data(), p.data(), wanted.data(), rows, columns, group);
    same(scales == wanted && q == std::vector<signed char>(p.begin(), p.end()));
    elements(n, [&] { dequantize(q.data(), scales.data(), y, rows, columns, group); });
    loom_dequantize(p.data(), wanted.data(), z.data(), rows, columns, group);
    same(y.values() == rounded(z));
    report("int8 (same bits)", 0);
}

static void check_pointwise() {
    check_dropout();
    check_random();
    check_convert();
    check_elementwise();
    check_softcap();
    check_activations();
    check_sums();
    check_quantization();
}
