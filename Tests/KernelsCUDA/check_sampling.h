// Drawing tokens, held against sorting everything in double.

/// The tokens that are kept and how wide each is, of `columns` logits.
static std::vector<std::pair<int, double>> kept_tokens(const float *x, int columns, double temperature, int k, double p) {
    std::vector<std::pair<int, double>> kept;
    double top = -INFINITY;
    for (int i = 0; i < columns; i++) kept.push_back({i, 0}), top = fmax(top, x[i]);
    std::stable_sort(kept.begin(), kept.end(), [&](auto &a, auto &b) { return x[a.first] > x[b.first]; });
    if (k) kept.resize(k < columns ? k : columns);
    double total = 0, sum = 0;
    for (auto &token : kept) total += token.second = exp((x[token.first] - top) / temperature);
    size_t count = 0;
    while (count < kept.size() && (p >= 1 || sum < p * total)) sum += kept[count++].second;
    kept.resize(count);
    std::sort(kept.begin(), kept.end());
    return kept;
}

static void check_sampling() {
    using namespace sampling_kernels;
    const int rows = 6;
    struct { int columns, chunk; double temperature; int k; double p; } cases[] = {
        {2000, 1024, 1, 0, 1}, {2000, 512, 7, 5, 1}, {2000, 1024, 7, 1200, 1}, {2000, 1024, 3, 0, 0.9}, {2000, 256, 3, 300, 0.5},
        {1, 1024, 1, 0, 0.5},  {300, 7, 1, 2, 0.99}, {2000, 1024, 2, 0, 1e-9}, {37, 1024, 50, 36, 0.999},
#ifndef HOST_TRACE
        {300001, 1172, 4, 100000, 0.9},  // as many parts as there may be
#endif
    };
    for (int type = 0; type < 2; type++)
        for (auto &t : cases) {
            const int stride = t.columns + 3;
            Floats plain = floats(rows * stride, -10, 10);
            auto row = [&](int r) { return plain.data() + r * stride; };
            for (int c = 0; c < stride; c++) {
                row(1)[c] = roundf(row(1)[c] / 4);                // ties
                if (c % 3 == 1) row(2)[c] = -INFINITY;            // excluded
                row(3)[c] = c % 2 ? 0.0f : -0.0f;                 // equal
            }
            for (int c = t.columns; c < stride; c++) row(0)[c] = 100;  // past the columns
            row(3)[t.columns / 2] = 20;
            row(4)[t.columns - 1] = NAN, row(5)[t.columns / 3] = INFINITY;
            TypedNumbers logits(plain, type);
            const int parts = up(t.columns, t.chunk);
            if (parts > 256) abort();
            // As KernelSampling: 2^62 over the power of two above the columns.
            int bits = 0;
            while (t.columns >> bits) bits++;
            Floats tops(rows * parts);
            std::vector<u64> digits(rows * 2 * 4 * 256, 77), sums(rows * parts * 2, 77);
            Sampling sampling = {{logits.data(), type}, stride, t.columns, t.chunk, parts, tops.data(), digits.data(), sums.data(),
                             (float)(1 / t.temperature), ldexpf(1, 62 - bits), t.k < t.columns ? t.k : 0, t.p};
            const host_index blocks = {(unsigned)parts, rows, 1};
            launch(blocks, 256, [&] { sample_start(sampling); });
            for (int by = 0; by < 2; by++)
                for (int pass = 0; pass < ((by ? t.p < 1 : sampling.k > 0) ? 4 : 0); pass++)
                    launch(blocks, 256, [&] { sample_digits(sampling, by, pass); });
            launch(blocks, 256, [&] { sample_sums(sampling); });
            auto pick = [&](const std::vector<double> &draws) {
                Ints ids(rows, -1);
                launch({rows, 1, 1}, 256, [&] { sample_pick(sampling, draws.data(), ids.data()); });
                return ids;
            };
            Ints ends[] = {pick(std::vector<double>(rows, 0)), pick(std::vector<double>(rows, 1 - 0x1p-53))};
            same(ends[0][5] == t.columns / 3);
            // The first as it is larger than nothing before it, or the largest that comes after.
            Best best = {-INFINITY, NOWHERE};
            for (int c = 0; c < t.columns; c++) best = better(best, Best{logits.values[4 * stride + c], c});
            same(ends[0][4] == likeliest(sampling.logits, 4 * stride, best));
            std::vector<std::pair<int, double>> kept[4];
            double total[4] = {};
            for (int r = 0; r < 4; r++) {
                kept[r] = kept_tokens(logits.values.data() + r * stride, t.columns, t.temperature, t.k, t.p);
                for (auto &token : kept[r]) total[r] += token.second;
                for (const Ints &end : ends)
                    same(std::any_of(kept[r].begin(), kept[r].end(), [&](auto &token) { return token.first == end[r]; }));
            }
            // The middle of where some tokens lie, and near both of their ends.
            for (int round = 0; round < 12; round++) {
                std::vector<double> draws(rows, 0.5);
                Ints want(4);
                for (int r = 0; r < 4; r++) {
                    size_t number = uniform(0, kept[r].size());
                    if (number >= kept[r].size() || kept[r][number].second < 1e-4 * total[r])
                        for (size_t i = number = 0; i < kept[r].size(); i++)
                            if (kept[r][i].second > kept[r][number].second) number = i;
                    double before = 0;
                    for (size_t i = 0; i < number; i++) before += kept[r][i].second;
                    want[r] = kept[r][number].first;
                    draws[r] = (before + (round % 3 == 0 ? 0.01 : round % 3 == 1 ? 0.5 : 0.99) * kept[r][number].second) / total[r];
                }
                Ints ids = pick(draws);
                ids.resize(4);
                compare(ids, want);
            }
        }
    report("sampling (same)", 0);
}
