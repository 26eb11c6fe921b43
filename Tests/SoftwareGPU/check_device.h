// Checks of the device, its memory, kernels and streams. See check.cpp.
#ifndef LOOM_CHECK_DEVICE_H
#define LOOM_CHECK_DEVICE_H

#include "check.h"

#include <thread>

static bool is_nan(float x) { return x != x; }

static void check_device() {
    Driver d;
    int value = -1;
    char name[64];
    GIVES(3, d.cuDeviceGetCount(&value));
    OK(d.cuInit(0));
    OK(d.cuDriverGetVersion(&value));
    EXPECT(value >= 12000);
    OK(d.cuDeviceGetCount(&value));
    EXPECT(value == 1);
    CUdevice device;
    OK(d.cuDeviceGet(&device, 0));
    GIVES(101, d.cuDeviceGet(&device, 1));
    OK(d.cuDeviceGetName(name, sizeof name, device));
    EXPECT(strcmp(name, "Software GPU") == 0);
    size_t bytes;
    OK(d.cuDeviceTotalMem_v2(&bytes, device));
    EXPECT(bytes == (size_t)2 << 30);
    const int expected[][2] = {{75, 9}, {76, 0}, {16, 132}, {97, 227 << 10}, {8, 48 << 10}, {10, 32}};
    for (auto &pair : expected) {
        OK(d.cuDeviceGetAttribute(&value, (CUdevice_attribute)pair[0], device));
        EXPECT(value == pair[1]);
    }
    const char *text;
    OK(d.cuGetErrorName((CUresult)700, &text));
    EXPECT(strcmp(text, "CUDA_ERROR_ILLEGAL_ADDRESS") == 0);
    OK(d.cuGetErrorString((CUresult)2, &text));
    EXPECT(strcmp(text, "out of memory") == 0);
    GIVES(1, d.cuGetErrorName((CUresult)12345, &text));
}

static void check_settings() {
    Driver d;
    OK(d.cuInit(0));
    int value;
    OK(d.cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 0));
    EXPECT(value == 6);
    OK(d.cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, 0));
    EXPECT(value == 99 << 10);
    CUcontext context;
    OK(d.cuDevicePrimaryCtxRetain(&context, 0));
    OK(d.cuCtxSetCurrent(context));
    CUmodule module;
    std::string bytes = module_bytes();
    GIVES(209, d.cuModuleLoadData(&module, bytes.data()));  // for sm_90
    bytes[0] = 0;
    GIVES(200, d.cuModuleLoadData(&module, bytes.data()));
}

static void check_kernels() {
    Device d;
    std::vector<float> x(1000), y(1000);
    for (size_t i = 0; i < x.size(); i++) x[i] = (float)i, y[i] = 0.5f;
    CUdeviceptr dx = d.with(x), dy = d.with(y);
    OK(d.axpy(d.stream, 2, dx, dy, 1000));
    auto got = d.read(dy, 1000);
    for (size_t i = 0; i < x.size(); i++) EXPECT(got[i] == 2 * (float)i + 0.5f);

    OK(d.launch(d.stream, "block_sums", 15, 64, 0, dx, dy));
    got = d.read(dy, 16);
    for (size_t b = 0; b < 15; b++) EXPECT(got[b] == (float)(64 * 64 * b + 63 * 32));
    EXPECT(got[15] == 30.5f);

    OK(d.launch(d.stream, "reversed", 1, 96, 4000, dx, dy, 1000));
    got = d.read(dy, 1000);
    for (size_t i = 0; i < x.size(); i++) EXPECT(got[i] == 999 - (float)i);

    struct { CUdeviceptr y; long long n; unsigned char byte; double factor; } m = {dy, 10, 200, 0.25};
    OK(d.launch(d.stream, "mixed", 1, 32, 0, (char)-3, m, (short)1000));
    got = d.read(dy, 11);
    for (size_t i = 0; i < 11; i++) EXPECT(got[i] == (i < 10 ? 1047 : 989));
    OK(d.cuMemsetD8Async(dy + 1, 0x40, 3, d.stream));
    EXPECT(d.read(dy, 2)[0] == 3.00390625f);  // 0x40404000: the lowest byte stays
}

