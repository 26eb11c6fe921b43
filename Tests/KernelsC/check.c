// Checks the C kernels against plain float64 references; not part of the Swift package. From the repository's root:
//
//   clang -O2 -std=c17 Sources/Kernels/*.c -ISources/Kernels/include Tests/KernelsC/check.c -lm -lpthread -o check
//   ./check          one line for each function, with its largest error; exit status 1 on a failure
//   ./check bench    speed of each function
#define _XOPEN_SOURCE 700
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../Sources/Kernels/lanes.h"
#include "kernels.h"

// ---- tools --------------------------------------------------------------------------------------------------------

static int failures;
static double worst;  // since the last report
static uint64_t state = 1;

static double uniform(double low, double high) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return low + (high - low) * (double)(state >> 11) * 0x1p-53;
}

static int aligned;  // to a cache line, as in training; else exactly n numbers, for the address sanitizer

static float *floats(loom_size n, double low, double high) {
    size_t bytes = sizeof(float) * (size_t)(n > 0 ? n : 1);
    float *x = aligned ? aligned_alloc(64, (bytes + 63) / 64 * 64) : malloc(bytes);
    for (loom_size i = 0; i < n; i++) x[i] = (float)uniform(low, high);
    return x;
}

static float *copy(const float *x, loom_size n) {
    float *y = malloc(sizeof(float) * (size_t)(n > 0 ? n : 1));
    memcpy(y, x, sizeof(float) * (size_t)n);
    return y;
}

static double *doubles(const float *x, loom_size n) {
    double *y = malloc(sizeof(double) * (size_t)(n > 0 ? n : 1));
    for (loom_size i = 0; i < n; i++) y[i] = x[i];
    return y;
}

/// Notes the error of a value, relative to `size`.
static void note(double got, double want, double size) {
    double error = fabs(got - want) / size;
    if (got == want || (isnan(got) && isnan(want))) error = 0;
    if (!(error <= worst)) worst = isnan(error) ? INFINITY : error;
}

/// Notes the errors of an array relative to its largest value.
static void compare(const float *got, const double *want, loom_size n) {
    double size = 1e-30;
    for (loom_size i = 0; i < n; i++) size = fmax(size, fabs(want[i]));
    for (loom_size i = 0; i < n; i++) note(got[i], want[i], size);
}

static void require(int condition, const char *what) {
    if (condition) return;
    printf("FAILED: %s\n", what);
    failures++;
}

static void report(const char *name, double tolerance) {
    int good = worst <= tolerance;
    printf("%-28s %.2e%s\n", name, worst, good ? "" : "  FAILED");
    failures += !good;
    worst = 0;
}

/// The derivative of a float64 function by its argument number i.
static double slope_of(double (*f)(double *x, void *context), void *context, double *x, loom_size i) {
    double old = x[i], h = 1e-5 * fmax(1, fabs(old));
    x[i] = old + h;
    double up = f(x, context);
    x[i] = old - h;
    double down = f(x, context);
    x[i] = old;
    return (up - down) / (2 * h);
}

