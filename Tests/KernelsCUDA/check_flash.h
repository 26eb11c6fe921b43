// Flash attention in bfloat16 against float64, from inputs that are already rounded. What dropout keeps is asked of the general
// kernels' `keep`, which check_attention.h holds against the CPU's.

namespace flash {
#include "flashAttention.cu"
}
namespace flash_backward {
#include "flashAttentionBackward.cu"
}

typedef std::vector<uint16_t> Halves;

struct FlashCase {
    int batch, heads, key_heads, queries, keys, query_position, key_position;
    long long window;
    float softcap, dropout;
    bool alibi, accumulate;
    double sign = 1;  // of the scale
};

/// Rows of heads inside wider rows, after 16 bytes that are nobody's: what lies between is NaN, and so is a row after the last.
struct FlashRows {
    int stride, begin = 8;
    Halves bits;
    std::vector<double> values;

    FlashRows(int rows, int width, int gap, double size) : stride(width + gap), bits(begin + (rows + 1) * stride, 0x7fff) {
        values.assign(bits.size(), NAN);
        for (int r = 0; r < rows; r++)
            for (int c = 0; c < width; c++) {
                int at = begin + r * stride + c;
                bits[at] = flash::narrowed((float)uniform(-size, size));
                values[at] = flash::widened(bits[at]);
            }
    }
    uint16_t *data() { return bits.data() + begin; }
    double *row(int r, int column) { return values.data() + begin + r * stride + column; }
    std::vector<double> got() const {
        std::vector<double> all;
        for (uint16_t half : bits) all.push_back(flash::widened(half));
        return all;
    }
};

struct FlashErrors { double out = 0, lse = 0, dq = 0, dk = 0, dv = 0; };
/// Errors relative to the largest value, or to `least`: gradients by queries that see one key are 0 but for what rounding leaves.
template <typename A, typename B> static void note(double &error, const A &got, const B &want, double least = 1e-30) {
    double size = least;
    for (double value : want) size = isfinite(value) ? fmax(size, fabs(value)) : size;
    for (size_t i = 0; i < want.size(); i++) {
        double a = got[i], b = want[i], difference = a == b || (isnan(a) && isnan(b)) ? 0 : fabs(a - b) / size;
        if (!(difference <= error)) error = isnan(difference) ? INFINITY : difference;
    }
}

template <int D> struct FlashKernels;
template <> struct FlashKernels<64> {
    static constexpr auto forward = flash::flash_forward_64;
    static constexpr auto delta = flash_backward::flash_delta_64;
    static constexpr auto keys = flash_backward::flash_keys_64;
    static constexpr auto queries = flash_backward::flash_queries_64;
    typedef flash::Forward64 Forward;
    typedef flash_backward::Keys64 Keys;
    typedef flash_backward::Queries64 Queries;
};
template <> struct FlashKernels<128> {
    static constexpr auto forward = flash::flash_forward_128;
    static constexpr auto delta = flash_backward::flash_delta_128;
    static constexpr auto keys = flash_backward::flash_keys_128;
    static constexpr auto queries = flash_backward::flash_queries_128;
    typedef flash::Forward128 Forward;
    typedef flash_backward::Keys128 Keys;
    typedef flash_backward::Queries128 Queries;
};

/// Launches with the shared memory that the kernel asks for and no more.
template <typename Shape, typename Body> static void flash_launch(int count, int heads, int batch, Body body) {
    launch({up(count, Shape::rows), (unsigned)heads, (unsigned)batch}, Shape::threads, body, (int)Shape::bytes / 4);
}

