// What the kernels share: how a hot function is compiled, and branch-free scalar functions that clang vectorizes.
//
// The package is built for the oldest x86-64, so each hot function is compiled three times and the dynamic linker picks
// the version for the machine. Helpers are inlined into every version, hence always_inline. Elsewhere (arm64, Apple,
// musl) there is one version and the same source.
#ifndef LOOM_VECTOR_MATH_H
#define LOOM_VECTOR_MATH_H

#include <math.h>  // its constants only
#include <stdint.h>
#include <string.h>

#include "kernels.h"

#if defined(LOOM_HOT)
// Given on the command line, to test one version.
#elif defined(__x86_64__) && defined(__linux__) && defined(__GLIBC__) && __has_attribute(target_clones)
#define LOOM_HOT __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define LOOM_HOT
#endif

#define LOOM_INLINE static inline __attribute__((always_inline))

/// Before a loop whose iterations are independent: element i of an output may be element i of an input, so that clang
/// must not guard the vector loop by an overlap check, which in-place calls would fail.
#define LOOM_VECTORIZE _Pragma("clang loop vectorize(assume_safety)")

/// At the top of a block: its own sums may be taken in any order. Code inlined into the block is not affected.
#define LOOM_REASSOCIATE _Pragma("clang fp reassociate(on) contract(fast)")

LOOM_INLINE uint32_t loom_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

LOOM_INLINE float loom_from_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/// An integer that orders as the float does, because integer maxima vectorize and float maxima do not (for NaN).
/// A positive NaN is above infinity, so that a maximum taken this way is NaN.
LOOM_INLINE int32_t loom_order(float x) {
    int32_t bits = (int32_t)loom_bits(x);
    return bits ^ ((bits >> 31) & 0x7fffffff);
}

LOOM_INLINE float loom_from_order(int32_t order) {
    return loom_from_bits((uint32_t)(order ^ ((order >> 31) & 0x7fffffff)));
}

/// Asks for the n floats at x + ahead, which may lie outside the array. Where a loop does more than stream through
/// memory, the processor's own prefetching falls behind.
LOOM_INLINE void loom_prefetch(const float *x, loom_size ahead, loom_size n) {
    for (loom_size i = ahead; i < ahead + n; i += 16)
        __builtin_prefetch((const void *)((uintptr_t)x + (uintptr_t)i * sizeof(float)));
}

/// e^x. Below the smallest normal result 0, above the largest infinity, NaN for NaN. Error below 1e-7.
LOOM_INLINE float fast_exp(float x) {
    const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, kept in the low bits
    float shifted = x * 1.44269504088896341f + magic;
    float n = shifted - magic;
    float r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    float q = 1.9875691500e-4f;  // the polynomial of Cephes' expf
    q = q * r + 1.3981999507e-3f;
    q = q * r + 8.3334519073e-3f;
    q = q * r + 4.1665795894e-2f;
    q = q * r + 1.6666665459e-1f;
    q = q * r + 5.0000001201e-1f;
    float y = q * (r * r) + r;
    y = y + 1.0f;
    y = loom_from_bits(loom_bits(y) + (loom_bits(shifted) << 23));  // times 2^n, on the exponent
    y = x <= 88.7228317f ? y : x + INFINITY;                         // also NaN
    return x < -87.3365402f ? 0.0f : y;
}

/// 1 / (1 + e^-x)
LOOM_INLINE float fast_sigmoid(float x) {
    return 1.0f / (1.0f + fast_exp(-x));
}

/// tanh as the rational function that Eigen uses; the clamp is where it reaches 1.
LOOM_INLINE float fast_tanh(float x) {
    float limited = x > 7.90531110763549805f ? 7.90531110763549805f : x;
    limited = limited < -7.90531110763549805f ? -7.90531110763549805f : limited;
    float s = limited * limited;
    float p = -2.76076847742355e-16f;
    p = p * s + 2.00018790482477e-13f;
    p = p * s - 8.60467152213735e-11f;
    p = p * s + 5.12229709037114e-08f;
    p = p * s + 1.48572235717979e-05f;
    p = p * s + 6.37261928875436e-04f;
    p = p * s + 4.89352455891786e-03f;
    float q = 1.19825839466702e-06f;
    q = q * s + 1.18534705686654e-04f;
    q = q * s + 2.26843463243900e-03f;
    q = q * s + 4.89352518554385e-03f;
    return limited * p / q;
}

