// The device itself: start, what it is, its context, its errors, and what every call passes.
#include "gpu.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

GPU &gpu = *new GPU;  // never destroyed: other threads may call while the process ends
static thread_local CUcontext current;

namespace {
struct Fault {
    std::string function;
    unsigned long at;
    CUresult error;
};
auto &calls = *new std::map<std::string, unsigned long>;
auto &faults = *new std::vector<Fault>;

const char *given(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : nullptr;
}

void report() {
    for (auto &entry : calls) fprintf(stderr, "software GPU: %8lu %s\n", entry.second, entry.first.c_str());
}

/// LOOM_SOFTWARE_GPU_…
void configure() {
    if (auto text = given("LOOM_SOFTWARE_GPU_MEMORY")) gpu.memory = strtoull(text, nullptr, 10);
    if (auto text = given("LOOM_SOFTWARE_GPU_CAPABILITY")) sscanf(text, "%d.%d", &gpu.major, &gpu.minor);
    if (auto text = given("LOOM_SOFTWARE_GPU_MULTIPROCESSORS")) gpu.multiprocessors = atoi(text);
    if (auto text = given("LOOM_SOFTWARE_GPU_SEED")) gpu.random = strtoull(text, nullptr, 10) * 2 + 1;
    gpu.check_each = given("LOOM_SOFTWARE_GPU_CHECK") != nullptr;
    if (given("LOOM_SOFTWARE_GPU_REPORT")) atexit(report);
    if (auto text = given("LOOM_SOFTWARE_GPU_FAIL")) {
        std::string rest = text;
        while (!rest.empty()) {
            auto comma = rest.find(',');
            std::string one = rest.substr(0, comma);
            rest = comma == std::string::npos ? "" : rest.substr(comma + 1);
            char name[100];
            unsigned long at;
            int error;
            if (sscanf(one.c_str(), "%99[^:]:%lu:%d", name, &at, &error) == 3)
                faults.push_back({name, at, (CUresult)error});
            else
                say("LOOM_SOFTWARE_GPU_FAIL has \"%s\", which is not FUNCTION:CALL:ERROR", one.c_str());
        }
    }
}
struct Configured {
    Configured() { configure(); }
} configured;

/// Errors after which nothing works any more.
bool is_fatal(CUresult error) {
    switch ((int)error) {
    case 214: case 226: case 700: case 702: case 710: case 714: case 715: case 716: case 717: case 718: case 719: return true;
    default: return false;
    }
}

/// Counts, and the error for this call. Names are given without the version, as people write them, or with it.
CUresult counted(const char *function) {
    unsigned long number = ++calls[function];
    for (auto &fault : faults) {
        bool same = fault.function == function;
        if (!same) {
            size_t length = fault.function.size();
            same = strncmp(function, fault.function.c_str(), length) == 0 && strncmp(function + length, "_v", 2) == 0;
        }
        if (!same || fault.at != number) continue;
        if (is_fatal(fault.error)) kill_device(fault.error, "LOOM_SOFTWARE_GPU_FAIL asked for it");
        return fault.error;
    }
    return gpu.dead;
}

const struct {
    CUresult error;
    const char *name, *text;
} errors[] = {
#define ERROR(name, text) {name, #name, text}
    ERROR(CUDA_SUCCESS, "no error"),
    ERROR(CUDA_ERROR_INVALID_VALUE, "invalid argument"),
    ERROR(CUDA_ERROR_OUT_OF_MEMORY, "out of memory"),
    ERROR(CUDA_ERROR_NOT_INITIALIZED, "initialization error"),
    ERROR(CUDA_ERROR_NO_DEVICE, "no CUDA-capable device is detected"),
    ERROR(CUDA_ERROR_INVALID_DEVICE, "invalid device ordinal"),
    ERROR(CUDA_ERROR_INVALID_IMAGE, "device kernel image is invalid"),
    ERROR(CUDA_ERROR_INVALID_CONTEXT, "invalid device context"),
    ERROR(CUDA_ERROR_NO_BINARY_FOR_GPU, "no kernel image is available for execution on the device"),
    ERROR(CUDA_ERROR_ECC_UNCORRECTABLE, "uncorrectable ECC error encountered"),
    ERROR(CUDA_ERROR_OPERATING_SYSTEM, "OS call failed or operation not supported on this OS"),
    ERROR(CUDA_ERROR_INVALID_HANDLE, "invalid resource handle"),
    ERROR(CUDA_ERROR_ILLEGAL_STATE, "the operation cannot be performed in the present state"),
    ERROR(CUDA_ERROR_NOT_FOUND, "named symbol not found"),
    ERROR(CUDA_ERROR_NOT_READY, "device not ready"),
    ERROR(CUDA_ERROR_ILLEGAL_ADDRESS, "an illegal memory access was encountered"),
    ERROR(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "too many resources requested for launch"),
    ERROR(CUDA_ERROR_LAUNCH_TIMEOUT, "the launch timed out and was terminated"),
    ERROR(CUDA_ERROR_ASSERT, "device-side assert triggered"),
    ERROR(CUDA_ERROR_HARDWARE_STACK_ERROR, "hardware stack error"),
    ERROR(CUDA_ERROR_ILLEGAL_INSTRUCTION, "an illegal instruction was encountered"),
    ERROR(CUDA_ERROR_MISALIGNED_ADDRESS, "misaligned address"),
    ERROR(CUDA_ERROR_INVALID_ADDRESS_SPACE, "operation not supported on global/shared address space"),
    ERROR(CUDA_ERROR_INVALID_PC, "invalid program counter"),
    ERROR(CUDA_ERROR_LAUNCH_FAILED, "unspecified launch failure"),
    ERROR(CUDA_ERROR_NOT_SUPPORTED, "operation not supported"),
    ERROR(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "operation not permitted when stream is capturing"),
    ERROR(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "operation failed due to a previous error during capture"),
    ERROR(CUDA_ERROR_STREAM_CAPTURE_MERGE, "operation would result in a merge of separate capture sequences"),
    ERROR(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, "capture was not ended in the same stream as it began"),
    ERROR(CUDA_ERROR_STREAM_CAPTURE_UNJOINED, "capturing stream has unjoined work"),
    ERROR(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, "dependency created on uncaptured work in another stream"),
    ERROR(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, "operation would make the legacy stream depend on a capturing blocking stream"),
    ERROR(CUDA_ERROR_CAPTURED_EVENT, "operation not permitted on an event last recorded in a capturing stream"),
    ERROR(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, "attempt to terminate a thread-local capture sequence from another thread"),
    ERROR(CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE, "the graph update was not performed because it included changes which violated constraints"),
    ERROR(CUDA_ERROR_UNKNOWN, "unknown error"),
#undef ERROR
};
}  // namespace

