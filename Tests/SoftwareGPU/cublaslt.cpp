// A cuBLASLt for tests on machines without a GPU: the C functions that Loom calls, computing on the host with OpenBLAS.
//
// It takes what the real library takes, as far as NVIDIA's header and manual say, and refuses the rest with the same numbers: shapes
// against transpositions, leading dimensions, alignments, workspaces, which epilogue needs what. Types are float32 and bfloat16, matrices
// column-major, scalars on the host. It has three algorithms, so that choosing has something to choose: they add in different orders, and
// the one that adds parts in place gives other bits at every call, which a caller that wants the same bits must have forbidden.
//
// Work goes on the streams of the software driver beside it (software_gpu.h) where that is loaded. It is done at once where that is not, and in
// a library built with LOOM_ALONE.
// Nothing here says anything of the real library's speed, or of which epilogues it has algorithms for.
#include "cublaslt.h"

#include <mutex>
#include <set>

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

// MARK: Handles

std::mutex lock;
std::set<const void *> &alive() {
    static std::set<const void *> all;
    return all;
}

template <class Value> int make(Value **to, Value value) {
    if (!to) return invalidValue;
    *to = new Value(value);
    std::lock_guard<std::mutex> guard(lock);
    alive().insert(*to);
    return success;
}

bool known(const void *handle) {
    std::lock_guard<std::mutex> guard(lock);
    return alive().count(handle) > 0;
}

template <class Value> int discard(Value *value) {
    {
        std::lock_guard<std::mutex> guard(lock);
        if (alive().erase(value) == 0) return invalidValue;
    }
    delete value;
    return success;
}

template <class Field> int assign(Field &field, const void *from, size_t size) {
    if (!from || size != sizeof(Field)) return invalidValue;
    std::memcpy(&field, from, size);
    return success;
}

// MARK: What is taken

/// What heuristic and product refuse alike.
int checked(const Operation &o, const Layout &a, const Layout &b, const Layout &c, const Layout &d) {
    for (const Layout *x : {&a, &b, &c, &d}) {
        if (x->rows == 0 || x->columns == 0 || x->rows > INT32_MAX || x->columns > INT32_MAX) return invalidValue;
        if (x->stride < int64_t(x->rows) || x->batch < 1 || x->batch != d.batch || x->batchStride < 0) return invalidValue;
        if (x->order != 0) return notSupported;
        if (x->type != float32 && x->type != bfloat16) return notSupported;
    }
    for (int32_t t : {o.transposeA, o.transposeB})
        if (t != 0 && t != 1) return invalidValue;
    if (o.transposeC != 0 || o.pointerMode != 0 || o.scale != float32) return notSupported;
    uint64_t m = o.transposeA ? a.columns : a.rows, k = o.transposeA ? a.rows : a.columns;
    uint64_t n = o.transposeB ? b.rows : b.columns, kB = o.transposeB ? b.columns : b.rows;
    if (k != kB || d.rows != m || d.columns != n || c.rows != m || c.columns != n) return invalidValue;
    if (a.type != b.type || c.type != d.type || (a.type == float32 && d.type != float32)) return notSupported;
    if (o.compute != compute32 && !(o.compute == computeTF32 && a.type == float32)) return notSupported;
    switch (o.epilogue) {
    case plain: case addBias: case gelu: case gelu | addBias: case gelu | aux: case gelu | aux | addBias:
    case gradient | aux: case gradient | aux | sumRows: case sumsOfA: case sumsOfB: break;
    default: return invalidValue;
    }
    if (takesBias(o.epilogue) && o.biasType != unset && o.biasType != int32_t(d.type)) return notSupported;
    if (has(o.epilogue, aux)) {
        if (o.auxiliaryType != unset && o.auxiliaryType != int32_t(d.type)) return notSupported;
        if (o.auxiliaryStride < int64_t(m) || o.auxiliaryStride % 8 != 0) return invalidValue;
    }
    if (d.batch > 1 && o.epilogue != plain) return notSupported;
    return success;
}

/// The algorithms, those that promise most speed first: parts in place, wide loads with parts put together in a step, plain.
std::vector<Algorithm> algorithms() {
    Algorithm hasty, wide, simple;
    hasty.parts = 3, hasty.scheme = inPlace;
    wide.parts = 2, wide.scheme = computeType, wide.alignment = 16;
    return {hasty, wide, simple};
}

