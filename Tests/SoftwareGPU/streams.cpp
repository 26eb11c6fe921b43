// Streams and events. Work waits until something needs it; then it runs on the thread that waits, streams taking turns as chance
// has it, so that whoever reads a result too early, or relies on an order that nothing asked for, is found.
#include "gpu.h"

#include <string.h>
#include <time.h>

namespace {
OpRef append(CUstream stream, WorkRef work, std::vector<OpRef> after = {}) {
    // The default stream and those not created apart from it wait for one another.
    if (stream == &gpu.standard) {
        for (CUstream other : gpu.streams)
            if (other->blocking && other->last && !other->last->done) after.push_back(other->last);
    } else if (stream->blocking && gpu.standard.last && !gpu.standard.last->done) {
        after.push_back(gpu.standard.last);
    }
    auto op = std::make_shared<Op>();
    op->work = std::move(work);
    op->after = std::move(after);
    stream->queue.push_back(op);
    stream->last = op;
    return op;
}

bool is_ready(const Op &op) {
    for (auto &before : op.after)
        if (!before->done) return false;
    return true;
}

void drop_all() {
    auto drop = [](CUstream stream) {
        for (auto &op : stream->queue) {
            op->done = true;
            op->after.clear();
        }
        stream->queue.clear();
    };
    drop(&gpu.standard);
    for (CUstream stream : gpu.streams) drop(stream);
}

bool has_event(CUevent event) { return gpu.events.count(event) > 0; }

/// For a wait of the host.
CUresult finish(const OpRef &op, const char *function) {
    if (!op) return CUDA_SUCCESS;
    if (CUresult error = run(op)) return error;
    check_memory(std::string("work before ") + function);
    return gpu.dead;
}
}  // namespace

