// Kernels that work row by row: columns, norms, heads, embedding, loss.

static void check_columns() {
    using namespace columns_kernels;
    for (int columns : {1, 33, 100})
        for (int rows : {1, 37}) {
            int n = rows * columns;
            Typed x = numbers(n), s = numbers(rows), y = numbers(n);
            const Floats values = x.values(), factors = s.values();
            Floats z;
            for (int accumulate = 0; accumulate < 2; accumulate++) {
                z = y.values();
                elements(n, [&] { scale_rows(x, s, y, rows, columns, accumulate); });
                loom_scale_rows(values.data(), factors.data(), z.data(), rows, columns, accumulate);
                compare(y, z);
                z = y.values();
                Typed d = numbers(rows);
                Floats e = d.values();
                by_rows(rows, columns, [&] { row_dots(x, y, d, rows, columns, accumulate); });
                loom_row_dots(values.data(), z.data(), e.data(), rows, columns, accumulate);
                compare(d, e);
                Typed broad = numbers(rows * (columns + 12));
                Floats same_broad = broad.values();
                elements(n, [&] { copy_columns(x, columns, broad.from(4), columns + 12, rows, columns, accumulate); });
                loom_copy_columns(values.data(), columns, same_broad.data() + 4, columns + 12, rows, columns, accumulate);
                compare(broad, same_broad);
            }
            int chunk = 16, chunks = up(rows, chunk);
            Floats partial(chunks * columns, NAN), total = floats(columns), want = total;
            launch({up(columns, 32), (unsigned)chunks, 1}, 256, [&] { column_sums(x, rows, columns, chunk, partial.data()); });
            elements(columns, [&] { finish_columns(partial.data(), chunks, columns, total.data()); });
            loom_column_sums(values.data(), rows, columns, columns, want.data());
            compare(total, want);
        }
    report("columns", 1e-6);
}

static void check_shift() {
    using namespace columns_kernels;
    const int batch = 2, time = 5;
    for (int width : {7, 8})
        for (int mode = 0; mode < 8; mode++) {
            const int n = batch * time * width, reverse = mode & 1, with = mode >> 1 & 1, accumulate = mode >> 2;
            Typed x = numbers(n), first = numbers(batch * width), y = numbers(n);
            Floats z = y.values();
            elements(n, [&] {
                if (with) {
                    columns_kernels::shift(x, first, y, batch, time, width, reverse, accumulate);
                } else {
                    columns_kernels::shift(x, none(), y, batch, time, width, reverse, accumulate);
                }
            });
            for (int b = 0; b < batch; b++)
                for (int t = 0; t < time; t++)
                    for (int c = 0; c < width; c++) {
                        int i = (b * time + t) * width + c, from = reverse ? t + 1 : t - 1;
                        float value = 0;
                        if (from >= 0 && from < time) value = x[(b * time + from) * width + c];
                        if (from < 0 && with) value = first[b * width + c];
                        z[i] = accumulate ? z[i] + value : value;
                    }
            compare(y, z);
        }
    report("shift", 1e-6);
}

