// Looks at every load and store of a kernel on the host: the compiler puts a call before each (-fsanitize=thread, whose library is
// not used), and host.h includes this where HOST_TRACE is defined.
//
// Found are races: two threads of a block touch the same memory with no barrier between them, or two blocks of a launch do, and one of
// them writes, other than by an atomic function. A warp's exchange counts as its barrier; CUDA promises that for registers alone, and
// with HOST_TRACE_STRICT it does not count. Two bytes are looked at together, so single bytes are left out; a table of fixed size is
// kept, in which new entries put out old ones, so a race over much memory may be missed, but none is reported that is not there.
// HOST_ALLOWED(address, size), where it is defined, says whether a kernel may touch an address of no stack and not shared memory.
#ifndef LOOM_CUDA_TRACE_H
#define LOOM_CUDA_TRACE_H

struct host_access {
    unsigned launch, block, epoch, turn;  // barriers of the block, exchanges of the warp before it
    short thread, warp;  // -1 for several
    bool blocks;  // several
};
struct host_seen {
    uintptr_t place;  // address / 2
    host_access write, read;
};
enum { HOST_PLACES = 1 << 18 };
static host_seen host_places[HOST_PLACES];

static void host_race(const char *what, const void *address, const host_access &other) {
    static char text[160];
    snprintf(
        text, sizeof text, "%s at %p, with no barrier after thread %d of block %u did", what, address, (int)other.thread, other.block);
    host_fail(text);
}

/// Whether an earlier access can be at the same time as this thread's.
static bool host_meets(const host_access &other, const host_access &now, bool shared) {
    if (other.launch != now.launch) return false;
    if (other.block != now.block || other.blocks) return !shared;
    if (other.epoch != now.epoch || other.thread == now.thread) return false;
#ifndef HOST_TRACE_STRICT
    if (other.warp == now.warp && other.turn < now.turn) return false;
#endif
    return true;
}

static void host_note(const void *address, bool writes, bool shared, const host_access &now) {
    uintptr_t place = (uintptr_t)address / 2;
    host_seen &seen = host_places[(place ^ place >> 18) % HOST_PLACES];
    if (seen.place != place) seen = host_seen{place, {}, {}};
    if (host_meets(seen.write, now, shared)) host_race(writes ? "two writes" : "a read of what another thread writes,", address, seen.write);
    if (writes) {
        if (host_meets(seen.read, now, shared)) host_race("a write to what another thread reads,", address, seen.read);
        seen.write = now;
    } else if (seen.read.launch == now.launch && !(shared && seen.read.block != now.block)) {
        if (seen.read.block != now.block) seen.read.blocks = true;
        bool first = seen.read.epoch != now.epoch;
        if (first || seen.read.thread != now.thread) seen.read.thread = first ? now.thread : (short)-1;
        if (first || seen.read.warp != now.warp) seen.read.warp = first ? now.warp : (short)-1;
        seen.read.epoch = now.epoch;
        seen.read.turn = now.turn;
    } else {
        seen.read = now;
    }
}

static void host_touch(const void *address, size_t size, bool writes) {
    if (!host_block.tracing || size == 0) return;
    auto at = (const char *)address;
    auto within = [&](const void *start, size_t count) { return at >= (const char *)start && at < (const char *)start + count; };
    if (within(&threadIdx, sizeof threadIdx) || within(&blockIdx, sizeof blockIdx)) return;
    if (within(&blockDim, sizeof blockDim) || within(&gridDim, sizeof gridDim)) return;
    bool dynamic = within(host_block.dynamic, sizeof host_block.dynamic);
    if (!dynamic && within(&host_block, sizeof host_block)) return;
    const host_stack &stack = host_block.stacks[host_block.fibers[host_block.current].stack];
    if (within(stack.memory, HOST_STACK)) return;
    for (int i = 0; i < host_block.stack_count; i++)
        if (within(host_block.stacks[i].memory, HOST_STACK)) host_fail("a thread touches another thread's own memory");
    extern char __bss_start[] __attribute__((visibility("hidden"))), _end[] __attribute__((visibility("hidden")));
    bool shared = within(__bss_start, (size_t)(_end - __bss_start));
#ifdef HOST_ALLOWED
    if (!shared) HOST_ALLOWED(address, size, writes);
#endif
    unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    short thread = (short)host_block.current;
    host_access now = {host_block.launches, block, host_block.epoch, host_block.fibers[thread].turn, thread, (short)(thread / 32), false};
    for (size_t i = 0; i + 2 <= size; i += 2) host_note(at + i, writes, shared, now);
}

extern "C" {
#define HOST_SIZE(size)                                                                          \
    void __tsan_read##size(void *address) { host_touch(address, size, false); }                  \
    void __tsan_write##size(void *address) { host_touch(address, size, true); }                  \
    void __tsan_unaligned_read##size(void *address) { host_touch(address, size, false); }        \
    void __tsan_unaligned_write##size(void *address) { host_touch(address, size, true); }
HOST_SIZE(1)
HOST_SIZE(2)
HOST_SIZE(4)
HOST_SIZE(8)
HOST_SIZE(16)
#undef HOST_SIZE
void __tsan_init() {}
void __tsan_func_entry(void *) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void **, void *) {}
void __tsan_vptr_read(void **) {}
void *__tsan_memcpy(void *to, const void *from, size_t size) {
    host_touch(from, size, false);
    host_touch(to, size, true);
    return memcpy(to, from, size);
}
void *__tsan_memmove(void *to, const void *from, size_t size) {
    host_touch(from, size, false);
    host_touch(to, size, true);
    return memmove(to, from, size);
}
void *__tsan_memset(void *to, int value, size_t size) {
    host_touch(to, size, true);
    return memset(to, value, size);
}
}

#endif
