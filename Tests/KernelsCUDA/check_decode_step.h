// What else a decoded token needs: products of few rows, the ring written, the likeliest token.

typedef void ProductKernel(decode_products::DecodeProduct);

static void check_decode_product(int m, int n, int k, int type, int x_type, int group, int split, bool plain, Floats &far) {
    using namespace decode_products;
    ProductKernel *const kernels[3][5] = {
        {decode_product_float32_1, decode_product_float32_2, decode_product_float32_4, decode_product_float32_8,
         decode_product_float32_16},
        {decode_product_bfloat16_1, decode_product_bfloat16_2, decode_product_bfloat16_4, decode_product_bfloat16_8,
         decode_product_bfloat16_16},
        {decode_product_int8_1, decode_product_int8_2, decode_product_int8_4, decode_product_int8_8, decode_product_int8_16}};
    TypedNumbers x(floats(m * k), x_type), w(floats(n * k), type, n, k, group), bias(floats(n), x_type);
    TypedNumbers before(floats(m * n), x_type), y = before, any = before;
    const float alpha = plain ? 1.0f : 0.7f, beta = plain ? 0.0f : 0.5f;
    if (plain) y = any = TypedNumbers(Floats(m * n, NAN), x_type);  // not read
    Floats want(m * n), scratch(loom_decode_scratch(m, k));
    loom_weights weights = {type, w.data(), w.scales.data(), group};
    loom_decode_product(&weights, x.values.data(), want.data(), m, k, n, k, 0, n, scratch.data());
    std::vector<double> exact(m * n);
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            double sum = 0;
            for (int l = 0; l < k; l++) sum += (double)x.values[i * k + l] * w.values[j * k + l];
            exact[i * n + j] = alpha * sum + beta * before.values[i * n + j] + (plain ? 0 : bias.values[j]);
            want[i * n + j] = plain ? want[i * n + j] : (float)exact[i * n + j];
        }
    DecodeProduct p = {m, n, k, group, {x.data(), x_type}, {w.data(), type}, w.scales.data(), {y.data(), x_type},
                       {plain ? nullptr : bias.data(), x_type}, alpha, beta, split};
    int index = m == 1 ? 0 : m == 2 ? 1 : m <= 4 ? 2 : m <= 8 ? 3 : 4;
    bool whole = k % (type == 0 ? 4 : type == 1 ? 8 : 16) == 0 && (type != 2 || group % 16 == 0 || group >= k);
    double earlier = worst;
    if (x_type == 1) worst = 0;
    if (whole) {
        launch({2, 1, 1}, 128 < 32 * split ? 256 : 128, [&] { kernels[type][index](p); });
        compare(y.read(), exact);
        compare(y.read(), want);
        // The rows alone, and as so many more rows: the same bits.
        for (int other = 0; other < 5 && plain; other++) {
            int rows = m < (1 << other) ? m : 1 << other;
            TypedNumbers again(Floats(m * n, NAN), x_type);
            DecodeProduct few = p;
            few.m = rows, few.y = {again.data(), x_type};
            launch({3, 1, 1}, 32 * split, [&] { kernels[type][other](few); });
            Floats got = again.read(), all = y.read();
            same(!memcmp(got.data(), all.data(), 4 * rows * n));
        }
    }
    p.y = {any.data(), x_type};
    launch({2, 1, 1}, 64, [&] { decode_product_any(p); });
    compare(any.read(), exact);
    compare(any.read(), want);
    if (x_type == 1) {
        far[0] = fmaxf(far[0], (float)worst);
        worst = earlier;
    }
}

static void check_decode_products() {
    Floats far(1, 0);
    int turn = 0;
    for (int m : {1, 2, 3, 4, 5, 8, 11, 16})
        for (int type = 0; type < 3; type++)
            for (int x_type = 0; x_type < 2; x_type++)
                for (int shape = 0; shape < 4; shape++, turn++) {
                    const int ns[] = {1, 13, 6, 9}, ks[] = {16, 112, 1040, 75}, groups[] = {16, 32, 2000, 5};
                    check_decode_product(m, ns[shape], ks[shape], type, x_type, groups[(shape + turn / 3) % 4], 1 << turn % 4,
                                         turn % 5 < 3, far);
                }
    report("decode_product", 1e-6);
    worst = far[0];
    report("decode_product (bfloat16)", 0x1p-8);
}

