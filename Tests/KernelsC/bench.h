// Part of check.c: the speed of each function, in nanoseconds an element and in GB/s of the memory it must touch.

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/// The median of 9 timings, each of enough calls for 2 milliseconds. `bytes` is what one element moves.
#define BENCH(name, elements, bytes, call)                                                        \
    do {                                                                                          \
        double times[9];                                                                          \
        loom_size repeats = 1;                                                                    \
        for (int trial = -1; trial < 9;) {                                                        \
            double start = seconds();                                                             \
            for (loom_size repeat = 0; repeat < repeats; repeat++) { call; }                      \
            double took = seconds() - start;                                                      \
            if (trial < 0 && took < 0.002) {                                                      \
                repeats *= 2;                                                                     \
                continue;                                                                         \
            }                                                                                     \
            if (trial >= 0) times[trial] = took / (double)repeats;                                \
            trial++;                                                                              \
        }                                                                                         \
        qsort(times, 9, sizeof(double), by_size);                                                 \
        printf("%-34s %8.3f (best %7.3f) ns/element %8.1f GB/s\n", name,                          \
               times[4] * 1e9 / (double)(elements), times[0] * 1e9 / (double)(elements),          \
               (double)(elements) * (bytes) / times[4] * 1e-9);                                   \
    } while (0)

static void empty_task(void *context, loom_size task) {
    (void)context, (void)task;
}

static void bench_sizes(loom_size n, const char *where) {
    static const char *names[] = {"relu", "gelu", "gelu_tanh", "relu2", "silu", "sigmoid", "tanh"};
    char name[64];
    float *a = floats(n, -3, 3), *b = floats(n, -3, 3), *c = floats(n, 0, 1), *d = floats(n, 0, 1);
    volatile double sink;
    loom_size columns = 768, rows = n / columns;
    float *mean = floats(rows, 0, 0), *rstd = floats(rows, 0, 0), *weight = floats(columns, 0, 1);
    float *dweight = floats(columns, 0, 1);
    printf("---- %s, %ld elements\n", where, (long)n);
    BENCH("fill", n, 4, loom_fill(c, 1, n));
    BENCH("add", n, 12, loom_add(a, b, c, n));
    BENCH("add in place", n, 12, loom_add(c, b, c, n));
    BENCH("scale", n, 8, loom_scale(a, 2, c, n));
    BENCH("accumulate", n, 12, loom_accumulate(a, 1e-9f, c, n));
    BENCH("multiply_accumulate", n, 16, loom_multiply_accumulate(a, b, c, n));
    BENCH("add_bias", rows * columns, 8, loom_add_bias(c, weight, rows, columns));
    BENCH("column_sums", rows * columns, 4, loom_column_sums(a, rows, columns, columns, dweight));
    BENCH("row_dots", rows * columns, 8, loom_row_dots(a, b, mean, rows, columns, 0));
    BENCH("dot", n, 8, sink = loom_dot(a, b, n));
    BENCH("sum_squares", n, 4, sink = loom_sum_squares(a, n));
    BENCH("first_not_finite", n, 4, sink = (double)loom_first_not_finite(a, n));
    (void)sink;
    for (int kind = 0; kind < 7; kind++) {
        BENCH(names[kind], n, 8, loom_activation(kind, a, c, n));
        snprintf(name, sizeof name, "%s backward", names[kind]);
        BENCH(name, n, 12, loom_activation_backward(kind, a, b, c, n, 0));
    }
    BENCH("gated silu (by output)", n / 2, 12, loom_gated(LOOM_SILU, a, c, 1, n / 2));
    BENCH("gated silu backward", n / 2, 20, loom_gated_backward(LOOM_SILU, a, b, c, 1, n / 2));
    BENCH("softcap", n, 8, loom_softcap(a, 30, c, n));
    BENCH("dropout", n, 8, loom_dropout(a, c, n, 1, 0.1f, 1, 2, 0));
    BENCH("uniform", n, 4, loom_uniform(c, n, 1, 0, 1, 1, 2));
    BENCH("normal", n, 4, loom_normal(c, n, 1, 0, 1, 1, 2));
    BENCH("layernorm", rows * columns, 8, loom_layernorm(a, weight, weight, c, mean, rstd, rows, columns, 1e-5f));
    BENCH("layernorm backward", rows * columns, 12,
          loom_layernorm_backward(a, weight, mean, rstd, b, c, 0, dweight, dweight, rows, columns));
    BENCH("rmsnorm", rows * columns, 8, loom_rmsnorm(a, weight, 0, c, rstd, rows, columns, 1e-5f));
    BENCH("rmsnorm backward", rows * columns, 12,
          loom_rmsnorm_backward(a, weight, 0, rstd, b, c, 0, dweight, rows, columns));
    loom_fill(c, 0, n), loom_fill(d, 0, n);
    BENCH("adamw", n, 28, loom_adamw(a, b, c, d, n, 1, 1e-9f, 0.9f, 0.99f, 1e-8f, 0.1f, 0.5f, 0.5f));
    BENCH("sgd", n, 20, loom_sgd(a, b, c, n, 1, 1e-9f, 0.9f, 0, 1));
    free(a), free(b), free(c), free(d), free(mean), free(rstd), free(weight), free(dweight);
}

