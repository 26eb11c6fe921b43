// Part of check.c: norms, heads, loss, attention, matrix-vector products, optimizers and threads.

typedef struct {
    loom_size rows, columns;
    int centered;
    double offset, epsilon;
    const float *dy;
    int weighted, biased;
} norm_case;

/// Row norm of x, weight, bias packed in one array; writes y when given, returns Σ dy y.
static double norm_loss_into(const double *in, const norm_case *c, double *y) {
    loom_size n = c->rows * c->columns;
    const double *weight = in + n, *bias = weight + c->columns;
    double loss = 0;
    for (loom_size r = 0; r < c->rows; r++) {
        const double *x = in + r * c->columns;
        double mean = 0, squares = 0;
        for (loom_size j = 0; j < c->columns; j++) mean += c->centered ? x[j] / (double)c->columns : 0;
        for (loom_size j = 0; j < c->columns; j++) squares += (x[j] - mean) * (x[j] - mean) / (double)c->columns;
        double rstd = 1 / sqrt(squares + c->epsilon);
        for (loom_size j = 0; j < c->columns; j++) {
            double value = (x[j] - mean) * rstd;
            if (c->weighted) value *= c->offset + weight[j];
            if (c->biased) value += bias[j];
            if (y) y[r * c->columns + j] = value;
            loss += value * c->dy[r * c->columns + j];
        }
    }
    return loss;
}

static double norm_loss(double *in, void *context) {
    return norm_loss_into(in, context, NULL);
}

static void check_norms(int centered) {
    EACH(columns, widths) for (int mode = 0; mode < 8; mode++) {
        loom_size rows = 3, n = rows * columns, all = n + 2 * columns;
        int weighted = mode & 1, biased = centered && (mode & 2), accumulate = (mode & 4) != 0;
        float *in = floats(all, -1, 2), *y = floats(n, 0, 0), *mean = floats(rows, 0, 0), *rstd = floats(rows, 0, 0);
        float *dy = floats(n, -1, 1), *gradient = floats(all, accumulate, accumulate);
        float offset = centered ? 0 : 1, *weight = weighted ? in + n : NULL, *bias = biased ? in + n + columns : NULL;
        norm_case c = {rows, columns, centered, offset, 1e-2, dy, weighted, biased};
        double *exact = doubles(in, all), *want = doubles(in, all);
        if (centered) {
            loom_layernorm(in, weight, bias, y, mean, rstd, rows, columns, 1e-2f);
            loom_layernorm_backward(in, weight, mean, rstd, dy, gradient, accumulate, weighted ? gradient + n : NULL,
                                    biased ? gradient + n + columns : NULL, rows, columns);
        } else {
            loom_rmsnorm(in, weight, offset, y, rstd, rows, columns, 1e-2f);
            loom_rmsnorm_backward(in, weight, offset, rstd, dy, gradient, accumulate, weighted ? gradient + n : NULL,
                                  rows, columns);
        }
        norm_loss_into(exact, &c, want);
        compare(y, want, n);
        for (loom_size i = 0; i < all; i += columns > 100 && i < n ? 13 : 1) {
            double expected = slope_of(norm_loss, &c, exact, i) + accumulate;
            note(gradient[i], expected, fmax(1, fabs(expected)) * 10);
        }
        free(in), free(y), free(mean), free(rstd), free(dy), free(gradient), free(exact), free(want);
    }
    float bad[20] = {1, 2, NAN}, y[20], mean, rstd;
    if (centered) loom_layernorm(bad, NULL, NULL, y, &mean, &rstd, 1, 20, 1e-5f);
    else loom_rmsnorm(bad, NULL, 0, y, &rstd, 1, 20, 1e-5f);
    for (int i = 0; i < 20; i++) require(isnan(y[i]), "nan through a norm");
    report(centered ? "layernorm" : "rmsnorm", 1e-6);
}

typedef struct {
    const loom_heads *h;
    const float *dout;
} heads_case;

