// What the software GPU's checks share: the libraries, opened as the program opens them, and a device that is ready.
#ifndef LOOM_SOFTWARE_CHECK_H
#define LOOM_SOFTWARE_CHECK_H

#include "cuda_names.h"
#include "software_gpu.h"

#include <dlfcn.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <string>
#include <vector>

extern std::string folder;  // of the libraries
extern std::string module_bytes();  // the kernels of check.cpp

#define EXPECT(condition)                                                                  \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);        \
            exit(1);                                                                       \
        }                                                                                  \
    } while (0)
/// That a call gives an error by number.
#define GIVES(expected, call_made)                                                                             \
    do {                                                                                                       \
        int got = (int)(call_made);                                                                            \
        if (got != (expected)) {                                                                               \
            fprintf(stderr, "%s:%d: %s gave %d, not %d\n", __FILE__, __LINE__, #call_made, got, (expected));   \
            exit(1);                                                                                           \
        }                                                                                                      \
    } while (0)
#define OK(call_made) GIVES(0, call_made)

/// The driver, by names.
struct Driver {
    void *library;
#define FUNCTION(name, types) CUresult(*name) types;
#include "functions.h"
#undef FUNCTION
    decltype(&loom_software_enqueue) enqueue;
    decltype(&loom_software_is_allocated) is_allocated;
    decltype(&loom_software_host_address) host_address;
    decltype(&loom_software_fail) fail;
    decltype(&loom_software_call) call;

    Driver() {
        library = dlopen((folder + "/libcuda.so.1").c_str(), RTLD_NOW | RTLD_LOCAL);
        if (!library) fprintf(stderr, "%s\n", dlerror());
        EXPECT(library);
#define FUNCTION(name, types)                              \
    this->name = (CUresult(*) types)dlsym(library, #name); \
    EXPECT(this->name);
#include "functions.h"
#undef FUNCTION
        enqueue = (decltype(enqueue))dlsym(library, "loom_software_enqueue");
        is_allocated = (decltype(is_allocated))dlsym(library, "loom_software_is_allocated");
        host_address = (decltype(host_address))dlsym(library, "loom_software_host_address");
        fail = (decltype(fail))dlsym(library, "loom_software_fail");
        call = (decltype(call))dlsym(library, "loom_software_call");
        EXPECT(enqueue && is_allocated && host_address && fail && call);
    }
};

/// A context, a stream and the kernels of check.cpp.
struct Device : Driver {
    CUcontext context;
    CUstream stream;
    CUmodule module;

    Device() {
        OK(cuInit(0));
        OK(cuDevicePrimaryCtxRetain(&context, 0));
        OK(cuCtxSetCurrent(context));
        OK(cuStreamCreate(&stream, 1));
        std::string bytes = module_bytes();
        OK(cuModuleLoadData(&module, bytes.data()));
    }
    CUfunction function(const char *name) {
        CUfunction found;
        OK(cuModuleGetFunction(&found, module, name));
        return found;
    }
    CUdeviceptr floats(size_t count) {
        CUdeviceptr address;
        OK(cuMemAlloc_v2(&address, count * sizeof(float)));
        return address;
    }
    CUdeviceptr with(const std::vector<float> &values) {
        CUdeviceptr address = floats(values.size());
        OK(cuMemcpyHtoDAsync_v2(address, values.data(), values.size() * sizeof(float), stream));
        return address;
    }
    std::vector<float> read(CUdeviceptr address, size_t count) {
        std::vector<float> values(count);
        OK(cuMemcpyDtoHAsync_v2(values.data(), address, count * sizeof(float), stream));
        return values;
    }
    float *locked(size_t count) {
        void *host;
        OK(cuMemHostAlloc(&host, count * sizeof(float), 0));
        return (float *)host;
    }

    /// Launches with arguments of their own types.
    template <typename... Arguments>
    CUresult launch(CUstream on, const char *name, unsigned blocks, unsigned threads, unsigned shared, Arguments... arguments) {
        void *addresses[] = {(void *)&arguments..., nullptr};
        return cuLaunchKernel(function(name), blocks, 1, 1, threads, 1, 1, shared, on, addresses, nullptr);
    }
    /// y = a x + y
    CUresult axpy(CUstream on, float a, CUdeviceptr x, CUdeviceptr y, long long n) { return launch(on, "axpy", 2, 64, 0, a, x, y, n); }
    /// y = value
    CUresult fill(CUstream on, CUdeviceptr y, float value, size_t n) {
        unsigned bits;
        memcpy(&bits, &value, 4);
        return cuMemsetD32Async(y, bits, n, on);
    }
};

#endif
