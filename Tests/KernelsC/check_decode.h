// Part of check.c: numbers in fewer bits, and what decoding computes from them.

static void check_bfloat16(void) {
    for (uint32_t high = 0; high < 0x10000; high++) {
        uint16_t half = (uint16_t)high, back[4];
        float value, x[4];
        loom_from_bfloat16(&half, &value, 1);
        require(loom_bits(value) == high << 16, "from bfloat16");
        loom_to_bfloat16(&value, back, 1);
        require(isnan(value) ? (back[0] & 0x7fff) > 0x7f80 : back[0] == half, "bfloat16 there and back");
        if (isnan(value) || isinf(value)) continue;
        // Below the middle of two neighbours, at it, and above it: down, to the even one, up (at last to infinity).
        const uint32_t low[] = {0x7fff, 0x8000, 0x8001, 0xffff};
        for (int i = 0; i < 4; i++) x[i] = loom_from_bits(high << 16 | low[i]);
        loom_to_bfloat16(x, back, 4);
        for (uint32_t i = 0; i < 4; i++) require(back[i] == high + (i == 1 ? high & 1 : i > 1), "bfloat16 to nearest");
    }
    const uint32_t nans[] = {0x7f800001, 0xff800001, 0x7fffffff, 0xffffffff, 0x7fc00000};
    for (int i = 0; i < 5; i++) {
        float x = loom_from_bits(nans[i]);
        uint16_t y;
        loom_to_bfloat16(&x, &y, 1);
        require((y & 0x7fff) > 0x7f80 && y >> 15 == nans[i] >> 31, "nan as bfloat16");
    }
    EACH(n, sizes) {
        float *x = floats(n, -3, 3), *y = copy(x, n);
        uint16_t *half = malloc(2 * (size_t)n);
        loom_to_bfloat16(x, half, n);
        loom_from_bfloat16(half, y, n);
        for (loom_size i = 0; i < n; i++) note(y[i], x[i], fabs(x[i]));
        free(x), free(y), free(half);
    }
    report("bfloat16", 0x1p-8);
}

static void check_quantization(void) {
    static const loom_size groups[] = {1, 7, 32, 64, 1000};
    EACH(columns, sizes) EACH(group, groups) {
        loom_size rows = 3, n = rows * columns, count = (columns + group - 1) / group;
        float *x = floats(n, -3, 3), *y = copy(x, n), *scales = floats(rows * count, 9, 9);
        int8_t *q = malloc((size_t)n);
        x[n - 1] = -4, x[0] = 1e-3f;
        loom_quantize(x, q, scales, rows, columns, group);
        loom_dequantize(q, scales, y, rows, columns, group);
        for (loom_size r = 0; r < rows; r++) for (loom_size c = 0; c < columns; c++) {
            loom_size from = c / group * group, to = from + group < columns ? from + group : columns;
            double top = 0;
            for (loom_size i = from; i < to; i++) top = fmax(top, fabs(x[r * columns + i]));
            double scale = scales[r * count + c / group];
            require(fabs(scale - top / 127) <= 1e-6 * top && abs(q[r * columns + c]) <= 127, "scale of a group");
            require(y[r * columns + c] == (float)scale * (float)q[r * columns + c], "dequantize");
            note(y[r * columns + c], x[r * columns + c], top / 127);
        }
        free(x), free(y), free(q), free(scales);
    }
    float odd[8] = {0, 0, 1e-40f, -1e-39f, 1, NAN, -INFINITY, 2}, back[8], scales[4];
    int8_t q[8];
    loom_quantize(odd, q, scales, 1, 8, 2);
    loom_dequantize(q, scales, back, 1, 8, 2);
    require(back[0] == 0 && back[1] == 0 && back[2] == 0 && back[3] == 0, "groups of next to nothing");
    require(isnan(scales[2]) && !isfinite(scales[3]), "groups of nan and infinity");
    report("quantize, by the scale", 0.5001);
}

/// Weights in a type, and what they are as float32.
static loom_weights weights_of(int type, loom_size n, loom_size k, loom_size group, float **values) {
    loom_size count = n * k, groups = n * ((k + group - 1) / group);
    float *w = floats(count, -1, 1), *scales = floats(type == LOOM_INT8 ? groups : 0, 0, 0);
    void *data = w;
    if (type == LOOM_BFLOAT16) {
        loom_to_bfloat16(w, data = malloc(2 * (size_t)count), count);
        loom_from_bfloat16(data, w, count);
    } else if (type == LOOM_INT8) {
        loom_quantize(w, data = malloc((size_t)count), scales, n, k, group);
        loom_dequantize(data, scales, w, n, k, group);
    }
    *values = w;
    return (loom_weights){type, data, scales, group};
}

/// Σ_k w[k] x[k] as the kernels order it: 16 sums over every 1024 columns, added up in pairs, then the columns left over.
/// Built for the same processors as they are, so that it rounds alike.
LOOM_HOT static float plain_dot(const float *w, const float *x, loom_size count) {
    float total = 0;
    for (loom_size first = 0; first == 0 || first < count; first += 1024) {
        loom_size end = first + 1024 < count ? first + 1024 : count, k = first;
        loom_lanes sums = {0};
        for (; k + 16 <= end; k += 16) {
            loom_lanes a, b;
            memcpy(&a, w + k, sizeof a), memcpy(&b, x + k, sizeof b);
            sums = sums + a * b;
        }
        float sum = loom_sum_lanes(&sums);
        for (; k < end; k++) sum = sum + w[k] * x[k];
        total = first == 0 ? sum : total + sum;
    }
    return total;
}