static void check_launch_errors() {
    Device d;
    CUfunction f = d.function("nothing"), none;
    GIVES(500, d.cuModuleGetFunction(&none, d.module, "missing"));
    auto launch = [&](unsigned blocks, unsigned threads, unsigned shared, CUstream stream) {
        return d.cuLaunchKernel(f, blocks, 1, 1, threads, 1, 1, shared, stream, nullptr, nullptr);
    };
    OK(launch(1, 256, 0, d.stream));
    GIVES(1, launch(0, 32, 0, d.stream));
    GIVES(1, launch(1, 0, 0, d.stream));
    GIVES(1, launch(1, 288, 0, d.stream));
    GIVES(1, launch(1, 2048, 0, d.stream));
    GIVES(1, d.cuLaunchKernel(f, 1, 65536, 1, 32, 1, 1, 0, d.stream, nullptr, nullptr));
    OK(launch(1, 32, 48 << 10, d.stream));
    GIVES(1, launch(1, 32, (48 << 10) + 4, d.stream));
    GIVES(1, d.cuFuncSetAttribute(f, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 228 << 10));
    OK(d.cuFuncSetAttribute(f, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 227 << 10));
    OK(launch(1, 32, 227 << 10, d.stream));
    int most;
    OK(d.cuFuncGetAttribute(&most, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, f));
    EXPECT(most == 227 << 10);
    GIVES(1, d.cuLaunchKernel(d.function("axpy"), 1, 1, 1, 32, 1, 1, 0, d.stream, nullptr, nullptr));
    CUstream gone;
    OK(d.cuStreamCreate(&gone, 1));
    OK(d.cuStreamDestroy_v2(gone));
    GIVES(400, launch(1, 32, 0, gone));
    GIVES(400, d.cuStreamSynchronize(gone));
    GIVES(400, d.cuStreamDestroy_v2(gone));
    OK(d.cuStreamSynchronize(d.stream));
    OK(d.cuModuleUnload(d.module));
    GIVES(400, launch(1, 32, 0, d.stream));
}

static void check_memory() {
    Device d;
    size_t before, free, total;
    OK(d.cuMemGetInfo_v2(&before, &total));
    EXPECT(before == total && total == 10 << 20);
    CUdeviceptr a, b, c;
    OK(d.cuMemAlloc_v2(&a, (6 << 20) + 1));
    GIVES(2, d.cuMemAlloc_v2(&b, 4 << 20));
    OK(d.cuMemAlloc_v2(&b, 3 << 20));
    EXPECT(a % 256 == 0 && b % 256 == 0);
    OK(d.cuMemGetInfo_v2(&free, &total));
    EXPECT(free == total - (9 << 20) - 512);
    GIVES(1, d.cuMemAlloc_v2(&c, 0));
    EXPECT(is_nan(d.read(b, 1)[0]) && is_nan(d.read(b + (3 << 20) - 4, 1)[0]));
    OK(d.fill(d.stream, b, 7, 100));
    EXPECT(d.read(b, 1)[0] == 7);
    OK(d.cuMemFree_v2(b));
    GIVES(1, d.cuMemFree_v2(b));
    OK(d.cuMemAlloc_v2(&c, 3 << 20));
    EXPECT(is_nan(d.read(c, 1)[0]));
    float value = 0;
    GIVES(1, d.cuMemcpyHtoDAsync_v2(c + (3 << 20), &value, 4, d.stream));
    GIVES(1, d.cuMemcpyHtoDAsync_v2(c + (3 << 20) - 2, &value, 4, d.stream));
    GIVES(1, d.cuMemcpyDtoHAsync_v2(&value, 1234, 4, d.stream));
    GIVES(1, d.cuMemcpyDtoDAsync_v2(a, c, (3 << 20) + 4, d.stream));
    GIVES(1, d.cuMemsetD32Async(a, 0, (6 << 20) / 4 + 1, d.stream));
    OK(d.cuMemFree_v2(a));
    OK(d.cuMemFree_v2(c));
    OK(d.cuMemGetInfo_v2(&free, &total));
    EXPECT(free == before);
}

static void check_pointers() {
    Device d;
    CUdeviceptr x = d.with({1, 2, 3});
    EXPECT(d.read(x, 3)[2] == 3);
    volatile float seen = *(const float *)x;
    (void)seen;
}

static void check_contexts() {
    Device d;
    CUdeviceptr x = d.with({1});
    int other = -1, same = -1;
    std::thread([&] {
        CUdeviceptr y;
        other = (int)d.cuMemAlloc_v2(&y, 4);
        d.cuCtxSetCurrent(d.context);
        same = (int)d.cuMemAlloc_v2(&y, 4);
    }).join();
    GIVES(201, other);
    OK(same);
    CUcontext context;
    OK(d.cuDevicePrimaryCtxRetain(&context, 0));
    OK(d.cuDevicePrimaryCtxRelease_v2(0));
    EXPECT(d.read(x, 1)[0] == 1);
    OK(d.cuDevicePrimaryCtxRelease_v2(0));
    GIVES(201, d.cuStreamSynchronize(d.stream));
    OK(d.cuDevicePrimaryCtxRetain(&context, 0));
    OK(d.cuCtxSetCurrent(context));
    GIVES(400, d.cuStreamSynchronize(d.stream));
    size_t free, total;
    OK(d.cuMemGetInfo_v2(&free, &total));
    EXPECT(free == total);
}