static void check_norm(bool centered, int columns, bool weighted) {
    using namespace normalization;
    const int rows = columns > 1000 ? 6 : 19, n = rows * columns, chunk = 8, chunks = up(rows, chunk);
    float offset = centered ? 0.0f : 1.0f;
    Typed x = numbers(n, -2, 3), y = numbers(n), dy = numbers(n), dx = numbers(n);
    const Floats values = x.values(), upstream = dy.values();
    Floats w = floats(columns), bias = floats(columns), z(n), mean(rows), rstd(rows), mean2(rows), rstd2(rows);
    float *weight = weighted ? w.data() : nullptr, *added = weighted && centered ? bias.data() : nullptr;
    by_rows(rows, columns, [&] {
        norm_forward(x, weight, added, offset, 1e-5f, y, mean.data(), rstd.data(), rows, columns, centered);
    });
    if (centered) {
        loom_layernorm(values.data(), weight, added, z.data(), mean2.data(), rstd2.data(), rows, columns, 1e-5f);
    } else {
        loom_rmsnorm(values.data(), weight, offset, z.data(), rstd2.data(), rows, columns, 1e-5f);
    }
    compare(y, z);
    compare(mean, mean2);
    compare(rstd, rstd2);
    for (int accumulate = 0; accumulate < 2; accumulate++) {
        Floats dw = floats(columns), db = floats(columns), dw2 = dw, db2 = db, dz = dx.values();
        Floats weights(chunks * columns, NAN), biases(chunks * columns, NAN);
        float *means = centered ? mean.data() : nullptr;
        launch({up(columns, 32), (unsigned)chunks, 1}, 256, [&] {
            norm_parameters(x, means, rstd.data(), dy, rows, columns, chunk, weights.data(), biases.data());
        });
        elements(columns, [&] { columns_kernels::finish_columns(weights.data(), chunks, columns, dw.data()); });
        elements(columns, [&] { columns_kernels::finish_columns(biases.data(), chunks, columns, db.data()); });
        by_rows(rows, columns, [&] {
            norm_backward(x, weight, offset, means, rstd.data(), dy, dx, rows, columns, accumulate);
        });
        if (centered) {
            loom_layernorm_backward(
                values.data(), weight, mean.data(), rstd.data(), upstream.data(), dz.data(), accumulate, dw2.data(), db2.data(), rows,
                columns);
            compare(db, db2);
        } else {
            loom_rmsnorm_backward(
                values.data(), weight, offset, rstd.data(), upstream.data(), dz.data(), accumulate, dw2.data(), rows, columns);
        }
        compare(dx, dz);
        compare(dw, dw2);
    }
    // dx may be dy.
    Floats dz = dy.values(), ignored(columns);
    if (centered) {
        loom_layernorm_backward(
            values.data(), weight, mean.data(), rstd.data(), upstream.data(), dz.data(), 0, ignored.data(), ignored.data(), rows,
            columns);
    } else {
        loom_rmsnorm_backward(
            values.data(), weight, offset, rstd.data(), upstream.data(), dz.data(), 0, ignored.data(), rows, columns);
    }
    by_rows(rows, columns, [&] {
        norm_backward(x, weight, offset, centered ? mean.data() : nullptr, rstd.data(), dy, dy, rows, columns, 0);
    });
    compare(dy, dz);
}

/// A sum and its norm in one pass, bit for bit as the two kernels it stands for; the sum may lie where an addend was.
static void check_norm_add(bool centered, int columns, bool weighted) {
    using namespace normalization;
    const int rows = 7, n = rows * columns;
    Typed a = numbers(n), b = numbers(n), sum = numbers(n), y = numbers(n), apart = numbers(n), want = numbers(n);
    Floats w = floats(columns), bias = floats(columns), mean(rows), rstd(rows), mean2(rows), rstd2(rows);
    float *weight = weighted ? w.data() : nullptr, *added = weighted && centered ? bias.data() : nullptr;
    elements(n, [&] { elementwise::add(a, b, apart, n); });
    by_rows(rows, columns, [&] {
        norm_forward(apart, weight, added, 0.5f, 1e-5f, want, mean.data(), rstd.data(), rows, columns, centered);
    });
    by_rows(rows, columns, [&] {
        norm_forward_add(a, b, sum, weight, added, 0.5f, 1e-5f, y, mean2.data(), rstd2.data(), rows, columns, centered);
    });
    same(sum.values() == apart.values() && y.values() == want.values() && mean == mean2 && rstd == rstd2);
    compare(sum, apart.values());
    compare(y, want.values());
    by_rows(rows, columns, [&] {
        norm_forward_add(a, b, a, weight, added, 0.5f, 1e-5f, y, mean2.data(), rstd2.data(), rows, columns, centered);
    });
    same(a.values() == apart.values() && y.values() == want.values());
    compare(a, apart.values());
    compare(y, want.values());
}

static void check_norms() {
    for (bool centered : {false, true})
        for (int columns : {8, 65, 300, 5001, 5004})  // the last two are more than a block keeps
            for (bool weighted : {false, true}) check_norm(centered, columns, weighted);
    report("norms", 3e-6);
    for (bool centered : {false, true})
        for (int columns : {8, 65, 300, 5001, 5004})
            for (bool weighted : {false, true}) check_norm_add(centered, columns, weighted);
    report("norm of a sum (same bits)", 0);
}