static void bench_layers(void) {
    char name[64];
    printf("---- heads [64 rows, 12 heads]\n");
    for (int mode = 0; mode < 6; mode++) {
        loom_size dim = mode % 2 ? 128 : 64, n = 64 * 12 * dim;
        int32_t positions[64];
        for (int i = 0; i < 64; i++) positions[i] = i;
        float *x = floats(n, -1, 1), *y = floats(n, -1, 1), *z = floats(n, -1, 1), *table = floats(64 * dim, -1, 1);
        float rstd[64 * 12];
        loom_heads h = {64, 12, dim, 12 * dim, 12 * dim, mode / 2 == 1, 1e-5f, table, 0, dim, mode / 2 == 2,
                        table, table, positions, 0.125f};
        snprintf(name, sizeof name, "heads dim %d%s", (int)dim, (char *[]){"", " norm", " interleaved"}[mode / 2]);
        BENCH(name, n, 8, loom_heads_forward(&h, x, y, rstd));
        snprintf(name, sizeof name, "heads backward dim %d%s", (int)dim,
                 (char *[]){"", " norm", " interleaved"}[mode / 2]);
        BENCH(name, n, 12, loom_heads_backward(&h, x, rstd, y, z, 0, NULL));
        free(x), free(y), free(z), free(table);
    }
    printf("---- loss, a row of the vocabulary\n");
    for (int mode = 0; mode < 6; mode++) {
        loom_size vocabulary = mode % 2 ? 50257 : 256, rows = mode % 2 ? 16 : 256, n = rows * vocabulary;
        float *x = floats(n, -5, 5), *losses = floats(rows, 0, 0);
        int32_t *targets = calloc((size_t)rows, 4);
        snprintf(name, sizeof name, "cross_entropy %d%s", (int)vocabulary,
                 (char *[]){" loss only", " gradient", " gradient cap"}[mode / 2]);
        BENCH(name, n, mode / 2 ? 8 : 4, loom_cross_entropy(x, vocabulary, targets, rows, vocabulary,
              mode / 2 == 2 ? 30 : 0, losses, mode / 2 > 0, 1, NULL));
        free(x), free(losses), free(targets);
    }
    printf("---- attention, by visible score\n");
    for (int mode = 0; mode < 8; mode++) {
        loom_size keys = (loom_size[]){64, 256, 1024, 256}[mode % 4], rows = 64;
        float *x = floats(rows * keys, -3, 3), *y = floats(rows * keys, -3, 3), *kept = copy(x, rows * keys);
        float lse[64] = {0}, delta[64] = {0};
        loom_strip s = {.rows = rows, .keys = keys, .stride = keys, .query_position = keys - rows, .window = 1 << 30,
                        .scale = 0.125f, .softcap = mode / 4 ? 30 : 0, .dropout = mode % 4 == 3 ? 0.1f : 0};
        double seen = (double)rows * (double)(keys - rows) + (double)rows * (double)(rows + 1) / 2;
        snprintf(name, sizeof name, "softmax %d%s%s", (int)keys, mode / 4 ? " cap" : "", mode % 4 == 3 ? " drop" : "");
        BENCH(name, seen, 8, loom_attention_softmax(&s, x, lse));
        snprintf(name, sizeof name, "softmax backward %d%s%s", (int)keys, mode / 4 ? " cap" : "",
                 mode % 4 == 3 ? " drop" : "");
        memcpy(x, kept, sizeof(float) * (size_t)(rows * keys));
        BENCH(name, seen, 16, loom_attention_softmax_backward(&s, x, y, lse, delta));
        free(x), free(y), free(kept);
    }
    for (int kind = 0; kind < 3; kind++) {  // forward, the gradient by the input, the gradient by the weight
        loom_size m = kind == 2 ? 256 : 384, n = kind == 0 ? 256 : 128, k = kind == 0 ? 128 : kind == 1 ? 256 : 384;
        float *a = floats(m * k, -1, 1), *b = floats(n * k, -1, 1), *c = floats(m * n, 0, 0);
        float *scratch = floats(loom_product_scratch(), 0, 0);
        loom_product_call p = {.transpose_a = kind == 2, .transpose_b = kind == 0, .m = m, .n = n, .k = k, .alpha = 1,
                               .a = a, .a_stride = kind == 2 ? m : k, .b = b, .b_stride = kind == 0 ? k : n, .c = c,
                               .c_stride = n};
        snprintf(name, sizeof name, "product %d (by multiply-add)", kind);
        BENCH(name, m * n * k, 0, loom_product(&p, scratch));
        free(a), free(b), free(c), free(scratch);
    }
    for (loom_size count = 128; count <= 2048; count *= 16) {
        loom_size dim = 64, stride = 12 * dim;
        float *k = floats(count * stride, -1, 1), *v = floats(count * stride, -1, 1), q[64] = {1}, out[64];
        float *scratch = floats(count, 0, 0);
        snprintf(name, sizeof name, "decode %d keys of 64 (by key)", (int)count);
        loom_ring ring = {.type = LOOM_FLOAT32, .keys = k, .values = v, .stride = stride};
        loom_decode call = {&ring, count, count - 1, dim, 1, 0.125f, 0};
        BENCH(name, count, 512, loom_attention_decode(&call, q, NULL, 0, 1, scratch, out));
        free(k), free(v), free(scratch);
    }
    printf("---- decode_product, by weight\n");
    for (int mode = 0; mode < 3; mode++) {
        loom_size k = (loom_size[]){256, 768, 4096}[mode], n = (loom_size[]){256, 2304, 8192}[mode];
        float *w = floats(n * k, -1, 1), *x = floats(8 * k, -1, 1), *y = floats(8 * n, 0, 0);
        volatile double sink;
        BENCH("plain read (sum as double)", n * k, 4, sink = loom_sum(w, n * k));
        (void)sink;
        for (loom_size rows = 1; rows <= 8; rows *= 2) {
            loom_weights weights = {.type = LOOM_FLOAT32, .data = w};
            float *scratch = floats(loom_decode_scratch(rows, k), 0, 0);
            snprintf(name, sizeof name, "%d x %d, %d rows", (int)n, (int)k, (int)rows);
            BENCH(name, n * k, 4, loom_decode_product(&weights, x, y, rows, k, n, k, 0, n, scratch));
            free(scratch);
        }
        free(w), free(x), free(y);
    }
    printf("---- threads\n");
    for (int threads = 1; threads <= 2; threads++) {
        loom_pool *pool = loom_pool_create(threads);
        snprintf(name, sizeof name, "pool of %d, 8 empty tasks (by run)", threads);
        BENCH(name, 1, 0, loom_pool_run(pool, 8, empty_task, NULL));
        loom_pool_destroy(pool);
    }
}

static void bench(void) {
    bench_sizes(16 * 768, "in cache");
    bench_sizes(20000 * 768, "out of cache");
    bench_layers();
}
