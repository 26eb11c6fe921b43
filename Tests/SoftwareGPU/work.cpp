// Doing work: kernels, copies, fills, graphs. Nothing here queues or waits.
#include "gpu.h"

#include <string.h>

namespace {
void run_kernel(const Work &work) {
    std::vector<void *> arguments;
    for (size_t start : work.starts) arguments.push_back((void *)(work.bytes.data() + start));
    loom_launch launch = {{work.blocks[0], work.blocks[1], work.blocks[2]}, work.threads, (work.shared + 3) / 4, arguments.data()};
    work.function->kernel->run(&launch);
}

bool run_graph(const Plan &plan) {
    size_t count = plan.nodes.size();
    std::vector<int> waiting(count), ready;
    std::vector<std::vector<int>> next(count);
    for (size_t i = 0; i < count; i++) {
        waiting[i] = (int)plan.nodes[i].after.size();
        for (int before : plan.nodes[i].after) next[(size_t)before].push_back((int)i);
        if (waiting[i] == 0) ready.push_back((int)i);
    }
    // In any order that what comes after what allows.
    while (!ready.empty()) {
        size_t pick = gpu.below((unsigned)ready.size());
        int node = ready[pick];
        ready[pick] = ready.back();
        ready.pop_back();
        if (!perform(*plan.nodes[(size_t)node].work)) return false;
        for (int after : next[(size_t)node])
            if (--waiting[(size_t)after] == 0) ready.push_back(after);
    }
    return true;
}

/// Both ends of a copy must be there when it runs, too: memory may have been freed since a graph was captured.
bool check_range(const Work &work, CUdeviceptr address, size_t size) {
    if (is_allocated(address, size)) return true;
    kill_device(CUDA_ERROR_ILLEGAL_ADDRESS, work.name() + " of " + std::to_string(size) + " bytes at " + describe(address));
    return false;
}

bool run_simple(const Work &work) {
    auto to = (unsigned char *)work.to;
    switch (work.kind) {
    case Work::KERNEL:
        if (work.function->unloaded) {
            kill_device(CUDA_ERROR_LAUNCH_FAILED, work.name() + " is of a module that has been unloaded");
            return false;
        }
        run_kernel(work);
        return true;
    case Work::TO_DEVICE:
        if (!check_range(work, work.to, work.size)) return false;
        memcpy(to, work.host ? work.host : work.bytes.data(), work.size);
        return true;
    case Work::TO_HOST:
        if (!check_range(work, work.from, work.size)) return false;
        memcpy(work.host, (void *)work.from, work.size);
        return true;
    case Work::ON_DEVICE:
        if (!check_range(work, work.to, work.size) || !check_range(work, work.from, work.size)) return false;
        memmove(to, (void *)work.from, work.size);
        return true;
    case Work::FILL:
        if (!check_range(work, work.to, work.size)) return false;
        for (size_t i = 0; i < work.size; i += work.width) memcpy(to + i, &work.value, work.width);
        return true;
    case Work::HOST: {
        std::vector<unsigned char> copy = work.bytes;
        work.call(copy.data());
        return true;
    }
    case Work::GRAPH: return run_graph(*work.plan);
    }
    return false;
}
}  // namespace

const Work *performed;

std::string Work::name() const {
    switch (kind) {
    case KERNEL: return std::string("kernel ") + function->kernel->name;
    case TO_DEVICE: return "a copy to the device";
    case TO_HOST: return "a copy to the host";
    case ON_DEVICE: return "a copy on the device";
    case FILL: return "a fill";
    case HOST: return "a library's work";
    case GRAPH: return "a graph";
    }
    return "";
}

bool perform(const Work &work) {
    if (work.kind == Work::GRAPH) return run_simple(work) && !gpu.dead;
    sigjmp_buf here;
    if (sigsetjmp(here, 0) == 0) {
        recovery = &here;
        performed = &work;
        bool done = run_simple(work);
        recovery = nullptr;
        performed = nullptr;
        if (done && gpu.check_each) check_memory(work.name());
        return done && !gpu.dead;
    }
    recovery = nullptr;
    performed = nullptr;
    if (!gpu.dead)
        kill_device(CUDA_ERROR_ILLEGAL_ADDRESS, work.name() + " touched " + describe((CUdeviceptr)(uintptr_t)fault_address));
    return false;
}
