// Loom's CPU loops. Every function works on a contiguous range, alone on the calling thread (the caller splits the
// work), is deterministic, and leaves threading, shapes and memory to Swift. Sizes are elements unless said otherwise.
#ifndef LOOM_KERNELS_H
#define LOOM_KERNELS_H

#include <stdint.h>

typedef intptr_t loom_size;

// ---- threads (threads.c) ------------------------------------------------------------------------------------------

typedef struct loom_pool loom_pool;

/// A pool of `threads` workers, the caller counted among them; NULL when the system gives no threads.
loom_pool *loom_pool_create(int threads);
void loom_pool_destroy(loom_pool *pool);
int loom_pool_threads(const loom_pool *pool);
/// Calls body(context, task) once for each task in 0 ..< tasks, on all workers, and returns when all are done.
/// A call from inside a body runs its tasks on the calling worker, one after another.
void loom_pool_run(loom_pool *pool, loom_size tasks, void (*body)(void *context, loom_size task), void *context);

// ---- elementwise (elementwise.c) ----------------------------------------------------------------------------------

void loom_fill(float *y, float value, loom_size n);
/// y[r * stride + c] = value
void loom_fill_rows(float *y, float value, loom_size rows, loom_size columns, loom_size stride);
void loom_add(const float *a, const float *b, float *y, loom_size n);                 // y = a + b (y may be a or b)
void loom_scale(const float *x, float s, float *y, loom_size n);                      // y = s x   (y may be x)
void loom_accumulate(const float *x, float s, float *y, loom_size n);                 // y += s x
void loom_multiply(const float *a, const float *b, float *y, loom_size n);            // y = a b
void loom_multiply_accumulate(const float *a, const float *b, float *y, loom_size n); // y += a b
/// y[r, c] += bias[c]
void loom_add_bias(float *y, const float *bias, loom_size rows, loom_size columns);
/// y[c] += Σ_r x[r * stride + c]
void loom_column_sums(const float *x, loom_size rows, loom_size columns, loom_size stride, float *y);
/// y[r, c] = x[r, c] s[r], or y += when accumulate
void loom_scale_rows(const float *x, const float *s, float *y, loom_size rows, loom_size columns, int accumulate);
/// y[r] = Σ_c a[r, c] b[r, c], or y += when accumulate
void loom_row_dots(const float *a, const float *b, float *y, loom_size rows, loom_size columns, int accumulate);
/// Copies a block of columns: y[r * y_stride + c] = x[r * x_stride + c], or y += when accumulate
void loom_copy_columns(const float *x, loom_size x_stride, float *y, loom_size y_stride, loom_size rows,
                       loom_size columns, int accumulate);
/// Σ x[i] y[i] and Σ x[i]², accumulated in double.
double loom_dot(const float *x, const float *y, loom_size n);
double loom_sum(const float *x, loom_size n);
double loom_sum_squares(const float *x, loom_size n);
/// The first index whose value is NaN or infinite, or -1.
loom_size loom_first_not_finite(const float *x, loom_size n);

// ---- activations (activations.c) ----------------------------------------------------------------------------------

/// Activations. GELU is x Φ(x) by erf; GELU_TANH its tanh form; RELU2 is max(x, 0)²; SILU is x σ(x).
enum {
    LOOM_RELU = 0, LOOM_GELU = 1, LOOM_GELU_TANH = 2, LOOM_RELU2 = 3, LOOM_SILU = 4, LOOM_SIGMOID = 5, LOOM_TANH = 6
};
/// y = f(x)
void loom_activation(int kind, const float *x, float *y, loom_size n);
/// dx = dy f'(x), or dx += when accumulate. x is the input of the forward pass. dx may be dy when not accumulating.
void loom_activation_backward(int kind, const float *x, const float *dy, float *dx, loom_size n, int accumulate);
/// Gated: x is [rows, 2 hidden], first half the gate, second half the value; y[rows, hidden] = f(gate) value.
void loom_gated(int kind, const float *x, float *y, loom_size rows, loom_size hidden);
/// dx = the gradient by [gate, value], [rows, 2 hidden]; dx may be x.
void loom_gated_backward(int kind, const float *x, const float *dy, float *dx, loom_size rows, loom_size hidden);
/// y = cap tanh(x / cap); y may be x.
void loom_softcap(const float *x, float cap, float *y, loom_size n);
/// dx = dy (1 - (y / cap)²), y being the OUTPUT of loom_softcap; or dx += when accumulate.
void loom_softcap_backward(const float *y, const float *dy, float cap, float *dx, loom_size n, int accumulate);