static void check_head(int dim, int rotary, int mode) {
    using namespace heads_kernels;
    const int rows = 7, count = 3, positions = 12, chunk = 4, chunks = 2;
    const int in_stride = count * dim + 32, half = rotary / 2 + 1;
    int normalize = mode % 3 > 0, weighted = mode % 3 == 2, interleaved = mode / 3;
    Typed x = numbers(rows * in_stride, -2, 2), y = numbers(rows * count * dim);
    const Floats values = x.values(), weight = floats(dim), c = floats(positions * half), s = floats(positions * half);
    Ints at(rows);
    for (int &p : at) p = (int)uniform(0, positions);
    Floats z(rows * count * dim), rstd(rows * count), rstd2 = rstd;
    Heads h = {};
    h.rows = rows, h.heads = count, h.dim = dim, h.in_stride = in_stride, h.out_stride = count * dim, h.rotary = rotary;
    h.normalize = normalize, h.interleaved = interleaved, h.epsilon = 1e-6f, h.scale = 1.2f;
    h.weight = weighted ? weight.data() : nullptr, h.cosines = c.data(), h.sines = s.data(), h.positions = at.data();
    loom_heads g = {rows, count, dim, in_stride, count * dim, normalize, 1e-6f, h.weight, 0, rotary, interleaved,
                    c.data(), s.data(), at.data(), 1.2f};
    launch({2, 1, 1}, 96, [&] { heads_forward(h, x.from(4), y, rstd.data()); });
    loom_heads_forward(&g, values.data() + 4, z.data(), rstd2.data());
    compare(y, z);
    if (normalize) compare(rstd, rstd2);
    for (int accumulate = 0; accumulate < 2; accumulate++) {
        Typed dy = numbers(y.size()), dx = numbers(x.size());
        Floats dz = dx.values(), dw = floats(dim), dw2 = dw, partial(chunks * dim);
        launch({2, 1, 1}, 64, [&] { heads_backward(h, x.from(4), rstd2.data(), dy, dx.from(4), accumulate); });
        loom_heads_backward(
            &g, values.data() + 4, rstd2.data(), dy.values().data(), dz.data() + 4, accumulate,
            weighted ? dw2.data() : nullptr);
        compare(dx, dz);
        if (!weighted) continue;
        launch({(unsigned)chunks, 1, 1}, 32, [&] {
            heads_weight(h, x.from(4), rstd2.data(), dy, chunk, partial.data());
        });
        elements(dim, [&] { columns_kernels::finish_columns(partial.data(), chunks, dim, dw.data()); });
        compare(dw, dw2);
    }
}

static void check_heads() {
    for (int dim : {20, 21, 24, 64, 128, 272})  // the last has more than 32 lanes take
        for (int rotary : {0, 12, 16, dim / 4 * 4})
            for (int mode = 0; mode < 6; mode++) check_head(dim, rotary, mode);
    report("heads", 3e-6);
}

/// The sort and the two steps of the gradient, as the host will launch them.
static void scatter(const Typed &dy, const Ints &ids, Floats &table, int columns, int bits, int chunk) {
    using namespace embedding;
    int n = (int)ids.size();
    unsigned blocks = up(n, 1024);
    Ints keys(n), places(n), keys2(n), places2(n), counts(16 * blocks);
    elements(n, [&] { sort_start(ids.data(), keys.data(), places.data(), n); });
    for (int shift = 0; shift < bits; shift += 4) {
        launch({blocks, 1, 1}, 256, [&] { sort_count(keys.data(), n, shift, counts.data()); });
        launch({1, 1, 1}, 256, [&] { sort_scan(counts.data(), 16 * blocks); });
        launch({blocks, 1, 1}, 256, [&] {
            sort_move(keys.data(), places.data(), n, shift, counts.data(), keys2.data(), places2.data());
        });
        keys.swap(keys2);
        places.swap(places2);
    }
    for (int i = 1; i < n; i++) same(keys[i - 1] < keys[i] || (keys[i - 1] == keys[i] && places[i - 1] < places[i]));
    Floats edges(up(n, chunk) * 2 * columns, NAN);
    launch({up(n, chunk), up(columns, 32), 1}, 32, [&] {
        scatter_chunks(dy, keys.data(), places.data(), n, columns, chunk, table.data(), edges.data());
    });
    elements(columns, [&] { scatter_edges(keys.data(), n, columns, chunk, edges.data(), table.data()); });
}