bool isOurs(const Algorithm &algorithm) {
    std::vector<Algorithm> all = algorithms();
    return std::any_of(all.begin(), all.end(), [&](const Algorithm &x) { return std::memcmp(&x, &algorithm, sizeof x) == 0; });
}

}  // namespace

// MARK: The library

EXPORT int cublasLtCreate(Context **to) {
    if (int status = entered(__func__)) return status;
    return make(to, Context{0});
}
EXPORT int cublasLtDestroy(Context *context) { return discard(context); }
EXPORT size_t cublasLtGetVersion(void) { return 130000; }

EXPORT const char *cublasLtGetStatusString(int status) {
    switch (status) {
    case success: return "success";
    case notInitialized: return "the library was not initialized";
    case allocFailed: return "the resource allocation failed";
    case invalidValue: return "an unsupported value or parameter was passed to the function";
    case executionFailed: return "the function failed to launch on the GPU";
    case notSupported: return "the requested functionality is not supported";
    default: return "unrecognized status";
    }
}

EXPORT int cublasLtMatmulDescCreate(Operation **to, int compute, int scale) {
    Operation operation;
    operation.compute = compute, operation.scale = scale;
    return make(to, operation);
}
EXPORT int cublasLtMatmulDescDestroy(Operation *operation) { return discard(operation); }

/// As the real one: only the size is looked at, the value when it is used.
EXPORT int cublasLtMatmulDescSetAttribute(Operation *o, int attribute, const void *from, size_t size) {
    if (!known(o)) return invalidValue;
    switch (attribute) {
    case 0: return assign(o->compute, from, size);
    case 1: return assign(o->scale, from, size);
    case 2: return assign(o->pointerMode, from, size);
    case 3: return assign(o->transposeA, from, size);
    case 4: return assign(o->transposeB, from, size);
    case 5: return assign(o->transposeC, from, size);
    case 7: return assign(o->epilogue, from, size);
    case 8: return assign(o->bias, from, size);
    case 11: return assign(o->auxiliary, from, size);
    case 12: return assign(o->auxiliaryStride, from, size);
    case 22: return assign(o->auxiliaryType, from, size);
    case 26: return assign(o->biasType, from, size);
    default: return invalidValue;
    }
}

EXPORT int cublasLtMatrixLayoutCreate(Layout **to, int type, uint64_t rows, uint64_t columns, int64_t stride) {
    Layout layout;
    layout.type = uint32_t(type), layout.rows = rows, layout.columns = columns, layout.stride = stride;
    return make(to, layout);
}
EXPORT int cublasLtMatrixLayoutDestroy(Layout *layout) { return discard(layout); }

EXPORT int cublasLtMatrixLayoutSetAttribute(Layout *x, int attribute, const void *from, size_t size) {
    if (!known(x)) return invalidValue;
    switch (attribute) {
    case 0: return assign(x->type, from, size);
    case 1: return assign(x->order, from, size);
    case 2: return assign(x->rows, from, size);
    case 3: return assign(x->columns, from, size);
    case 4: return assign(x->stride, from, size);
    case 5: return assign(x->batch, from, size);
    case 6: return assign(x->batchStride, from, size);
    default: return invalidValue;
    }
}

EXPORT int cublasLtMatmulPreferenceCreate(Preference **to) { return make(to, Preference{}); }
EXPORT int cublasLtMatmulPreferenceDestroy(Preference *preference) { return discard(preference); }

EXPORT int cublasLtMatmulPreferenceSetAttribute(Preference *p, int attribute, const void *from, size_t size) {
    if (!known(p)) return invalidValue;
    switch (attribute) {
    case 1: return assign(p->workspace, from, size);
    case 3: return assign(p->schemes, from, size);
    case 5: case 6: case 7: case 8: return assign(p->alignments[attribute - 5], from, size);
    default: return invalidValue;
    }
}

