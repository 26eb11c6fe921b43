// The product of decoding: rows of activations times a weight matrix in float32, bfloat16 or int8, which is read once.
//
// A result is a sum of dot products over LOOM_PRODUCT_LENGTH columns, each with one accumulator of 16 lanes: the order
// of summation depends on nothing else, so one sequence decoded alone and among others gives the same bits.
#include "lanes.h"

/// Columns that are summed at once: four rows of x and what streams past them fit the first cache.
enum { LOOM_PRODUCT_LENGTH = 1024 };
/// Bytes between what is read and what memory is asked for, at least; float32 twice as many.
enum { LOOM_PRODUCT_AHEAD = 12288 };
/// Rows of x and of w that meet in registers.
enum { LOOM_PRODUCT_ROWS = 4, LOOM_PRODUCT_BLOCK = 4 };
/// Weights are converted in registers, again for every four rows of x. For more rows than this int8 is converted once,
/// into the first cache; and float32 is read from there for twice as many rows of w at a time.
enum { LOOM_PRODUCT_CONVERTED = 16, LOOM_PRODUCT_WIDE = 12 };

/// Some rows of w within one length of k.
typedef struct {
    const void *data;
    loom_size stride;
    const float *scales;      // of the first row and group
    loom_size groups, group;  // of a row in all; columns of one
    loom_size rest;           // columns of the first group that lie in the length
} loom_block;

/// What memory is asked for meanwhile: at column k, the four addresses address + {0, odd} + {0, high} + k size. It may
/// lie outside the array. Rows are read side by side, but asked for one after another, as they lie in memory: that is a
/// third faster than asking for four rows at once.
typedef struct {
    uintptr_t address;
    loom_size odd, high, size;
} loom_next;

/// Asks memory for a line. Float32 comes so fast that it would push what is in use out of the first cache; from the
/// second it is a fifth faster with 16 rows of x.
LOOM_INLINE void product_ask(const int type, uintptr_t address) {
    if (type == LOOM_FLOAT32) {
        __builtin_prefetch((const void *)address, 0, 2);
    } else {
        __builtin_prefetch((const void *)address);
    }
}

/// sums[r * block + i] = Σ_k x[r * x_stride + k] w[i, k] over one length, for i < block and r < rows, both constants.
/// Groups of int8 are whole vectors. Memory is asked for what is read next.
LOOM_INLINE void product_tile(const int type, loom_block w, const int block, const float *x, loom_size x_stride,
                              const int rows, loom_size length, loom_next next, float *sums) {
    const loom_size size = loom_type_size(type);
    loom_lanes total[16], scales[16];
#pragma unroll
    for (int i = 0; i < 16; i++) total[i] = (loom_lanes){0};
    loom_size k = 0, whole = length / 16 * 16, end = type == LOOM_INT8 ? w.rest : whole;
    for (;; end += w.group, w.scales++) {
        if (type == LOOM_INT8) {
#pragma unroll
            for (int i = 0; i < block; i++) scales[i] = (loom_lanes){0} + w.scales[i * w.groups];
        }
        loom_size stop = end < whole ? end : whole;
#pragma clang loop unroll_count(2)
        for (; k < stop; k += 16) {
            loom_lanes xs[4];
#pragma unroll
            for (int r = 0; r < rows; r++) memcpy(&xs[r], x + r * x_stride + k, sizeof xs[r]);
            if ((k & (64 / size - 1)) == 0) {
                uintptr_t ahead = next.address + (uintptr_t)(k * next.size);
                product_ask(type, ahead);
                product_ask(type, ahead + (uintptr_t)next.odd);
                product_ask(type, ahead + (uintptr_t)next.high);
                product_ask(type, ahead + (uintptr_t)(next.odd + next.high));
            }
#pragma unroll
            for (int i = 0; i < block; i++) {
                loom_lanes ws;
                loom_typed_lanes(type, w.data, i * w.stride + k, &ws);
                if (type == LOOM_INT8) ws = scales[i] * ws;
#pragma unroll
                for (int r = 0; r < rows; r++) total[r * block + i] = total[r * block + i] + ws * xs[r];
            }
        }
        if (k == whole && (type != LOOM_INT8 || end >= length || end > whole)) break;
    }
    if (block * rows > 1) {
        loom_sum_lanes_16(total, sums);
    } else {
        sums[0] = loom_sum_lanes(total);
    }
    for (; k < length; k++) {
#pragma unroll
        for (int i = 0; i < block; i++) {
            float value = loom_typed_value(type, w.data, i * w.stride + k);
            if (type == LOOM_INT8) value = w.scales[i * w.groups] * value;
#pragma unroll
            for (int r = 0; r < rows; r++)
                sums[r * block + i] = sums[r * block + i] + value * x[r * x_stride + k];
        }
    }
}