/// Work runs when something waits for it, and not before; what it reads of the host is read then.
static void check_laziness() {
    Device d;
    float *from = d.locked(1), *to = d.locked(1);
    CUdeviceptr x = d.floats(1), y = d.floats(1);
    *from = 1;
    OK(d.cuMemcpyHtoDAsync_v2(x, from, 4, d.stream));
    OK(d.cuMemcpyDtoHAsync_v2(to, x, 4, d.stream));
    EXPECT(is_nan(*to));
    *from = 2;  // too early, and found
    OK(d.cuStreamSynchronize(d.stream));
    EXPECT(*to == 2);
    float pageable = 3;
    OK(d.cuMemcpyHtoDAsync_v2(y, &pageable, 4, d.stream));
    pageable = 4;
    EXPECT(d.read(y, 1)[0] == 3);
    // Arguments are those of the launch.
    long long n = 1;
    float factor = 10;
    void *arguments[] = {&factor, &x, &y, &n};
    OK(d.cuLaunchKernel(d.function("axpy"), 1, 1, 1, 32, 1, 1, 0, d.stream, arguments, nullptr));
    factor = 100;
    EXPECT(d.read(y, 1)[0] == 23);
    // Freeing memory waits for all of it.
    OK(d.cuMemcpyDtoHAsync_v2(to, y, 4, d.stream));
    OK(d.cuMemFree_v2(x));
    EXPECT(*to == 23);
    OK(d.cuMemFreeHost(from));
    GIVES(1, d.cuMemFreeHost(from));
}

/// Two streams: with an event the second always sees what the first wrote; without one, sometimes not.
static void check_order() {
    Device d;
    CUstream second;
    CUevent event;
    OK(d.cuStreamCreate(&second, 1));
    OK(d.cuEventCreate(&event, 2));
    CUdeviceptr x = d.floats(1), y = d.floats(1);
    int right[2] = {0, 0};
    for (int round = 0; round < 200; round++) {
        bool ordered = round % 2 == 1;
        OK(d.fill(second, x, 0, 1));
        OK(d.cuStreamSynchronize(second));
        OK(d.fill(d.stream, x, 5, 1));
        if (ordered) {
            OK(d.cuEventRecord(event, d.stream));
            OK(d.cuStreamWaitEvent(second, event, 0));
        }
        OK(d.cuMemcpyDtoDAsync_v2(y, x, 4, second));
        OK(d.cuStreamSynchronize(second));
        OK(d.cuStreamSynchronize(d.stream));
        right[ordered] += d.read(y, 1)[0] == 5;
    }
    EXPECT(right[1] == 100);
    EXPECT(right[0] > 10 && right[0] < 90);
}

static void check_default_stream() {
    Device d;
    CUstream blocking;
    OK(d.cuStreamCreate(&blocking, 0));
    CUdeviceptr x = d.floats(1);
    float *to = d.locked(1);
    for (int round = 0; round < 50; round++) {
        OK(d.fill(blocking, x, 1, 1));
        OK(d.fill(nullptr, x, 2, 1));
        OK(d.cuMemcpyDtoHAsync_v2(to, x, 4, blocking));
        OK(d.fill(nullptr, x, 3, 1));
        OK(d.cuStreamSynchronize(nullptr));
        EXPECT(*to == 2);
    }
}

static void check_events() {
    Device d;
    CUevent start, end, plain;
    OK(d.cuEventCreate(&start, 0));
    OK(d.cuEventCreate(&end, 0));
    OK(d.cuEventCreate(&plain, 2));
    float milliseconds = -1;
    GIVES(400, d.cuEventElapsedTime(&milliseconds, start, end));
    OK(d.cuEventQuery(start));
    OK(d.cuEventRecord(start, d.stream));
    CUdeviceptr x = d.with(std::vector<float>(1 << 16)), y = d.with(std::vector<float>(1 << 16));
    for (int i = 0; i < 20; i++) OK(d.axpy(d.stream, 1, x, y, 1 << 16));
    OK(d.cuEventRecord(end, d.stream));
    OK(d.cuEventRecord(plain, d.stream));
    GIVES(600, d.cuEventElapsedTime(&milliseconds, start, end));
    int unready = 0;
    while (d.cuEventQuery(end) == CUDA_ERROR_NOT_READY) unready++;
    EXPECT(unready > 0 && unready < 100);
    OK(d.cuEventQuery(end));
    OK(d.cuEventElapsedTime(&milliseconds, start, end));
    EXPECT(milliseconds > 0 && milliseconds < 10000);
    OK(d.cuEventSynchronize(plain));
    GIVES(400, d.cuEventElapsedTime(&milliseconds, start, plain));
    OK(d.cuStreamQuery(d.stream));
    OK(d.cuEventDestroy_v2(plain));
    GIVES(400, d.cuEventRecord(plain, d.stream));
}

#endif