// ---- products (product.c) ----------------------------------------------------------------------------------------

/// c [m, n] = alpha op(a) op(b) + beta c, row-major with strides between rows: op(a) is a [m, k], or the transpose of
/// a [k, m]; op(b) is b [k, n], or the transpose of b [n, k]. c is not read when beta is 0, and must be neither a nor b.
///
/// One matrix may be a lower triangle as it is stored: row i of c has nothing of interest after column i + diagonal and
/// need not be computed there; or row i of a is zero after column i + diagonal. What lies beyond may be left out.
enum { LOOM_LOWER_NONE = 0, LOOM_LOWER_C = 1, LOOM_LOWER_A = 2 };
typedef struct {
    int transpose_a, transpose_b;
    loom_size m, n, k;
    float alpha, beta;
    const float *a;
    loom_size a_stride;
    const float *b;
    loom_size b_stride;
    float *c;
    loom_size c_stride;
    const float *bias;  // [n], added to every row, or NULL
    int lower;
    loom_size diagonal;
} loom_product_call;
/// The floats that loom_product needs to work in.
loom_size loom_product_scratch(void);
void loom_product(const loom_product_call *p, float *scratch);
/// The versions that this machine can run, the last the fastest, and a product by one of them. For tests.
int loom_product_versions(void);
void loom_product_version(int version, const loom_product_call *p, float *scratch);

// ---- random (random.c) --------------------------------------------------------------------------------------------

/// Inverted dropout: y[i] = keep ? x[i] / (1 - p) : 0, keep decided by Philox4x32-10 with the given key and stream at
/// counter (offset + i) / 4, lane (offset + i) % 4: keep when (bits >> 8) * 2^-24 >= p. y may be x. accumulate: y +=.
void loom_dropout(const float *x, float *y, loom_size n, uint64_t offset, float p, uint64_t key, uint64_t stream,
                  int accumulate);
/// n numbers from Philox, uniform in [low, high), element i at counter (offset + i) / 4, lane (offset + i) % 4.
void loom_uniform(float *y, loom_size n, uint64_t offset, float low, float high, uint64_t key, uint64_t stream);
/// n normal numbers (Box-Muller over lanes (0, 1) and (2, 3) of a block; u1 = (bits + 0.5) 2^-32, angle 2 pi u2 with
/// u2 = bits 2^-32, cosine first; computed in double).
void loom_normal(float *y, loom_size n, uint64_t offset, float mean, float deviation, uint64_t key, uint64_t stream);

// ---- normalization (normalization.c) ------------------------------------------------------------------------------

/// y = (x - mean) rstd weight + bias by row; weight and bias may be NULL. Saves mean and rstd, [rows].
void loom_layernorm(const float *x, const float *weight, const float *bias, float *y, float *mean, float *rstd,
                    loom_size rows, loom_size columns, float epsilon);
/// dx = (or += when accumulate); dweight and dbias ([columns], may be NULL) are added to.
void loom_layernorm_backward(const float *x, const float *weight, const float *mean, const float *rstd,
                             const float *dy, float *dx, int accumulate, float *dweight, float *dbias, loom_size rows,
                             loom_size columns);
/// y = x rstd (offset + weight) by row, rstd = 1 / sqrt(mean(x²) + epsilon); weight may be NULL (then y = x rstd).
void loom_rmsnorm(const float *x, const float *weight, float offset, float *y, float *rstd, loom_size rows,
                  loom_size columns, float epsilon);
void loom_rmsnorm_backward(const float *x, const float *weight, float offset, const float *rstd, const float *dy,
                           float *dx, int accumulate, float *dweight, loom_size rows, loom_size columns);

// ---- heads (heads.c) ----------------------------------------------------------------------------------------------

