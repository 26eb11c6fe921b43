// Modules, kernels, launches, copies and fills: the calls that put work on a stream.
#include "gpu.h"

#include <dlfcn.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

namespace {
/// A kernel waits for what never comes, or overran shared memory.
void failed(const char *what) {
    // What touches memory wrongly is an illegal address to a real device.
    bool address = strstr(what, "memory that is not the device's") != nullptr;
    kill_device(address ? CUDA_ERROR_ILLEGAL_ADDRESS : CUDA_ERROR_LAUNCH_FAILED, (performed ? performed->name() : "a kernel") + " failed: " + what);
    if (recovery) siglongjmp(*recovery, 1);
    abort();
}

/// The bytes of an image of machine code of this host; 0 and why in `error` where it is none.
size_t image_size(const void *image, CUresult *error) {
    auto header = (const Elf64_Ehdr *)image;
    *error = CUDA_ERROR_INVALID_IMAGE;
    if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_ident[EI_CLASS] != ELFCLASS64) return 0;
    *error = CUDA_ERROR_NO_BINARY_FOR_GPU;  // as for a cubin of a real device
#if defined(__x86_64__)
    if (header->e_machine != EM_X86_64) return 0;
#elif defined(__aarch64__)
    if (header->e_machine != EM_AARCH64) return 0;
#endif
    return header->e_shoff + (size_t)header->e_shentsize * header->e_shnum;
}

/// dlopen reads files, so there is one for a moment.
void *open_image(const void *image, size_t size) {
    const char *folder = getenv("TMPDIR");
    std::string path = std::string(folder && *folder ? folder : "/tmp") + "/loom-module-XXXXXX";
    int file = mkstemp(&path[0]);
    if (file < 0) return nullptr;
    size_t written = 0;
    while (written < size) {
        ssize_t count = write(file, (const char *)image + written, size - written);
        if (count <= 0) break;
        written += (size_t)count;
    }
    close(file);
    void *library = written == size ? dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) : nullptr;
    if (!library) say("a module does not open: %s", written == size ? dlerror() : "it cannot be written");
    unlink(path.c_str());
    return library;
}

void unload(CUmodule module) {
    for (auto &entry : module->functions) {
        entry.second->unloaded = true;
        gpu.functions.erase(entry.second);
    }
    // Kernels' names and sizes may still be in graphs: the library stays.
    gpu.modules.erase(module);
    delete module;
}

bool fits(int architecture) { return architecture / 10 == gpu.major && architecture % 10 <= gpu.minor; }
}  // namespace

void unload_all_modules() {
    while (!gpu.modules.empty()) unload(*gpu.modules.begin());
}

