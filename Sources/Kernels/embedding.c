// Table look-up by id and its gradient.
#include "vector_math.h"

void loom_gather(const float *table, const int32_t *ids, float *y, loom_size rows, loom_size columns) {
    for (loom_size r = 0; r < rows; r++)
        memcpy(y + r * columns, table + ids[r] * columns, (size_t)columns * sizeof(float));
}

LOOM_HOT void loom_scatter_add(const float *dy, const int32_t *ids, float *dtable, loom_size rows, loom_size columns,
                               loom_size first, loom_size last) {
    for (loom_size r = 0; r < rows; r++) {
        const float *from = dy + r * columns;
        float *to = dtable + ids[r] * columns;
        LOOM_VECTORIZE
        for (loom_size c = first; c < last; c++) to[c] += from[c];
    }
}
