// Device memory: one range of addresses, closed to the host except while work runs. Between allocations lie guards of a fixed
// pattern, NaN to whoever reads it; new memory and freed memory are filled with 0xFF, which is NaN too.
#include "gpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

namespace {
struct Allocation {
    size_t asked, span;  // bytes; the span holds the guard behind it
};
enum : size_t { GUARD = 256, GRAIN = 512, HUGE = 1 << 21 };
const uint32_t PATTERN = 0xffc1ffc1;  // NaN in float32 and in bfloat16

unsigned char *base;  // of the reserved range, whose first GUARD bytes are a guard
size_t reserved, top, in_use;  // bytes; `top` is where nothing has been yet
// Never destroyed: other threads may call while the process ends.
auto &live = *new std::map<CUdeviceptr, Allocation>;
auto &holes = *new std::map<CUdeviceptr, size_t>;
auto &locked = *new std::map<const char *, size_t>;
bool is_open;
struct sigaction before;

size_t rounded(size_t size, size_t to) { return (size + to - 1) / to * to; }

/// Fills what lies behind the bytes asked for.
void set_guard(CUdeviceptr address, const Allocation &a) {
    auto bytes = (unsigned char *)address;
    for (size_t i = a.asked; i < a.span; i++) bytes[i] = (unsigned char)(PATTERN >> 8 * (i % 4));
}
/// The first byte of the guard that was written to, or the span.
size_t broken_guard(CUdeviceptr address, const Allocation &a) {
    auto bytes = (const unsigned char *)address;
    size_t i = a.asked;
    for (; i < a.span && i % 4 != 0; i++)
        if (bytes[i] != (unsigned char)(PATTERN >> 8 * (i % 4))) return i;
    for (; i < a.span; i += 4) {
        uint32_t word;
        memcpy(&word, bytes + i, 4);
        if (word != PATTERN) return i;
    }
    return a.span;
}

/// A fault: in work, which then fails; else of the host's code, at an address of the device or somewhere else.
void fault(int signal, siginfo_t *info, void *) {
    auto at = (unsigned char *)info->si_addr;
    if (recovery) {
        fault_address = at;
        siglongjmp(*recovery, 1);
    }
    if (base && at >= base && at < base + reserved) {
        char line[160];
        int count = snprintf(line, sizeof line, "software GPU: the host touched device memory at %p: only kernels and copies may\n", (void *)at);
        if (write(2, line, (size_t)count) < 0) {}
    }
    // Whoever had the signal before has it now; returning runs the instruction again.
    sigaction(signal, &before, nullptr);
}

/// Opens memory for as long as it lives, where it is not open already.
struct Opened {
    bool was = is_open;
    Opened() { open_memory(true); }
    ~Opened() { if (!was) open_memory(false); }
};

void add_hole(CUdeviceptr address, size_t span) {
    auto next = holes.lower_bound(address);
    if (next != holes.end() && address + span == next->first) {
        span += next->second;
        next = holes.erase(next);
    }
    if (next != holes.begin()) {
        auto previous = std::prev(next);
        if (previous->first + previous->second == address) {
            previous->second += span;
            return;
        }
    }
    holes[address] = span;
}

/// Room for a span: a hole, or what has not been used; 0 where there is none.
CUdeviceptr take(size_t span) {
    for (auto &hole : holes) {
        if (hole.second < span) continue;
        CUdeviceptr address = hole.first;
        size_t rest = hole.second - span;
        holes.erase(address);
        if (rest) holes[address + span] = rest;
        auto bytes = (const unsigned char *)address;
        // Each byte is as the one before it, and the first is 0xff.
        if (bytes[0] == 0xff && memcmp(bytes, bytes + 1, span - 1) == 0) return address;
        size_t i = 0;
        while (bytes[i] == 0xff) i++;
        kill_device(CUDA_ERROR_ILLEGAL_ADDRESS, "memory was written to after it was freed, at " + describe(address + i));
        return 0;
    }
    if (span > reserved - top) return 0;
    CUdeviceptr address = (CUdeviceptr)(uintptr_t)(base + top);
    top += span;
    open_memory(true);  // the part in use has grown
    memset((void *)address, 0xff, span);
    return address;
}
}  // namespace

thread_local sigjmp_buf *recovery;
thread_local void *fault_address;