static void check_product(int type, loom_size n, loom_size k, loom_size group) {
    static const loom_size row_counts[] = {1, 2, 3, 4, 5, 8, 9, 16, 17, 33};
    loom_size stride = k + 3, most = 33;
    float *values, *x = floats(most * stride - 3, -1, 1), *want = floats(most * n, 0, 0);
    loom_weights w = weights_of(type, n, k, group, &values);
    for (loom_size r = 0; r < most; r++) {
        for (loom_size i = 0; i < n; i++) {
            double sum = 0;
            want[r * n + i] = plain_dot(values + i * k, x + r * stride, k);
            for (loom_size j = 0; j < k; j++) sum += (double)values[i * k + j] * x[r * stride + j];
            note(want[r * n + i], sum, 10 + fabs(sum));
        }
    }
    EACH(rows, row_counts) {
        float *y = floats((rows - 1) * (n + 2) + n, 7, 7), *scratch = floats(loom_decode_scratch(rows, k), NAN, NAN);
        for (loom_size from = 0, to = n / 3; from < n; from = to, to = n)
            loom_decode_product(&w, x, y, rows, stride, n + 2, k, from, to, scratch);
        for (loom_size r = 0; r < rows; r++) {
            require(!memcmp(y + r * (n + 2), want + r * n, sizeof(float) * (size_t)n), "decode_product gives the plain sum's bits");
            require(r + 1 == rows || (y[r * (n + 2) + n] == 7 && y[r * (n + 2) + n + 1] == 7), "nothing past the columns");
        }
        free(y), free(scratch);
    }
    if (w.data != values) free((void *)w.data);
    free((void *)w.scales), free(values), free(x), free(want);
}

static void check_products(void) {
    static const char *names[] = {"decode_product float32", "decode_product bfloat16", "decode_product int8"};
    static const loom_size lengths[] = {1, 7, 16, 65, 768, 1030, 2100}, groups[] = {7, 20, 32, 64, 1024};
    for (int type = 0; type < 3; type++) {
        EACH(k, lengths) {
            check_product(type, 1, k, k);
            check_product(type, 43, k, k);
            if (type == LOOM_INT8) EACH(group, groups) check_product(type, 21, k, group);
        }
        report(names[type], 2e-6);
    }
}

static void check_ring(int type, loom_size dim, loom_size count, loom_size newest, double cap, double slope, loom_size group) {
    loom_size kv_heads = 2, heads = kv_heads * group, stride = kv_heads * dim;
    float *keys, *values, *q = floats(heads * dim, -1, 1), *scratch = floats(heads * count, NAN, NAN);
    float *out = floats(heads * dim, 5, 5), *alone = floats(heads * dim, 5, 5), *slopes = floats(heads, (float)slope, (float)slope);
    loom_weights k = weights_of(type, count * kv_heads, dim, dim, &keys);
    loom_weights v = weights_of(type, count * kv_heads, dim, dim, &values);
    loom_ring ring = {type, k.data, v.data, stride, k.scales, v.scales, kv_heads};
    loom_decode call = {&ring, count, newest, dim, group, 0.4f, (float)cap};
    loom_attention_decode(&call, q, slope ? slopes : NULL, 0, heads, scratch, out);
    double *want = calloc((size_t)dim, sizeof(double));
    for (loom_size head = 0; head < heads; head++) {
        double sum = 0;
        loom_size at = head / group * dim;
        memset(want, 0, sizeof(double) * (size_t)dim);
        for (loom_size j = 0; j < count; j++) {
            double score = 0;
            for (loom_size d = 0; d < dim; d++) score += (double)q[head * dim + d] * keys[j * stride + at + d];
            score *= 0.4f;
            double w = exp((cap > 0 ? cap * tanh(score / cap) : score) - slope * (double)((newest - j + count) % count));
            sum += w;
            for (loom_size d = 0; d < dim; d++) want[d] += w * values[j * stride + at + d];
        }
        for (loom_size d = 0; d < dim; d++) note(out[head * dim + d], want[d] / sum, 1);
        loom_attention_decode(&call, q, slope ? slopes : NULL, head, head + 1, scratch, alone);
    }
    require(!memcmp(out, alone, sizeof(float) * (size_t)(heads * dim)), "a head alone and among others");
    if (k.data != keys) free((void *)k.data);
    if (v.data != values) free((void *)v.data);
    free(keys), free(values), free((void *)k.scales), free((void *)v.scales);
    free(q), free(scratch), free(out), free(alone), free(slopes), free(want);
}

static void check_rings(void) {
    static const char *names[] = {"decode_ring float32", "decode_ring bfloat16", "decode_ring int8"};
    static const loom_size dims[] = {1, 20, 64, 80, 128}, counts[] = {1, 13, 16, 40, 100};
    for (int type = 0; type < 3; type++) {
        EACH(dim, dims) EACH(count, counts) for (int mode = 0; mode < 4; mode++)
            check_ring(type, dim, count, mode % 2 ? count - 1 : count / 3, mode / 2 ? 3 : 0, mode / 2 ? 0.25 : 0, 1 + 2 * (count % 2));
        report(names[type], 2e-6);
    }
}

static void check_decode(void) {
    check_bfloat16();
    check_quantization();
    check_products();
    check_rings();
}