/// Query or key heads made ready for attention, one pass: optional RMS norm over each head (normalize != 0, weight
/// [dim] may be NULL), then rotary positions over the first `rotary` dimensions (0: none), then times scale.
/// Row r, head h reads in[r * in_stride + h * dim ...] and writes out[r * out_stride + h * dim ...].
/// The angles of row r are cosines[positions[r] * rotary/2 + j], sines[...]: pair j is (j, j + rotary/2), or
/// (2j, 2j + 1) when interleaved: (a, b) -> (a cos - b sin, b cos + a sin). rstd [rows * heads] saved when normalizing.
typedef struct {
    loom_size rows, heads, dim, in_stride, out_stride;
    int normalize;
    float epsilon;
    const float *weight;
    float weight_offset;
    loom_size rotary;
    int interleaved;
    const float *cosines, *sines;
    const int32_t *positions;
    float scale;
} loom_heads;
void loom_heads_forward(const loom_heads *h, const float *in, float *out, float *rstd);
/// din = (or += when accumulate) with in's layout; dout with out's layout; dweight [dim] (may be NULL) is added to.
void loom_heads_backward(const loom_heads *h, const float *in, const float *rstd, const float *dout, float *din,
                         int accumulate, float *dweight);

// ---- embedding and loss (embedding.c, loss.c) ---------------------------------------------------------------------

/// y[r, c] = table[ids[r] * columns + c]
void loom_gather(const float *table, const int32_t *ids, float *y, loom_size rows, loom_size columns);
/// dtable[ids[r] * columns + c] += dy[r, c] for c in first ..< last: a range of columns, so that threads never meet.
void loom_scatter_add(const float *dy, const int32_t *ids, float *dtable, loom_size rows, loom_size columns,
                      loom_size first, loom_size last);
/// Cross-entropy by row over the first `vocabulary` of `stride` columns, in one place: losses[r] = logsumexp(z) -
/// z[target], z = softcap > 0 ? softcap tanh(logits / softcap) : logits. When gradient != 0 logits are overwritten by
/// gradient_scale times the gradient by the (uncapped) logits; columns past vocabulary get 0. A target < 0 counts for
/// nothing: loss 0, gradient 0. hits[r] (may be NULL) = 1 when the target has the largest logit (first on a tie).
void loom_cross_entropy(float *logits, loom_size stride, const int32_t *targets, loom_size rows,
                        loom_size vocabulary, float softcap, float *losses, int gradient, float gradient_scale,
                        int32_t *hits);
/// weights = e^((logits - largest) scale), which may be in one place. Returns their sum.
double loom_softmax_weights(const float *logits, loom_size n, float scale, float *weights);

// ---- attention (attention.c, decode_attention.c) ------------------------------------------------------------------

/// A strip of scores: rows queries at positions query_position ..., against keys at positions key_position ...
/// Row i sees keys at positions max(0, p - window) ... p, p = query_position + i, as far as they lie in the strip.
/// A score s becomes z = cap(scale s) - slope (p - key position), cap as in loom_softcap when softcap > 0.
/// Dropout (p > 0) of weight (i, j): Philox at dropout_row + i as stream offset, see loom_attention_probabilities.
typedef struct {
    loom_size rows, keys, stride;
    loom_size query_position, key_position, window;
    float scale, softcap, slope;
    float dropout;
    uint64_t dropout_key, dropout_stream;
    uint64_t dropout_row;  // element (i, j) is number (dropout_row + i) * 2^32 + key position of j
} loom_strip;
/// scores (raw q·k) -> softmax weights in place, with dropout applied if any; unseen keys get 0 whatever they held.
/// lse[i] = logsumexp(z), -infinity for a row that sees no key.
void loom_attention_softmax(const loom_strip *s, float *scores, float *lse);
/// Backward. scores (raw q·k again) -> weights after dropout (for dV); dweights = dO·Vᵀ -> gradient by the raw scores.
/// delta as from loom_attention_delta.
void loom_attention_softmax_backward(const loom_strip *s, float *scores, float *dweights, const float *lse,
                                     const float *delta);
/// delta[i] = Σ_d dO[i, d] O[i, d], both [rows, dim] with a stride.
void loom_attention_delta(const float *dout, const float *out, loom_size rows, loom_size dim, loom_size stride,
                          float *delta);