static const loom_size sizes[] = {1, 7, 65, 1000}, widths[] = {1, 20, 64, 80, 384};
#define EACH(v, array) \
    for (loom_size v##_at = 0, v; v##_at < (loom_size)(sizeof array / sizeof *array) && (v = array[v##_at], 1); v##_at++)

// ---- functions of one number --------------------------------------------------------------------------------------

static void check_math(void) {
    for (double x = -87.3; x < 88.7; x += 0.000371) note(fast_exp((float)x), exp((float)x), exp((float)x));
    require(fast_exp(-200) == 0 && fast_exp(-INFINITY) == 0 && fast_exp(0) == 1, "exp below");
    require(fast_exp(89) == INFINITY, "exp above");
    require(fast_exp(INFINITY) == INFINITY && isnan(fast_exp(NAN)) && isnan(fast_exp(-NAN)), "exp of inf and nan");
    report("fast_exp", 2e-7);
    for (double x = 1.2e-38; x < 3e38; x *= 1.00031) note(fast_log((float)x), log((float)x), fabs(log((float)x)) + 1e-6);
    require(fast_log(INFINITY) == INFINITY && fast_log(0) == -INFINITY && isnan(fast_log(NAN)), "log ends");
    report("fast_log", 1e-7);
    for (double x = -87; x < 87; x += 0.000371) {
        double s = 1 / (1 + exp(-(double)(float)x));
        note(fast_sigmoid((float)x), s, s);
    }
    report("fast_sigmoid", 3e-7);
    for (double x = 1e-12; x < 50; x *= 1.0003) {
        note(fast_tanh((float)x), tanh((float)x), tanh((float)x));
        note(fast_tanh(-(float)x), -tanh((float)x), tanh((float)x));
    }
    require(isnan(fast_tanh(NAN)) && fabsf(fast_tanh(INFINITY)) <= 1.000001f && fast_tanh(0) == 0, "tanh ends");
    report("fast_tanh", 5e-7);
    for (double x = -13; x < 13; x += 0.000171) {
        float density;
        double normal = 0.5 * erfc(-(double)(float)x / sqrt(2));
        note(fast_normal((float)x, &density), normal, normal);
        double e = exp(-0.5 * (double)(float)x * (double)(float)x);
        note(density, e, e);
    }
    report("fast_normal", 1e-6);
}

// ---- elementwise --------------------------------------------------------------------------------------------------

static void check_elementwise(void) {
    EACH(n, sizes) {
        float *a = floats(n, -2, 2), *b = floats(n, -2, 2), *y = copy(a, n), *z = floats(n, 0, 0);
        double dot = 0, sum = 0, squares = 0;
        loom_add(y, b, y, n);
        for (loom_size i = 0; i < n; i++) note(y[i], (double)a[i] + b[i], 1);
        loom_scale(y, 0.5f, y, n);
        for (loom_size i = 0; i < n; i++) note(y[i], 0.5 * ((double)a[i] + b[i]), 1);
        loom_accumulate(b, -0.5f, y, n);
        for (loom_size i = 0; i < n; i++) note(y[i], 0.5 * a[i], 1);
        loom_multiply(a, b, y, n);
        for (loom_size i = 0; i < n; i++) note(y[i], (double)a[i] * b[i], 4);
        loom_multiply_accumulate(a, b, y, n);
        for (loom_size i = 0; i < n; i++) note(y[i], 2.0 * a[i] * b[i], 4);
        loom_fill(z, 3, n);
        for (loom_size i = 0; i < n; i++) note(z[i], 3, 1);
        for (loom_size i = 0; i < n; i++) {
            dot += (double)a[i] * b[i];
            sum += a[i];
            squares += (double)a[i] * a[i];
        }
        note(loom_dot(a, b, n), dot, 1);
        note(loom_sum(a, n), sum, 1);
        note(loom_sum_squares(a, n), squares, 1);
        require(loom_first_not_finite(a, n) == -1, "finite");
        a[n / 2] = NAN;
        a[n - 1] = n > 1 ? -INFINITY : NAN;
        require(loom_first_not_finite(a, n) == n / 2, "first not finite");
        free(a), free(b), free(y), free(z);
    }
    report("add ... sum_squares", 2e-7);
    EACH(columns, widths) for (loom_size rows = 1; rows < 12; rows += 5) {
        loom_size stride = columns + 3, n = rows * columns;
        float *x = floats(rows * stride, -1, 1), *y = floats(columns, -1, 1), *s = floats(rows, -1, 1);
        float *a = floats(n, -1, 1), *b = copy(a, n), *c = copy(a, n), *d = floats(rows, -1, 1), *e = copy(d, rows);
        float *old = copy(y, columns), *wide = copy(x, rows * stride);
        loom_column_sums(x, rows, columns, stride, y);
        loom_add_bias(b, y, rows, columns);
        for (loom_size j = 0; j < columns; j++) {
            double sum = old[j];
            for (loom_size r = 0; r < rows; r++) sum += x[r * stride + j];
            note(y[j], sum, 10);
            for (loom_size r = 0; r < rows; r++) note(b[r * columns + j], (double)a[r * columns + j] + y[j], 10);
        }
        loom_scale_rows(a, s, b, rows, columns, 0);
        loom_scale_rows(a, s, c, rows, columns, 1);
        loom_row_dots(a, b, d, rows, columns, 0);
        loom_row_dots(a, b, e, rows, columns, 1);
        for (loom_size r = 0; r < rows; r++) {
            double sum = 0;
            for (loom_size j = 0; j < columns; j++) {
                loom_size i = r * columns + j;
                note(b[i], (double)a[i] * s[r], 1);
                note(c[i], a[i] + (double)a[i] * s[r], 1);
                sum += (double)a[i] * b[i];
            }
            note(d[r], sum, fmax(10, fabs(sum)));
        }
        loom_copy_columns(a, columns, wide + 1, stride, rows, columns, 0);
        loom_copy_columns(a, columns, wide + 1, stride, rows, columns, 1);
        for (loom_size i = 0; i < rows * stride; i++) {
            loom_size j = i % stride - 1;
            note(wide[i], j < 0 || j >= columns ? x[i] : 2 * a[i / stride * columns + j], 1);
        }
        free(x), free(y), free(s), free(a), free(b), free(c), free(d), free(e), free(old), free(wide);
    }
    report("add_bias ... copy_columns", 2e-6);
}

static double f_of(int kind, double x) {
    switch (kind) {
    case LOOM_RELU: return fmax(x, 0);
    case LOOM_GELU: return x * 0.5 * erfc(-x / sqrt(2));
    case LOOM_GELU_TANH: return x / (1 + exp(-2 * sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case LOOM_RELU2: return fmax(x, 0) * fmax(x, 0);
    case LOOM_SILU: return x / (1 + exp(-x));
    case LOOM_SIGMOID: return 1 / (1 + exp(-x));
    default: return tanh(x);
    }
}

static double activation_sum(double *x, void *context) {
    return f_of(*(int *)context, x[0]);
}

static void check_activations(void) {
    static const char *names[] = {"relu", "gelu", "gelu_tanh", "relu2", "silu", "sigmoid", "tanh"};
    for (int kind = 0; kind < 7; kind++) {
        EACH(n, sizes) {
            float *x = floats(n, -6, 6), *y = floats(n, 0, 0), *dy = floats(n, -1, 1), *dx = copy(dy, n);
            loom_activation(kind, x, y, n);
            for (loom_size i = 0; i < n; i++) {
                double want = f_of(kind, x[i]);  // the exponent of gelu_tanh costs it relative accuracy far out
                note(y[i], want, fabs(want) + (kind == LOOM_GELU_TANH ? 1e-2 : 1e-30));
            }
            loom_activation_backward(kind, x, dx, dx, n, 0);
            float *twice = copy(dx, n);
            loom_activation_backward(kind, x, dy, twice, n, 1);
            double *want = malloc(sizeof(double) * (size_t)n);
            for (loom_size i = 0; i < n; i++) {
                double at = x[i];
                want[i] = dy[i] * slope_of(activation_sum, &kind, &at, 0);
                note(dx[i], want[i], 1);
                note(twice[i], 2 * want[i], 1);
            }
            float *gated = floats(2 * n, -3, 3), *out = floats(n, 0, 0), *back = copy(gated, 2 * n);
            loom_gated(kind, gated, out, 1, n);
            loom_gated_backward(kind, back, dy, back, 1, n);
            for (loom_size i = 0; i < n; i++) {
                double at = gated[i], value = gated[n + i];
                note(out[i], f_of(kind, at) * value, 9);
                note(back[n + i], f_of(kind, at) * dy[i], 9);
                note(back[i], value * dy[i] * slope_of(activation_sum, &kind, &at, 0), 9);
            }
            free(x), free(y), free(dy), free(dx), free(twice), free(want), free(gated), free(out), free(back);
        }
        float bad[3] = {NAN, -NAN, 1}, result[3];
        loom_activation(kind, bad, result, 3);
        require(isnan(result[0]) && isnan(result[1]) && !isnan(result[2]), "nan through an activation");
        loom_activation_backward(kind, bad, (float[]){1, 1, 1}, result, 3, 0);
        require(isnan(result[0]) && isnan(result[1]) && !isnan(result[2]), "nan through an activation's gradient");
        report(names[kind], 1e-6);
    }
    EACH(n, sizes) {
        float *x = floats(n, -90, 90), *y = copy(x, n), *dy = floats(n, -1, 1), *dx = floats(n, 0, 0);
        loom_softcap(y, 30, y, n);
        loom_softcap_backward(y, dy, 30, dx, n, 0);
        loom_softcap_backward(y, dy, 30, dx, n, 1);
        for (loom_size i = 0; i < n; i++) {
            double t = tanh(x[i] / 30.0);
            note(y[i], 30 * t, 30);
            note(dx[i], 2 * dy[i] * (1 - t * t), 1);
        }
        free(x), free(y), free(dy), free(dx);
    }
    report("softcap", 1e-6);
}

/// One call for n elements and n calls for one give the same bits.
static void check_splits(void) {
    loom_size n = 333;
    float *x = floats(n, -6, 6), *dy = floats(n, -1, 1), *whole = floats(6 * n, 0, 1), *parts = copy(whole, 6 * n);
    for (int kind = 0; kind < 7; kind++) {
        for (loom_size at = -1; at < n; at++) {
            loom_size i = at < 0 ? 0 : at, count = at < 0 ? n : 1;
            float *y = at < 0 ? whole : parts;
            loom_activation(kind, x + i, y + i, count);
            loom_activation_backward(kind, x + i, dy + i, y + n + i, count, 1);
            loom_softcap(x + i, 3, y + 2 * n + i, count);
            loom_accumulate(x + i, 0.3f, y + 3 * n + i, count);
            loom_adamw(y + 3 * n + i, dy + i, y + 4 * n + i, y + 5 * n + i, count, 0.5f, 0.1f, 0.9f, 0.99f, 1e-8f, 0.1f,
                       0.5f, 0.3f);
            loom_dropout(y + 4 * n + i, y + 4 * n + i, count, 5 + (uint64_t)i, 0.2f, 1, 2, 0);
            loom_uniform(y + 5 * n + i, count, 5 + (uint64_t)i, 0, 1, 1, 2);
        }
        require(memcmp(whole, parts, sizeof(float) * 6 * (size_t)n) == 0, "results do not depend on the split");
    }
    free(x), free(dy), free(whole), free(parts);
    report("splits", 0);
}

// ---- random -------------------------------------------------------------------------------------------------------

static uint32_t philox_at(uint64_t key, uint64_t stream, uint64_t element) {
    uint64_t index = element / 4;
    uint32_t c[4] = {(uint32_t)index, (uint32_t)(index >> 32), (uint32_t)stream, (uint32_t)(stream >> 32)};
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)0xD2511F53u * c[0], b = (uint64_t)0xCD9E8D57u * c[2];
        uint32_t next[4] = {(uint32_t)(b >> 32) ^ c[1] ^ k0, (uint32_t)b, (uint32_t)(a >> 32) ^ c[3] ^ k1, (uint32_t)a};
        memcpy(c, next, sizeof c);
        k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
    }
    return c[element % 4];
}

static int kept_at(uint64_t key, uint64_t stream, uint64_t element, float p) {
    return (philox_at(key, stream, element) >> 8) * 0x1p-24 >= p;
}

static void check_random(void) {
    uint64_t key = 0x123456789abcdef1, stream = 0xfedcba9876543210;
    // Known answer of the reference implementation, Random123: counter and key all zero.
    require(philox_at(0, 0, 0) == 0x6627e8d5u && philox_at(0, 0, 3) == 0x9b00dbd8u, "philox known answer");
    EACH(n, sizes) for (uint64_t from = 0; from < 9; from++) {
        uint64_t offset = from + (from > 4 ? 0x3fffffffffu : 0);
        float *x = floats(n, -1, 1), *y = copy(x, n), *u = floats(n, 0, 0), *z = floats(n, 0, 0), *part = copy(z, n);
        loom_dropout(y, y, n, offset, 0.3f, key, stream, 0);
        loom_uniform(u, n, offset, -2, 3, key, stream);
        loom_normal(z, n, offset, 1, 2, key, stream);
        for (loom_size i = 0; i < n; i++) {
            uint64_t element = offset + (uint64_t)i;
            note(y[i], kept_at(key, stream, element, 0.3f) ? x[i] / (1.0 - 0.3f) : 0, 1);
            note(u[i], -2 + 5 * (philox_at(key, stream, element) >> 8) * 0x1p-24, 3);
            double u1 = (philox_at(key, stream, element & ~1ull) + 0.5) * 0x1p-32;
            double angle = 2 * M_PI * philox_at(key, stream, element | 1) * 0x1p-32;
            note(z[i], 1 + 2 * sqrt(-2 * log(u1)) * (element & 1 ? sin(angle) : cos(angle)), 8);
        }
        loom_size cut = n / 3;
        loom_normal(part, cut, offset, 1, 2, key, stream);
        loom_normal(part + cut, n - cut, offset + (uint64_t)cut, 1, 2, key, stream);
        require(memcmp(part, z, sizeof(float) * (size_t)n) == 0, "normal does not depend on the split");
        loom_dropout(x, part, n, offset, 0.3f, key, stream, 0);
        loom_dropout(x, part, n, offset, 0.3f, key, stream, 1);
        for (loom_size i = 0; i < n; i++) note(part[i], 2 * y[i], 2);
        free(x), free(y), free(u), free(z), free(part);
    }
    report("dropout, uniform, normal", 3e-7);
}

#include "check_layers.h"
#include "check_decode.h"
#include "check_product.h"
#include "bench.h"

int main(int count, char **arguments) {
    if (count > 1 && strcmp(arguments[1], "bench") == 0) {
        aligned = count < 3;  // with a third argument: as malloc gives it
        bench();
        return 0;
    }
    check_math();
    check_elementwise();
    check_activations();
    check_splits();
    check_random();
    check_layers();
    check_decode();
    check_matrix_products();
    printf(failures ? "%d FAILED\n" : "all good\n", failures);
    return failures != 0;
}
