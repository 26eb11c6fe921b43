// What the parts of the software GPU's driver share: the one device, its memory, the work that waits in streams, graphs.
// Everything is behind one lock, which each exported function takes by API(…).
#ifndef LOOM_GPU_H
#define LOOM_GPU_H

#include "cuda_names.h"
#include "module.h"
#include "software_gpu.h"

#include <setjmp.h>
#include <signal.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

extern "C" {
#define FUNCTION(name, types) CUresult name types;
#include "functions.h"
#undef FUNCTION
}

// MARK: Kernels

struct CUfunc_st {
    const loom_kernel *kernel;
    CUmodule module;
    int most_dynamic = 48 << 10;
    bool unloaded = false;
};
struct CUmod_st {
    void *library;
    std::map<std::string, CUfunction> functions;  // which live as long as the process: graphs may hold them
};

// MARK: Work

struct Plan;

/// One thing to do on the device. Arguments and staged bytes are copies; addresses of the host are read when it runs.
struct Work {
    enum Kind { KERNEL, TO_DEVICE, TO_HOST, ON_DEVICE, FILL, HOST, GRAPH } kind;
    // KERNEL
    CUfunction function = nullptr;
    unsigned blocks[3] = {}, threads = 0, shared = 0;
    std::vector<size_t> starts;
    // KERNEL: arguments; TO_DEVICE from pageable memory and HOST: bytes
    std::vector<unsigned char> bytes;
    // Copies and fills
    void *host = nullptr;
    CUdeviceptr to = 0, from = 0;
    size_t size = 0;
    unsigned value = 0, width = 1;
    // HOST
    void (*call)(void *) = nullptr;
    // GRAPH
    std::shared_ptr<const Plan> plan;

    std::string name() const;
};
typedef std::shared_ptr<const Work> WorkRef;

/// A place in a stream: its work, or none for a mark. It may run when `after` are done and it is first in its stream.
struct Op {
    WorkRef work;
    std::vector<std::shared_ptr<Op>> after;
    bool done = false;
    double time = 0;  // seconds, when it was done
};
typedef std::shared_ptr<Op> OpRef;

/// A captured graph: work in an order that a stream could have, each with the numbers of those it comes after.
struct Plan {
    struct Node {
        WorkRef work;
        std::vector<int> after;
    };
    std::vector<Node> nodes;
};
struct CUgraphNode_st {
    int number;
};
struct CUgraph_st {
    Plan plan;
    std::deque<CUgraphNode_st> handles;
};
struct CUgraphExec_st {
    std::shared_ptr<const Plan> plan;
    OpRef last;  // launches of one executable graph come one after another
};

struct Capture {
    CUstream origin;
    CUstreamCaptureMode mode;
    std::thread::id thread;
    bool invalid = false, ended = false;
    std::set<CUstream> members;
    Plan plan;
};
typedef std::shared_ptr<Capture> CaptureRef;

struct CUstream_st {
    bool blocking;  // ordered against the default stream
    std::deque<OpRef> queue;
    OpRef last;
    CaptureRef capture;
    std::vector<int> frontier;  // in a capture: what the next work comes after
};
struct CUevent_st {
    bool timed;
    OpRef op;  // null before it is recorded
    CaptureRef capture;  // where it was recorded last, if in one
    std::vector<int> nodes;
};
struct CUctx_st {
    int retained;
};

// MARK: The device

struct GPU {
    std::recursive_mutex lock;
    bool initialized = false;
    CUresult dead = CUDA_SUCCESS;
    CUctx_st context = {0};
    CUstream_st standard = {true};  // the default stream
    std::set<CUstream> streams;
    std::set<CUevent> events;
    std::set<CUmodule> modules;
    std::set<CUfunction> functions;
    std::set<CUgraph> graphs;
    std::set<CUgraphExec> executables;
    std::set<CaptureRef> captures;
    uint64_t random = 1;
    bool check_each = false;  // memory after every operation

    int major = 9, minor = 0, multiprocessors = 132;
    size_t memory = (size_t)2 << 30;

    int most_shared() const;
    unsigned below(unsigned n);
};
extern GPU &gpu;

/// Kernels and modules of the context are gone.
void unload_all_modules();

/// What every function of the driver starts with: the lock, the count of calls, errors that were asked for, a device that is dead.
struct Call {
    enum Needs { NOTHING, START, CONTEXT };
    std::unique_lock<std::recursive_mutex> held;
    CUresult error;
    Call(const char *function, Needs needs);
};
#define API(needs)                                \
    Call call(__func__, Call::needs);             \
    if (call.error != CUDA_SUCCESS) return call.error

/// A line on stderr.
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/// The device is dead from now on. Says why.
void kill_device(CUresult error, const std::string &why);
void end_context();

// memory.cpp
void reserve_memory();
void open_memory(bool open);
bool is_allocated(CUdeviceptr address, size_t size);
bool is_locked(const void *host, size_t size);
/// Whether a kernel may touch it: device memory, or memory of the host that is page-locked. And where that range begins and ends.
bool is_reachable(unsigned long long address, unsigned long long size, unsigned long long *start, unsigned long long *end);
std::string describe(CUdeviceptr address);
/// Looks at what lies between allocations; kills the device where something wrote there.
void check_memory(const std::string &after);
void free_all_memory();
/// Where a fault of this thread's work goes on, while it runs.
extern thread_local sigjmp_buf *recovery;
extern thread_local void *fault_address;

// streams.cpp
/// The stream behind a handle, null being the default stream; null where there is none such.
CUstream stream_of(CUstream handle);
/// Queues work, or puts it into the graph that is captured.
CUresult enqueue(CUstream handle, Work &&work);
/// What comes next in a stream waits for `op`.
void hold(CUstream stream, const OpRef &op);
/// Runs until `target` is done, or everything.
CUresult run(const OpRef &target);
CUresult run_some();
double now();

// graphs.cpp
/// For a call that a capture forbids: its error, having invalidated the captures that forbid it.
CUresult refuse_in_capture();
CUresult capture_work(CUstream stream, WorkRef work);
CUresult invalidate(CUstream stream, CUresult error);

// work.cpp
/// Does it; false where the device died.
bool perform(const Work &work);
/// What is being done, null between.
extern const Work *performed;

#endif