void reserve_memory() {
    if (base) return;
    reserved = rounded(gpu.memory, HUGE) * 4 + (64 << 20);  // holes cost addresses, not memory
    void *got = mmap(nullptr, reserved + HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (got == MAP_FAILED) {
        reserved = 0;
        return;
    }
    base = (unsigned char *)rounded((size_t)got, HUGE);
    madvise(base, reserved, MADV_HUGEPAGE);  // opening and closing then takes microseconds
    struct sigaction action = {};
    action.sa_sigaction = fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;  // so that work that faults need not save the mask of signals
    sigaction(SIGSEGV, &action, &before);
    top = GUARD;
    Opened opened;
    for (size_t i = 0; i < GUARD; i += 4) memcpy(base + i, &PATTERN, 4);
}

void open_memory(bool open) {
    if (!base || (!open && !is_open)) return;
    mprotect(base, rounded(top, HUGE), open ? PROT_READ | PROT_WRITE : PROT_NONE);
    is_open = open;
}

bool is_allocated(CUdeviceptr address, size_t size) {
    auto next = live.upper_bound(address);
    if (next == live.begin()) return false;
    auto found = std::prev(next);
    size_t offset = address - found->first;
    return offset < found->second.asked && size <= found->second.asked - offset;
}

bool is_locked(const void *host, size_t size) {
    auto next = locked.upper_bound((const char *)host);
    if (next == locked.begin()) return false;
    auto found = std::prev(next);
    size_t offset = (size_t)((const char *)host - found->first);
    return offset < found->second && size <= found->second - offset;
}

bool is_reachable(unsigned long long address, unsigned long long size, unsigned long long *start, unsigned long long *end) {
    *start = *end = 0;
    auto next = live.upper_bound(address);
    if (next != live.begin()) {
        auto found = std::prev(next);
        *start = found->first;
        *end = found->first + found->second.asked;
        if (address < *end && size <= *end - address) return true;
    }
    auto after = locked.upper_bound((const char *)address);
    if (after != locked.begin()) {
        auto found = std::prev(after);
        *start = (unsigned long long)found->first;
        *end = *start + found->second;
        if (address < *end && size <= *end - address) return true;
    }
    *start = *end = 0;
    return false;
}

std::string describe(CUdeviceptr address) {
    char text[160];
    auto next = live.upper_bound(address);
    if (next == live.begin()) {
        snprintf(text, sizeof text, "0x%llx, which is no address of an allocation", address);
    } else {
        auto found = std::prev(next);
        snprintf(
            text, sizeof text, "0x%llx, byte %llu of an allocation of %zu bytes", address, address - found->first, found->second.asked);
    }
    return text;
}

void check_memory(const std::string &after) {
    if (!base || gpu.dead) return;
    Opened opened;
    for (size_t i = 0; i < GUARD; i += 4)
        if (memcmp(base + i, &PATTERN, 4) != 0) return kill_device(CUDA_ERROR_ILLEGAL_ADDRESS, "a write before all memory, by " + after);
    for (auto &a : live) {
        size_t at = broken_guard(a.first, a.second);
        if (at < a.second.span)
            return kill_device(CUDA_ERROR_ILLEGAL_ADDRESS, "a write out of bounds at " + describe(a.first + at) + ", by " + after);
    }
}

void free_all_memory() {
    Opened opened;
    for (auto &a : live) {
        memset((void *)a.first, 0xff, a.second.span);
        add_hole(a.first, a.second.span);
    }
    // A kernel may have written anywhere before the device died.
    for (auto &hole : holes) memset((void *)hole.first, 0xff, hole.second);
    live.clear();
    in_use = 0;
}

extern "C" {
CUresult cuMemGetInfo_v2(size_t *free, size_t *total) {
    API(CONTEXT);
    if (!free || !total) return CUDA_ERROR_INVALID_VALUE;
    *free = gpu.memory - in_use;
    *total = gpu.memory;
    return CUDA_SUCCESS;
}

CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t size) {
    API(CONTEXT);
    if (CUresult error = refuse_in_capture()) return error;
    if (!address || size == 0) return CUDA_ERROR_INVALID_VALUE;
    if (size > gpu.memory || rounded(size, GRAIN) > gpu.memory - in_use) return CUDA_ERROR_OUT_OF_MEMORY;
    Allocation a = {size, rounded(size, GUARD) + GUARD};
    Opened opened;
    CUdeviceptr at = take(a.span);
    if (gpu.dead) return gpu.dead;
    if (!at) return CUDA_ERROR_OUT_OF_MEMORY;
    set_guard(at, a);
    live[at] = a;
    in_use += rounded(size, GRAIN);
    *address = at;
    return CUDA_SUCCESS;
}

CUresult cuMemFree_v2(CUdeviceptr address) {
    API(CONTEXT);
    if (CUresult error = refuse_in_capture()) return error;
    if (address == 0) return CUDA_SUCCESS;
    auto found = live.find(address);
    if (found == live.end()) return CUDA_ERROR_INVALID_VALUE;
    if (CUresult error = run(nullptr)) return error;
    Opened opened;
    check_memory("work before cuMemFree");
    if (gpu.dead) return gpu.dead;
    Allocation a = found->second;
    memset((void *)address, 0xff, a.span);
    live.erase(found);
    add_hole(address, a.span);
    in_use -= rounded(a.asked, GRAIN);
    return CUDA_SUCCESS;
}

CUresult cuMemHostAlloc(void **host, size_t size, unsigned int flags) {
    API(CONTEXT);
    if (CUresult error = refuse_in_capture()) return error;
    if (!host || size == 0 || flags > 7) return CUDA_ERROR_INVALID_VALUE;
    void *got = nullptr;
    if (posix_memalign(&got, 4096, size) != 0) return CUDA_ERROR_OUT_OF_MEMORY;
    memset(got, 0xff, size);
    locked[(char *)got] = size;
    *host = got;
    return CUDA_SUCCESS;
}

CUresult cuMemFreeHost(void *host) {
    API(CONTEXT);
    if (CUresult error = refuse_in_capture()) return error;
    auto found = locked.find((char *)host);
    if (found == locked.end()) return CUDA_ERROR_INVALID_VALUE;
    if (CUresult error = run(nullptr)) return error;
    locked.erase(found);
    free(host);
    return CUDA_SUCCESS;
}

void *loom_software_host_address(unsigned long long device) {
    std::lock_guard<std::recursive_mutex> held(gpu.lock);
    return is_allocated(device, 1) ? (void *)device : nullptr;
}
int loom_software_is_allocated(unsigned long long device, size_t size) {
    std::lock_guard<std::recursive_mutex> held(gpu.lock);
    return is_allocated(device, size) || (size == 0 && is_allocated(device, 1));
}
}
