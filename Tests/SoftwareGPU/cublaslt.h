// The arithmetic of the software cuBLASLt (cublaslt.cpp): its descriptors, and one product out of them on the host.
#ifndef LOOM_SOFTWARE_CUBLASLT_H
#define LOOM_SOFTWARE_CUBLASLT_H

#include <dlfcn.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

extern "C" void cblas_sgemm(
    int order, int transposeA, int transposeB, int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb, float beta,
    float *c, int ldc);

namespace {

enum Status { success = 0, notInitialized = 1, allocFailed = 3, invalidValue = 7, executionFailed = 13, notSupported = 15 };
enum Type : int32_t { unset = -1, float32 = 0, bfloat16 = 14 };
enum Compute : int32_t { compute32 = 68, computeTF32 = 77 };
enum Scheme : uint32_t { inPlace = 1, computeType = 2 };
enum Epilogue : uint32_t { plain = 1, addBias = 4, gelu = 32, gradient = 64, aux = 128, sumRows = 16, sumsOfA = 256, sumsOfB = 512 };

struct Context { int unused; };

struct Operation {
    int32_t compute, scale, pointerMode = 0, transposeA = 0, transposeB = 0, transposeC = 0;
    uint32_t epilogue = plain;
    uint64_t bias = 0, auxiliary = 0;
    int64_t auxiliaryStride = 0;
    int32_t biasType = unset, auxiliaryType = unset;
};

struct Layout {
    uint32_t type;
    int32_t order = 0;
    uint64_t rows, columns;
    int64_t stride;
    int32_t batch = 1;
    int64_t batchStride = 0;
};

struct Preference {
    uint64_t workspace = 0;
    uint32_t schemes = 7, alignments[4] = {256, 256, 256, 256};
};

/// The library's 64 bytes.
struct Algorithm {
    uint64_t mark = 0x4c6f6f6d4c740000;
    uint32_t parts = 1, scheme = 0, alignment = 1, reserved = 0;
    uint64_t rest[5] = {};
};
static_assert(sizeof(Algorithm) == 64, "as cublasLtMatmulAlgo_t");

struct Result {
    Algorithm algorithm;
    uint64_t workspace;
    int32_t state;
    float waves;
    int32_t reserved[4];
};
static_assert(sizeof(Result) == 96, "as cublasLtMatmulHeuristicResult_t");

// MARK: The driver beside us

typedef int (*Enqueue)(void *, void (*)(void *), const void *, size_t);
typedef int (*IsAllocated)(unsigned long long, size_t);
typedef void (*Fail)(int, const char *);
typedef int (*Call)(const char *);

/// A function of the software driver, which its owner may have opened for itself alone; null where there is none, or a real one.
template <class Function> Function driver([[maybe_unused]] const char *name) {
#ifdef LOOM_ALONE
    return nullptr;
#else
    if (void *found = dlsym(RTLD_DEFAULT, name)) return reinterpret_cast<Function>(found);
    void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
    return library ? reinterpret_cast<Function>(dlsym(library, name)) : nullptr;
#endif
}

/// The error that the device has, or a test asks for at this call, in this library's numbers.
int entered(const char *function) {
    auto call = driver<Call>("loom_software_call");
    int error = call ? call(function) : 0;
    return error == 0 ? success : error == 2 ? allocFailed : executionFailed;
}

// MARK: Numbers

float widened(uint16_t bits) {
    uint32_t wide = uint32_t(bits) << 16;
    float value;
    std::memcpy(&value, &wide, 4);
    return value;
}

/// To nearest, ties to even.
uint16_t narrowed(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    if (std::isnan(value)) return uint16_t(bits >> 16 | 64);
    return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/// To 10 bits behind the point, ties away from zero, as cvt.rna.tf32 does. What the real library does to operands is not written.
float tf32(float value) {
    if (!std::isfinite(value)) return value;
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    bits = (bits + 0x1000) & ~0x1fffu;
    std::memcpy(&value, &bits, 4);
    return value;
}

float load(uint64_t base, Type type, int64_t index) {
    if (type == float32) return reinterpret_cast<const float *>(base)[index];
    return widened(reinterpret_cast<const uint16_t *>(base)[index]);
}

void store(uint64_t base, Type type, int64_t index, float value) {
    if (type == float32)
        reinterpret_cast<float *>(base)[index] = value;
    else
        reinterpret_cast<uint16_t *>(base)[index] = narrowed(value);
}

size_t sizeOf(int32_t type) { return type == float32 ? 4 : 2; }

const float slope = 0.7978845608028654f;  // √(2/π)

float geluOf(float x) { return 0.5f * x * (1 + std::tanh(slope * (x + 0.044715f * x * x * x))); }

float geluGradientOf(float x) {
    float t = std::tanh(slope * (x + 0.044715f * x * x * x));
    return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * slope * (1 + 3 * 0.044715f * x * x);
}

// MARK: A product

struct Work {
    Operation operation;
    Layout a, b, c, d;
    Algorithm algorithm;
    float alpha, beta;
    uint64_t A, B, C, D, workspace;

    int m() const { return int(d.rows); }
    int n() const { return int(d.columns); }
    int k() const { return int(operation.transposeA ? a.rows : a.columns); }
};

bool has(uint32_t epilogue, uint32_t flag) { return (epilogue & flag) != 0; }

/// Reads and writes bias: the epilogues that say so in their bits.
bool takesBias(uint32_t epilogue) { return has(epilogue, addBias | sumRows | sumsOfA | sumsOfB); }

uint64_t extent(const Layout &x) {
    return ((x.columns - 1) * uint64_t(x.stride) + x.rows + uint64_t(x.batch - 1) * uint64_t(x.batchStride)) * sizeOf(int32_t(x.type));
}

uint64_t workspaceOf(const Algorithm &algorithm, const Layout &d) {
    return algorithm.parts > 1 && algorithm.scheme == computeType ? algorithm.parts * d.rows * d.columns * 4 : 0;
}

/// op(X) of one matrix of a batch, dense and wide.
std::vector<float> gathered(uint64_t base, const Layout &x, int index, bool round) {
    std::vector<float> dense(x.rows * x.columns);
    int64_t start = index * x.batchStride;
    for (uint64_t j = 0; j < x.columns; j++)
        for (uint64_t i = 0; i < x.rows; i++) {
            float value = load(base, Type(x.type), start + int64_t(j) * x.stride + int64_t(i));
            dense[j * x.rows + i] = round ? tf32(value) : value;
        }
    return dense;
}

/// sums [m, n] = op(A)·op(B) over `count` of k from `first` on.
void multiply(const Work &w, const std::vector<float> &a, const std::vector<float> &b, int first, int count, float *sums) {
    const int columnMajor = 102, no = 111, yes = 112;
    bool ta = w.operation.transposeA, tb = w.operation.transposeB;
    int lda = int(w.a.rows), ldb = int(w.b.rows), m = w.m();
    const float *from = a.data() + (ta ? first : int64_t(first) * lda), *with = b.data() + (tb ? int64_t(first) * ldb : first);
    cblas_sgemm(columnMajor, ta ? yes : no, tb ? yes : no, m, w.n(), count, 1, from, lda, with, ldb, 0, sums, m);
}

std::vector<float> product(const Work &w, const std::vector<float> &a, const std::vector<float> &b) {
    int parts = std::min(int(w.algorithm.parts), w.k());
    size_t size = size_t(w.m()) * size_t(w.n());
    std::vector<float> sums(size), part(size);
    // Whoever comes first adds first: chance on a device, and here.
    static std::atomic<int> chance{0};
    int shift = w.algorithm.scheme == inPlace ? chance++ : 0;
    for (int p = 0; p < parts; p++) {
        int q = (p + shift) % parts, first = int(int64_t(w.k()) * q / parts), end = int(int64_t(w.k()) * (q + 1) / parts);
        float *to = part.data();
        if (w.algorithm.scheme == computeType) to = reinterpret_cast<float *>(w.workspace) + size * size_t(p);
        multiply(w, a, b, first, end - first, to);
        for (size_t i = 0; i < size; i++) sums[i] = p == 0 ? to[i] : sums[i] + to[i];
    }
    return sums;
}

void finish(const Work &w, int index, std::vector<float> &sums, const std::vector<float> &a, const std::vector<float> &b) {
    const Operation &o = w.operation;
    const Type type = Type(w.d.type), biasType = o.biasType == unset ? type : Type(o.biasType);
    const int m = w.m(), n = w.n(), k = w.k();
    std::vector<float> rows(size_t(m), 0.0f);
    for (int j = 0; j < n; j++)
        for (int i = 0; i < m; i++) {
            float x = w.alpha * sums[size_t(j) * size_t(m) + size_t(i)];
            if (w.beta != 0) x += w.beta * load(w.C, type, index * w.c.batchStride + int64_t(j) * w.c.stride + i);
            if (has(o.epilogue, addBias)) x += load(o.bias, biasType, i);
            int64_t place = int64_t(j) * o.auxiliaryStride + i;
            if (has(o.epilogue, gelu)) {
                if (has(o.epilogue, aux)) store(o.auxiliary, type, place, x);
                x = geluOf(x);
            }
            if (has(o.epilogue, gradient)) x *= geluGradientOf(load(o.auxiliary, type, place));
            rows[size_t(i)] += x;
            store(w.D, type, index * w.d.batchStride + int64_t(j) * w.d.stride + i, x);
        }
    if (has(o.epilogue, sumRows))
        for (int i = 0; i < m; i++) store(o.bias, biasType, i, rows[size_t(i)]);
    auto summed = [&](int count, const std::vector<float> &x, bool alongK, int height) {
        for (int i = 0; i < count; i++) {
            float sum = 0;
            for (int l = 0; l < k; l++) sum += alongK ? x[size_t(i) * size_t(height) + size_t(l)] : x[size_t(l) * size_t(height) + size_t(i)];
            store(o.bias, biasType, i, sum);
        }
    };
    if (has(o.epilogue, sumsOfA)) summed(m, a, o.transposeA != 0, int(w.a.rows));
    if (has(o.epilogue, sumsOfB)) summed(n, b, o.transposeB == 0, int(w.b.rows));
}

/// Whether all that the product reads and writes is the device's, where there is a driver that knows.
bool inMemory(const Work &w) {
    auto allocated = driver<IsAllocated>("loom_software_is_allocated");
    if (!allocated) return true;
    const Operation &o = w.operation;
    size_t size = sizeOf(int32_t(w.d.type));
    bool whole = allocated(w.A, extent(w.a)) && allocated(w.B, extent(w.b)) && allocated(w.D, extent(w.d));
    if (w.beta != 0) whole = whole && allocated(w.C, extent(w.c));
    if (takesBias(o.epilogue)) whole = whole && allocated(o.bias, size * (o.epilogue == sumsOfB ? w.d.columns : w.d.rows));
    if (has(o.epilogue, aux)) whole = whole && allocated(o.auxiliary, size * ((w.d.columns - 1) * uint64_t(o.auxiliaryStride) + w.d.rows));
    if (uint64_t bytes = workspaceOf(w.algorithm, w.d)) whole = whole && allocated(w.workspace, bytes);
    return whole;
}

void perform(void *data) {
    const Work &w = *static_cast<const Work *>(data);
    if (!inMemory(w)) {
        if (auto fail = driver<Fail>("loom_software_fail")) fail(700, "cublasLtMatmul reads or writes outside of an allocation");
        return;
    }
    bool round = w.operation.compute == computeTF32;
    for (int index = 0; index < w.d.batch; index++) {
        std::vector<float> a = gathered(w.A, w.a, index, round), b = gathered(w.B, w.b, index, round);
        std::vector<float> sums = product(w, a, b);
        finish(w, index, sums, a, b);
    }
}

}  // namespace
#endif