double now() {
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

CUstream stream_of(CUstream handle) {
    // 0, and cuda.h's CU_STREAM_LEGACY.
    if (!handle || handle == (CUstream)0x1) return &gpu.standard;
    return gpu.streams.count(handle) ? handle : nullptr;
}

/// Runs until `target` is done, `most` things are, or everything is.
static CUresult run_until(const OpRef &target, int most) {
    if (recovery) {
        say("work called the driver");
        return CUDA_ERROR_NOT_SUPPORTED;
    }
    bool opened = false;
    std::vector<CUstream> ready;
    while (!gpu.dead && most-- != 0 && !(target && target->done)) {
        ready.clear();
        auto look = [&](CUstream stream) {
            if (!stream->queue.empty() && is_ready(*stream->queue.front())) ready.push_back(stream);
        };
        look(&gpu.standard);
        for (CUstream stream : gpu.streams) look(stream);
        if (ready.empty()) break;
        CUstream stream = ready[ready.size() == 1 ? 0 : gpu.below((unsigned)ready.size())];
        OpRef op = stream->queue.front();
        stream->queue.pop_front();
        if (op->work) {
            if (!opened) open_memory(true);
            opened = true;
            perform(*op->work);
        }
        op->time = now();
        op->done = true;
        op->after.clear();
        op->work = nullptr;
    }
    if (opened) open_memory(false);
    if (gpu.dead) drop_all();
    return gpu.dead;
}
CUresult run(const OpRef &target) { return run_until(target, -1); }
CUresult run_some() { return run_until(nullptr, 1 + (int)gpu.below(8)); }

CUresult enqueue(CUstream handle, Work &&work) {
    CUstream stream = stream_of(handle);
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    auto shared = std::make_shared<const Work>(std::move(work));
    if (stream->capture) return capture_work(stream, std::move(shared));
    // The default stream would wait for a stream that is captured, which never runs.
    if (stream == &gpu.standard)
        for (auto &capture : gpu.captures)
            for (CUstream member : capture->members)
                if (member->blocking) return invalidate(member, CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
    append(stream, std::move(shared));
    return CUDA_SUCCESS;
}

void hold(CUstream stream, const OpRef &op) { append(stream, nullptr, {op}); }

void end_context() {
    drop_all();
    for (CUstream stream : gpu.streams) delete stream;
    for (CUevent event : gpu.events) delete event;
    for (CUgraph graph : gpu.graphs) delete graph;
    for (CUgraphExec executable : gpu.executables) delete executable;
    gpu.streams.clear();
    gpu.events.clear();
    gpu.graphs.clear();
    gpu.executables.clear();
    gpu.captures.clear();
    gpu.standard = CUstream_st{};
    gpu.standard.blocking = true;
    unload_all_modules();
    free_all_memory();
    gpu.dead = CUDA_SUCCESS;
}

extern "C" {
int loom_software_enqueue(void *stream, void (*call)(void *), const void *data, size_t size) {
    std::lock_guard<std::recursive_mutex> held(gpu.lock);
    if (gpu.dead) return gpu.dead;
    if (!call || (size > 0 && !data)) return CUDA_ERROR_INVALID_VALUE;
    Work work = {Work::HOST};
    work.call = call;
    work.bytes.assign((const unsigned char *)data, (const unsigned char *)data + size);
    return enqueue((CUstream)stream, std::move(work));
}

CUresult cuStreamCreate(CUstream *stream, unsigned int flags) {
    API(CONTEXT);
    if (!stream || flags > 1) return CUDA_ERROR_INVALID_VALUE;
    *stream = new CUstream_st{};
    (*stream)->blocking = flags == 0;
    gpu.streams.insert(*stream);
    return CUDA_SUCCESS;
}
CUresult cuStreamDestroy_v2(CUstream stream) {
    API(CONTEXT);
    if (!gpu.streams.count(stream)) return CUDA_ERROR_INVALID_HANDLE;
    if (stream->capture) {
        invalidate(stream, CUDA_SUCCESS);
        stream->capture->members.erase(stream);
        if (stream->capture->origin == stream) {
            for (CUstream member : stream->capture->members) member->capture = nullptr;
            gpu.captures.erase(stream->capture);
        }
    }
    // What waits in it is still to be done.
    CUresult error = run(stream->last);
    gpu.streams.erase(stream);
    delete stream;
    return error;
}
CUresult cuStreamSynchronize(CUstream handle) {
    API(CONTEXT);
    CUstream stream = stream_of(handle);
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    if (stream->capture) return invalidate(stream, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    if (CUresult error = refuse_in_capture()) return error;
    return finish(stream->last, "cuStreamSynchronize");
}
CUresult cuStreamQuery(CUstream handle) {
    API(CONTEXT);
    CUstream stream = stream_of(handle);
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    if (stream->capture) return invalidate(stream, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    if (CUresult error = refuse_in_capture()) return error;
    if (stream->queue.empty()) return CUDA_SUCCESS;
    if (CUresult error = run_some()) return error;
    return stream->queue.empty() ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}
CUresult cuStreamWaitEvent(CUstream handle, CUevent event, unsigned int flags) {
    API(CONTEXT);
    CUstream stream = stream_of(handle);
    if (!stream || !has_event(event)) return CUDA_ERROR_INVALID_HANDLE;
    if (flags != 0) return CUDA_ERROR_INVALID_VALUE;  // waits for events outside of a graph are not modelled
    if (event->capture) {
        CaptureRef capture = event->capture;
        if (capture->ended || stream == &gpu.standard) return CUDA_ERROR_CAPTURED_EVENT;
        if (capture->invalid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
        if (stream->capture && stream->capture != capture) {
            invalidate(stream, CUDA_SUCCESS);
            capture->invalid = true;
            return CUDA_ERROR_STREAM_CAPTURE_MERGE;
        }
        if (!stream->capture) {
            stream->capture = capture;
            stream->frontier.clear();
            capture->members.insert(stream);
        }
        std::set<int> all(stream->frontier.begin(), stream->frontier.end());
        all.insert(event->nodes.begin(), event->nodes.end());
        stream->frontier.assign(all.begin(), all.end());
        return CUDA_SUCCESS;
    }
    if (stream->capture) {
        if (!event->op) return CUDA_SUCCESS;
        return invalidate(stream, CUDA_ERROR_STREAM_CAPTURE_ISOLATION);
    }
    if (event->op && !event->op->done) append(stream, nullptr, {event->op});
    return CUDA_SUCCESS;
}

CUresult cuEventCreate(CUevent *event, unsigned int flags) {
    API(CONTEXT);
    if (!event || flags > 3) return CUDA_ERROR_INVALID_VALUE;  // interprocess events are not modelled
    *event = new CUevent_st{(flags & 2) == 0, nullptr, nullptr, {}};
    gpu.events.insert(*event);
    return CUDA_SUCCESS;
}
CUresult cuEventDestroy_v2(CUevent event) {
    API(CONTEXT);
    if (!has_event(event)) return CUDA_ERROR_INVALID_HANDLE;
    gpu.events.erase(event);
    delete event;
    return CUDA_SUCCESS;
}
CUresult cuEventRecord(CUevent event, CUstream handle) {
    API(CONTEXT);
    CUstream stream = stream_of(handle);
    if (!stream || !has_event(event)) return CUDA_ERROR_INVALID_HANDLE;
    if (stream->capture) {
        if (stream->capture->invalid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
        event->capture = stream->capture;
        event->nodes = stream->frontier;
        event->op = nullptr;
        return CUDA_SUCCESS;
    }
    event->capture = nullptr;
    event->op = append(stream, nullptr);
    return CUDA_SUCCESS;
}
CUresult cuEventSynchronize(CUevent event) {
    API(CONTEXT);
    if (!has_event(event)) return CUDA_ERROR_INVALID_HANDLE;
    if (event->capture) return event->capture->invalid = true, CUDA_ERROR_CAPTURED_EVENT;
    if (CUresult error = refuse_in_capture()) return error;
    return finish(event->op, "cuEventSynchronize");
}
CUresult cuEventQuery(CUevent event) {
    API(CONTEXT);
    if (!has_event(event)) return CUDA_ERROR_INVALID_HANDLE;
    if (event->capture) return event->capture->invalid = true, CUDA_ERROR_CAPTURED_EVENT;
    if (CUresult error = refuse_in_capture()) return error;
    if (!event->op || event->op->done) return CUDA_SUCCESS;
    if (CUresult error = run_some()) return error;
    return event->op->done ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}
static CUresult elapsed(float *milliseconds, CUevent start, CUevent end) {
    if (!milliseconds) return CUDA_ERROR_INVALID_VALUE;
    if (!has_event(start) || !has_event(end)) return CUDA_ERROR_INVALID_HANDLE;
    if (start->capture || end->capture) return CUDA_ERROR_CAPTURED_EVENT;
    if (!start->timed || !end->timed || !start->op || !end->op) return CUDA_ERROR_INVALID_HANDLE;
    if (!start->op->done || !end->op->done) return CUDA_ERROR_NOT_READY;
    *milliseconds = (float)(1e3 * (end->op->time - start->op->time));
    return CUDA_SUCCESS;
}
CUresult cuEventElapsedTime(float *milliseconds, CUevent start, CUevent end) {
    API(CONTEXT);
    return elapsed(milliseconds, start, end);
}
CUresult cuEventElapsedTime_v2(float *milliseconds, CUevent start, CUevent end) {
    API(CONTEXT);
    return elapsed(milliseconds, start, end);
}
}
