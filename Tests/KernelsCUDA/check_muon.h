// Muon's pieces against float64, by matrix; and a matrix in company against itself alone, to the last bit.

/// A stack of matrices as its kernels take it: more of them than the grid's blocks in y, where `few`.
struct Stack {
    int matrices, rows, columns;
    bool few;
    int size() const { return rows * columns; }
    int all() const { return matrices * size(); }
    /// Blocks whose number depends on the matrix alone, as LaunchGeometry.sums has them.
    template <typename Body> void run(unsigned blocks, int threads, Body body) const {
        launch({blocks, few ? 2u : (unsigned)matrices, 1}, threads, body);
    }
    template <typename Body> void elements(Body body) const { run(3, 64, body); }
};
static const int parts = 3;

typedef std::vector<double> Doubles;
static Doubles partial_squares_of(const Typed &x, const Stack &s) {
    Doubles partial(parts * s.matrices, NAN);
    s.run(parts, 64, [&] { muon::partial_squares(x, s.matrices, s.size(), partial.data()); });
    return partial;
}
/// The norms of a stack's matrices.
static Doubles norms_of(const Floats &x, const Stack &s) {
    Doubles norms(s.matrices);
    for (int i = 0; i < s.all(); i++) norms[i / s.size()] += (double)x[i] * x[i];
    for (double &norm : norms) norm = sqrt(norm);
    return norms;
}
/// Places for the matrices of a list, each of its own: in another order, and apart.
struct Scattered {
    std::vector<Typed> each;
    std::vector<float *> at;
    Scattered(const Floats &values, const Stack &s) : at(s.matrices) {
        each.reserve(s.matrices);
        for (int z = s.matrices; z-- > 0;) {
            each.push_back(wide(Floats(values.begin() + z * s.size(), values.begin() + (z + 1) * s.size())));
            at[z] = each.back().floats();
        }
    }
    void compare_with(const Doubles &want, const Stack &s) {
        for (int z = 0; z < s.matrices; z++)
            compare(each[s.matrices - 1 - z], Doubles(want.begin() + z * s.size(), want.begin() + (z + 1) * s.size()));
    }
};

static void check_nesterov(const Stack &s) {
    const double squares[] = {9, NAN};
    struct { const double *squares; float limit, factor; } cases[] = {
        {nullptr, 0, 1}, {squares, 1.5f, (float)(1.5 / (3 + 1e-6))}, {squares, 4, 1}, {squares + 1, 1, 1}};
    const muon::StepNumbers step = {0.5f, NAN, NAN, 0.9f, NAN, NAN};
    for (auto &t : cases) {
        const Floats g = floats(s.all()), before = floats(s.all());
        Scattered gradients(g, s);
        Typed averages = wide(before), y = numbers(s.all());
        s.elements([&] {
            muon::nesterov(gradients.at.data(), averages.floats(), y, s.matrices, s.size(), &step, t.squares, t.limit);
        });
        Doubles mean(s.all()), ahead(s.all());
        for (int i = 0; i < s.all(); i++) {
            double part = 0.1 * 0.5 * t.factor * g[i];
            mean[i] = 0.9 * before[i] + part, ahead[i] = 0.9 * mean[i] + part;
        }
        compare(averages, mean);
        compare(y, ahead);
        gradients.compare_with(Doubles(g.begin(), g.end()), s);
    }
}

static void check_norms(const Stack &s) {
    Typed x = numbers(s.all());
    const Floats y = x.values();
    const Doubles norms = norms_of(y, s);
    Doubles want(s.all()), partial = partial_squares_of(x, s);
    s.elements([&] { muon::normalize(x, s.matrices, s.size(), partial.data(), parts, 1, 1.01f, 1e-7f); });
    for (int i = 0; i < s.all(); i++) want[i] = y[i] / (1.01 * norms[i / s.size()]);
    compare(x, want);

    const int rows = s.matrices * s.rows;
    Typed squares = wide(Floats(rows));
    x = y;
    by_rows(rows, s.columns, [&] { muon::row_squares(x, squares.floats(), rows, s.columns); });
    s.run(1, 32, [&] { muon::equalize_factors(squares.floats(), s.matrices, s.rows); });
    elements(s.all(), [&] { columns_kernels::scale_rows(x, squares, x, rows, s.columns, 0); });
    Doubles of_rows(rows), mean(s.matrices);
    for (int i = 0; i < s.all(); i++) of_rows[i / s.columns] += (double)y[i] * y[i];
    for (int r = 0; r < rows; r++) of_rows[r] = sqrt(of_rows[r]), mean[r / s.rows] += of_rows[r] / s.rows;
    for (int i = 0; i < s.all(); i++) want[i] = y[i] * mean[i / s.size()] / of_rows[i / s.columns];
    compare(x, want);
}

