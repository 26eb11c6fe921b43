// Attention against the CPU's softmax over strips with float64 products around it.

struct Case {
    int batch, heads, key_heads, dim, queries, keys, query_position, key_position, window, tile;
    float softcap, dropout;
    bool alibi, accumulate;
};

static void check_one(const Case &t) {
    const int q_stride = t.heads * t.dim + 6, k_stride = t.key_heads * t.dim + 4, v_stride = k_stride + 3, group = t.heads / t.key_heads;
    const int query_rows = t.batch * t.queries, key_rows = t.batch * t.keys, out_stride = t.heads * t.dim;
    Typed typed_q = numbers(query_rows * q_stride, -2, 2), typed_k = numbers(key_rows * k_stride, -2, 2);
    Typed typed_v = numbers(key_rows * v_stride), typed_dout = numbers(query_rows * out_stride), out(Floats(query_rows * out_stride, NAN));
    const Floats q = typed_q.values(), k = typed_k.values(), v = typed_v.values(), dout = typed_dout.values();
    Floats slopes = floats(t.heads, 0, 0.3), lse(t.batch * t.heads * t.queries, NAN), delta = lse, want_delta = lse, exact_delta = lse;
    Floats want_out = out.values(), want_lse = lse;
    Typed dq = numbers(q.size()), dk = numbers(k.size()), dv = numbers(v.size());
    auto doubles = [](const Typed &x) {
        Floats values = x.values();
        return std::vector<double>(values.begin(), values.end());
    };
    std::vector<double> want_dq = doubles(dq), want_dk = doubles(dk), want_dv = doubles(dv);
    const unsigned long long step = 2;
    const float scale = 0.4f;

    // The reference: all scores of a head at once.
    for (int b = 0; b < t.batch; b++)
        for (int h = 0; h < t.heads; h++) {
            int kv = h / group, T = t.queries, S = t.keys, D = t.dim;
            auto row = [&](auto &of, int stride, int count, int i, int head) { return of.data() + (b * count + i) * stride + head * D; };
            loom_strip strip = {T, S, S, t.query_position, t.key_position, t.window, scale, t.softcap, t.alibi ? slopes[h] : 0.0f,
                                t.dropout, 77, 5 + (step << 16), (uint64_t)((3 + b) * t.heads + h) * T};
            Floats scores(T * S), raw, dweights(T * S), deltas(T);
            for (int i = 0; i < T; i++)
                for (int j = 0; j < S; j++) {
                    double sum = 0, dsum = 0;
                    for (int d = 0; d < D; d++) {
                        sum += (double)row(q, q_stride, T, i, h)[d] * row(k, k_stride, S, j, kv)[d];
                        dsum += (double)row(dout, out_stride, T, i, h)[d] * row(v, v_stride, S, j, kv)[d];
                    }
                    scores[i * S + j] = (float)sum, dweights[i * S + j] = (float)dsum;
                }
            raw = scores;
            float *log = want_lse.data() + (b * t.heads + h) * T;
            loom_attention_softmax(&strip, scores.data(), log);
            for (int i = 0; i < T; i++) {
                double dot = 0;
                for (int d = 0; d < D; d++) {
                    double sum = 0;
                    for (int j = 0; j < S; j++) sum += (double)scores[i * S + j] * row(v, v_stride, S, j, kv)[d];
                    row(want_out, out_stride, T, i, h)[d] = (float)sum;
                    dot += sum * row(dout, out_stride, T, i, h)[d];
                }
                deltas[i] = exact_delta[(b * t.heads + h) * T + i] = (float)dot;
            }
            loom_attention_softmax_backward(&strip, raw.data(), dweights.data(), log, deltas.data());
            for (int d = 0; d < D; d++) {
                for (int i = 0; i < T; i++) {
                    double sum = t.accumulate ? row(want_dq, q_stride, T, i, h)[d] : 0;
                    for (int j = 0; j < S; j++) sum += (double)dweights[i * S + j] * row(k, k_stride, S, j, kv)[d];
                    row(want_dq, q_stride, T, i, h)[d] = sum;
                }
                for (int j = 0; j < S; j++) {
                    bool keep = t.accumulate || h % group > 0;
                    double sum = keep ? row(want_dk, k_stride, S, j, kv)[d] : 0, vsum = keep ? row(want_dv, v_stride, S, j, kv)[d] : 0;
                    for (int i = 0; i < T; i++) {
                        sum += (double)dweights[i * S + j] * row(q, q_stride, T, i, h)[d];
                        vsum += (double)raw[i * S + j] * row(dout, out_stride, T, i, h)[d];
                    }
                    row(want_dk, k_stride, S, j, kv)[d] = sum;
                    row(want_dv, v_stride, S, j, kv)[d] = vsum;
                }
            }
        }

    auto fill_call = [&](auto &call) {
        call.batch = t.batch, call.heads = t.heads, call.key_heads = t.key_heads, call.dim = t.dim, call.queries = t.queries;
        call.keys = t.keys, call.q_stride = q_stride, call.k_stride = k_stride, call.v_stride = v_stride;
        call.query_position = t.query_position, call.key_position = t.key_position, call.window = t.window;
        call.scale = scale, call.softcap = t.softcap, call.dropout = t.dropout, call.tile = t.tile;
        call.dropout_key = 77, call.dropout_stream = 5, call.first_example = 3, call.slopes = t.alibi ? slopes.data() : nullptr;
        call.step = &step;
    };
    attention_kernels::Call forward = {};
    attention_backward::Call backward = {};
    fill_call(forward), fill_call(backward);
    unsigned query_tiles = up(t.queries, t.tile), key_tiles = up(t.keys, t.tile);
    launch({query_tiles, (unsigned)t.heads, (unsigned)t.batch}, 128, [&] {
        attention_kernels::attention(forward, typed_q, typed_k, typed_v, out, lse.data());
    });
    compare(out, want_out);
    compare(lse, want_lse);
    // Backward from what forward left, which was rounded.
    launch({3, 1, 1}, 64, [&] { attention_backward::attention_delta(backward, out, typed_dout, delta.data()); });
    for (int row = 0; row < query_rows; row++)
        for (int h = 0; h < t.heads; h++) {
            double dot = 0;
            for (int d = 0; d < t.dim; d++) dot += (double)out[row * out_stride + h * t.dim + d] * dout[row * out_stride + h * t.dim + d];
            want_delta[(row / t.queries * t.heads + h) * t.queries + row % t.queries] = (float)dot;
        }
    compare(delta, want_delta);
    launch({key_tiles, (unsigned)t.key_heads, (unsigned)t.batch}, 128, [&] {
        attention_backward::attention_keys(
            backward, typed_q, typed_k, typed_v, typed_dout, want_lse.data(), exact_delta.data(), dk, t.accumulate, dv, t.accumulate);
    });
    launch({query_tiles, (unsigned)t.heads, (unsigned)t.batch}, 128, [&] {
        attention_backward::attention_queries(
            backward, typed_q, typed_k, typed_v, typed_dout, want_lse.data(), exact_delta.data(), dq, t.accumulate);
    });
    compare(dq, want_dq);
    compare(dk, want_dk);
    compare(dv, want_dv);
}

