// Matrix products, on one thread.
//
// The shape of it is Goto and van de Geijn's ("Anatomy of high-performance matrix multiplication", 2008): b is laid out
// anew in panels as wide as a few vectors, a tile of the result stays in registers while it goes through one panel, and
// blocks are sized for the caches. An element is Σ_k in one order that depends on k alone, so a result is the same
// however the caller cuts rows and columns.
#include "lanes.h"

enum {
    LOOM_DEPTH = 256,         // of k at once: a panel of b stays in the first cache
    LOOM_ROW_BLOCK = 120,     // rows of a at once: with their depth a part of the second cache; whole tiles of 12, 6, 3
    LOOM_COLUMN_BLOCK = 512,  // columns of b laid out at once, the rest of it
    LOOM_LANES = 16,
};

/// b's rows `first` ..< `first + depth` and `width` columns from `column` on, as [depth, vectors of 16], zeros after the
/// last column.
LOOM_INLINE void lay_out_panel(const loom_product_call *p, loom_size first, loom_size depth, loom_size column,
                               loom_size width, const int vectors, float *panel) {
    const loom_size across = vectors * LOOM_LANES;
    if (width < across) memset(panel, 0, (size_t)(depth * across) * sizeof(float));
    if (!p->transpose_b) {
        const float *from = p->b + first * p->b_stride + column;
        if (width == across) {
            for (loom_size k = 0; k < depth; k++)
                memcpy(panel + k * across, from + k * p->b_stride, (size_t)across * sizeof(float));
        } else {
            for (loom_size k = 0; k < depth; k++)
                for (loom_size j = 0; j < width; j++) panel[k * across + j] = from[k * p->b_stride + j];
        }
        return;
    }
    const float *from = p->b + column * p->b_stride + first;
    loom_size j = 0;
    for (; j + LOOM_LANES <= width; j += LOOM_LANES) {
        const float *rows = from + j * p->b_stride;
        loom_size k = 0;
        for (; k + LOOM_LANES <= depth; k += LOOM_LANES)
            loom_transpose_lanes(rows + k, p->b_stride, panel + k * across + j, across);
        for (; k < depth; k++)
            for (loom_size i = 0; i < LOOM_LANES; i++) panel[k * across + j + i] = rows[i * p->b_stride + k];
    }
    for (; j < width; j++)
        for (loom_size k = 0; k < depth; k++) panel[k * across + j] = from[j * p->b_stride + k];
}

/// rows × vectors of the result, all constants. a is [rows, depth] with a stride, or packed as [depth, rows].
LOOM_INLINE void tile(const int rows, const int vectors, const int packed, const float *a, loom_size a_stride,
                      const float *panel, loom_size depth, float *c, loom_size c_stride, loom_size columns, float alpha,
                      float beta, const float *bias) {
    enum { MOST = 28, TRIPLES = 6 };
    loom_lanes sums[MOST];
#pragma unroll
    for (int i = 0; i < rows * vectors; i++) sums[i] = (loom_lanes){0};
    // Three rows share a pointer: x86 adds a register, or twice a register, within the instruction.
    const float *from[TRIPLES];
#pragma unroll
    for (int r = 0; r < (rows + 2) / 3; r++) from[r] = a + 3 * r * a_stride;
#pragma clang loop unroll(disable)  // unrolled, all loads are moved to the front and registers run out
    for (loom_size k = 0; k < depth; k++) {
        loom_lanes bs[4];
#pragma unroll
        for (int v = 0; v < vectors; v++) memcpy(&bs[v], panel + (k * vectors + v) * LOOM_LANES, sizeof bs[v]);
#pragma unroll
        for (int r = 0; r < rows; r++) {
            float x = packed ? a[k * rows + r] : from[r / 3][(r % 3) * a_stride + k];
#pragma unroll
            for (int v = 0; v < vectors; v++) sums[r * vectors + v] = sums[r * vectors + v] + bs[v] * x;
        }
    }
#pragma unroll
    for (int r = 0; r < rows; r++) {
        float *row = c + r * c_stride;
#pragma unroll
        for (int v = 0; v < vectors; v++) {
            loom_lanes sum = sums[r * vectors + v] * alpha, old;
            float *to = row + v * LOOM_LANES;
            if (columns >= (v + 1) * LOOM_LANES) {
                if (beta != 0) {
                    memcpy(&old, to, sizeof old);
                    sum = sum + old * beta;
                }
                if (bias) {
                    memcpy(&old, bias + v * LOOM_LANES, sizeof old);
                    sum = sum + old;
                }
                memcpy(to, &sum, sizeof sum);
            } else {
                for (loom_size j = 0; j < columns - v * LOOM_LANES; j++) {
                    float value = beta != 0 ? sum[j] + to[j] * beta : sum[j];
                    to[j] = bias ? value + bias[v * LOOM_LANES + j] : value;
                }
            }
        }
    }
}