extern "C" {
CUresult cuModuleLoadData(CUmodule *module, const void *image) {
    API(CONTEXT);
    if (CUresult error = refuse_in_capture()) return error;
    if (!module || !image) return CUDA_ERROR_INVALID_VALUE;
    CUresult error;
    size_t size = image_size(image, &error);
    if (size == 0) return error;
    void *library = open_image(image, size);
    if (!library) return CUDA_ERROR_INVALID_IMAGE;
    auto described = (loom_module *)dlsym(library, "loom_software_module");
    if (!described || !fits(described->architecture)) {
        dlclose(library);
        return described ? CUDA_ERROR_NO_BINARY_FOR_GPU : CUDA_ERROR_INVALID_IMAGE;
    }
    described->failed = failed;
    described->allowed = is_reachable;
    described->seed(((uint64_t)gpu.below(1u << 30) << 20) | 1);
    auto made = new CUmod_st{library, {}};
    for (auto kernel = described->kernels; kernel->name; kernel++) made->functions[kernel->name] = new CUfunc_st{kernel, made};
    gpu.modules.insert(made);
    *module = made;
    return CUDA_SUCCESS;
}
CUresult cuModuleUnload(CUmodule module) {
    API(CONTEXT);
    if (!gpu.modules.count(module)) return CUDA_ERROR_INVALID_HANDLE;
    if (CUresult error = run(nullptr)) return error;
    unload(module);
    return CUDA_SUCCESS;
}
CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
    API(CONTEXT);
    if (!function || !name) return CUDA_ERROR_INVALID_VALUE;
    if (!gpu.modules.count(module)) return CUDA_ERROR_INVALID_HANDLE;
    auto found = module->functions.find(name);
    if (found == module->functions.end()) return CUDA_ERROR_NOT_FOUND;
    gpu.functions.insert(found->second);
    *function = found->second;
    return CUDA_SUCCESS;
}
CUresult cuFuncSetAttribute(CUfunction function, CUfunction_attribute attribute, int value) {
    API(CONTEXT);
    if (!gpu.functions.count(function)) return CUDA_ERROR_INVALID_HANDLE;
    if (attribute == CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT)
        return value >= -1 && value <= 100 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES || value < 0 || value > gpu.most_shared())
        return CUDA_ERROR_INVALID_VALUE;
    function->most_dynamic = value;
    return CUDA_SUCCESS;
}
CUresult cuFuncGetAttribute(int *value, CUfunction_attribute attribute, CUfunction function) {
    API(CONTEXT);
    if (!value) return CUDA_ERROR_INVALID_VALUE;
    if (!gpu.functions.count(function)) return CUDA_ERROR_INVALID_HANDLE;
    switch ((int)attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: *value = 256; break;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES: *value = function->most_dynamic; break;
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION: *value = 10 * gpu.major + gpu.minor; break;
    default:
        say("cuFuncGetAttribute was asked for attribute %d, which the software GPU does not know", (int)attribute);
        return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
}

CUresult cuLaunchKernel(
    CUfunction function, unsigned int x, unsigned int y, unsigned int z, unsigned int threads, unsigned int threads_y,
    unsigned int threads_z, unsigned int shared, CUstream stream, void **arguments, void **extra
) {
    API(CONTEXT);
    if (!gpu.functions.count(function)) return CUDA_ERROR_INVALID_HANDLE;
    if (x == 0 || y == 0 || z == 0 || x > 2147483647 || y > 65535 || z > 65535) return CUDA_ERROR_INVALID_VALUE;
    // As the kernels are compiled: at most 256.
    if (threads == 0 || threads_y == 0 || threads_z == 0 || threads > 256 || threads_y > 256 || threads_z > 64
        || threads * threads_y * threads_z > 256)
        return CUDA_ERROR_INVALID_VALUE;
    if (extra || threads_y != 1 || threads_z != 1 || threads % 32 != 0) {
        say("a launch of %s that the software GPU does not model: blocks of more than one dimension, or not of whole warps",
            function->kernel->name);
        return CUDA_ERROR_NOT_SUPPORTED;
    }
    if ((int)shared < 0 || (int)shared > function->most_dynamic) return CUDA_ERROR_INVALID_VALUE;
    if (!arguments && function->kernel->count > 0) return CUDA_ERROR_INVALID_VALUE;
    Work work = {Work::KERNEL};
    work.function = function;
    work.blocks[0] = x, work.blocks[1] = y, work.blocks[2] = z;
    work.threads = threads;
    work.shared = shared;
    for (int i = 0; i < function->kernel->count; i++) {
        if (!arguments[i]) return CUDA_ERROR_INVALID_VALUE;
        work.bytes.resize((work.bytes.size() + 15) / 16 * 16);
        work.starts.push_back(work.bytes.size());
        auto bytes = (const unsigned char *)arguments[i];
        work.bytes.insert(work.bytes.end(), bytes, bytes + function->kernel->sizes[i]);
    }
    return enqueue(stream, std::move(work));
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t size, CUstream handle) {
    API(CONTEXT);
    CUstream stream = stream_of(handle);
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    if (size == 0) return CUDA_SUCCESS;
    if (!from || !is_allocated(to, size)) return CUDA_ERROR_INVALID_VALUE;
    Work work = {Work::TO_DEVICE};
    work.to = to;
    work.size = size;
    if (is_locked(from, size)) {
        work.host = const_cast<void *>(from);
    } else if (stream->capture) {
        say("a copy from memory of the host that is not page-locked, in a capture: the graph would read it at every launch");
        return invalidate(stream, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    } else {
        work.bytes.assign((const unsigned char *)from, (const unsigned char *)from + size);
    }
    return enqueue(handle, std::move(work));
}
CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t size, CUstream handle) {
    API(CONTEXT);
    CUstream stream = stream_of(handle);
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    if (size == 0) return CUDA_SUCCESS;
    if (!to || !is_allocated(from, size)) return CUDA_ERROR_INVALID_VALUE;
    bool locked = is_locked(to, size);
    if (!locked && stream->capture) return invalidate(stream, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    Work work = {Work::TO_HOST};
    work.host = to;
    work.from = from;
    work.size = size;
    if (CUresult error = enqueue(handle, std::move(work))) return error;
    return locked ? CUDA_SUCCESS : run(stream->last);
}
CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t size, CUstream stream) {
    API(CONTEXT);
    if (size == 0) return CUDA_SUCCESS;
    if (!is_allocated(to, size) || !is_allocated(from, size)) return CUDA_ERROR_INVALID_VALUE;
    Work work = {Work::ON_DEVICE};
    work.to = to;
    work.from = from;
    work.size = size;
    return enqueue(stream, std::move(work));
}
static CUresult fill(CUdeviceptr to, unsigned value, unsigned width, size_t count, CUstream stream) {
    if (count == 0) return CUDA_SUCCESS;
    if (to % width != 0 || count > SIZE_MAX / width || !is_allocated(to, count * width)) return CUDA_ERROR_INVALID_VALUE;
    Work work = {Work::FILL};
    work.to = to;
    work.size = count * width;
    work.value = value;
    work.width = width;
    return enqueue(stream, std::move(work));
}
CUresult cuMemsetD32Async(CUdeviceptr to, unsigned int value, size_t count, CUstream stream) {
    API(CONTEXT);
    return fill(to, value, 4, count, stream);
}
CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count, CUstream stream) {
    API(CONTEXT);
    return fill(to, value, 1, count, stream);
}
}