static void check_training_attention() {
    const int all = INT32_MAX;
    const Case cases[] = {
        {2, 2, 2, 8, 40, 40, 0, 0, all, 32, 0, 0, false, false},     // plain
        {1, 4, 2, 12, 37, 37, 0, 0, 5, 16, 0, 0, false, true},       // window, grouped heads
        {1, 4, 1, 20, 70, 70, 0, 0, 20, 32, 8, 0.25f, true, false},  // softcap, dropout, ALiBi
        {2, 2, 1, 5, 9, 30, 21, 0, all, 8, 0, 0.1f, false, true},    // queries after a past
        {1, 2, 2, 16, 6, 50, 60, 16, 30, 16, 5, 0, true, false},     // a ring's past, window
        {1, 1, 1, 4, 10, 6, 0, 4, all, 8, 0, 0, false, false},       // queries that see nothing
        {1, 1, 1, 4, 20, 6, 0, 12, all, 8, 0, 0, false, false},      // a whole tile of them
        {1, 1, 1, 4, 4, 20, 0, 0, all, 8, 0, 0, false, false},       // a tile of keys that nobody sees
        {1, 1, 1, 3, 1, 1, 0, 0, 0, 32, 0, 0, false, false},         // one of each
    };
    for (const Case &t : cases) check_one(t);
    report("attention", 5e-6);
}

static void check_attention() {
    check_training_attention();
}