EXPORT int cublasLtMatmulAlgoGetHeuristic(
    Context *context, Operation *o, Layout *a, Layout *b, Layout *c, Layout *d, Preference *p, int wanted, Result *results, int *count) {
    if (int status = entered(__func__)) return status;
    if (!known(context)) return notInitialized;
    if (!known(o) || !known(a) || !known(b) || !known(c) || !known(d) || !known(p)) return invalidValue;
    if (wanted <= 0 || !results || !count) return invalidValue;
    *count = 0;
    if (int status = checked(*o, *a, *b, *c, *d)) return status;
    uint32_t alignment = *std::min_element(p->alignments, p->alignments + 4);
    for (const Algorithm &algorithm : algorithms()) {
        bool allowed = (algorithm.scheme & ~p->schemes) == 0 && alignment >= algorithm.alignment;
        uint64_t bytes = workspaceOf(algorithm, *d);
        if (!allowed || bytes > p->workspace || *count == wanted) continue;
        Result result = {};
        result.algorithm = algorithm, result.workspace = bytes, result.waves = 1;
        std::memcpy(&results[(*count)++], &result, sizeof result);
    }
    return *count > 0 ? success : notSupported;
}

EXPORT int cublasLtMatmulAlgoCheck(
    Context *context, Operation *o, Layout *a, Layout *b, Layout *c, Layout *d, const Algorithm *from, Result *result) {
    if (!known(context)) return notInitialized;
    if (!known(o) || !known(a) || !known(b) || !known(c) || !known(d) || !from || !result) return invalidValue;
    Algorithm algorithm;
    std::memcpy(&algorithm, from, sizeof algorithm);
    if (!isOurs(algorithm)) return invalidValue;
    if (int status = checked(*o, *a, *b, *c, *d)) return status;
    result->workspace = workspaceOf(algorithm, *d), result->state = success, result->waves = 1;
    return success;
}

EXPORT int cublasLtMatmulAlgoConfigGetAttribute(const Algorithm *from, int attribute, void *to, size_t size, size_t *written) {
    const int splits = 2, reduction = 3;
    if (!from || !to || size != 4 || (attribute != splits && attribute != reduction)) return invalidValue;
    Algorithm algorithm;
    std::memcpy(&algorithm, from, sizeof algorithm);
    std::memcpy(to, attribute == splits ? &algorithm.parts : &algorithm.scheme, 4);
    if (written) *written = 4;
    return success;
}

EXPORT int cublasLtMatmul(
    Context *context, Operation *o, const float *alpha, uint64_t A, Layout *a, uint64_t B, Layout *b, const float *beta, uint64_t C,
    Layout *c, uint64_t D, Layout *d, const Algorithm *from, uint64_t workspace, size_t workspaceBytes, void *stream) {
    if (int status = entered(__func__)) return status;
    if (!known(context)) return notInitialized;
    if (!known(o) || !known(a) || !known(b) || !known(c) || !known(d) || !alpha || !beta) return invalidValue;
    if (int status = checked(*o, *a, *b, *c, *d)) return status;
    Work w{*o, *a, *b, *c, *d, Algorithm{}, *alpha, *beta, A, B, C, D, workspace};
    if (from) std::memcpy(&w.algorithm, from, sizeof w.algorithm);
    if (!isOurs(w.algorithm) || !A || !B || !D || (*beta != 0 && !C)) return invalidValue;
    // In place means the same matrix.
    if (C == D && (c->stride != d->stride || c->batchStride != d->batchStride)) return invalidValue;
    if (takesBias(o->epilogue) && (!o->bias || o->bias % sizeOf(int32_t(d->type)))) return invalidValue;
    if (has(o->epilogue, aux) && (!o->auxiliary || o->auxiliary % sizeOf(int32_t(d->type)))) return invalidValue;
    const struct { uint64_t address; Layout *layout; } matrices[] = {{A, a}, {B, b}, {D, d}, {*beta != 0 ? C : D, c}};
    for (auto &x : matrices)
        if (x.address % std::max<uint64_t>(sizeOf(int32_t(x.layout->type)), w.algorithm.alignment)) return invalidValue;
    uint64_t needed = workspaceOf(w.algorithm, *d);
    if (needed > 0 && (workspaceBytes < needed || !workspace || workspace % 16)) return invalidValue;
    if (auto enqueue = driver<Enqueue>("loom_software_enqueue"))
        return enqueue(stream, perform, &w, sizeof w) == 0 ? success : executionFailed;
    perform(&w);
    return success;
}
