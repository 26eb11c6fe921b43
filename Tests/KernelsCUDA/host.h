// CUDA's words for a C++ compiler on the host, so that the kernels' own text runs here: one block after another, a block's threads
// as fibers on one thread of the system.
//
// A fiber runs until it must wait for others: at __syncthreads, in a warp's exchange of values, or at its end. Warps come in an order
// that chance gives, each as far ahead of the others as barriers let it, and a warp's lanes in another order at every turn: a kernel
// that lacks a barrier it needs gives wrong results sooner or later.
// Checked while running: that all threads of a block come to a barrier, and all lanes of a warp to an exchange. Shared memory is
// filled with NaN before each block where it is dynamic; where a kernel declares it, it is what the block before left.
// What this is not: memory of a device, its caches, its order of writes, and its versions of the functions of mathematics.
#ifndef LOOM_CUDA_HOST_H
#define LOOM_CUDA_HOST_H

#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define LOOM_HOST 1
#define DEVICE static inline
#define KERNEL(name) static void name
#define SHARED static
#define DYNAMIC_SHARED(name) float *name = host_block.dynamic

struct host_index { unsigned x, y, z; };
static host_index threadIdx, blockIdx, blockDim, gridDim;

enum { HOST_THREADS = 256, HOST_STACK = 1 << 16, HOST_DYNAMIC = 1 << 16 };
enum host_state { HOST_READY, HOST_AT_BARRIER, HOST_AT_EXCHANGE, HOST_DONE };

struct host_fiber {
    ucontext_t start;
    jmp_buf resume;
    bool started;
    host_state state;
    char *stack;
    unsigned char slot[16];  // what the lane gives in an exchange
};

static struct {
    host_fiber fibers[HOST_THREADS];
    jmp_buf scheduler;
    ucontext_t back;
    int current, threads;
    void (*body)(void *);
    void *context;
    alignas(256) float dynamic[HOST_DYNAMIC];
} host_block;

static void host_fail(const char *what) {
    printf("FAILED: %s (block %u %u %u, thread %u)\n", what, blockIdx.x, blockIdx.y, blockIdx.z, threadIdx.x);
    exit(1);
}

static void host_entry() {
    host_block.body(host_block.context);
    host_block.fibers[host_block.current].state = HOST_DONE;
    _longjmp(host_block.scheduler, 1);
}

static void host_wait(host_state state) {
    host_fiber &fiber = host_block.fibers[host_block.current];
    fiber.state = state;
    if (!_setjmp(fiber.resume)) _longjmp(host_block.scheduler, 1);
}

static void host_resume(int thread) {
    host_block.current = thread;
    threadIdx = {(unsigned)thread, 0, 0};
    host_fiber &fiber = host_block.fibers[thread];
    if (_setjmp(host_block.scheduler)) return;
    if (fiber.started) _longjmp(fiber.resume, 1);
    fiber.started = true;
    setcontext(&fiber.start);
}

static uint64_t host_random = 1;
static unsigned host_below(unsigned n) {
    host_random = host_random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((host_random >> 33) % n);
}

/// Puts 0 ..< n into an order that chance gives.
static void host_shuffle(int *order, int n) {
    for (int i = 0; i < n; i++) {
        int other = (int)host_below((unsigned)i + 1);
        order[i] = order[other];
        order[other] = i;
    }
}

/// Runs a warp until its lanes have ended or stand at a barrier.
static void host_run_warp(int warp) {
    int order[32];
    for (;;) {
        host_shuffle(order, 32);
        for (int lane : order)
            if (host_block.fibers[32 * warp + lane].state == HOST_READY) host_resume(32 * warp + lane);
        int exchanging = 0;
        for (int lane = 0; lane < 32; lane++) exchanging += host_block.fibers[32 * warp + lane].state == HOST_AT_EXCHANGE;
        if (exchanging == 0) return;
        if (exchanging < 32) host_fail("some lanes of a warp came to an exchange, and others did not");
        for (int lane = 0; lane < 32; lane++) host_block.fibers[32 * warp + lane].state = HOST_READY;
    }
}