/// The derivative of tanh, 1 / cosh², without the cancellation of 1 - tanh².
LOOM_INLINE float fast_tanh_derivative(float x) {
    float e = fast_exp(-2.0f * __builtin_fabsf(x));
    float s = 1.0f + e;
    return 4.0f * e / (s * s);
}

/// The normal distribution Φ(x) = (1 + erf(x / √2)) / 2 with relative accuracy in the lower tail too; its density is
/// density times 1 / √2π.
///
/// Φ(-a) = e^(-a²/2) t P(t), t = 1 / (1 + 0.35 a), P of degree 8 fitted for 0 <= a <= 13.6, where e^(-a²/2) ends.
LOOM_INLINE float fast_normal(float x, float *density) {
    float a = __builtin_fabsf(x);
    a = a > 14.0f ? 14.0f : a;  // where e^(-a²/2) is 0 already; not NaN, which stays
    // a² is needed to more than 24 bits. With the upper half of a as head, a² = head² + (a - head) (a + head), and
    // head² is exact.
    float head = loom_from_bits(loom_bits(a) & 0xfffff000u);
    float rest = -0.5f * (a - head) * (a + head);
    float e = fast_exp(-0.5f * head * head);
    e = e + e * rest * (1.0f + rest * (0.5f + rest * 0.16666667f));
    float t = 1.0f / (1.0f + 0.35f * a);
    float p = -0.029130727327137985f;
    p = p * t + 0.14389631813001982f;
    p = p * t - 0.2555552953990951f;
    p = p * t + 0.15898848241884384f;
    p = p * t - 0.02297884724385707f;
    p = p * t + 0.10545105067145215f;
    p = p * t + 0.11984771906903682f;
    p = p * t + 0.13985973382918545f;
    p = p * t + 0.1396215299551811f;
    float lower = e * (t * p);
    *density = e;
    return x > 0.0f ? 1.0f - lower : lower;
}

/// The logarithm of a positive normal number: the series of atanh on a mantissa between √½ and √2, with all the terms
/// that a double has a use for, or as many as a float has.
LOOM_INLINE double normal_log(double u, const int precise) {
    uint64_t bits;
    memcpy(&bits, &u, sizeof bits);
    uint64_t shifted = bits - 0x3fe6a09e667f3bcdu;  // √½
    int64_t exponent = (int64_t)shifted >> 52;
    uint64_t mantissa = bits - ((uint64_t)exponent << 52);
    double m;
    memcpy(&m, &mantissa, sizeof m);
    double s = (m - 1.0) / (m + 1.0), z = s * s;
    double p = 1.0 / 9;
    if (precise) {
        p = 1.0 / 19;
        p = p * z + 1.0 / 17;
        p = p * z + 1.0 / 15;
        p = p * z + 1.0 / 13;
        p = p * z + 1.0 / 11;
        p = p * z + 1.0 / 9;
    }
    p = p * z + 1.0 / 7;
    p = p * z + 1.0 / 5;
    p = p * z + 1.0 / 3;
    return (double)(int32_t)exponent * 0.6931471805599453 + 2.0 * (s + s * z * p);
}

/// log x; NaN for NaN. With this and sqrt nothing here needs the system's mathematics library.
LOOM_INLINE float fast_log(float x) {
    float y = (float)normal_log((double)x, 0);
    y = x > 0.0f ? y : (x == 0.0f ? -INFINITY : NAN);
    return x == INFINITY ? x : y;
}

LOOM_INLINE float fast_sqrt(float x) {
    return __builtin_elementwise_sqrt(x);  // not sqrtf, which sets errno and so does not vectorize
}

#endif
