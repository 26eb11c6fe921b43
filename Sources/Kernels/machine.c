#include "kernels.h"
#include "vector_math.h"

// Enough independent accumulators to hide the latency of a fused multiply-add on two ports (4 to 5 cycles each), few
// enough to stay in registers.
enum { CHAINS = 12, LANES = 16 };

typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));

LOOM_HOT
double loom_peak_flops(loom_size rounds) {
#pragma clang fp contract(fast)
    lanes sums[CHAINS];
    for (int c = 0; c < CHAINS; c++) sums[c] = (lanes){} + (float)c;
    const lanes a = (lanes){} + 0.999f, b = (lanes){} + 0.001f;
    for (loom_size round = 0; round < rounds; round++) {
#pragma clang loop unroll(full)
        for (int c = 0; c < CHAINS; c++) sums[c] = sums[c] * a + b;
    }
    // The result is used, so that the loop is not dropped.
    volatile float sink = 0;
    for (int c = 0; c < CHAINS; c++) sink += sums[c][0];
    (void)sink;
    return 2.0 * CHAINS * LANES * (double)rounds;
}
