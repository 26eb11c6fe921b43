// Checks of the mistakes that the software GPU finds, and of failures that are asked for. See check.cpp.
#ifndef LOOM_CHECK_MISTAKES_H
#define LOOM_CHECK_MISTAKES_H

#include "check.h"

/// Every call gives the error from now on.
static void expect_dead(Device &d, int error) {
    size_t free, total;
    const char *name;
    CUdeviceptr x;
    GIVES(error, d.cuMemAlloc_v2(&x, 4));
    GIVES(error, d.cuMemGetInfo_v2(&free, &total));
    GIVES(error, d.cuStreamSynchronize(d.stream));
    GIVES(error, d.cuLaunchKernel(nullptr, 1, 1, 1, 32, 1, 1, 0, d.stream, nullptr, nullptr));
    OK(d.cuGetErrorName((CUresult)error, &name));
}
static CUresult store_at(Device &d, CUdeviceptr y, long long at) { return d.launch(d.stream, "store", 1, 32, 0, y, at); }

static void check_bounds() {
    Device d;
    CUdeviceptr x = d.floats(10);
    d.floats(10);
    OK(store_at(d, x, 9));
    OK(d.cuStreamSynchronize(d.stream));
    OK(store_at(d, x, 10));
    GIVES(700, d.cuStreamSynchronize(d.stream));
    expect_dead(d, 700);
}
/// Found at once, at whatever makes it run, and with the kernel's name.
static void check_bounds_each() {
    Device d;
    CUdeviceptr x = d.floats(64);
    OK(store_at(d, x, 64));
    OK(d.launch(d.stream, "nothing", 1, 32, 0));
    float value;
    GIVES(700, d.cuMemcpyDtoHAsync_v2(&value, x, 4, d.stream));
    expect_dead(d, 700);
}
static void check_before() {
    Device d;
    CUdeviceptr x = d.floats(10);
    OK(store_at(d, x, -1));
    GIVES(700, d.cuMemFree_v2(x));
}
static void check_after_free() {
    Device d;
    CUdeviceptr x = d.floats(100), y;
    OK(d.cuMemFree_v2(x));
    OK(store_at(d, x, 5));
    OK(d.cuStreamSynchronize(d.stream));
    GIVES(700, d.cuMemAlloc_v2(&y, 400));
    expect_dead(d, 700);
}
static void check_null() {
    Device d;
    OK(store_at(d, 0, 2));
    GIVES(700, d.cuStreamSynchronize(d.stream));
    expect_dead(d, 700);
    // A fresh context works again.
    OK(d.cuDevicePrimaryCtxRelease_v2(0));
    OK(d.cuDevicePrimaryCtxRetain(&d.context, 0));
    CUdeviceptr x;
    OK(d.cuMemAlloc_v2(&x, 4));
    OK(d.cuStreamCreate(&d.stream, 1));
    OK(d.fill(d.stream, x, 4, 1));
    EXPECT(d.read(x, 1)[0] == 4);
}
static void check_barrier() {
    Device d;
    OK(d.launch(d.stream, "half_a_barrier", 2, 64, 0));
    GIVES(719, d.cuStreamSynchronize(d.stream));
    expect_dead(d, 719);
}
static void check_exchange() {
    Device d;
    OK(d.launch(d.stream, "half_an_exchange", 2, 64, 0));
    GIVES(719, d.cuStreamSynchronize(d.stream));
}
static void check_shared() {
    Device d;
    OK(d.launch(d.stream, "beyond_shared", 1, 32, 400, 99));
    OK(d.cuStreamSynchronize(d.stream));
    OK(d.launch(d.stream, "beyond_shared", 1, 32, 400, 100));
    GIVES(719, d.cuStreamSynchronize(d.stream));
}

static void check_failures() {
    Device d;
    CUdeviceptr x;
    OK(d.cuMemAlloc_v2(&x, 4));
    GIVES(2, d.cuMemAlloc_v2(&x, 4));
    OK(d.cuMemAlloc_v2(&x, 4));
    OK(d.launch(d.stream, "nothing", 1, 32, 0));
    OK(d.launch(d.stream, "nothing", 1, 32, 0));
    GIVES(719, d.launch(d.stream, "nothing", 1, 32, 0));
    expect_dead(d, 719);
}

struct Added {
    CUdeviceptr at;
    float value;
    Device *device;
};
static void add(void *data) {
    auto added = (Added *)data;
    EXPECT(added->device->is_allocated(added->at, 4) && !added->device->is_allocated(added->at, 1 << 20));
    *(float *)added->device->host_address(added->at) += added->value;
    added->value = 1000;  // of this run's copy
}

/// What cuBLASLt's stand-in does.
static void check_libraries() {
    Device d;
    CUdeviceptr x = d.with({1});
    Added added = {x, 10, &d};
    GIVES(400, d.enqueue((void *)&d, add, &added, sizeof added));
    OK(d.enqueue(d.stream, add, &added, sizeof added));
    added.value = 500;
    EXPECT(d.read(x, 1)[0] == 11);
    added.value = 20;
    CUgraph graph;
    CUgraphExec executable;
    OK(d.cuStreamBeginCapture_v2(d.stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
    OK(d.enqueue(d.stream, add, &added, sizeof added));
    OK(d.cuStreamEndCapture(d.stream, &graph));
    OK(d.cuGraphInstantiateWithFlags(&executable, graph, 0));
    OK(d.cuGraphLaunch(executable, d.stream));
    OK(d.cuGraphLaunch(executable, d.stream));
    EXPECT(d.read(x, 1)[0] == 51);
    OK(d.call("cublasLtMatmul"));
    GIVES(14, d.call("cublasLtMatmul"));
    OK(d.call("cublasLtMatmul"));
}

#endif