template <int D> static void check_flash_case(const FlashCase &t, FlashErrors &errors) {
    typedef FlashKernels<D> Kernels;
    const int B = t.batch, H = t.heads, T = t.queries, S = t.keys, group = H / t.key_heads;
    FlashRows q(B * T, H * D, 8, 2), k(B * S, t.key_heads * D, 16, 2), v(B * S, t.key_heads * D, 0, 1);
    FlashRows out(B * T, H * D, 0, 1), dout(B * T, H * D, 0, 1);
    FlashRows dq(B * T, H * D, 8, 1), dk(B * S, t.key_heads * D, 16, 1), dv(B * S, t.key_heads * D, 0, 1);
    Floats lse(B * H * T, NAN), delta(B * H * T, NAN), slopes = floats(H, 0, 0.1);
    std::vector<double> want_lse(lse.size());
    const double scale = (D == 64 ? 0.125 : 0.09375) * t.sign;

    auto fill_call = [&](auto &call) {
        call.batch = B, call.heads = H, call.key_heads = t.key_heads, call.dim = D, call.queries = T, call.keys = S;
        call.q_stride = q.stride, call.k_stride = k.stride, call.v_stride = v.stride, call.query_position = t.query_position;
        call.key_position = t.key_position, call.window = t.window, call.scale = (float)scale, call.softcap = t.softcap;
        call.dropout = t.dropout, call.dropout_key = 77, call.dropout_stream = 5, call.first_example = 3;
        call.slopes = t.alibi ? slopes.data() : nullptr;
    };
    flash::Call call = {};
    flash_backward::Call back = {};
    fill_call(call), fill_call(back);

    flash_launch<typename Kernels::Forward>(T, H, B, [&] { Kernels::forward(call, q.data(), k.data(), v.data(), out.data(), lse.data()); });
    launch({2, 1, 1}, 64, [&] { Kernels::delta(back, out.data(), dout.data(), delta.data()); });
    // Twice, to the same bits, in whatever order fibers run.
    FlashRows dq_again = dq, dk_again = dk, dv_again = dv;
    auto gather = [&](FlashRows &dq, FlashRows &dk, FlashRows &dv) {
        flash_launch<typename Kernels::Keys>(S, t.key_heads, B, [&] {
            Kernels::keys(back, q.data(), k.data(), v.data(), dout.data(), lse.data(), delta.data(), dk.data(), t.accumulate,
                          dv.data(), t.accumulate);
        });
        flash_launch<typename Kernels::Queries>(T, H, B, [&] {
            Kernels::queries(back, q.data(), k.data(), v.data(), dout.data(), lse.data(), delta.data(), dq.data(), t.accumulate);
        });
    };
    gather(dq, dk, dv);
    gather(dq_again, dk_again, dv_again);
    if (dq.bits != dq_again.bits) errors.dq = INFINITY;
    if (dk.bits != dk_again.bits) errors.dk = INFINITY;
    if (dv.bits != dv_again.bits) errors.dv = INFINITY;

    if (!t.accumulate)
        for (FlashRows *rows : {&dq, &dk, &dv})
            for (double &value : rows->values) value = isnan(value) ? value : 0;
    std::vector<double> weights(S), z(S);
    for (int b = 0; b < B; b++)
        for (int h = 0; h < H; h++)
            for (int i = 0; i < T; i++) {
                const int kv = h / group * D;
                double *query = q.row(b * T + i, h * D), *upstream = dout.row(b * T + i, h * D), *result = out.row(b * T + i, h * D);
                double *query_gradient = dq.row(b * T + i, h * D), top = -INFINITY, total = 0, dot = 0;
                for (int d = 0; d < D; d++) result[d] = 0;
                auto seen = [&](int j) {
                    long long back = t.query_position + i - t.key_position - j;
                    return back >= 0 && back <= t.window;
                };
                std::vector<double> slopes_of_cap(S, 1);
                for (int j = 0; j < S; j++) {
                    if (!seen(j)) continue;
                    double score = 0;
                    for (int d = 0; d < D; d++) score += query[d] * k.row(b * S + j, kv)[d];
                    z[j] = score * scale;
                    if (t.softcap > 0) {
                        double tangent = tanh(z[j] / t.softcap);
                        z[j] = t.softcap * tangent;
                        slopes_of_cap[j] = 1 - tangent * tangent;
                    }
                    if (t.alibi) z[j] -= (double)slopes[h] * (t.query_position + i - t.key_position - j);
                    top = fmax(top, z[j]);
                }
                for (int j = 0; j < S; j++) total += seen(j) ? exp(z[j] - top) : 0;
                want_lse[(b * H + h) * T + i] = total == 0 ? -INFINITY : top + log(total);
                for (int j = 0; j < S; j++) {
                    if (!seen(j)) continue;
                    double kept = flash::keep(call, b, h, i, j), weight = exp(z[j] - top) / total * kept;
                    for (int d = 0; d < D; d++) {
                        result[d] += weight * v.row(b * S + j, kv)[d];
                        dv.row(b * S + j, kv)[d] += weight * upstream[d];
                    }
                    weights[j] = weight;
                }
                for (int d = 0; d < D; d++) dot += result[d] * upstream[d];
                for (int j = 0; j < S; j++) {
                    if (!seen(j)) continue;
                    double dweight = 0, weight = exp(z[j] - top) / total;
                    for (int d = 0; d < D; d++) dweight += upstream[d] * v.row(b * S + j, kv)[d];
                    double gradient = (weights[j] * dweight - weight * dot) * slopes_of_cap[j] * scale;
                    for (int d = 0; d < D; d++) {
                        query_gradient[d] += gradient * k.row(b * S + j, kv)[d];
                        dk.row(b * S + j, kv)[d] += gradient * query[d];
                    }
                }
            }
    note(errors.out, out.got(), out.values);
    note(errors.lse, lse, want_lse);
    note(errors.dq, dq.got(), dq.values, 0.5);
    note(errors.dk, dk.got(), dk.values, 0.5);
    note(errors.dv, dv.got(), dv.values, 0.5);
}

