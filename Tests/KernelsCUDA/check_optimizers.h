// Parameter updates, and Muon's pieces against float64.

static void check_updates() {
    using namespace optimizers;
    const int sizes[] = {1, 700, 33};
    Floats p[3], g[3], m[3], v[3], p2[3], m2[3], v2[3];
    std::vector<Update> updates;
    std::vector<Chunk> chunks;
    for (int k = 0; k < 3; k++) {
        int n = sizes[k];
        p[k] = p2[k] = floats(n), g[k] = floats(n), m[k] = m2[k] = floats(n), v[k] = v2[k] = floats(n, 0, 1);
        Update u = {p[k].data(), g[k].data(), m[k].data(), v[k].data(), n, 0.5f, 0.01f * (k + 1), 0.9f, 0.95f, 1e-8f, 0.1f * k, 0.3f, 0.2f};
        updates.push_back(u);
        for (int start = 0; start < n; start += 256) chunks.push_back({start, k, n - start < 256 ? n - start : 256});
        loom_adamw(
            p2[k].data(), g[k].data(), m2[k].data(), v2[k].data(), n, 0.5f, 0.01f * (k + 1), 0.9f, 0.95f, 1e-8f, 0.1f * k, 0.3f, 0.2f);
    }
    launch({(unsigned)chunks.size(), 1, 1}, 64, [&] { adamw(updates.data(), chunks.data()); });
    for (int k = 0; k < 3; k++) compare(p[k], p2[k]), compare(m[k], m2[k]), compare(v[k], v2[k]);
    for (int nesterov = 0; nesterov < 2; nesterov++) {
        Floats x = floats(500), y = x, d = floats(500), b = floats(500), c = b;
        elements(500, [&] { sgd(x.data(), d.data(), b.data(), 500, 0.5f, 0.1f, 0.9f, 0.01f, nesterov); });
        loom_sgd(y.data(), d.data(), c.data(), 500, 0.5f, 0.1f, 0.9f, 0.01f, nesterov);
        compare(x, y);
        compare(b, c);
    }
    report("adamw, sgd", 5e-7);
}

static void check_muon() {
    using namespace muon;
    const int rows = 21, columns = 50, n = rows * columns;
    Floats x = floats(n), y = x;
    std::vector<double> want(n), partial(3), total(1), after(1);
    auto sum_squares = [&](const Floats &of, std::vector<double> &into) {
        launch({3, 1, 1}, 64, [&] { sums::dot_partial(of.data(), of.data(), n, partial.data()); });
        launch({1, 1, 1}, 64, [&] { sums::finish_sum(partial.data(), 3, 1, into.data(), nullptr, 0); });
    };
    auto exact_squares = [&](const std::vector<double> &of) {
        double sum = 0;
        for (double value : of) sum += value * value;
        return sum;
    };
    sum_squares(x, total);
    elements(n, [&] { normalize(x.data(), n, total.data(), 1, 1.01f, 1e-7f); });
    for (int i = 0; i < n; i++) want[i] = y[i];
    double norm = sqrt(exact_squares(want));
    for (int i = 0; i < n; i++) want[i] = y[i] / (1.01 * norm);
    compare(x, want);

    Floats squares(rows);
    x = y;
    by_rows(rows, columns, [&] { row_squares(x.data(), squares.data(), rows, columns); });
    launch({1, 1, 1}, 32, [&] { equalize_factors(squares.data(), rows); });
    elements(n, [&] { columns_kernels::scale_rows(x.data(), squares.data(), x.data(), rows, columns, 0); });
    std::vector<double> norms(rows);
    double mean = 0;
    for (int i = 0; i < n; i++) norms[i / columns] += (double)y[i] * y[i];
    for (double &value : norms) value = sqrt(value), mean += value / rows;
    for (int i = 0; i < n; i++) want[i] = y[i] * mean / norms[i / columns];
    compare(x, want);

    for (int by_row = 0; by_row < 2; by_row++) {
        int kept = by_row ? rows : columns, over = by_row ? columns : rows;
        Floats v = floats(kept, 0.1, 0.5), factors(kept);
        std::vector<double> exact(kept), mine(kept);
        for (int i = 0; i < n; i++) exact[by_row ? i / columns : i % columns] += (double)y[i] * y[i] / over;
        for (int i = 0; i < kept; i++) mine[i] = 0.9 * v[i] + 0.1 * exact[i];
        for (int i = 0; i < n; i++) want[i] = y[i] / sqrt(mine[by_row ? i / columns : i % columns]);
        double shrunk = sqrt(exact_squares(want));
        for (double &value : want) value *= norm / shrunk;
        x = y;
        sum_squares(x, total);
        if (by_row) {
            by_rows(rows, columns, [&] { row_squares(x.data(), factors.data(), rows, columns); });
        } else {
            launch({up(columns, 32), 1, 1}, 256, [&] { column_squares(x.data(), factors.data(), rows, columns); });
        }
        elements(kept, [&] { variance_factors(factors.data(), v.data(), kept, over, 0.9f); });
        if (by_row) {
            elements(n, [&] { columns_kernels::scale_rows(x.data(), factors.data(), x.data(), rows, columns, 0); });
        } else {
            elements(n, [&] { columns_kernels::scale_columns(x.data(), factors.data(), x.data(), rows, columns); });
        }
        sum_squares(x, after);
        elements(n, [&] { restore_norm(x.data(), n, total.data(), after.data()); });
        compare(x, want);
        compare(v, mine);
    }
    Floats p = floats(n), q = p;
    elements(n, [&] { cautious_update(p.data(), y.data(), n, 0.1f, 0.5f); });
    for (int i = 0; i < n; i++) want[i] = q[i] - 0.1 * (y[i] + (y[i] * q[i] >= 0 ? 0.5 * q[i] : 0));
    compare(p, want);
    report("muon", 1e-6);
}

static void check_optimizers() {
    check_updates();
    check_muon();
}