/// The same into y: set by the first length of k, added to by the others.
LOOM_INLINE void product_store(const int type, loom_block w, const int block, const float *x, loom_size x_stride,
                               const int rows, loom_size length, loom_next next, float *y, loom_size y_stride,
                               int begins) {
    float sums[16];
    product_tile(type, w, block, x, x_stride, rows, length, next, sums);
#pragma unroll
    for (int r = 0; r < rows; r++) {
#pragma unroll
        for (int i = 0; i < block; i++) {
            float *to = y + r * y_stride + i;
            *to = begins ? sums[r * block + i] : *to + sums[r * block + i];
        }
    }
}

/// Up to four rows of x.
LOOM_INLINE void product_few(const int type, loom_block w, const int block, const float *x, loom_size x_stride,
                             loom_size rows, loom_size length, loom_next next, float *y, loom_size y_stride,
                             int begins) {
    switch (rows) {
    case 1: product_store(type, w, block, x, x_stride, 1, length, next, y, y_stride, begins); break;
    case 2: product_store(type, w, block, x, x_stride, 2, length, next, y, y_stride, begins); break;
    case 3: product_store(type, w, block, x, x_stride, 3, length, next, y, y_stride, begins); break;
    default: product_store(type, w, block, x, x_stride, 4, length, next, y, y_stride, begins); break;
    }
}

/// All rows of x, four at a time, against `count` rows of w, `block` at a time: a constant. Each of these tiles asks for
/// its part of as many weights to come, of `stored` bytes each, so that memory and processor are busy at once.
LOOM_INLINE void product_rows(const int type, loom_block w, const int block, loom_size count, const float *x,
                              loom_size x_stride, loom_size rows, loom_size length, loom_next next,
                              loom_size stored, float *y, loom_size y_stride, int begins) {
    const loom_size size = loom_type_size(type);
    loom_size left = count, tiles = (rows + LOOM_PRODUCT_ROWS - 1) / LOOM_PRODUCT_ROWS * (count / block);
    for (loom_size r = 0; r < rows; r += LOOM_PRODUCT_ROWS) {
        for (loom_size n = 0; n < count; n += block, tiles--) {
            loom_size part = left >= 4 * tiles ? 4 : left > tiles ? 2 : left > 0;
            next.odd = part > 1 ? 64 : 0;
            next.high = part > 2 ? 128 : 0;
            next.size = part * stored;
            loom_block tile = w;
            tile.data = (const char *)w.data + n * w.stride * size;
            if (type == LOOM_INT8) tile.scales = w.scales + n * w.groups;
            product_few(type, tile, block, x + r * x_stride, x_stride, rows - r, length, next, y + r * y_stride + n,
                        y_stride, begins);
            left -= part;
            next.address += (uintptr_t)(part * length * stored);
        }
    }
}

/// `count` rows of w as float32 into `to`, `length` apart.
LOOM_INLINE void product_convert(const int type, loom_block w, loom_size count, loom_size length, float *to) {
    for (loom_size i = 0; i < count; i++, to += length) {
        if (type == LOOM_BFLOAT16) {
            const uint16_t *row = (const uint16_t *)w.data + i * w.stride;
            LOOM_VECTORIZE
            for (loom_size k = 0; k < length; k++) to[k] = loom_bfloat16_value(row[k]);
        } else {
            const int8_t *row = (const int8_t *)w.data + i * w.stride;
            const float *scale = w.scales + i * w.groups;
            for (loom_size k = 0, end = w.rest; k < length; end += w.group) {
                loom_size stop = end < length ? end : length;
                float factor = *scale++;
                LOOM_VECTORIZE
                for (loom_size j = k; j < stop; j++) to[j] = factor * (float)row[j];
                k = stop;
            }
        }
    }
}

