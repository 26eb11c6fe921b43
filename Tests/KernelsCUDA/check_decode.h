// One query against a ring, against the CPU's kernel and a softmax in float64.

/// Numbers in one of the types, as a kernel takes them, and what they are.
struct TypedNumbers {
    int type;
    Floats values, scales;  // scales of int8, by group
    std::vector<uint16_t> narrow;
    std::vector<int8_t> bytes;

    TypedNumbers(const Floats &from, int type, int rows = 1, int columns = 0, int group = 1)
        : type(type), values(from), scales(type == 2 ? rows * ((columns + group - 1) / group) : 0), narrow(from.size()),
          bytes(from.size()) {
        if (type == 1) {
            loom_to_bfloat16(from.data(), narrow.data(), from.size());
            loom_from_bfloat16(narrow.data(), values.data(), from.size());
        }
        if (type != 2) return;
        loom_quantize(from.data(), bytes.data(), scales.data(), rows, columns, group);
        loom_dequantize(bytes.data(), scales.data(), values.data(), rows, columns, group);
    }
    void *data() { return type == 0 ? (void *)values.data() : type == 1 ? (void *)narrow.data() : (void *)bytes.data(); }
    const char *from(size_t i) { return (const char *)data() + i * (type == 0 ? 4 : type == 1 ? 2 : 1); }
    /// What a kernel left here.
    Floats read() {
        if (type == 0) return values;
        Floats all(narrow.size());
        loom_from_bfloat16(narrow.data(), all.data(), narrow.size());
        return all;
    }
};

struct DecodeCase {
    int dim, group, key_heads, batch, capacity, type, array;
    long long position;  // of the token
    int chunk;
    float softcap;
    bool alibi;
};

typedef void DecodeKernel(decode_kernels::Ring, decode_kernels::Array, decode_kernels::Array, const long long *, long long, float *);
/// As DecodeSplits chooses, with the query heads of a block.
static DecodeKernel *decode_kernel(const DecodeCase &t, int *heads) {
    using namespace decode_kernels;
    const int size = t.type == 0 ? 4 : t.type == 1 ? 2 : 1;
    DecodeKernel *const kernels[3][5] = {
        {attention_decode_float32_1, attention_decode_float32_2, attention_decode_float32_4, attention_decode_float32_8,
         attention_decode_float32_unaligned},
        {attention_decode_bfloat16_1, attention_decode_bfloat16_2, attention_decode_bfloat16_4, attention_decode_bfloat16_8,
         attention_decode_bfloat16_unaligned},
        {attention_decode_int8_1, attention_decode_int8_2, attention_decode_int8_4, attention_decode_int8_8,
         attention_decode_int8_unaligned}};
    int index = t.group == 1 ? 0 : t.group == 2 ? 1 : t.group <= 4 ? 2 : 3;
    *heads = 1 << index;
    if (t.dim > 256) {
        *heads = 0;
        return attention_decode_any;
    }
    if (t.dim * size % 16 == 0) return kernels[t.type][index];
    *heads = 4;
    return kernels[t.type][4];
}

static bool same_bits(const Floats &a, const Floats &b) { return a.size() == b.size() && !memcmp(a.data(), b.data(), 4 * a.size()); }