static double heads_loss_into(const double *in, const heads_case *c, double *out) {
    const loom_heads *h = c->h;
    const double *weight = in + h->rows * h->in_stride;
    double loss = 0, y[1024];
    for (loom_size r = 0; r < h->rows; r++)
        for (loom_size head = 0; head < h->heads; head++) {
            const double *x = in + r * h->in_stride + head * h->dim;
            double squares = 0;
            for (loom_size d = 0; d < h->dim; d++) squares += x[d] * x[d] / (double)h->dim;
            double rstd = h->normalize ? 1 / sqrt(squares + h->epsilon) : 1;
            for (loom_size d = 0; d < h->dim; d++)
                y[d] = x[d] * rstd * (h->normalize && h->weight ? h->weight_offset + weight[d] : 1) * h->scale;
            loom_size half = h->rotary / 2;
            for (loom_size j = 0; j < half; j++) {
                loom_size p = h->interleaved ? 2 * j : j, q = h->interleaved ? 2 * j + 1 : j + half;
                double cosine = h->cosines[h->positions[r] * half + j], sine = h->sines[h->positions[r] * half + j];
                double a = y[p], b = y[q];
                y[p] = a * cosine - b * sine;
                y[q] = b * cosine + a * sine;
            }
            for (loom_size d = 0; d < h->dim; d++) {
                loom_size at = r * h->out_stride + head * h->dim + d;
                if (out) out[at] = y[d];
                loss += y[d] * c->dout[at];
            }
        }
    return loss;
}

static double heads_loss(double *in, void *context) {
    return heads_loss_into(in, context, NULL);
}

static void check_heads(void) {
    static const loom_size dims[] = {4, 20, 64, 80};
    EACH(dim, dims) for (int mode = 0; mode < 48; mode++) {
        loom_size rotary = mode % 3 == 0 ? 0 : mode % 3 == 1 ? dim : dim / 4 * 2, half = rotary / 2;
        int interleaved = mode / 3 % 2, normalize = mode / 6 % 2, weighted = mode / 12 % 2, accumulate = mode / 24;
        float *cosines = floats(10 * half, -1, 1), *sines = floats(10 * half, -1, 1);
        int32_t positions[] = {7, 0, 3};
        loom_heads h = {3, 2, dim, 2 * dim + 5, 2 * dim + 1, normalize, 1e-3f, NULL, 1, rotary, interleaved,
                        cosines, sines, positions, 0.7f};
        loom_size n = h.rows * h.in_stride, outs = h.rows * h.out_stride;
        float *in = floats(n + dim, -1, 1), *out = floats(outs, 0, 0), *dout = floats(outs, -1, 1);
        float rstd[6], *din = floats(n + dim, accumulate, accumulate);
        h.weight = weighted ? in + n : NULL;
        heads_case c = {&h, dout};
        double *exact = doubles(in, n + dim), *want = doubles(out, outs);
        loom_heads_forward(&h, in, out, rstd);
        loom_heads_backward(&h, in, rstd, dout, din, accumulate, weighted ? din + n : NULL);
        heads_loss_into(exact, &c, want);
        compare(out, want, outs);
        for (loom_size i = 0; i < n + dim; i += 3) {
            double expected = slope_of(heads_loss, &c, exact, i);
            note(din[i], expected + accumulate, fmax(1, fabs(expected)) * 10);
        }
        free(cosines), free(sines), free(in), free(out), free(dout), free(din), free(exact), free(want);
    }
    report("heads", 1e-6);
}

static double entropy(const double *logits, loom_size vocabulary, double cap, int32_t target) {
    double top = -INFINITY, sum = 0;
    for (loom_size j = 0; j < vocabulary; j++) top = fmax(top, cap > 0 ? cap * tanh(logits[j] / cap) : logits[j]);
    for (loom_size j = 0; j < vocabulary; j++) sum += exp((cap > 0 ? cap * tanh(logits[j] / cap) : logits[j]) - top);
    return log(sum) + top - (cap > 0 ? cap * tanh(logits[target] / cap) : logits[target]);
}