template <int D> static void check_flash_dim() {
    const long long all = 1ll << 40;
    const FlashCase cases[] = {
        {1, 1, 1, 1, 1, 0, 0, all, 0, 0, false, false},
        {2, 2, 2, 63, 63, 0, 0, all, 0, 0, false, false},
        {1, 2, 1, 64, 64, 0, 0, 0, 0, 0, false, true},         // each query sees itself alone
        {1, 4, 1, 65, 65, 0, 0, 17, 0, 0, true, false},        // window, one key head for four, ALiBi
        {1, 4, 2, 200, 200, 0, 0, all, 0, 0, false, false},    // several tiles of both, grouped heads
        {1, 1, 1, 200, 200, 0, 0, 64, 20, 0.25f, false, true},  // window, softcap, dropout
        {2, 2, 2, 70, 70, 0, 0, all, 8, 0.1f, true, false},    // all at once
        {1, 2, 1, 9, 150, 141, 0, all, 0, 0.1f, false, false},  // queries after a past
        {1, 1, 1, 30, 100, 77, 7, 40, 0, 0.3f, true, false},   // a ring's past: blocks of random numbers do not meet tiles
        {1, 2, 1, 5, 100, 200, 0, all, 0, 0, false, false},    // keys end before the queries' positions
        {1, 1, 1, 40, 120, 33, 0, 3, 0, 0, false, false},      // a warp whose tile's corner alone is seen
        {1, 1, 1, 160, 160, 0, 0, 1, 0, 0, false, false},      // the last query that sees a tile begins another
        {1, 1, 1, 10, 6, 0, 4, all, 0, 0, false, false},       // queries that see nothing
        {1, 1, 1, 150, 20, 0, 140, all, 0, 0, false, false},   // a whole tile of them
        {1, 1, 1, 4, 150, 0, 0, all, 0, 0, false, false},      // a tile of keys that nobody sees
        {1, 1, 1, 40, 40, 0, 0, all, 0, 0, false, false, -1},  // a scale below 0: the largest score is the least
    };
    FlashErrors errors;
    for (const FlashCase &t : cases) check_flash_case<D>(t, errors);
    auto line = [](const char *name, double error, double tolerance) {
        char text[64];
        snprintf(text, sizeof text, "%s_%d", name, D);
        worst = error;
        report(text, tolerance);
    };
    line("flash_forward", errors.out, 6e-3);
    line("flash_forward, lse", errors.lse, 1e-5);
    line("flash_queries", errors.dq, 1e-2);
    line("flash_keys, dk", errors.dk, 1e-2);
    line("flash_keys, dv", errors.dv, 1e-2);
}

static void check_flash() {
    check_flash_dim<64>();
    check_flash_dim<128>();
}
