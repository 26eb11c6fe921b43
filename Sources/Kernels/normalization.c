// Layer norm and RMS norm by row. The flags of the inlined loops are constants, one loop for each combination.
#include "vector_math.h"

LOOM_INLINE float row_sum(const float *x, loom_size columns) {
    LOOM_REASSOCIATE
    float sum = 0;
    LOOM_VECTORIZE
    for (loom_size c = 0; c < columns; c++) sum += x[c];
    return sum;
}

LOOM_INLINE float row_squares(const float *x, float mean, loom_size columns) {
    LOOM_REASSOCIATE
    float sum = 0;
    LOOM_VECTORIZE
    for (loom_size c = 0; c < columns; c++) sum += (x[c] - mean) * (x[c] - mean);
    return sum;
}

/// y = (x - mean) rstd (offset + weight) + bias
LOOM_INLINE void write_row(const float *x, const float *weight, const float *bias, float offset, float mean,
                           float rstd, float *y, loom_size columns, const int weighted, const int biased) {
    LOOM_VECTORIZE
    for (loom_size c = 0; c < columns; c++) {
        float value = (x[c] - mean) * rstd;
        if (weighted) value = value * (offset + weight[c]);
        if (biased) value = value + bias[c];
        y[c] = value;
    }
}

LOOM_HOT void loom_layernorm(const float *x, const float *weight, const float *bias, float *y, float *mean, float *rstd,
                             loom_size rows, loom_size columns, float epsilon) {
    for (loom_size r = 0; r < rows; r++) {
        const float *from = x + r * columns;
        float *to = y + r * columns;
        loom_prefetch(from, columns, columns);
        float m = row_sum(from, columns) / (float)columns;
        float s = 1.0f / fast_sqrt(row_squares(from, m, columns) / (float)columns + epsilon);
        mean[r] = m;
        rstd[r] = s;
        if (weight && bias) {
            write_row(from, weight, bias, 0, m, s, to, columns, 1, 1);
        } else if (weight) {
            write_row(from, weight, bias, 0, m, s, to, columns, 1, 0);
        } else if (bias) {
            write_row(from, weight, bias, 0, m, s, to, columns, 0, 1);
        } else {
            write_row(from, weight, bias, 0, m, s, to, columns, 0, 0);
        }
    }
}

LOOM_HOT void loom_rmsnorm(const float *x, const float *weight, float offset, float *y, float *rstd, loom_size rows,
                           loom_size columns, float epsilon) {
    for (loom_size r = 0; r < rows; r++) {
        const float *from = x + r * columns;
        loom_prefetch(from, columns, columns);
        float s = 1.0f / fast_sqrt(row_squares(from, 0, columns) / (float)columns + epsilon);
        rstd[r] = s;
        if (weight) {
            write_row(from, weight, NULL, offset, 0, s, y + r * columns, columns, 1, 0);
        } else {
            write_row(from, weight, NULL, offset, 0, s, y + r * columns, columns, 0, 0);
        }
    }
}

/// One row of either backward pass. With g = dy (offset + weight) and x̂ = (x - mean) rstd:
/// dx = rstd (g - centered * average(g) - x̂ average(g x̂)).
LOOM_INLINE void backward_row(const float *x, const float *weight, float offset, float mean, float rstd,
                              const float *dy, float *dx, float *dweight, float *dbias, loom_size columns,
                              const int centered, const int weighted, const int accumulate) {
    float sum = 0, product = 0;
    loom_prefetch(x, columns, columns);
    loom_prefetch(dy, columns, columns);
    {
        LOOM_REASSOCIATE
        LOOM_VECTORIZE
        for (loom_size c = 0; c < columns; c++) {
            float g = weighted ? dy[c] * (offset + weight[c]) : dy[c];
            sum += g;
            product += g * (x[c] - mean);
        }
    }
    float shift = centered ? sum / (float)columns : 0.0f;
    float slope = product * rstd / (float)columns;
    // Before dx is written, which may be dy or x.
    if (dweight) {
        LOOM_VECTORIZE
        for (loom_size c = 0; c < columns; c++) dweight[c] = dweight[c] + dy[c] * ((x[c] - mean) * rstd);
    }
    if (dbias) {
        LOOM_VECTORIZE
        for (loom_size c = 0; c < columns; c++) dbias[c] += dy[c];
    }
    LOOM_VECTORIZE
    for (loom_size c = 0; c < columns; c++) {
        float g = weighted ? dy[c] * (offset + weight[c]) : dy[c];
        float normalized = (x[c] - mean) * rstd;
        float gradient = rstd * (g - shift - normalized * slope);
        dx[c] = accumulate ? dx[c] + gradient : gradient;
    }
}

LOOM_HOT void loom_layernorm_backward(const float *x, const float *weight, const float *mean, const float *rstd,
                                      const float *dy, float *dx, int accumulate, float *dweight, float *dbias,
                                      loom_size rows, loom_size columns) {
    for (loom_size r = 0; r < rows; r++) {
        const float *xr = x + r * columns, *dyr = dy + r * columns;
        float *dxr = dx + r * columns;
        if (weight && accumulate) {
            backward_row(xr, weight, 0, mean[r], rstd[r], dyr, dxr, dweight, dbias, columns, 1, 1, 1);
        } else if (weight) {
            backward_row(xr, weight, 0, mean[r], rstd[r], dyr, dxr, dweight, dbias, columns, 1, 1, 0);
        } else if (accumulate) {
            backward_row(xr, weight, 0, mean[r], rstd[r], dyr, dxr, dweight, dbias, columns, 1, 0, 1);
        } else {
            backward_row(xr, weight, 0, mean[r], rstd[r], dyr, dxr, dweight, dbias, columns, 1, 0, 0);
        }
    }
}

LOOM_HOT void loom_rmsnorm_backward(const float *x, const float *weight, float offset, const float *rstd,
                                    const float *dy, float *dx, int accumulate, float *dweight, loom_size rows,
                                    loom_size columns) {
    for (loom_size r = 0; r < rows; r++) {
        const float *xr = x + r * columns, *dyr = dy + r * columns;
        float *dxr = dx + r * columns;
        if (weight && accumulate) {
            backward_row(xr, weight, offset, 0, rstd[r], dyr, dxr, dweight, NULL, columns, 0, 1, 1);
        } else if (weight) {
            backward_row(xr, weight, offset, 0, rstd[r], dyr, dxr, dweight, NULL, columns, 0, 1, 0);
        } else if (accumulate) {
            backward_row(xr, weight, offset, 0, rstd[r], dyr, dxr, dweight, NULL, columns, 0, 0, 1);
        } else {
            backward_row(xr, weight, offset, 0, rstd[r], dyr, dxr, dweight, NULL, columns, 0, 0, 0);
        }
    }
}