typedef struct {
    loom_size vocabulary;
    double cap;
    int32_t target;
} entropy_case;

static double entropy_loss(double *logits, void *context) {
    entropy_case *c = context;
    return entropy(logits, c->vocabulary, c->cap, c->target);
}

static void check_loss(void) {
    static const loom_size vocabularies[] = {1, 7, 65, 384};
    EACH(vocabulary, vocabularies) for (int mode = 0; mode < 4; mode++) {
        loom_size rows = 4, stride = vocabulary + (mode & 1 ? 5 : 0), n = rows * stride;
        float cap = mode & 2 ? 10 : 0, *logits = floats(n, -20, 20), *kept = copy(logits, n), losses[4], again[4];
        int32_t targets[] = {0, -1, (int32_t)vocabulary - 1, (int32_t)vocabulary / 2}, hits[4], hits_again[4];
        loom_cross_entropy(logits, stride, targets, rows, vocabulary, cap, losses, 0, 1, hits);
        require(memcmp(logits, kept, sizeof(float) * (size_t)n) == 0, "no gradient, no change");
        loom_cross_entropy(logits, stride, targets, rows, vocabulary, cap, again, 1, 0.5f, hits_again);
        for (loom_size r = 0; r < rows; r++) {
            double *exact = doubles(kept + r * stride, stride);
            entropy_case c = {vocabulary, cap, targets[r]};
            loom_size best = 0;
            for (loom_size j = 0; j < vocabulary; j++) best = exact[j] > exact[best] ? j : best;
            note(losses[r], targets[r] < 0 ? 0 : entropy_loss(exact, &c), 10);
            note(again[r], losses[r], 10);
            require(hits[r] == (best == targets[r]) && hits_again[r] == hits[r], "hits");
            for (loom_size j = 0; j < stride; j++) {
                double want = targets[r] < 0 || j >= vocabulary ? 0 : 0.5 * slope_of(entropy_loss, &c, exact, j);
                note(logits[r * stride + j], want, 1);
            }
            free(exact);
        }
        free(logits), free(kept);
    }
    float tie[] = {1, 3, 3}, bad[] = {1, -NAN, 0}, loss;
    int32_t hit, target = 2;
    loom_cross_entropy(tie, 3, &target, 1, 3, 0, &loss, 0, 1, &hit);
    require(hit == 0, "the first of a tie");
    loom_cross_entropy(bad, 3, &target, 1, 3, 0, &loss, 1, 1, &hit);
    require(isnan(loss) && isnan(bad[0]), "nan through cross-entropy");
    report("cross_entropy", 1e-6);
    EACH(n, widths) {
        float *logits = floats(n, -20, 20), *weights = floats(n, 0, 0);
        double sum = loom_softmax_weights(logits, n, 0.7f, weights), exact = 0, largest = -INFINITY;
        for (loom_size i = 0; i < n; i++) largest = fmax(largest, logits[i]);
        for (loom_size i = 0; i < n; i++) {
            double want = exp((logits[i] - largest) * (double)0.7f);
            note(weights[i], want, 1), exact += want;
        }
        note(sum / (double)n, exact / (double)n, 1);
        require(loom_softmax_weights(logits, n, 0.7f, logits) == sum && !memcmp(logits, weights, sizeof(float) * (size_t)n), "in place");
        free(logits), free(weights);
    }
    require(isnan(loom_softmax_weights((float[]){1, NAN, 2}, 3, 1, (float[3]){0})), "nan through weights");
    report("softmax_weights", 1e-6);
    EACH(columns, widths) {
        int32_t ids[] = {2, 0, 2};
        float *table = floats(3 * columns, -1, 1), *y = floats(3 * columns, 0, 0), *sums = copy(table, 3 * columns);
        loom_gather(table, ids, y, 3, columns);
        loom_scatter_add(y, ids, sums, 3, columns, 0, columns / 2);
        loom_scatter_add(y, ids, sums, 3, columns, columns / 2, columns);
        static const double times[] = {2, 1, 3};
        for (loom_size i = 0; i < 3 * columns; i++) {
            note(y[i], table[ids[i / columns] * columns + i % columns], 1);
            note(sums[i], times[i / columns] * table[i], 3);
        }
        free(table), free(y), free(sums);
    }
    report("gather, scatter_add", 2e-7);
}

