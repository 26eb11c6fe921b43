// Sums, products, copies and reductions of float arrays.
#include "vector_math.h"

LOOM_HOT void loom_fill(float *y, float value, loom_size n) {
    for (loom_size i = 0; i < n; i++) y[i] = value;
}

LOOM_HOT void loom_fill_rows(float *y, float value, loom_size rows, loom_size columns, loom_size stride) {
    for (loom_size r = 0; r < rows; r++)
        for (loom_size c = 0; c < columns; c++) y[r * stride + c] = value;
}

LOOM_HOT void loom_add(const float *a, const float *b, float *y, loom_size n) {
    LOOM_VECTORIZE
    for (loom_size i = 0; i < n; i++) y[i] = a[i] + b[i];
}

LOOM_HOT void loom_scale(const float *x, float s, float *y, loom_size n) {
    LOOM_VECTORIZE
    for (loom_size i = 0; i < n; i++) y[i] = s * x[i];
}

LOOM_HOT void loom_accumulate(const float *x, float s, float *y, loom_size n) {
    LOOM_VECTORIZE
    for (loom_size i = 0; i < n; i++) y[i] = y[i] + s * x[i];
}

LOOM_HOT void loom_multiply(const float *a, const float *b, float *y, loom_size n) {
    LOOM_VECTORIZE
    for (loom_size i = 0; i < n; i++) y[i] = a[i] * b[i];
}

LOOM_HOT void loom_multiply_accumulate(const float *a, const float *b, float *y, loom_size n) {
    LOOM_VECTORIZE
    for (loom_size i = 0; i < n; i++) y[i] = y[i] + a[i] * b[i];
}

LOOM_HOT void loom_add_bias(float *y, const float *bias, loom_size rows, loom_size columns) {
    for (loom_size r = 0; r < rows; r++) {
        float *row = y + r * columns;
        LOOM_VECTORIZE
        for (loom_size c = 0; c < columns; c++) row[c] += bias[c];
    }
}

LOOM_HOT void loom_column_sums(const float *x, loom_size rows, loom_size columns, loom_size stride, float *y) {
    // Four rows at a time, so that y is read and written once for four reads of x.
    loom_size r = 0;
    for (; r + 4 <= rows; r += 4) {
        const float *a = x + r * stride, *b = a + stride, *c = b + stride, *d = c + stride;
        LOOM_VECTORIZE
        for (loom_size i = 0; i < columns; i++) y[i] += (a[i] + b[i]) + (c[i] + d[i]);
    }
    for (; r < rows; r++) {
        const float *a = x + r * stride;
        LOOM_VECTORIZE
        for (loom_size i = 0; i < columns; i++) y[i] += a[i];
    }
}

LOOM_HOT void loom_scale_rows(const float *x, const float *s, float *y, loom_size rows, loom_size columns,
                              int accumulate) {
    for (loom_size r = 0; r < rows; r++) {
        const float *from = x + r * columns;
        float *to = y + r * columns, factor = s[r];
        if (accumulate) {
            LOOM_VECTORIZE
            for (loom_size c = 0; c < columns; c++) to[c] = to[c] + from[c] * factor;
        } else {
            LOOM_VECTORIZE
            for (loom_size c = 0; c < columns; c++) to[c] = from[c] * factor;
        }
    }
}

LOOM_HOT void loom_row_dots(const float *a, const float *b, float *y, loom_size rows, loom_size columns,
                            int accumulate) {
    for (loom_size r = 0; r < rows; r++) {
        LOOM_REASSOCIATE
        const float *left = a + r * columns, *right = b + r * columns;
        float sum = 0;
        LOOM_VECTORIZE
        for (loom_size c = 0; c < columns; c++) sum += left[c] * right[c];
        y[r] = accumulate ? y[r] + sum : sum;
    }
}

LOOM_HOT void loom_copy_columns(const float *x, loom_size x_stride, float *y, loom_size y_stride, loom_size rows,
                                loom_size columns, int accumulate) {
    for (loom_size r = 0; r < rows; r++) {
        const float *from = x + r * x_stride;
        float *to = y + r * y_stride;
        if (accumulate) {
            LOOM_VECTORIZE
            for (loom_size c = 0; c < columns; c++) to[c] += from[c];
        } else {
            LOOM_VECTORIZE
            for (loom_size c = 0; c < columns; c++) to[c] = from[c];
        }
    }
}

LOOM_HOT double loom_dot(const float *x, const float *y, loom_size n) {
    LOOM_REASSOCIATE
    double sum = 0;
    LOOM_VECTORIZE
    for (loom_size i = 0; i < n; i++) sum += (double)x[i] * (double)y[i];
    return sum;
}

LOOM_HOT double loom_sum(const float *x, loom_size n) {
    LOOM_REASSOCIATE
    double sum = 0;
    LOOM_VECTORIZE
    for (loom_size i = 0; i < n; i++) sum += (double)x[i];
    return sum;
}

LOOM_HOT double loom_sum_squares(const float *x, loom_size n) {
    LOOM_REASSOCIATE
    double sum = 0;
    LOOM_VECTORIZE
    for (loom_size i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    return sum;
}

LOOM_HOT loom_size loom_first_not_finite(const float *x, loom_size n) {
    const loom_size block = 4096;
    for (loom_size start = 0; start < n; start += block) {
        loom_size end = start + block < n ? start + block : n;
        uint32_t largest = 0;  // without the sign, and as an integer, everything not finite is at least 0x7f800000
        LOOM_VECTORIZE
        for (loom_size i = start; i < end; i++) {
            uint32_t magnitude = loom_bits(x[i]) & 0x7fffffffu;
            largest = magnitude > largest ? magnitude : largest;
        }
        if (largest < 0x7f800000u) continue;
        for (loom_size i = start; i < end; i++)
            if ((loom_bits(x[i]) & 0x7f800000u) == 0x7f800000u) return i;
    }
    return -1;
}
