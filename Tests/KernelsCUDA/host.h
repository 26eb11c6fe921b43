// CUDA's words for a C++ compiler on the host, so that the kernels' own text runs here: one block after another, a block's threads
// as fibers on one thread of the system.
//
// Threads run one after another on one stack until one must wait for others, at __syncthreads or in a warp's exchange of values;
// that stack is then this thread's to its end, and the next threads get another. So a kernel that never waits costs plain calls.
// Warps come in an order that chance gives, each as far ahead of the others as barriers let it, and a warp's lanes in another order
// at every turn: a kernel that lacks a barrier it needs gives wrong results sooner or later.
// Checked while running: that all threads of a block come to a barrier, and all lanes of a warp to an exchange. Shared memory is
// filled with NaN before each block where it is dynamic; where a kernel declares it, it is what the block before left.
// What this is not: memory of a device, its caches, its order of writes, and its versions of the functions of mathematics.
#ifndef LOOM_CUDA_HOST_H
#define LOOM_CUDA_HOST_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef HOST_TRACE
#pragma clang attribute push(__attribute__((no_sanitize("thread"))), apply_to = function)
#endif

#define LOOM_HOST 1
#define DEVICE static inline
#define KERNEL(name) static void name
#define SHARED static
#define DYNAMIC_SHARED(name) float *name = host_block.dynamic

#ifndef HOST_MESSAGES
#define HOST_MESSAGES stdout
#endif

