// Parameter updates.

/// What Update::shadow and the like hold after a step: p in bfloat16.
static bool shadows(const Typed &shadow, const Floats &p) {
    Typed want(p, 1);
    return shadow.intact() && !memcmp(shadow.data(), want.data(), 2 * p.size());
}

static void check_adamw(const double *squares, float clip, float factor, bool shadowed) {
    using namespace optimizers;
    const int sizes[] = {1, 700, 33};
    std::vector<Typed> p, m, v, g, shadow;
    Floats p2[3], m2[3], v2[3];
    std::vector<Update> updates;
    std::vector<Chunk> chunks;
    StepNumbers steps[3];
    for (int k = 0; k < 3; k++) {
        int n = sizes[k];
        float lr = 0.01f * (k + 1), decay = 0.1f * k;
        p2[k] = floats(n), m2[k] = floats(n), v2[k] = floats(n, 0, 1);
        p.push_back(wide(p2[k])), m.push_back(wide(m2[k])), v.push_back(wide(v2[k])), g.push_back(wide(floats(n)));
        shadow.push_back(Typed(Floats(n, 9), 1));
        steps[k] = {0.5f, lr, decay, NAN, 0.3f, 0.2f};
        updates.push_back({p[k].floats(), g[k].floats(), m[k].floats(), v[k].floats(), n, &steps[k], 0.9f, 0.95f, 1e-8f,
                           shadowed ? shadow[k].narrow() : nullptr});
        for (int start = 0; start < n; start += 256) chunks.push_back({start, k, n - start < 256 ? n - start : 256});
        if (factor == 0) continue;  // nothing is changed
        loom_adamw(
            p2[k].data(), g[k].floats(), m2[k].data(), v2[k].data(), n, 0.5f * factor, lr, 0.9f, 0.95f, 1e-8f, decay, 0.3f, 0.2f);
    }
    launch({(unsigned)chunks.size(), 1, 1}, 64, [&] { adamw(updates.data(), chunks.data(), squares, clip); });
    for (int k = 0; k < 3; k++) {
        if (factor == 0) same(p[k].values() == p2[k] && m[k].values() == m2[k] && v[k].values() == v2[k]);
        compare(p[k], p2[k]), compare(m[k], m2[k]), compare(v[k], v2[k]);
        same(shadows(shadow[k], shadowed && factor != 0 ? p[k].values() : Floats(sizes[k], 9)));
    }
}

static void check_sgd(const double *squares, float clip, float factor, bool shadowed) {
    using namespace optimizers;
    const StepNumbers step = {0.5f, 0.1f, 0.01f, 0.9f, NAN, NAN};
    for (int nesterov = 0; nesterov < 2; nesterov++) {
        const int n = 503;
        Floats y = floats(n), c = floats(n);
        Typed x = wide(y), b = wide(c), d = wide(floats(n)), shadow(Floats(n, 9), 1);
        elements(n, [&] {
            sgd(x.floats(), d.floats(), b.floats(), n, &step, nesterov, squares, clip, shadowed ? shadow.narrow() : nullptr);
        });
        if (factor != 0) loom_sgd(y.data(), d.floats(), c.data(), n, 0.5f * factor, 0.1f, 0.9f, 0.01f, nesterov);
        if (factor == 0) same(x.values() == y && b.values() == c);
        compare(x, y);
        compare(b, c);
        same(shadows(shadow, shadowed && factor != 0 ? x.values() : Floats(n, 9)));
    }
}

static void check_updates() {
    const double squares[] = {9, NAN, INFINITY, 0};
    struct { const double *squares; float clip, factor; } cases[] = {
        {nullptr, 1, 1},      {squares, 0, 1},     {squares, 1.5f, (float)(1.5 / (3 + 1e-6))}, {squares, 4, 1},
        {squares + 1, 1, 0}, {squares + 1, 0, 0}, {squares + 2, 1, 0},                        {squares + 3, 1, 1},
    };
    for (auto &t : cases)
        for (bool shadowed : {false, true}) {
            check_adamw(t.squares, t.clip, t.factor, shadowed);
            check_sgd(t.squares, t.clip, t.factor, shadowed);
        }
    report("adamw, sgd", 5e-7);
}

#include "check_muon.h"

static void check_optimizers() {
    check_updates();
    check_muon();
}