Call::Call(const char *function, Needs needs) : held(gpu.lock) {
    error = counted(function);
    if (error == CUDA_SUCCESS && needs != NOTHING && !gpu.initialized) error = CUDA_ERROR_NOT_INITIALIZED;
    if (error == CUDA_SUCCESS && needs == CONTEXT && (!current || gpu.context.retained == 0)) error = CUDA_ERROR_INVALID_CONTEXT;
}

int GPU::most_shared() const {
    if (major == 8) return (minor == 0 || minor == 7 ? 163 : 99) << 10;
    return (major == 12 ? 99 : 227) << 10;
}
unsigned GPU::below(unsigned n) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((random >> 33) % n);
}

void say(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("software GPU: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

void kill_device(CUresult error, const std::string &why) {
    if (gpu.dead) return;
    gpu.dead = error;
    say("error %d: %s", (int)error, why.c_str());
}

extern "C" {
int loom_software_call(const char *function) {
    std::lock_guard<std::recursive_mutex> held(gpu.lock);
    return counted(function);
}
void loom_software_fail(int error, const char *what) {
    std::lock_guard<std::recursive_mutex> held(gpu.lock);
    kill_device((CUresult)error, what);
}

CUresult cuInit(unsigned int flags) {
    API(NOTHING);
    if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
    reserve_memory();
    gpu.initialized = true;
    return CUDA_SUCCESS;
}
CUresult cuDriverGetVersion(int *version) {
    // Answers even where the device is dead; a failure can be asked for all the same.
    Call call(__func__, Call::NOTHING);
    if (call.error != CUDA_SUCCESS && call.error != gpu.dead) return call.error;
    if (!version) return CUDA_ERROR_INVALID_VALUE;
    *version = given("LOOM_SOFTWARE_GPU_VERSION") ? atoi(given("LOOM_SOFTWARE_GPU_VERSION")) : 13000;
    return CUDA_SUCCESS;
}
CUresult cuGetErrorName(CUresult error, const char **name) {
    if (!name) return CUDA_ERROR_INVALID_VALUE;
    *name = nullptr;
    for (auto &one : errors)
        if (one.error == error) *name = one.name;
    return *name ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
CUresult cuGetErrorString(CUresult error, const char **text) {
    if (!text) return CUDA_ERROR_INVALID_VALUE;
    *text = nullptr;
    for (auto &one : errors)
        if (one.error == error) *text = one.text;
    return *text ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuDeviceGetCount(int *count) {
    API(START);
    if (!count) return CUDA_ERROR_INVALID_VALUE;
    *count = 1;
    return CUDA_SUCCESS;
}
CUresult cuDeviceGet(CUdevice *device, int number) {
    API(START);
    if (!device) return CUDA_ERROR_INVALID_VALUE;
    if (number != 0) return CUDA_ERROR_INVALID_DEVICE;
    *device = 0;
    return CUDA_SUCCESS;
}
CUresult cuDeviceGetName(char *name, int length, CUdevice device) {
    API(START);
    if (!name || length <= 0) return CUDA_ERROR_INVALID_VALUE;
    if (device != 0) return CUDA_ERROR_INVALID_DEVICE;
    snprintf(name, (size_t)length, "Software GPU");
    return CUDA_SUCCESS;
}
CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device) {
    API(START);
    if (!bytes) return CUDA_ERROR_INVALID_VALUE;
    if (device != 0) return CUDA_ERROR_INVALID_DEVICE;
    *bytes = gpu.memory;
    return CUDA_SUCCESS;
}
CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device) {
    API(START);
    if (!value) return CUDA_ERROR_INVALID_VALUE;
    if (device != 0) return CUDA_ERROR_INVALID_DEVICE;
    switch ((int)attribute) {
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X:
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y: *value = 1024; break;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z: *value = 64; break;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X: *value = 2147483647; break;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y:
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z: *value = 65535; break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK: *value = 48 << 10; break;
    case CU_DEVICE_ATTRIBUTE_WARP_SIZE: *value = 32; break;
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK:
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR: *value = 65536; break;
    case CU_DEVICE_ATTRIBUTE_CLOCK_RATE: *value = 1000000; break;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: *value = gpu.multiprocessors; break;
    case CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE: *value = 1000000; break;
    case CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH: *value = 64; break;
    case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE: *value = 50 << 20; break;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR: *value = 2048; break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *value = gpu.major; break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: *value = gpu.minor; break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR: *value = gpu.most_shared() + 1024; break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN: *value = gpu.most_shared(); break;
    default:
        say("cuDeviceGetAttribute was asked for attribute %d, which the software GPU does not know", (int)attribute);
        return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
    API(START);
    if (!context) return CUDA_ERROR_INVALID_VALUE;
    if (device != 0) return CUDA_ERROR_INVALID_DEVICE;
    gpu.context.retained++;
    *context = &gpu.context;
    return CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
    Call call(__func__, Call::START);
    if (call.error != CUDA_SUCCESS && call.error != gpu.dead) return call.error;
    if (device != 0) return CUDA_ERROR_INVALID_DEVICE;
    if (gpu.context.retained == 0) return CUDA_ERROR_INVALID_CONTEXT;
    if (--gpu.context.retained == 0) end_context();
    return CUDA_SUCCESS;
}
CUresult cuCtxSetCurrent(CUcontext context) {
    API(START);
    if (context && (context != &gpu.context || gpu.context.retained == 0)) return CUDA_ERROR_INVALID_CONTEXT;
    current = context;
    return CUDA_SUCCESS;
}
}
