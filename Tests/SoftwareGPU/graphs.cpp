// Capture of streams into graphs, and their launches.
#include "gpu.h"

#include <algorithm>

namespace {
bool may_end(const Capture &capture) {
    return capture.mode == CU_STREAM_CAPTURE_MODE_RELAXED || capture.thread == std::this_thread::get_id();
}

/// Whether all that other streams put into the capture comes before what its first stream has come to.
bool is_joined(const Capture &capture) {
    std::vector<bool> before(capture.plan.nodes.size());
    std::vector<int> todo = capture.origin->frontier;
    while (!todo.empty()) {
        int node = todo.back();
        todo.pop_back();
        if (before[(size_t)node]) continue;
        before[(size_t)node] = true;
        auto &after = capture.plan.nodes[(size_t)node].after;
        todo.insert(todo.end(), after.begin(), after.end());
    }
    for (CUstream member : capture.members)
        for (int node : member->frontier)
            if (!before[(size_t)node]) return false;
    return true;
}

void end(CaptureRef capture) {
    capture->ended = true;
    for (CUstream member : capture->members) {
        member->capture = nullptr;
        member->frontier.clear();
    }
    gpu.captures.erase(capture);
}

bool has(CUgraph graph) { return gpu.graphs.count(graph) > 0; }
bool has(CUgraphExec executable) { return gpu.executables.count(executable) > 0; }
}  // namespace

CUresult invalidate(CUstream stream, CUresult error) {
    bool was = stream->capture->invalid;
    stream->capture->invalid = true;
    return was ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : error;
}