/// A block of a through one panel, in tiles of `rows`, a third of it and 1.
///
/// `diagonal` is where a lower triangle cuts off what follows row 0 of the block: in c, columns of the panel; in a, the
/// depth; in a transposed, the depth that comes before. Rows further down see as many more.
LOOM_INLINE void block(const int rows, const int vectors, const int packed, const float *a, loom_size a_stride,
                       const float *panel, loom_size depth, loom_size count, float *c, loom_size c_stride,
                       loom_size columns, float alpha, float beta, const float *bias, int lower,
                       loom_size diagonal) {
    const loom_size across = vectors * LOOM_LANES;
    loom_size r = 0;
#define TILES(N)                                                                                                     \
    for (; r + (N) <= count; r += (N)) {                                                                             \
        loom_size from = 0, to = depth, last = r + (N) - 1 + diagonal;                                               \
        if (lower == LOOM_LOWER_C && last < 0) continue;                                                             \
        if (lower == LOOM_LOWER_A && !packed && last + 1 < to) to = last + 1 > 0 ? last + 1 : 0;                     \
        if (lower == LOOM_LOWER_A && packed && r - diagonal > 0) from = r - diagonal < depth ? r - diagonal : depth; \
        tile((N), vectors, packed, a + (packed ? r * depth + from * (N) : r * a_stride), a_stride,                   \
             panel + from * across, to - from, c + r * c_stride, c_stride, columns, alpha, beta, bias);              \
    }
    TILES(rows)
    TILES(rows / 3)
    TILES(1)
#undef TILES
}

/// Columns first ..< first + count of a [depth, stride] as tiles [depth, rows].
LOOM_INLINE void pack_rows(const int rows, const float *a, loom_size a_stride, loom_size depth, loom_size count,
                           float *packed) {
    // A few steps of the depth at a time, whose cache lines are shared by neighbouring tiles.
    for (loom_size start = 0; start < depth; start += LOOM_LANES) {
        loom_size end = start + LOOM_LANES < depth ? start + LOOM_LANES : depth, r = 0;
#define TILES(N)                                                                                   \
    for (; r + (N) <= count; r += (N))                                                             \
        for (loom_size k = start; k < end; k++)                                                    \
            memcpy(packed + r * depth + k * (N), a + k * a_stride + r, (size_t)(N) * sizeof(float));
        TILES(rows)
        TILES(rows / 3)
        TILES(1)
#undef TILES
    }
}

