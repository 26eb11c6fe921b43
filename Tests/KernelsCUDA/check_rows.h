// Kernels that work row by row: columns, norms, heads, embedding, loss.

static void check_columns() {
    using namespace columns_kernels;
    for (int columns : {1, 33, 100})
        for (int rows : {1, 37}) {
            int n = rows * columns;
            Floats x = floats(n), s = floats(rows), y = floats(n), z = y, bias = floats(columns);
            for (int accumulate = 0; accumulate < 2; accumulate++) {
                elements(n, [&] { scale_rows(x.data(), s.data(), y.data(), rows, columns, accumulate); });
                loom_scale_rows(x.data(), s.data(), z.data(), rows, columns, accumulate);
                compare(y, z);
                Floats d = floats(rows), e = d;
                by_rows(rows, columns, [&] { row_dots(x.data(), y.data(), d.data(), rows, columns, accumulate); });
                loom_row_dots(x.data(), y.data(), e.data(), rows, columns, accumulate);
                compare(d, e);
                Floats wide = floats(rows * (columns + 9)), same_wide = wide;
                elements(n, [&] {
                    copy_columns(x.data(), columns, wide.data() + 4, columns + 9, rows, columns, accumulate);
                });
                loom_copy_columns(x.data(), columns, same_wide.data() + 4, columns + 9, rows, columns, accumulate);
                compare(wide, same_wide);
            }
            elements(n, [&] { add_bias(y.data(), bias.data(), rows, columns); });
            loom_add_bias(z.data(), bias.data(), rows, columns);
            compare(y, z);
            elements(n, [&] { scale_columns(y.data(), bias.data(), y.data(), rows, columns); });
            for (int i = 0; i < n; i++) z[i] *= bias[i % columns];
            compare(y, z);
            int chunk = 16, chunks = up(rows, chunk);
            Floats partial(chunks * columns, NAN), total = floats(columns), want = total;
            launch({up(columns, 32), (unsigned)chunks, 1}, 256, [&] { column_sums(x.data(), rows, columns, chunk, partial.data()); });
            elements(columns, [&] { finish_columns(partial.data(), chunks, columns, total.data()); });
            loom_column_sums(x.data(), rows, columns, columns, want.data());
            compare(total, want);
        }
    const int batch = 2, time = 5, width = 7, n = batch * time * width;
    Floats x = floats(n), first = floats(batch * width);
    for (int reverse = 0; reverse < 2; reverse++)
        for (int with = 0; with < 2; with++)
            for (int accumulate = 0; accumulate < 2; accumulate++) {
                Floats y = floats(n), z = y;
                elements(n, [&] {
                    shift(x.data(), with ? first.data() : nullptr, y.data(), batch, time, width, reverse, accumulate);
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
    report("columns, shift", 1e-6);
}

static void check_norms() {
    using namespace normalization;
    for (int centered = 0; centered < 2; centered++)
        for (int columns : {8, 65, 300})
            for (int weighted = 0; weighted < 2; weighted++) {
                const int rows = 19, n = rows * columns, chunk = 8, chunks = up(rows, chunk);
                float offset = centered ? 0.0f : 1.0f;
                Floats x = floats(n, -2, 3), w = floats(columns), bias = floats(columns), y(n), z(n), mean(rows), rstd(rows);
                Floats mean2(rows), rstd2(rows), dy = floats(n), dx = floats(n), dz = dx;
                float *weight = weighted ? w.data() : nullptr, *added = weighted && centered ? bias.data() : nullptr;
                by_rows(rows, columns, [&] {
                    norm_forward(
                        x.data(), weight, added, offset, 1e-5f, y.data(), mean.data(), rstd.data(), rows, columns, centered);
                });
                if (centered) {
                    loom_layernorm(x.data(), weight, added, z.data(), mean2.data(), rstd2.data(), rows, columns, 1e-5f);
                } else {
                    loom_rmsnorm(x.data(), weight, offset, z.data(), rstd2.data(), rows, columns, 1e-5f);
                }
                compare(y, z);
                compare(mean, mean2);
                compare(rstd, rstd2);
                for (int accumulate = 0; accumulate < 2; accumulate++) {
                    Floats dw = floats(columns), db = floats(columns), dw2 = dw, db2 = db;
                    Floats weights(chunks * columns, NAN), biases(chunks * columns, NAN);
                    float *means = centered ? mean.data() : nullptr;
                    launch({up(columns, 32), (unsigned)chunks, 1}, 256, [&] {
                        norm_parameters(
                            x.data(), means, rstd.data(), dy.data(), rows, columns, chunk, weights.data(), biases.data());
                    });
                    elements(columns, [&] { columns_kernels::finish_columns(weights.data(), chunks, columns, dw.data()); });
                    elements(columns, [&] { columns_kernels::finish_columns(biases.data(), chunks, columns, db.data()); });
                    by_rows(rows, columns, [&] {
                        norm_backward(
                            x.data(), weight, offset, means, rstd.data(), dy.data(), dx.data(), rows, columns, accumulate);
                    });
                    if (centered) {
                        loom_layernorm_backward(
                            x.data(), weight, mean.data(), rstd.data(), dy.data(), dz.data(), accumulate, dw2.data(), db2.data(),
                            rows, columns);
                        compare(db, db2);
                    } else {
                        loom_rmsnorm_backward(
                            x.data(), weight, offset, rstd.data(), dy.data(), dz.data(), accumulate, dw2.data(), rows, columns);
                    }
                    compare(dx, dz);
                    compare(dw, dw2);
                }
            }
    report("norms", 3e-6);
}

static void check_heads() {
    using namespace heads_kernels;
    const int rows = 7, count = 3, dim = 20, in_stride = 90, positions = 12, chunk = 4, chunks = 2;
    for (int rotary : {0, 12, 20})
        for (int mode = 0; mode < 6; mode++) {
            int normalize = mode % 3 > 0, weighted = mode % 3 == 2, interleaved = mode / 3;
            Floats x = floats(rows * in_stride, -2, 2), weight = floats(dim), c = floats(positions * 10), s = floats(positions * 10);
            Ints at(rows);
            for (int &p : at) p = (int)uniform(0, positions);
            Floats y(rows * count * dim), z = y, rstd(rows * count), rstd2 = rstd;
            Heads h = {};
            h.rows = rows, h.heads = count, h.dim = dim, h.in_stride = in_stride, h.out_stride = count * dim, h.rotary = rotary;
            h.normalize = normalize, h.interleaved = interleaved, h.epsilon = 1e-6f, h.scale = 1.2f;
            h.weight = weighted ? weight.data() : nullptr, h.cosines = c.data(), h.sines = s.data(), h.positions = at.data();
            loom_heads g = {rows, count, dim, in_stride, count * dim, normalize, 1e-6f, h.weight, 0, rotary, interleaved,
                            c.data(), s.data(), at.data(), 1.2f};
            launch({2, 1, 1}, 96, [&] { heads_forward(h, x.data() + 5, y.data(), rstd.data()); });
            loom_heads_forward(&g, x.data() + 5, z.data(), rstd2.data());
            compare(y, z);
            if (normalize) compare(rstd, rstd2);
            for (int accumulate = 0; accumulate < 2; accumulate++) {
                Floats dy = floats(y.size()), dx = floats(x.size()), dz = dx, dw = floats(dim), dw2 = dw, partial(chunks * dim);
                launch({2, 1, 1}, 64, [&] {
                    heads_backward(h, x.data() + 5, rstd2.data(), dy.data(), dx.data() + 5, accumulate);
                });
                loom_heads_backward(
                    &g, x.data() + 5, rstd2.data(), dy.data(), dz.data() + 5, accumulate, weighted ? dw2.data() : nullptr);
                compare(dx, dz);
                if (!weighted) continue;
                launch({(unsigned)chunks, 1, 1}, 32, [&] {
                    heads_weight(h, x.data() + 5, rstd2.data(), dy.data(), chunk, partial.data());
                });
                elements(dim, [&] { columns_kernels::finish_columns(partial.data(), chunks, dim, dw.data()); });
                compare(dw, dw2);
            }
        }
    report("heads", 3e-6);
}

/// The sort and the two steps of the gradient, as the host will launch them.
static void scatter(const Floats &dy, const Ints &ids, Floats &table, int columns, int bits, int chunk) {
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
        scatter_chunks(dy.data(), keys.data(), places.data(), n, columns, chunk, table.data(), edges.data());
    });
    elements(columns, [&] { scatter_edges(keys.data(), n, columns, chunk, edges.data(), table.data()); });
}

static void check_embedding() {
    const int columns = 40, vocabulary = 300;
    for (int n : {1, 31, 2500})
        for (int kinds : {1, 4, 300}) {  // one id everywhere, few, many
            Ints ids(n);
            for (int &id : ids) id = kinds == 1 ? 299 : (int)uniform(0, kinds) * (vocabulary / kinds);
            Floats table = floats(vocabulary * columns), y(n * columns), z = y, dy = floats(n * columns), dt = table, dz = table;
            elements(n * columns, [&] { embedding::gather(table.data(), ids.data(), y.data(), n, columns); });
            loom_gather(table.data(), ids.data(), z.data(), n, columns);
            same(y == z);
            scatter(dy, ids, dt, columns, 9, 16);
            loom_scatter_add(dy.data(), ids.data(), dz.data(), n, columns, 0, columns);
            compare(dt, dz);
        }
    report("gather, scatter", 3e-6);
}

static void check_loss() {
    const int rows = 12, stride = 80, vocabulary = 77;
    for (float cap : {0.0f, 15.0f})
        for (int gradient = 0; gradient < 2; gradient++) {
            Floats x = floats(rows * stride, -20, 20), y, losses(rows), want(rows);
            Ints targets(rows), hits(rows, -1), hits2(rows, -1);
            for (int &t : targets) t = (int)uniform(0, vocabulary);
            targets[3] = -1;
            x[0 * stride + targets[0]] = 30;                                                         // a hit
            x[1 * stride + 5] = x[1 * stride + 9] = 30, targets[1] = 9;                              // a tie, the later one
            x[2 * stride + 5] = x[2 * stride + 9] = 30, targets[2] = 5;                              // and the first
            y = x;
            by_rows(rows, stride, [&] {
                loss::cross_entropy(
                    x.data(), stride, targets.data(), rows, vocabulary, cap, losses.data(), gradient, 0.1f, hits.data());
            });
            loom_cross_entropy(y.data(), stride, targets.data(), rows, vocabulary, cap, want.data(), gradient, 0.1f, hits2.data());
            compare(x, y);
            compare(losses, want);
            same(hits == hits2 && hits[0] == 1 && hits[1] == 0 && hits[2] == 1);
        }
    report("cross_entropy", 2e-6);
}

static void check_products() {
    const int sizes[][3] = {{1, 1, 1}, {33, 70, 40}, {5, 100, 129}, {64, 32, 7}};
    for (auto &size : sizes)
        for (int mode = 0; mode < 8; mode++)
            for (int type = 0; type < 3; type++) {
                int m = size[0], n = size[1], k = size[2], group = 16, transpose_a = mode & 1, transpose_b = mode >> 1 & 1;
                int columns = transpose_b ? k : n;
                float alpha = mode & 4 ? 0.7f : 1.0f, beta = mode & 4 ? -0.5f : 0.0f;
                Floats a = floats(m * k), b = floats(n * k), c = floats(m * n), bias = floats(n), scales(n * k), plain = b;
                std::vector<uint16_t> b16(n * k);
                std::vector<int8_t> b8(n * k);
                loom_to_bfloat16(b.data(), b16.data(), n * k);
                loom_quantize(b.data(), b8.data(), scales.data(), n * k / columns, columns, group);
                if (type == 1) loom_from_bfloat16(b16.data(), plain.data(), n * k);
                if (type == 2) loom_dequantize(b8.data(), scales.data(), plain.data(), n * k / columns, columns, group);
                const void *data[] = {b.data(), b16.data(), b8.data()};
                std::vector<double> want(m * n);
                for (int i = 0; i < m; i++)
                    for (int j = 0; j < n; j++) {
                        double sum = 0;
                        for (int l = 0; l < k; l++)
                            sum += (double)a[transpose_a ? l * m + i : i * k + l] * plain[transpose_b ? j * k + l : l * n + j];
                        want[i * n + j] = alpha * sum + beta * c[i * n + j] + (mode & 2 ? bias[j] : 0);
                    }
                if (beta == 0) c.assign(m * n, NAN);  // must not be read
                products::Product p = {m, n, k, group, transpose_a, transpose_b, type, alpha, beta, a.data(), data[type],
                                       scales.data(), c.data(), mode & 2 ? bias.data() : nullptr};
                launch({up(n, 32), m > 40 ? 1u : up(m, 32), 1}, 256, [&] { products::multiply_matrices(p); });
                compare(c, want);
            }
    report("multiply_matrices", 2e-6);
}

static void check_rows() {
    check_products();
    check_columns();
    check_norms();
    check_heads();
    check_embedding();
    check_loss();
}