CUresult refuse_in_capture() {
    CUresult error = CUDA_SUCCESS;
    for (auto &capture : gpu.captures) {
        bool own = capture->thread == std::this_thread::get_id();
        if (capture->mode == CU_STREAM_CAPTURE_MODE_RELAXED || (capture->mode == CU_STREAM_CAPTURE_MODE_THREAD_LOCAL && !own)) continue;
        capture->invalid = true;
        error = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    return error;
}

CUresult capture_work(CUstream stream, WorkRef work) {
    Capture &capture = *stream->capture;
    if (capture.invalid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    capture.plan.nodes.push_back({std::move(work), stream->frontier});
    stream->frontier = {(int)capture.plan.nodes.size() - 1};
    return CUDA_SUCCESS;
}

extern "C" {
CUresult cuStreamBeginCapture_v2(CUstream handle, CUstreamCaptureMode mode) {
    API(CONTEXT);
    CUstream stream = stream_of(handle);
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    if ((int)mode < 0 || (int)mode > 2) return CUDA_ERROR_INVALID_VALUE;
    if (stream == &gpu.standard) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    if (stream->capture) return CUDA_ERROR_ILLEGAL_STATE;
    auto capture = std::make_shared<Capture>();
    capture->origin = stream;
    capture->mode = mode;
    capture->thread = std::this_thread::get_id();
    capture->members = {stream};
    stream->capture = capture;
    stream->frontier.clear();
    gpu.captures.insert(capture);
    return CUDA_SUCCESS;
}
CUresult cuStreamIsCapturing(CUstream handle, CUstreamCaptureStatus *status) {
    API(CONTEXT);
    CUstream stream = stream_of(handle);
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    if (!status) return CUDA_ERROR_INVALID_VALUE;
    *status = !stream->capture ? CU_STREAM_CAPTURE_STATUS_NONE
        : stream->capture->invalid ? CU_STREAM_CAPTURE_STATUS_INVALIDATED : CU_STREAM_CAPTURE_STATUS_ACTIVE;
    return CUDA_SUCCESS;
}
CUresult cuStreamEndCapture(CUstream handle, CUgraph *graph) {
    API(CONTEXT);
    CUstream stream = stream_of(handle);
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    if (!graph) return CUDA_ERROR_INVALID_VALUE;
    *graph = nullptr;
    CaptureRef capture = stream->capture;
    if (!capture) return CUDA_ERROR_ILLEGAL_STATE;
    if (capture->origin != stream) return invalidate(stream, CUDA_ERROR_STREAM_CAPTURE_UNMATCHED);
    if (!may_end(*capture)) return CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
    bool joined = is_joined(*capture);
    end(capture);
    if (capture->invalid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    if (!joined) return CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
    *graph = new CUgraph_st{capture->plan, {}};
    for (size_t i = 0; i < capture->plan.nodes.size(); i++) (*graph)->handles.push_back({(int)i});
    gpu.graphs.insert(*graph);
    return CUDA_SUCCESS;
}

CUresult cuGraphGetNodes(CUgraph graph, CUgraphNode *nodes, size_t *count) {
    API(CONTEXT);
    if (!has(graph)) return CUDA_ERROR_INVALID_HANDLE;
    if (!count) return CUDA_ERROR_INVALID_VALUE;
    size_t most = graph->handles.size();
    if (!nodes) return *count = most, CUDA_SUCCESS;
    for (size_t i = 0; i < *count; i++) nodes[i] = i < most ? &graph->handles[i] : nullptr;
    *count = std::min(*count, most);
    return CUDA_SUCCESS;
}
CUresult cuGraphDestroy(CUgraph graph) {
    API(CONTEXT);
    if (!has(graph)) return CUDA_ERROR_INVALID_HANDLE;
    gpu.graphs.erase(graph);
    delete graph;
    return CUDA_SUCCESS;
}
CUresult cuGraphInstantiateWithFlags(CUgraphExec *executable, CUgraph graph, unsigned long long flags) {
    API(CONTEXT);
    if (!executable) return CUDA_ERROR_INVALID_VALUE;
    if (!has(graph)) return CUDA_ERROR_INVALID_HANDLE;
    // 1 is for graphs that allocate, 8 takes priorities from nodes; uploads and launches from the device are not modelled.
    if ((flags & ~(unsigned long long)9) != 0) return CUDA_ERROR_INVALID_VALUE;
    *executable = new CUgraphExec_st{std::make_shared<const Plan>(graph->plan), nullptr};
    gpu.executables.insert(*executable);
    return CUDA_SUCCESS;
}
CUresult cuGraphExecDestroy(CUgraphExec executable) {
    API(CONTEXT);
    if (!has(executable)) return CUDA_ERROR_INVALID_HANDLE;
    gpu.executables.erase(executable);
    delete executable;
    return CUDA_SUCCESS;
}
CUresult cuGraphExecUpdate_v2(CUgraphExec executable, CUgraph graph, CUgraphExecUpdateResultInfo *info) {
    API(CONTEXT);
    if (!has(executable) || !has(graph)) return CUDA_ERROR_INVALID_HANDLE;
    if (!info) return CUDA_ERROR_INVALID_VALUE;
    *info = {CU_GRAPH_EXEC_UPDATE_SUCCESS, nullptr, nullptr};
    auto &old = executable->plan->nodes;
    auto &fresh = graph->plan.nodes;
    if (old.size() != fresh.size()) {
        info->result = CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
        return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
    }
    for (size_t i = 0; i < old.size(); i++) {
        auto result = old[i].work->kind != fresh[i].work->kind ? CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED
            : old[i].after != fresh[i].after                    ? CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED
                                                                : CU_GRAPH_EXEC_UPDATE_SUCCESS;
        if (result == CU_GRAPH_EXEC_UPDATE_SUCCESS) continue;
        *info = {result, &graph->handles[i], nullptr};
        return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
    }
    executable->plan = std::make_shared<const Plan>(graph->plan);
    return CUDA_SUCCESS;
}
CUresult cuGraphLaunch(CUgraphExec executable, CUstream handle) {
    API(CONTEXT);
    CUstream stream = stream_of(handle);
    if (!stream || !has(executable)) return CUDA_ERROR_INVALID_HANDLE;
    Work work = {Work::GRAPH};
    work.plan = executable->plan;
    if (!stream->capture && executable->last && !executable->last->done) hold(stream, executable->last);
    if (CUresult error = enqueue(handle, std::move(work))) return error;
    if (!stream->capture) executable->last = stream->last;
    return CUDA_SUCCESS;
}
}