/// The whole product in tiles of rows × (16 vectors), constants.
LOOM_INLINE void product(const loom_product_call *p, float *scratch, const int rows, const int vectors) {
    const loom_size across = vectors * LOOM_LANES;
    float *panels = scratch, *packed = scratch + LOOM_COLUMN_BLOCK * LOOM_DEPTH;
    loom_size steps = (p->k + LOOM_DEPTH - 1) / LOOM_DEPTH;
    loom_size depth_of_step = steps > 0 ? (p->k + steps - 1) / steps : 0;
    for (loom_size j0 = 0; j0 < p->n; j0 += LOOM_COLUMN_BLOCK) {
        loom_size j1 = j0 + LOOM_COLUMN_BLOCK < p->n ? j0 + LOOM_COLUMN_BLOCK : p->n;
        for (loom_size k0 = 0; k0 == 0 || k0 < p->k; k0 += depth_of_step) {
            loom_size depth = k0 + depth_of_step < p->k ? depth_of_step : p->k - k0;
            float beta = k0 == 0 ? p->beta : 1;
            int is_last = k0 + depth >= p->k;
            for (loom_size j = j0; j < j1; j += across) {
                float *panel = panels + (j - j0) * depth;
                if (vectors > 1 && j1 - j <= LOOM_LANES) {
                    lay_out_panel(p, k0, depth, j, j1 - j, 1, panel);
                } else {
                    lay_out_panel(p, k0, depth, j, j1 - j < across ? j1 - j : across, vectors, panel);
                }
            }
            for (loom_size i0 = 0; i0 < p->m; i0 += LOOM_ROW_BLOCK) {
                loom_size count = i0 + LOOM_ROW_BLOCK < p->m ? LOOM_ROW_BLOCK : p->m - i0;
                const float *a = p->transpose_a ? p->a + k0 * p->a_stride + i0 : p->a + i0 * p->a_stride + k0;
                if (p->transpose_a) pack_rows(rows, a, p->a_stride, depth, count, packed);
                for (loom_size j = j0; j < j1; j += across) {
                    const float *panel = panels + (j - j0) * depth;
                    float *c = p->c + i0 * p->c_stride + j;
                    const float *bias = is_last && p->bias ? p->bias + j : NULL;
                    // Row i of c or a ends at column i + p->diagonal: counted from here.
                    loom_size diagonal = p->lower == LOOM_LOWER_C ? p->diagonal + i0 - j
                                         : p->transpose_a         ? p->diagonal + k0 - i0
                                                                  : p->diagonal + i0 - k0;
#define BLOCK(VECTORS, PACKED, A)                                                                                    \
    block(rows, VECTORS, PACKED, A, p->a_stride, panel, depth, count, c, p->c_stride, j1 - j, p->alpha, beta, bias, \
          p->lower, diagonal)
                    if (vectors > 1 && j1 - j <= LOOM_LANES) {
                        if (p->transpose_a) {
                            BLOCK(1, 1, packed);
                        } else {
                            BLOCK(1, 0, a);
                        }
                    } else if (p->transpose_a) {
                        BLOCK(vectors, 1, packed);
                    } else {
                        BLOCK(vectors, 0, a);
                    }
#undef BLOCK
                }
            }
            if (p->k == 0) break;
        }
    }
}

loom_size loom_product_scratch(void) {
    return (LOOM_COLUMN_BLOCK + LOOM_ROW_BLOCK) * LOOM_DEPTH;
}

// Tiles are as large as the registers allow: sums, a row of b and a number of a at once. So versions differ in more than
// the instructions, and target_clones will not do.

/// 16 registers of 4 lanes, or 32 of them on arm64.
static void product_plain(const loom_product_call *p, float *scratch) {
#if defined(__aarch64__)
    product(p, scratch, 6, 1);
#else
    product(p, scratch, 3, 1);
#endif
}

#if defined(__x86_64__)
/// 16 registers of 8 lanes.
__attribute__((target("avx2,fma"))) static void product_avx2(const loom_product_call *p, float *scratch) {
    product(p, scratch, 6, 1);
}

/// 32 registers of 16 lanes. The compiler would rather use halves of them, which are as fast but hold too little.
__attribute__((target("avx512f,avx2,fma"), min_vector_width(512))) static void product_avx512(
    const loom_product_call *p, float *scratch) {
    product(p, scratch, 12, 2);
}
#endif

int loom_product_versions(void) {
#if defined(__x86_64__)
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 1;
    return __builtin_cpu_supports("avx512f") ? 3 : 2;
#else
    return 1;
#endif
}

void loom_product_version(int version, const loom_product_call *p, float *scratch) {
#if defined(__x86_64__)
    if (version == 2) return product_avx512(p, scratch);
    if (version == 1) return product_avx2(p, scratch);
#endif
    product_plain(p, scratch);
}

void loom_product(const loom_product_call *p, float *scratch) {
    loom_product_version(loom_product_versions() - 1, p, scratch);
}