/// A ring of keys and values of all key/value heads. Key j is at number j * stride of keys, its heads side by side, likewise
/// values; in a ring of int8 head h of it is key_scales[j * scale_stride + h] times that, the value's value_scales[…].
typedef struct {
    int type;
    const void *keys, *values;
    loom_size stride;
    const float *key_scales, *value_scales;
    loom_size scale_stride;
} loom_ring;
/// One token against a ring, `count` slots of it filled; its own key is at slot `newest`, and slot (newest - d) mod count
/// lies d back. Query head h reads key/value head h / group. z as above.
typedef struct {
    const loom_ring *ring;
    loom_size count, newest, dim, group;
    float scale, softcap;
} loom_decode;
/// Heads first ..< last of query and out, both [heads, dim]; slopes by head or NULL; scratch[(last - first) * count].
/// What a head gets depends on no other head, to the last bit.
void loom_attention_decode(const loom_decode *call, const float *query, const float *slopes, loom_size first,
                           loom_size last, float *scratch, float *out);

// ---- numbers in fewer bits (quantization.c) -----------------------------------------------------------------------

enum { LOOM_FLOAT32 = 0, LOOM_BFLOAT16 = 1, LOOM_INT8 = 2 };

/// To the nearest, ties to even; NaN stays NaN.
void loom_to_bfloat16(const float *x, uint16_t *y, loom_size n);
void loom_from_bfloat16(const uint16_t *x, float *y, loom_size n);
/// q = w / scale to the nearest, scale = the largest |w| / 127 of a row's group of `group` columns (the last may be
/// short): scales[r * groups + g], groups = columns / group rounded up. A group that stays below 1e-35 becomes 0; one
/// with NaN or infinity gets a scale of NaN or infinity.
void loom_quantize(const float *w, int8_t *q, float *scales, loom_size rows, loom_size columns, loom_size group);
/// w = scale q
void loom_dequantize(const int8_t *q, const float *scales, float *w, loom_size rows, loom_size columns,
                     loom_size group);

// ---- products of decoding (decode_product.c) ----------------------------------------------------------------------

/// A weight matrix [n_count, k_count] in one of the types; int8 has the scales of loom_quantize.
typedef struct {
    int type;
    const void *data;
    const float *scales;
    loom_size group;
} loom_weights;
/// y[r * y_stride + n] = Σ_k x[r * x_stride + k] w[n, k] for n in first ..< last; w is read from memory once, whatever
/// the rows. What y[r, n] is depends on neither the other rows nor the range, to the last bit, and not on how the weight
/// is kept but for its values. `scratch` holds loom_decode_scratch(rows, k_count) floats.
void loom_decode_product(const loom_weights *w, const float *x, float *y, loom_size rows, loom_size x_stride,
                         loom_size y_stride, loom_size k_count, loom_size first, loom_size last, float *scratch);
loom_size loom_decode_scratch(loom_size rows, loom_size k_count);

// ---- what the machine can do (machine.c) --------------------------------------------------------------------------

/// Runs `rounds` rounds of independent fused multiply-adds on registers; returns how many floating-point operations
/// that was. Timed by the caller, it gives the processor's arithmetic peak for these kernels.
double loom_peak_flops(loom_size rounds);

// ---- this process' memory (memory.c) ------------------------------------------------------------------------------

/// Bytes of this process that are in memory now; -1 where the system does not tell.
loom_size loom_resident_bytes(void);

/// Gives memory that was freed back to the system, where the C library would keep it for later.
void loom_release_free_memory(void);

// ---- optimizers (optimizers.c) ------------------------------------------------------------------------------------

/// Decoupled weight decay (Loshchilov and Hutter 2019), as PyTorch orders it: p *= 1 - lr decay; m, v updated;
/// p -= lr (m / correction1) / (sqrt(v / correction2) + epsilon). g is multiplied by gradient_scale first.
void loom_adamw(float *p, const float *g, float *m, float *v, loom_size n, float gradient_scale, float lr,
                float beta1, float beta2, float epsilon, float decay, float correction1, float correction2);
/// buffer = momentum buffer + g + decay p; p -= lr (nesterov ? g + decay p + momentum buffer : buffer); g is multiplied
/// by gradient_scale first. Without a buffer (NULL) momentum counts for nothing.
void loom_sgd(float *p, const float *g, float *buffer, loom_size n, float gradient_scale, float lr, float momentum,
              float decay, int nesterov);

#endif