static void check_decode_case(const DecodeCase &t, Floats &far) {
    const int heads = t.group * t.key_heads, row = t.key_heads * t.dim, q_stride = heads * t.dim + 3;
    const int count = (int)(t.position + 1 < t.capacity ? t.position + 1 : t.capacity), newest = (int)(t.position % t.capacity);
    TypedNumbers keys(floats(t.batch * t.capacity * row), t.type, t.batch * t.capacity, row, t.dim);
    TypedNumbers values(floats(t.batch * t.capacity * row), t.type, t.batch * t.capacity, row, t.dim);
    TypedNumbers query(floats(t.batch * q_stride, -2, 2), t.array);
    Floats slopes = floats(heads, 0, 0.2), scratch(heads * t.capacity), want(t.batch * heads * t.dim, NAN), exact = want;
    const float scale = 0.3f;
    for (int b = 0; b < t.batch; b++) {
        size_t scales = t.type == 2 ? b * t.capacity * t.key_heads : 0;
        loom_ring ring = {t.type, keys.from(b * t.capacity * row), values.from(b * t.capacity * row), row,
                          keys.scales.data() + scales, values.scales.data() + scales, t.key_heads};
        loom_decode call = {&ring, count, newest, t.dim, t.group, scale, t.softcap};
        loom_attention_decode(&call, query.values.data() + b * q_stride, t.alibi ? slopes.data() : nullptr, 0, heads, scratch.data(),
                              want.data() + b * heads * t.dim);
        for (int h = 0; h < heads; h++) {
            std::vector<double> z(count), sums(t.dim);
            double top = -INFINITY, total = 0;
            auto at = [&](int j) { return ((size_t)(b * t.capacity + j) * t.key_heads + h / t.group) * t.dim; };
            for (int j = 0; j < count; j++) {
                for (int d = 0; d < t.dim; d++)
                    z[j] += (double)query.values[b * q_stride + h * t.dim + d] * keys.values[at(j) + d];
                z[j] = t.softcap > 0 ? t.softcap * tanh(scale * z[j] / t.softcap) : scale * z[j];
                if (t.alibi) z[j] -= (double)slopes[h] * ((newest - j + count) % count);
                top = fmax(top, z[j]);
            }
            for (int j = 0; j < count; j++) {
                total += exp(z[j] - top);
                for (int d = 0; d < t.dim; d++) sums[d] += exp(z[j] - top) * values.values[at(j) + d];
            }
            for (int d = 0; d < t.dim; d++) exact[(b * heads + h) * t.dim + d] = (float)(sums[d] / total);
        }
    }

    decode_kernels::Ring ring = {heads, t.key_heads, t.dim, t.capacity, count, newest, q_stride, t.type, scale, t.softcap,
                                 keys.data(), values.data(), keys.scales.data(), values.scales.data(),
                                 t.alibi ? slopes.data() : nullptr};
    int together;
    DecodeKernel *kernel = decode_kernel(t, &together);
    auto run = [&](long long slots, int chunk, bool combine, const long long *position) {
        unsigned splits = up(slots, chunk), tiles = together ? up(t.group, together) : 1;
        Floats partial((size_t)t.batch * heads * splits * (t.dim + 2), NAN);
        TypedNumbers out(Floats(t.batch * heads * t.dim, NAN), t.array);
        decode_kernels::Array q = {query.data(), t.array}, to = {out.data(), t.array};
        launch({splits * tiles, (unsigned)(together ? t.key_heads : heads), (unsigned)t.batch}, 128, [&] {
            kernel(ring, q, to, position, chunk, combine ? partial.data() : nullptr);
        });
        if (combine)
            launch({(unsigned)heads, (unsigned)t.batch, 1}, 32 * (int)up(t.dim < 256 ? t.dim : 256, 32), [&] {
                decode_kernels::attention_decode_combine(partial.data(), to, heads, t.dim, (int)splits);
            });
        return out.read();
    };
    Floats split = run(count, t.chunk, true, nullptr);
    // A grid for the capacity, count and newest by the position in memory: what the ring says is not looked at.
    ring.count = -1, ring.newest = -1;
    Floats graph = run(t.capacity, t.chunk, true, &t.position);
    same(same_bits(split, graph));
    ring.count = count, ring.newest = newest;
    Floats whole = run(count, t.capacity, false, nullptr);
    if (t.chunk >= t.capacity) same(same_bits(split, whole));
    if (t.array == 0) {
        compare(split, want);
        compare(split, exact);
        compare(whole, exact);
    } else {
        // Half a step of bfloat16 each.
        double before = worst;
        worst = 0;
        compare(split, exact);
        compare(whole, exact);
        far[0] = fmaxf(far[0], (float)worst);
        worst = before;
    }
}

static void check_decode() {
    Floats far(1, 0);
    int turn = 0;
    for (int dim : {1, 7, 64, 80, 128, 256, 300})
        for (int group : {1, 3, 8})
            for (int type = 0; type < 3; type++)
                for (int array = 0; array < 2; array++) {
                    // Counts go from one slot to beyond the capacity, in turn: every kernel meets all of them.
                    const int capacity = 75;
                    const long long positions[] = {0, 74, 40, 75, 8, 1000, 74 + 75};
                    const int chunks[] = {32, 17, 75, 64, 5};
                    turn++;
                    for (int i = 0; i < 2; i++) {
                        int pick = turn + 3 * i;
                        check_decode_case({dim, group, 1 + pick % 2, 1 + pick / 2 % 2, capacity, type, array, positions[pick % 7],
                                           chunks[pick % 5], pick % 3 ? 0.0f : 6.0f, pick % 4 < 2}, far);
                    }
                }
    // A group of two, and one of more heads than a block takes.
    for (int type = 0; type < 3; type++) {
        check_decode_case({64, 2, 2, 1, 60, type, 0, 50, 32, 0, false}, far);
        check_decode_case({16, 19, 1, 2, 60, type, 0, 90, 32, 5, true}, far);
    }
    report("attention_decode", 3e-6);
    worst = far[0];
    report("attention_decode (bfloat16)", 0x1p-8);

    // A NaN in a key is seen by the heads that read it, and by no other.
    const int dim = 16, capacity = 70;
    for (int chunk : {32, 70}) {
        Floats keys = floats(capacity * 2 * dim), values = floats(capacity * 2 * dim), q = floats(2 * dim), out(2 * dim), partial(200);
        keys[33 * 2 * dim + 3] = NAN;
        decode_kernels::Ring ring = {2, 2, dim, capacity, capacity, 10, 2 * dim, 0, 0.5f, 0, keys.data(), values.data()};
        decode_kernels::Array from = {q.data(), 0}, to = {out.data(), 0};
        int splits = (int)up(capacity, chunk);
        launch({(unsigned)splits, 2, 1}, 64, [&] {
            decode_kernels::attention_decode_float32_1(ring, from, to, nullptr, chunk, splits > 1 ? partial.data() : nullptr);
        });
        if (splits > 1)
            launch({2, 1, 1}, 32, [&] { decode_kernels::attention_decode_combine(partial.data(), to, 2, dim, splits); });
        for (int i = 0; i < 2 * dim; i++) same(isnan(out[i]) == (i < dim));
    }
    report("attention_decode (NaN)", 0);
}