typedef struct {
    const loom_strip *s;
    loom_size row;
    const float *dweights;
    double *weights, lse;  // the weights after dropout, when wanted
} attention_case;

/// Row `row` of a strip: Σ dweights · weights.
static double attention_loss(double *x, void *context) {
    attention_case *c = context;
    const loom_strip *s = c->s;
    loom_size position = s->query_position + c->row;
    double sum = 0, loss = 0, z[512];
    for (loom_size j = 0; j < s->keys; j++) {
        loom_size key = s->key_position + j;
        int seen = key <= position && key >= position - s->window;
        double score = s->softcap > 0 ? s->softcap * tanh(s->scale * x[j] / s->softcap) : s->scale * x[j];
        z[j] = seen ? exp(score - s->slope * (double)(position - key)) : 0;
        sum += z[j];
    }
    c->lse = log(sum);
    for (loom_size j = 0; j < s->keys; j++) {
        uint64_t element = ((s->dropout_row + (uint64_t)c->row) << 32) + (uint64_t)(s->key_position + j);
        double weight = sum > 0 ? z[j] / sum : 0;
        if (s->dropout > 0)
            weight *= kept_at(s->dropout_key, s->dropout_stream, element, s->dropout) ? 1 / (1.0 - s->dropout) : 0;
        if (c->weights) c->weights[j] = weight;
        loss += weight * c->dweights[j];
    }
    return loss;
}

static void check_attention(void) {
    for (int mode = 0; mode < 72; mode++) {
        loom_size keys = (loom_size[]){1, 21, 130}[mode % 3], rows = 5, stride = keys + mode % 2 * 3;
        loom_strip s = {.rows = rows, .keys = keys, .stride = stride, .query_position = 100, .key_position = 0,
                        .window = 1 << 30, .scale = 0.3f, .dropout_key = 99, .dropout_stream = 7, .dropout_row = 12};
        s.key_position = (loom_size[]){102 - keys < 0 ? 0 : 102 - keys, 98, 0}[mode / 3 % 3];
        if (mode / 9 % 2) s.window = 17;
        if (mode / 18 % 2) s.softcap = 2, s.slope = 0.125f;
        if (mode / 36 % 2) s.dropout = 0.25f;
        float *x = floats(rows * stride, -5, 5), *scores = copy(x, rows * stride), *again = copy(x, rows * stride);
        float *dy = floats(rows * stride, -1, 1), *dweights = copy(dy, rows * stride), lse[5], delta[5];
        loom_attention_softmax(&s, scores, lse);
        for (loom_size i = 0; i < rows; i++) {
            double want[512], *exact = doubles(x + i * stride, keys), sum = 0;
            attention_case c = {&s, i, dy + i * stride, want, 0};
            attention_loss(exact, &c);
            note(lse[i], c.lse, 10);
            for (loom_size j = 0; j < keys; j++) {
                note(scores[i * stride + j], want[j], 1);
                sum += (double)scores[i * stride + j] * dy[i * stride + j];
            }
            delta[i] = (float)sum;
            free(exact);
        }
        loom_attention_softmax_backward(&s, again, dweights, lse, delta);
        for (loom_size i = 0; i < rows; i++) {
            double *exact = doubles(x + i * stride, keys);
            attention_case c = {&s, i, dy + i * stride, NULL, 0};
            for (loom_size j = 0; j < keys; j++) {
                note(again[i * stride + j], scores[i * stride + j], 1);
                note(dweights[i * stride + j], slope_of(attention_loss, &c, exact, j), 1);
            }
            for (loom_size j = keys; j < stride; j++)
                require(scores[i * stride + j] == x[i * stride + j], "nothing past the keys");
            free(exact);
        }
        free(x), free(scores), free(again), free(dy), free(dweights);
    }
    report("attention_softmax", 2e-6);
}

