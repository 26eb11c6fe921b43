// Runs the CUDA kernels' own text on the host (see host.h) and holds it against the CPU's kernels or float64; not part of the
// Swift package. Tests/KernelsCUDA/run.sh builds and runs it. One line for each kernel, with its largest error relative to the
// largest value; exit status 1 on a failure.
//
// It shows that indices, barriers and arithmetic are right. That a GPU runs them so, and how fast, it cannot show.
#include "host.h"

extern "C" {
#include "kernels.h"
}

#include <algorithm>
#include <vector>

// Each family is a program of its own on the device, and a namespace here.
namespace random_kernels {
#include "random.cu"
}
namespace elementwise {
#include "elementwise.cu"
}
namespace activations {
#include "activations.cu"
}
namespace columns_kernels {
#include "columns.cu"
}
namespace sums {
#include "sums.cu"
}
namespace normalization {
#include "normalization.cu"
}
namespace heads_kernels {
#include "heads.cu"
}
namespace embedding {
#include "embedding.cu"
}
namespace loss {
#include "loss.cu"
}
namespace optimizers {
#include "optimizers.cu"
}
namespace muon {
#include "muon.cu"
}
namespace products {
#include "products.cu"
}
namespace attention_kernels {
#include "attention.cu"
}
namespace attention_backward {
#include "attentionBackward.cu"
}
namespace decode_kernels {
#include "decode.cu"
}
namespace decode_products {
#include "decodeProducts.cu"
}
namespace decode_step {
#include "decodeStep.cu"
}
namespace sampling_kernels {
#include "sampling.cu"
}
namespace quantization {
#include "quantization.cu"
}

typedef std::vector<float> Floats;
typedef std::vector<int> Ints;

static int failures;
static double worst;

static uint64_t uniform_state;
static double uniform(double low, double high) {
    uint64_t &state = uniform_state;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return low + (high - low) * (double)(state >> 11) * 0x1p-53;
}
static Floats floats(size_t n, double low = -1, double high = 1) {
    Floats x(n);
    for (float &value : x) value = (float)uniform(low, high);
    return x;
}

#include "typed.h"

/// The bits of all that was compared since the last report, and those of each report of an aligned run.
static uint64_t digest = 1;
static std::map<std::string, uint64_t> aligned_digests;

/// Notes the errors of an array relative to the largest value, after what its type's rounding allows relative to its own.
template <typename A, typename B> static void compare(const A &got, const B &want) {
    if (got.size() != want.size() || !intact(got)) {
        worst = INFINITY;
        return;
    }
    double size = 1e-30;
    for (auto value : want) size = isfinite((double)value) ? fmax(size, fabs((double)value)) : size;
    for (size_t i = 0; i < want.size(); i++) {
        double a = (double)got[i], b = (double)want[i], error = (fabs(a - b) - rounding(got) * fabs(b)) / size;
        if (a == b || (isnan(a) && isnan(b)) || error < 0) error = 0;
        if (!(error <= worst)) worst = isnan(error) ? INFINITY : error;
        digest = (digest ^ (isnan(a) ? 1 : bits_of(a))) * 0x9e3779b97f4a7c15u;
    }
}
static void same(bool equal) {
    if (!equal) worst = INFINITY;
}
static void report(const char *name, double tolerance) {
    std::string full = std::string(name) + (variant.type ? ", bfloat16" : "");
    bool good = worst <= tolerance, equal = true;
    if (variant.shift == 0) {
        aligned_digests[full] = digest;
    } else {
        equal = aligned_digests[full] == digest;
    }
    if (variant.shift == 0 || !good || !equal) {
        printf("%-36s %.2e%s%s\n", full.c_str(), worst, good ? "" : "  FAILED",
               equal ? "" : "  FAILED: other bits where arrays are not aligned");
    }
    failures += !good || !equal;
    worst = 0;
    digest = 1;
}

/// Blocks as LaunchGeometry.elements has them, but few, so that threads stride over several elements.
template <typename Body> static void elements(long long n, Body body) {
    unsigned blocks = (unsigned)((n + 63) / 64);
    launch({blocks < 1 ? 1 : blocks > 3 ? 3 : blocks, 1, 1}, 64, body);
}
/// A block a row, fewer than rows where there are many.
template <typename Body> static void by_rows(long long rows, long long columns, Body body) {
    long long warps = (columns + 31) / 32;
    launch({(unsigned)(rows < 5 ? rows : 5), 1, 1}, 32 * (int)(warps < 8 ? warps : 8), body);
}
static unsigned up(long long n, long long unit) { return (unsigned)((n + unit - 1) / unit); }

#include "check_pointwise.h"
#include "check_rows.h"
#include "check_products.h"
#include "check_optimizers.h"
#include "check_attention.h"
#include "check_flash.h"
#include "check_decode.h"
#include "check_decode_step.h"
#include "check_sampling.h"

int main() {
    for (int type = 0; type < 2; type++)
        for (int shift = 0; shift < 2; shift++) {
            variant = {type, shift};
            uniform_state = 7;
            check_pointwise();
            check_optimizers();
            check_rows();
            if (shift == 1) continue;
            check_products();
            check_attention();
        }
    variant = {1, 0};
    check_flash();
    check_decode();
    check_decode_step();
    check_sampling();
    if (failures) printf("%d FAILED\n", failures);
    return failures ? 1 : 0;
}