LOOM_INLINE void product(const int type, const loom_weights *w, const float *x, float *y, loom_size rows,
                         loom_size x_stride, loom_size y_stride, loom_size k_count, loom_size first, loom_size last,
                         float *scratch) {
    const loom_size size = loom_type_size(type), block = LOOM_PRODUCT_BLOCK;
    const char *data = w->data;
    loom_size group = type == LOOM_INT8 ? w->group : 1, groups = (k_count + group - 1) / group;
    int whole = group % 16 == 0 || group >= k_count;
    int direct = type != LOOM_INT8 || (whole && rows <= LOOM_PRODUCT_CONVERTED);
    loom_size most = type == LOOM_FLOAT32 && rows > LOOM_PRODUCT_WIDE ? 2 * block : block;
    loom_size count, least = (type == LOOM_FLOAT32 ? 2 : 1) * LOOM_PRODUCT_AHEAD, ahead = block * k_count * size;
    while (0 < ahead && ahead < least) ahead *= 2;
    for (loom_size n = first; n < last; n += count) {
        count = last - n >= most ? most : last - n >= block ? block : last - n;
        for (loom_size k = 0; k == 0 || k < k_count; k += LOOM_PRODUCT_LENGTH) {
            loom_size length = k_count - k < LOOM_PRODUCT_LENGTH ? k_count - k : LOOM_PRODUCT_LENGTH;
            loom_block rows_of_w = {data + (n * k_count + k) * size, k_count, NULL, groups, group, 0};
            if (type == LOOM_INT8) {
                rows_of_w.scales = w->scales + n * groups + k / group;
                rows_of_w.rest = group - k % group;
            }
            loom_next next = {(uintptr_t)(data + n * k_count * size + ahead + count * k * size), 0, 0, size};
            if (direct && count >= block) {
                product_rows(type, rows_of_w, LOOM_PRODUCT_BLOCK, count, x + k, x_stride, rows, length, next, size, y + n,
                             y_stride, k == 0);
                continue;
            }
            if (type != LOOM_FLOAT32) {
                product_convert(type, rows_of_w, count, length, scratch);
                rows_of_w = (loom_block){.data = scratch, .stride = length};
            }
            if (count == block) {
                product_rows(LOOM_FLOAT32, rows_of_w, LOOM_PRODUCT_BLOCK, count, x + k, x_stride, rows, length, next, size,
                             y + n, y_stride, k == 0);
            } else {
                product_rows(LOOM_FLOAT32, rows_of_w, 1, count, x + k, x_stride, rows, length, next, size, y + n, y_stride,
                             k == 0);
            }
        }
    }
}

loom_size loom_decode_scratch(loom_size rows, loom_size k_count) {
    (void)rows;
    return LOOM_PRODUCT_BLOCK * (k_count < LOOM_PRODUCT_LENGTH ? k_count : LOOM_PRODUCT_LENGTH);
}

LOOM_HOT void loom_decode_product(const loom_weights *w, const float *x, float *y, loom_size rows, loom_size x_stride,
                                  loom_size y_stride, loom_size k_count, loom_size first, loom_size last,
                                  float *scratch) {
    switch (w->type) {
    case LOOM_FLOAT32:
        product(LOOM_FLOAT32, w, x, y, rows, x_stride, y_stride, k_count, first, last, scratch);
        break;
    case LOOM_BFLOAT16:
        product(LOOM_BFLOAT16, w, x, y, rows, x_stride, y_stride, k_count, first, last, scratch);
        break;
    default:
        product(LOOM_INT8, w, x, y, rows, x_stride, y_stride, k_count, first, last, scratch);
        break;
    }
}