static void check_optimizers(void) {
    EACH(n, sizes) {
        float *p = floats(n, -1, 1), *g = floats(n, -1, 1), *m = floats(n, -1, 1), *v = floats(n, 0, 1);
        double *dp = doubles(p, n), *dm = doubles(m, n), *dv = doubles(v, n);
        loom_adamw(p, g, m, v, n, 0.5f, 0.01f, 0.9f, 0.99f, 1e-8f, 0.1f, 0.5f, 0.3f);
        for (loom_size i = 0; i < n; i++) {
            double gradient = 0.5 * g[i];
            dm[i] = 0.9 * dm[i] + 0.1 * gradient;
            dv[i] = 0.99 * dv[i] + 0.01 * gradient * gradient;
            dp[i] = dp[i] * (1 - 0.01 * 0.1) - 0.01 * (dm[i] / 0.5) / (sqrt(dv[i] / 0.3) + 1e-8);
        }
        compare(p, dp, n), compare(m, dm, n), compare(v, dv, n);
        for (int mode = 0; mode < 3; mode++) {
            double *sp = doubles(p, n), *sb = doubles(m, n);
            loom_sgd(p, g, mode == 2 ? NULL : m, n, 0.5f, 0.1f, 0.9f, 0.01f, mode == 1);
            for (loom_size i = 0; i < n; i++) {
                double direction = 0.5 * g[i] + 0.01 * sp[i];
                sb[i] = mode == 2 ? sb[i] : 0.9 * sb[i] + direction;
                sp[i] -= 0.1 * (mode == 0 ? sb[i] : mode == 1 ? direction + 0.9 * sb[i] : direction);
            }
            compare(p, sp, n), compare(m, sb, n);
            free(sp), free(sb);
        }
        free(p), free(g), free(m), free(v), free(dp), free(dm), free(dv);
    }
    report("adamw, sgd", 1e-6);
}

// ---- threads ------------------------------------------------------------------------------------------------------

static loom_pool *shared;
static atomic_long total;

static void count_one(void *context, loom_size task) {
    ((unsigned char *)context)[task]++;
    atomic_fetch_add(&total, 1);
}

static void count_nested(void *context, loom_size task) {
    (void)task;
    unsigned char inner[5] = {0};
    loom_pool_run(shared, 5, count_one, inner);
    ((unsigned char *)context)[task] += inner[0] & inner[4];
}

static void *run_often(void *argument) {
    (void)argument;
    unsigned char seen[37];
    for (int i = 0; i < 3000; i++) {
        loom_size tasks = i % 38;
        memset(seen, 0, sizeof seen);
        loom_pool_run(shared, tasks, i % 7 ? count_one : count_nested, seen);
        for (loom_size task = 0; task < tasks; task++) require(seen[task] == 1, "each task once");
        if (i % 500 == 0) nanosleep(&(struct timespec){0, 1000000}, NULL);  // so that the workers fall asleep
    }
    return NULL;
}

static void check_threads(void) {
    for (int threads = 1; threads < 6; threads++) {
        shared = loom_pool_create(threads);
        require(shared && loom_pool_threads(shared) == threads, "a pool");
        run_often(NULL);
        pthread_t others[2];
        for (int i = 0; i < 2; i++) pthread_create(&others[i], NULL, run_often, NULL);
        run_often(NULL);
        for (int i = 0; i < 2; i++) pthread_join(others[i], NULL);
        loom_pool_destroy(shared);
    }
    for (int i = 0; i < 50; i++) loom_pool_destroy(loom_pool_create(3));
    report("threads", 0);
}

static void check_layers(void) {
    check_norms(1);
    check_norms(0);
    check_heads();
    check_loss();
    check_attention();
    check_optimizers();
    check_threads();
}
