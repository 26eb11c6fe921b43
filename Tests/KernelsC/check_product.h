// Checks of loom_product; included by check.c.

/// alpha op(a) op(b) + beta c + bias in float64, relative to how large its terms may be.
static void check_one_product(int version, loom_product_call p, const float *old, float *scratch) {
    for (loom_size i = 0; i < p.m * p.c_stride; i++) p.c[i] = old[i];
    loom_product_version(version, &p, scratch);
    for (loom_size i = 0; i < p.m; i++)
        for (loom_size j = 0; j < p.c_stride; j++) {
            double sum = 0, before = old[i * p.c_stride + j];
            for (loom_size k = 0; k < p.k; k++) {
                double a = p.transpose_a ? p.a[k * p.a_stride + i] : p.a[i * p.a_stride + k];
                sum += a * (double)(p.transpose_b ? p.b[j % p.n * p.b_stride + k] : p.b[k * p.b_stride + j % p.n]);
            }
            if (j >= p.n) {
                require(p.c[i * p.c_stride + j] == old[i * p.c_stride + j], "nothing beside the product is written");
            } else {
                double want = p.alpha * sum + (p.beta == 0 ? 0 : p.beta * before) + (p.bias ? p.bias[j] : 0);
                note(p.c[i * p.c_stride + j], want, 1 + sqrt((double)p.k));
            }
        }
}

/// The same bits from the whole product and from its rows and columns in two pieces each.
static void check_product_pieces(int version, loom_product_call p, float *scratch) {
    loom_size n = p.m * p.c_stride;
    float *whole = floats(n, 0, 1), *parts = copy(whole, n);
    p.c = whole;
    loom_product_version(version, &p, scratch);
    for (int piece = 0; piece < 4; piece++) {
        loom_size i = piece / 2 * (p.m / 3), j = piece % 2 * (p.n / 3);
        loom_product_call q = p;
        q.m = piece / 2 ? p.m - i : p.m / 3;
        q.n = piece % 2 ? p.n - j : p.n / 3;
        q.a += p.transpose_a ? i : i * p.a_stride;
        q.b += p.transpose_b ? j * p.b_stride : j;
        if (p.bias) q.bias += j;
        q.c = parts + i * p.c_stride + j;
        loom_product_version(version, &q, scratch);
    }
    require(memcmp(whole, parts, sizeof(float) * (size_t)n) == 0, "a product does not depend on how it is cut");
    free(whole), free(parts);
}

/// Triangles: the same bits as from the whole product of a matrix with zeros, where they are of interest.
static void check_triangles(int version, float *scratch) {
    static const loom_size rows[] = {1, 7, 65, 130};
    EACH(queries, rows) EACH(keys, rows) EACH(n, widths) for (loom_size diagonal = -5; diagonal < 90; diagonal += 31)
        for (int kind = 0; kind < 3; kind++) {
            // Scores from queries and keys; weights times values; transposed weights times what is n wide.
            loom_product_call p = {.alpha = 1, .beta = 1, .diagonal = diagonal, .transpose_b = kind == 0,
                                   .transpose_a = kind == 2, .lower = kind == 0 ? LOOM_LOWER_C : LOOM_LOWER_A};
            p.m = kind == 2 ? keys : queries, p.n = kind == 0 ? keys : n, p.k = kind == 0 ? n : kind == 1 ? keys : queries;
            p.a_stride = p.transpose_a ? p.m : p.k, p.b_stride = p.transpose_b ? p.k : p.n, p.c_stride = p.n;
            float *a = floats(p.m * p.k, -1, 1), *b = floats(p.k * p.n, -1, 1), *got = floats(p.m * p.n, -1, 1);
            float *want = copy(got, p.m * p.n);
            for (loom_size i = 0; kind > 0 && i < queries; i++)
                for (loom_size j = 0; j < keys; j++)
                    if (j > i + diagonal) a[i * keys + j] = 0;
            p.a = a, p.b = b, p.c = got;
            loom_product_version(version, &p, scratch);
            p.lower = LOOM_LOWER_NONE, p.c = want;
            loom_product_version(version, &p, scratch);
            for (loom_size i = 0; i < p.m; i++)
                for (loom_size j = 0; j < p.n; j++)
                    require((kind == 0 && j > i + diagonal) || got[i * p.n + j] == want[i * p.n + j], "a triangle");
            free(a), free(b), free(got), free(want);
        }
}

static void check_matrix_products(void) {
    static const loom_size rows[] = {1, 7, 65, 130}, columns[] = {1, 20, 64, 80, 530}, depths[] = {0, 1, 16, 33, 300};
    float *scratch = floats(loom_product_scratch(), NAN, NAN);
    for (int version = 0; version < loom_product_versions(); version++) {
        check_triangles(version, scratch);
        EACH(m, rows) EACH(n, columns) EACH(k, depths) for (int kind = 0; kind < 4; kind++) {
            loom_product_call p = {.transpose_a = kind & 1, .transpose_b = kind >> 1, .m = m, .n = n, .k = k};
            p.a_stride = (p.transpose_a ? m : k) + 3, p.b_stride = (p.transpose_b ? k : n) + 1, p.c_stride = n + 2;
            loom_size a_rows = p.transpose_a ? k : m, b_rows = p.transpose_b ? n : k;
            float *a = floats(a_rows * p.a_stride, -1, 1), *b = floats(b_rows * p.b_stride, -1, 1);
            float *old = floats(m * p.c_stride, -1, 1), *bias = floats(n, -1, 1);
            p.a = a, p.b = b, p.c = copy(old, m * p.c_stride);
            p.alpha = 1, p.beta = 0;
            old[0] = NAN;  // not read
            check_one_product(version, p, old, scratch);
            p.alpha = -0.5f, p.beta = kind < 2 ? 1 : 0.25f, p.bias = bias;
            old[0] = 1;
            check_one_product(version, p, old, scratch);
            free(p.c);
            check_product_pieces(version, p, scratch);
            free(a), free(b), free(old), free(bias);
        }
    }
    free(scratch);
    report("product", 1e-6);
}