static void check_embedding() {
    const int vocabulary = 300;
    for (int columns : {40, 37})
        for (int n : {1, 31, 2500})
            for (int kinds : {1, 4, 300}) {  // one id everywhere, few, many
                Ints ids(n);
                for (int &id : ids) id = kinds == 1 ? 299 : (int)uniform(0, kinds) * (vocabulary / kinds);
                Typed table = numbers(vocabulary * columns), y = numbers(n * columns), dy = numbers(n * columns);
                Floats z(n * columns), dt = floats(vocabulary * columns), dz = dt;
                elements(n * columns, [&] { embedding::gather(table, ids.data(), y, n, columns); });
                loom_gather(table.values().data(), ids.data(), z.data(), n, columns);
                same(y.values() == z);
                compare(y, z);
                scatter(dy, ids, dt, columns, 9, 16);
                loom_scatter_add(dy.values().data(), ids.data(), dz.data(), n, columns, 0, columns);
                compare(dt, dz);
            }
    // A table of one type and rows of another.
    Ints ids = {3, 0, 3};
    Typed table(floats(4 * 8), 0), y(floats(3 * 8), 1);
    Floats z(3 * 8);
    elements(3 * 8, [&] { embedding::gather(table, ids.data(), y, 3, 8); });
    loom_gather(table.values().data(), ids.data(), z.data(), 3, 8);
    compare(y, z);
    report("gather, scatter", 3e-6);
}

static void check_loss() {
    const int rows = 12;
    for (int vocabulary : {77, 300, 5003})  // the last is several fours a thread
        for (float cap : {0.0f, 15.0f})
            for (int gradient = 0; gradient < 2; gradient++) {
                const int stride = (vocabulary + 3) / 4 * 4 + (vocabulary > 100 ? 8 : 0);
                Floats values = floats(rows * stride, -20, 20), losses(rows), want(rows);
                Ints targets(rows), hits(rows, -1), hits2(rows, -1);
                for (int &t : targets) t = (int)uniform(0, vocabulary);
                targets[3] = -1;
                values[0 * stride + targets[0]] = 30;                                    // a hit
                values[1 * stride + 5] = values[1 * stride + 9] = 30, targets[1] = 9;    // a tie, the later one
                values[2 * stride + 5] = values[2 * stride + 9] = 30, targets[2] = 5;    // and the first
                values[4 * stride + (targets[4] + 1) % vocabulary] = -INFINITY;          // masked
                for (int c = 0; c < vocabulary; c++)
                    if (c != targets[5]) values[5 * stride + c] = -INFINITY;             // all but one
                values[6 * stride + vocabulary / 2] = NAN;
                values[7 * stride + (targets[7] + 3) % vocabulary] = INFINITY;
                for (int c = 0; c < vocabulary; c++) values[8 * stride + c] = -INFINITY;
                for (int c = 0; c < vocabulary; c++) values[9 * stride + c] = NAN;
                Typed x(values);
                Floats y = x.values();
                by_rows(rows, stride, [&] {
                    loss::cross_entropy(
                        x, stride, targets.data(), rows, vocabulary, cap, losses.data(), gradient, 0.1f, hits.data());
                });
                loom_cross_entropy(
                    y.data(), stride, targets.data(), rows, vocabulary, cap, want.data(), gradient, 0.1f, hits2.data());
                compare(x, y);
                compare(losses, want);
                same(hits == hits2 && hits[0] == 1 && hits[1] == 0 && hits[2] == 1);
            }
    report("cross_entropy", 2e-6);
}

static void check_rows() {
    check_columns();
    check_shift();
    check_norms();
    check_heads();
    check_embedding();
    check_loss();
}