/// Against the CPU's compression of the same rows, written where KVCache writes them.
static void check_ring_append() {
    using namespace decode_step;
    for (int type = 0; type < 3; type++)
        for (int array = 0; array < 2; array++)
            for (int mode = 0; mode < 4; mode++) {
                const int batch = 3, key_heads = 2, dim = mode % 2 ? 7 : 40, capacity = 6, row = key_heads * dim;
                const int size = batch * capacity * row;
                const int tokens = mode < 2 ? 1 : mode == 2 ? 4 : 9, first = tokens > capacity ? tokens - capacity : 0;
                const long long position = mode == 0 ? 2 : mode == 1 ? 6 * 1000 + 5 : 4;
                const int k_stride = row + 5, v_stride = row + 2;
                TypedNumbers k(floats(batch * tokens * k_stride), array), v(floats(batch * tokens * v_stride, 0, 1e-3), array);
                if (mode == 1) k.values[3] = 0, k.narrow[3] = 0;
                for (int d = 0; d < dim && mode == 0; d++) k.values[d] = 0, k.narrow[d] = 0;  // a scale of 0
                Floats held = floats(size), scales = floats(batch * capacity * key_heads);
                TypedNumbers keys(held, type, batch * capacity, row, dim), values(held, type, batch * capacity, row, dim);
                keys.scales = values.scales = scales;
                TypedNumbers want_keys = keys, want_values = values;
                for (int b = 0; b < batch; b++)
                    for (int t = first; t < tokens; t++) {
                        long long slot = b * capacity + (position + t) % capacity;
                        auto put = [&](TypedNumbers &to, const float *from) {
                            if (type == 0) memcpy(to.values.data() + slot * row, from, row * 4);
                            if (type == 1) loom_to_bfloat16(from, to.narrow.data() + slot * row, row);
                            if (type == 2)
                                loom_quantize(from, to.bytes.data() + slot * row, to.scales.data() + slot * key_heads, 1, row, dim);
                        };
                        put(want_keys, k.values.data() + (b * tokens + t) * k_stride);
                        put(want_values, v.values.data() + (b * tokens + t) * v_stride);
                    }
                // The position in memory, or the call's own.
                bool graph = mode != 2;
                Append a = {batch, tokens, first, graph ? -1 : position, capacity, key_heads, dim, k_stride, v_stride, type,
                            keys.data(), values.data(), keys.scales.data(), values.scales.data()};
                Array from_k = {k.data(), array}, from_v = {v.data(), array};
                launch({2, 1, 1}, 64, [&] { ring_append(a, from_k, from_v, graph ? &position : nullptr); });
                for (TypedNumbers *pair : {&keys, &values}) {
                    TypedNumbers &want = pair == &keys ? want_keys : want_values;
                    same(!memcmp(pair->data(), want.data(), want.from(size) - want.from(0)));
                    same(type != 2 || same_bits(pair->scales, want.scales));
                }
            }
    report("ring_append (same bits)", 0);
}

static void check_argmax() {
    using namespace decode_step;
    const int columns = 1000, stride = 1003, rows = 9;
    for (int type = 0; type < 2; type++)
        for (unsigned parts : {1u, 3u, 40u}) {
            Floats plain = floats(rows * stride, -5, 5);
            auto row = [&](int r) { return plain.data() + r * stride; };
            row(1)[500] = row(1)[20] = row(1)[999] = 7;      // ties
            row(2)[0] = NAN, row(2)[5] = 9;                  // nothing is larger than a NaN
            row(3)[7] = NAN, row(3)[900] = 9;                // and it is larger than nothing
            for (int c = 0; c < columns; c++) row(4)[c] = -INFINITY;
            for (int c = 0; c < columns; c++) row(5)[c] = NAN;
            row(6)[999] = INFINITY, row(6)[1000] = INFINITY, row(7)[1001] = 50;  // past the columns
            for (int c = 0; c < columns; c++) row(8)[c] = c % 2 ? 0.0f : -0.0f;  // equal
            TypedNumbers logits(plain, type);
            Ints ids(rows, -1), want(rows);
            for (int r = 0; r < rows; r++) {
                // As SamplingOptions.likeliest.
                const float *values = logits.values.data() + r * stride;
                for (int c = 0; c < columns; c++) want[r] = values[c] > values[want[r]] ? c : want[r];
            }
            std::vector<Best> tops(rows * parts);
            Array from = {logits.data(), type};
            launch({parts, rows, 1}, parts == 3 ? 256 : 96, [&] { argmax_rows(from, stride, columns, ids.data(), tops.data()); });
            if (parts > 1)
                launch({rows, 1, 1}, 32, [&] { argmax_combine(from, stride, tops.data(), (int)parts, ids.data()); });
            compare(ids, want);
        }
    long long position = 41;
    Ints positions(5, -1);
    launch({1, 1, 1}, 32, [&] { advance_position(&position, positions.data(), 5, 1); });
    same(position == 42);
    compare(positions, Ints(5, 42));
    launch({1, 1, 1}, 32, [&] { advance_position(&position, nullptr, 5, 3); });
    same(position == 45);
    report("argmax_rows (same)", 0);
}

static void check_decode_step() {
    check_decode_products();
    check_ring_append();
    check_argmax();
}