/// Lets a block that stands at a barrier go on; false at its end.
static bool host_pass_barrier() {
    int waiting = 0;
    for (int t = 0; t < host_block.threads; t++) waiting += host_block.fibers[t].state == HOST_AT_BARRIER;
    if (waiting == 0) return false;
    if (waiting < host_block.threads) host_fail("some threads of a block came to a barrier, and others did not");
    for (int t = 0; t < host_block.threads; t++) host_block.fibers[t].state = HOST_READY;
    return true;
}

static unsigned host_shared_bytes = 4 * HOST_DYNAMIC;  // that a launch asked for
static void host_check_copies();

static void host_run_block() {
    for (int i = 0; i < HOST_DYNAMIC; i++) host_block.dynamic[i] = NAN;
    for (int t = 0; t < host_block.threads; t++) {
        host_fiber &fiber = host_block.fibers[t];
        if (!fiber.stack) {
            fiber.stack = (char *)malloc(HOST_STACK);
            if (!fiber.stack) abort();
            getcontext(&fiber.start);
        }
        fiber.start.uc_stack.ss_sp = fiber.stack;
        fiber.start.uc_stack.ss_size = HOST_STACK;
        fiber.start.uc_link = nullptr;
        makecontext(&fiber.start, host_entry, 0);
        fiber.started = false;
        fiber.state = HOST_READY;
    }
    int order[HOST_THREADS / 32];
    do {
        host_shuffle(order, host_block.threads / 32);
        for (int i = 0; i < host_block.threads / 32; i++) host_run_warp(order[i]);
    } while (host_pass_barrier());
    host_check_copies();
}

/// Runs a kernel on `blocks` blocks of `threads` threads: launch(blocks, threads, [&] { kernel(…); }).
template <typename Body> static void launch(host_index blocks, int threads, Body body) {
    if (threads % 32 != 0 || threads > HOST_THREADS) host_fail("blocks are of whole warps, 256 threads at most");
    host_block.threads = threads;
    host_block.context = &body;
    host_block.body = [](void *context) { (*(Body *)context)(); };
    blockDim = {(unsigned)threads, 1, 1};
    gridDim = blocks;
    for (unsigned z = 0; z < blocks.z; z++)
        for (unsigned y = 0; y < blocks.y; y++)
            for (unsigned x = 0; x < blocks.x; x++) {
                blockIdx = {x, y, z};
                host_run_block();
            }
}

static inline void __syncthreads() { host_wait(HOST_AT_BARRIER); }

template <typename T> static T host_exchange(T value, int lane) {
    static_assert(sizeof(T) <= 16, "an exchange is of 16 bytes at most");
    int self = host_block.current;
    memcpy(host_block.fibers[self].slot, &value, sizeof value);
    host_wait(HOST_AT_EXCHANGE);
    T got;
    memcpy(&got, host_block.fibers[self / 32 * 32 + (lane & 31)].slot, sizeof got);
    host_wait(HOST_AT_EXCHANGE);  // until all have read
    return got;
}
template <typename T> static T __shfl_xor_sync(unsigned, T value, int mask) {
    return host_exchange(value, (host_block.current % 32) ^ mask);
}

template <typename T> static T atomicAdd(T *to, T value) {
    T old = *to;
    *to += value;
    return old;
}
template <typename T> static T atomicMin(T *to, T value) {
    T old = *to;
    if (value < old) *to = value;
    return old;
}

static inline unsigned bits_of(float x) { unsigned bits; memcpy(&bits, &x, sizeof bits); return bits; }
static inline float float_of(unsigned bits) { float x; memcpy(&x, &bits, sizeof x); return x; }
static inline unsigned long long bits_of(double x) { unsigned long long bits; memcpy(&bits, &x, sizeof bits); return bits; }
static inline double float_of(unsigned long long bits) { double x; memcpy(&x, &bits, sizeof x); return x; }
template <typename T> static inline T min(T a, T b) { return b < a ? b : a; }
template <typename T> static inline T max(T a, T b) { return a < b ? b : a; }

#include "host_tensor_cores.h"

#endif
