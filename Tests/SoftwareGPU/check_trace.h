// Checks of kernels whose every load and store is looked at. See check.cpp.
#ifndef LOOM_CHECK_TRACE_H
#define LOOM_CHECK_TRACE_H

#include "check.h"

/// What is right is not reported: atomic functions, memory of the host that is page-locked, the last element.
static void check_trace_allowed() {
    Device d;
    CUdeviceptr x = d.with({1, 2, 3}), y = d.floats(64);
    float *locked = d.locked(1);
    OK(d.launch(d.stream, "load", 1, 32, 0, x, (CUdeviceptr)(uintptr_t)locked, 2LL));
    OK(d.fill(d.stream, y, 0, 64));
    OK(d.launch(d.stream, "counted", 4, 64, 0, y));
    unsigned count;
    OK(d.cuMemcpyDtoHAsync_v2(&count, y, 4, d.stream));
    EXPECT(count == 256 && *locked == 3);
    OK(store_at(d, x, 2));
    OK(d.cuStreamSynchronize(d.stream));
}
static void check_trace_bounds() {
    Device d;
    CUdeviceptr x = d.with({1, 2, 3}), y = d.floats(1);
    OK(d.launch(d.stream, "load", 1, 32, 0, x, y, 3LL));
    GIVES(700, d.cuStreamSynchronize(d.stream));
    expect_dead(d, 700);
}
static void check_trace_freed() {
    Device d;
    CUdeviceptr x = d.with({1, 2, 3}), y = d.floats(1);
    OK(d.launch(d.stream, "load", 1, 32, 0, x, y, 2LL));
    OK(d.cuMemFree_v2(x));
    OK(d.launch(d.stream, "load", 1, 32, 0, x, y, 2LL));
    GIVES(700, d.cuStreamSynchronize(d.stream));
}
static void check_trace_host() {
    Device d;
    std::vector<float> pageable(10);
    OK(store_at(d, (CUdeviceptr)(uintptr_t)pageable.data(), 5));
    GIVES(700, d.cuStreamSynchronize(d.stream));
}
static void check_trace_shared() {
    Device d;
    OK(d.launch(d.stream, "shared_race", 1, 64, 0, d.floats(64)));
    GIVES(719, d.cuStreamSynchronize(d.stream));
}
static void check_trace_blocks() {
    Device d;
    CUdeviceptr x = d.floats(64);
    OK(d.launch(d.stream, "block_race", 1, 64, 0, x));
    OK(d.launch(d.stream, "block_race", 1, 64, 0, x));
    OK(d.cuStreamSynchronize(d.stream));
    OK(d.launch(d.stream, "block_race", 2, 64, 0, x));
    GIVES(719, d.cuStreamSynchronize(d.stream));
}

#endif