struct host_index { unsigned x, y, z; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
struct alignas(8) uint2 { unsigned x, y; };
static host_index threadIdx, blockIdx, blockDim, gridDim;

enum { HOST_THREADS = 256, HOST_STACK = 1 << 16, HOST_DYNAMIC = 1 << 16, HOST_BEYOND = 64 };
enum host_state { HOST_NEW, HOST_READY, HOST_AT_BARRIER, HOST_AT_EXCHANGE, HOST_DONE };

/// A thread of the block.
struct host_fiber {
    host_state state;
    int stack;  // that runs it
    unsigned turn;  // exchanges so far
    unsigned char slots[2][16];  // what the lane gives in this exchange, and what it gave in the one before
};
/// A stack that threads run on, for ever.
struct host_stack {
    char *memory;
    void *pointer;  // where it goes on
};

static struct {
    host_fiber fibers[HOST_THREADS];
    host_stack stacks[HOST_THREADS];
    int idle[HOST_THREADS], idle_count, stack_count;  // stacks that run no thread, those that there are
    int warp, order[32], next;  // the warp at hand, the order of its lanes, how many of them have started
    void *scheduler;  // where the stack goes on that all the others come back to
    int current, stack, threads;
    void (*body)(void *);
    void *context;
    unsigned launches, epoch;  // launches so far, this one included; barriers that the block has passed
    bool tracing;  // whether a kernel is running
    int dynamic_count;  // floats of shared memory that the launch asked for; what comes after them stays as it is
    alignas(256) float dynamic[HOST_DYNAMIC + HOST_BEYOND];
} host_block;

/// Goes on at another stack's place. What a function must keep for its caller goes onto this one, and its place to *from. It jumps
/// back rather than returns, as the processor guesses where a return goes from the calls before, which are another stack's.
extern "C" void host_switch(void **from, void *to) __attribute__((visibility("hidden")));
#if defined(__x86_64__)
asm(R"(
    .text
    .globl host_switch
    .hidden host_switch
    .type host_switch, @function
host_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    popq %rcx
    jmpq *%rcx
    .size host_switch, . - host_switch
)");
enum { HOST_SAVED = 8, HOST_RETURN = 6 };  // words that a new stack starts with, and which of them is where it begins
#elif defined(__aarch64__)
asm(R"(
    .text
    .globl host_switch
    .hidden host_switch
    .type host_switch, @function
host_switch:
    sub sp, sp, #160
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    br x30
    .size host_switch, . - host_switch
)");
enum { HOST_SAVED = 20, HOST_RETURN = 11 };
#else
#error "fibers are written for x86-64 and arm64"
#endif

#ifndef HOST_FAILED  // what else to do on a failure, as (const char *)
#define HOST_FAILED(what) exit(1)
#endif
static void host_fail(const char *what) {
    fprintf(HOST_MESSAGES, "FAILED: %s (block %u %u %u, thread %u)\n", what, blockIdx.x, blockIdx.y, blockIdx.z, threadIdx.x);
    HOST_FAILED(what);
}

static void host_now(int thread) {
    host_block.current = thread;
    threadIdx = {(unsigned)thread, 0, 0};
}

static void host_leave(int stack) { host_switch(&host_block.stacks[stack].pointer, host_block.scheduler); }
static void host_go_on(int stack) { host_switch(&host_block.scheduler, host_block.stacks[stack].pointer); }

/// What a stack does for ever: the lanes of the warp at hand that have not started.
static void host_entry() {
    const int self = host_block.stack;
    for (;;) {
        while (host_block.next < 32) {
            int thread = 32 * host_block.warp + host_block.order[host_block.next++];
            host_now(thread);
            host_block.fibers[thread].stack = self;
            host_block.fibers[thread].turn = 0;
            host_block.body(host_block.context);
            host_block.fibers[host_block.current].state = HOST_DONE;
        }
        host_block.idle[host_block.idle_count++] = self;
        host_leave(self);
    }
}

static void host_wait(host_state state) {
    host_fiber &fiber = host_block.fibers[host_block.current];
    fiber.state = state;
    host_leave(fiber.stack);
}

/// Starts lanes of the warp at hand until one waits or all have.
static void host_start() {
    if (host_block.idle_count > 0) {
        host_block.stack = host_block.idle[--host_block.idle_count];
    } else {
        host_block.stack = host_block.stack_count++;
        host_stack &stack = host_block.stacks[host_block.stack];
        stack.memory = (char *)aligned_alloc(16, HOST_STACK);
        if (!stack.memory) abort();
        void **words = (void **)(stack.memory + HOST_STACK) - HOST_SAVED;
        memset(words, 0, HOST_SAVED * sizeof *words);
        words[HOST_RETURN] = (void *)host_entry;
        stack.pointer = words;
    }
    host_go_on(host_block.stack);
}

static void host_resume(int thread) {
    host_now(thread);
    host_go_on(host_block.fibers[thread].stack);
}

static uint64_t host_random = 1;
static unsigned host_below(unsigned n) {
    host_random = host_random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((host_random >> 33) % n);
}

/// Puts the lanes into one of 512 orders.
static void host_shuffle_lanes() {
    unsigned chance = host_below(512), step = chance % 16 * 2 + 1, start = chance / 16;
    for (unsigned i = 0; i < 32; i++) host_block.order[i] = (int)((start + step * i) % 32);
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
    host_fiber *lanes = host_block.fibers + 32 * warp;
    for (;;) {
        host_shuffle_lanes();
        if (lanes[0].state == HOST_NEW) {
            host_block.warp = warp;
            host_block.next = 0;
            while (host_block.next < 32) host_start();
        } else {
            for (int i = 0; i < 32; i++) {
                int lane = host_block.order[i];
                if (lanes[lane].state == HOST_READY) host_resume(32 * warp + lane);
            }
        }
        int exchanging = 0;
        for (int lane = 0; lane < 32; lane++) exchanging += lanes[lane].state == HOST_AT_EXCHANGE;
        if (exchanging == 0) return;
        if (exchanging < 32) host_fail("some lanes of a warp came to an exchange, and others did not");
        for (int lane = 0; lane < 32; lane++) lanes[lane].state = HOST_READY;
    }
}

/// Lets a block that stands at a barrier go on; false at its end.
static bool host_pass_barrier() {
    int waiting = 0;
    for (int t = 0; t < host_block.threads; t++) waiting += host_block.fibers[t].state == HOST_AT_BARRIER;
    if (waiting == 0) return false;
    if (waiting < host_block.threads) host_fail("some threads of a block came to a barrier, and others did not");
    host_block.epoch++;
    for (int t = 0; t < host_block.threads; t++) host_block.fibers[t].state = HOST_READY;
    return true;
}

static void host_check_copies();

static void host_run_block() {
    for (int i = 0; i < host_block.dynamic_count; i++) host_block.dynamic[i] = NAN;
    for (int t = 0; t < host_block.threads; t++) host_block.fibers[t].state = HOST_NEW;
    host_block.epoch = 0;
    host_block.tracing = true;
    int order[HOST_THREADS / 32];
    do {
        host_shuffle(order, host_block.threads / 32);
        for (int i = 0; i < host_block.threads / 32; i++) host_run_warp(order[i]);
    } while (host_pass_barrier());
    host_block.tracing = false;
    for (int i = 0; i < HOST_BEYOND; i++)
        if (host_block.dynamic[host_block.dynamic_count + i] != 1e30f) host_fail("a write beyond the shared memory that was asked for");
    host_check_copies();
}

/// Runs a kernel on `blocks` blocks of `threads` threads: launch(blocks, threads, [&] { kernel(…); }), each block with so many floats
/// of shared memory besides what the kernel declares.
template <typename Body> static void launch(host_index blocks, int threads, Body body, int dynamic = HOST_DYNAMIC) {
    if (threads % 32 != 0 || threads > HOST_THREADS) host_fail("blocks are of whole warps, 256 threads at most");
    if (dynamic < 0 || dynamic > HOST_DYNAMIC) host_fail("more shared memory than there is");
    host_block.threads = threads;
    host_block.dynamic_count = dynamic;
    for (int i = 0; i < HOST_BEYOND; i++) host_block.dynamic[dynamic + i] = 1e30f;
    host_block.context = &body;
    host_block.body = [](void *context) { (*(Body *)context)(); };
    host_block.launches++;
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
    // Two slots by turns: who is at the next exchange already leaves alone what others still read.
    unsigned turn = host_block.fibers[self].turn++ % 2;
    memcpy(host_block.fibers[self].slots[turn], &value, sizeof value);
    host_wait(HOST_AT_EXCHANGE);
    T got;
    memcpy(&got, host_block.fibers[self / 32 * 32 + (lane & 31)].slots[turn], sizeof got);
    return got;
}
template <typename T> static T __shfl_xor_sync(unsigned, T value, int mask) {
    return host_exchange(value, (host_block.current % 32) ^ mask);
}

static inline void __syncwarp() { host_exchange(0, host_block.current % 32); }

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
#ifdef HOST_TRACE
#include "trace.h"
#pragma clang attribute pop
#endif

#endif