static void check_variance(const Stack &s, bool by_row) {
    const int kept = by_row ? s.rows : s.columns, over = by_row ? s.columns : s.rows, all = kept * s.matrices;
    Typed x = numbers(s.all()), factors = wide(Floats(all));
    const Floats y = x.values(), before = floats(all, 0.1, 0.5);
    auto place = [&](int i) { return i / s.size() * kept + (by_row ? i % s.size() / s.columns : i % s.columns); };
    Floats v = before;
    Doubles exact(all), mine(all), want(s.all()), had = partial_squares_of(x, s);
    for (int i = 0; i < s.all(); i++) exact[place(i)] += (double)y[i] * y[i] / over;
    for (int i = 0; i < all; i++) mine[i] = 0.9 * before[i] + 0.1 * exact[i];
    if (by_row) {
        by_rows(s.matrices * s.rows, s.columns, [&] { muon::row_squares(x, factors.floats(), s.matrices * s.rows, s.columns); });
    } else {
        s.run(up(s.columns, 32), 256, [&] { muon::column_squares(x, factors.floats(), s.matrices, s.rows, s.columns); });
    }
    elements(all, [&] { muon::variance_factors(factors.floats(), v.data(), all, over, 0.9f); });
    compare(v, mine);
    if (by_row) {
        elements(s.all(), [&] { columns_kernels::scale_rows(x, factors, x, s.matrices * s.rows, s.columns, 0); });
    } else {
        s.elements([&] { muon::scale_stacked_columns(x, factors.floats(), s.matrices, s.rows, s.columns); });
    }
    for (int i = 0; i < s.all(); i++) want[i] = y[i] / sqrt(mine[place(i)]);
    compare(x, want);
    // From what was rounded.
    const Doubles norms = norms_of(y, s), shrunk = norms_of(x.values(), s);
    for (int i = 0; i < s.all(); i++) want[i] = x[i] * norms[i / s.size()] / shrunk[i / s.size()];
    Doubles has = partial_squares_of(x, s);
    s.elements([&] { muon::restore_norm(x, s.matrices, s.size(), had.data(), has.data(), parts); });
    compare(x, want);
}

static void check_moves(const Stack &s) {
    const Floats p = floats(s.all());
    Typed g = numbers(s.all());
    Doubles cautious(s.all()), decayed(s.all());
    for (int i = 0; i < s.all(); i++) {
        cautious[i] = p[i] - 0.1 * (g[i] + ((double)g[i] * p[i] >= 0 ? 0.5 * p[i] : 0));
        decayed[i] = (1 - 0.05 * 0.5) * p[i] - 0.1 * g[i];
    }
    Scattered one(p, s), other(p, s);
    const muon::StepNumbers step = {NAN, 0.05f, 0.5f, NAN, NAN, NAN};
    s.elements([&] { muon::cautious_update(one.at.data(), g, s.matrices, s.size(), &step, 2); });
    one.compare_with(cautious, s);
    s.elements([&] { muon::decayed_update(other.at.data(), g, s.matrices, s.size(), &step, 2); });
    other.compare_with(decayed, s);
}

/// Sums of a matrix are the same to the last bit whatever stands beside it.
static void check_company(const Stack &s) {
    Typed x = numbers(s.all());
    const Doubles together = partial_squares_of(x, s);
    for (int z = 0; z < s.matrices; z++) {
        const Floats all = x.values();
        Typed alone(Floats(all.begin() + z * s.size(), all.begin() + (z + 1) * s.size()));
        same(partial_squares_of(alone, {1, s.rows, s.columns, false})
             == Doubles(together.begin() + z * parts, together.begin() + (z + 1) * parts));
    }
}

static void check_muon() {
    const Stack stacks[] = {{1, 21, 50, false}, {5, 21, 50, true}, {3, 50, 21, false}, {3, 8, 36, true}, {2, 1, 3, false}};
    for (const Stack &s : stacks) {
        check_nesterov(s);
        check_norms(s);
        for (bool by_row : {false, true}) check_variance(s, by_row);
        check_moves(s);
        check_company(s);
    }
    report("muon", 1e-6);
}
