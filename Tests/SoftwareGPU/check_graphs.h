// Checks of capture and graphs. See check.cpp.
#ifndef LOOM_CHECK_GRAPHS_H
#define LOOM_CHECK_GRAPHS_H

#include "check.h"

static const CUstreamCaptureMode GLOBAL = CU_STREAM_CAPTURE_MODE_GLOBAL, RELAXED = CU_STREAM_CAPTURE_MODE_RELAXED;

/// A second stream of the capture, and back: z = (x + 1) copied by the second, then x = 3 z + x by the first.
static void check_capture() {
    Device d;
    CUstream second;
    CUevent forked, joined;
    OK(d.cuStreamCreate(&second, 1));
    OK(d.cuEventCreate(&forked, 2));
    OK(d.cuEventCreate(&joined, 2));
    CUdeviceptr one = d.with({1}), x = d.with({0}), z = d.with({0});
    float *to = d.locked(1);
    *to = -1;
    OK(d.cuStreamSynchronize(d.stream));

    CUstreamCaptureStatus status;
    OK(d.cuStreamBeginCapture_v2(d.stream, GLOBAL));
    GIVES(401, d.cuStreamBeginCapture_v2(d.stream, GLOBAL));
    OK(d.axpy(d.stream, 1, one, x, 1));
    OK(d.cuEventRecord(forked, d.stream));
    OK(d.cuStreamWaitEvent(second, forked, 0));
    OK(d.cuStreamIsCapturing(second, &status));
    EXPECT(status == CU_STREAM_CAPTURE_STATUS_ACTIVE);
    OK(d.cuMemcpyDtoDAsync_v2(z, x, 4, second));
    OK(d.cuEventRecord(joined, second));
    OK(d.cuStreamWaitEvent(d.stream, joined, 0));
    OK(d.axpy(d.stream, 3, z, x, 1));
    OK(d.cuMemcpyDtoHAsync_v2(to, x, 4, d.stream));
    CUgraph graph;
    OK(d.cuStreamEndCapture(d.stream, &graph));
    OK(d.cuStreamIsCapturing(d.stream, &status));
    EXPECT(status == CU_STREAM_CAPTURE_STATUS_NONE);
    OK(d.cuStreamSynchronize(d.stream));
    EXPECT(d.read(x, 1)[0] == 0 && *to == -1);  // nothing has run

    size_t count = 0;
    OK(d.cuGraphGetNodes(graph, nullptr, &count));
    EXPECT(count == 4);
    CUgraphNode nodes[6];
    count = 6;
    OK(d.cuGraphGetNodes(graph, nodes, &count));
    EXPECT(count == 4 && nodes[3] && !nodes[4]);
    CUgraphExec executable;
    OK(d.cuGraphInstantiateWithFlags(&executable, graph, 0));
    OK(d.cuGraphDestroy(graph));
    GIVES(400, d.cuGraphInstantiateWithFlags(&executable, graph, 0));
    float expected = 0;
    for (int round = 0; round < 20; round++) {
        OK(d.cuGraphLaunch(executable, round % 2 ? second : d.stream));  // one after another all the same
        expected = 4 * (expected + 1);
    }
    OK(d.cuStreamSynchronize(second));
    OK(d.cuStreamSynchronize(d.stream));
    EXPECT(*to == expected);
    OK(d.cuGraphExecDestroy(executable));
    GIVES(400, d.cuGraphLaunch(executable, d.stream));
}

/// Begins a capture in which `mistake` gives `error`; the capture then ends with `at_end`.
template <typename Mistake> static void spoil(Device &d, int error, int at_end, CUstreamCaptureMode mode, Mistake mistake) {
    OK(d.cuStreamBeginCapture_v2(d.stream, mode));
    GIVES(error, mistake());
    CUgraph graph = (CUgraph)&d;
    if (at_end == 901) {
        CUstreamCaptureStatus status;
        OK(d.cuStreamIsCapturing(d.stream, &status));
        EXPECT(status == CU_STREAM_CAPTURE_STATUS_INVALIDATED);
    }
    GIVES(at_end, d.cuStreamEndCapture(d.stream, &graph));
    EXPECT((at_end == 0) == (graph != nullptr));
}

static void check_capture_errors() {
    Device d;
    CUdeviceptr x = d.floats(1), y;
    CUevent event;
    CUstream second, third, blocking;
    CUgraph graph;
    float value = 0;
    float *locked = d.locked(1);
    OK(d.cuEventCreate(&event, 2));
    OK(d.cuStreamCreate(&second, 1));
    OK(d.cuStreamCreate(&third, 1));
    OK(d.cuStreamCreate(&blocking, 0));
    OK(d.cuEventRecord(event, second));

    GIVES(401, d.cuStreamEndCapture(d.stream, &graph));
    GIVES(900, d.cuStreamBeginCapture_v2(nullptr, GLOBAL));
    spoil(d, 900, 901, GLOBAL, [&] { return d.cuStreamSynchronize(d.stream); });
    spoil(d, 900, 901, GLOBAL, [&] { return d.cuStreamQuery(d.stream); });
    spoil(d, 900, 901, GLOBAL, [&] { return d.cuStreamSynchronize(second); });
    spoil(d, 900, 901, GLOBAL, [&] { return d.cuEventQuery(event); });
    spoil(d, 900, 901, GLOBAL, [&] { return d.cuMemAlloc_v2(&y, 4); });
    spoil(d, 900, 901, GLOBAL, [&] { return d.cuMemFree_v2(x); });
    spoil(d, 900, 901, GLOBAL, [&] { return d.cuMemcpyDtoHAsync_v2(&value, x, 4, d.stream); });
    spoil(d, 900, 901, RELAXED, [&] { return d.cuMemcpyDtoHAsync_v2(&value, x, 4, d.stream); });
    spoil(d, 0, 0, GLOBAL, [&] { return d.cuMemcpyDtoHAsync_v2(locked, x, 4, d.stream); });
    spoil(d, 0, 0, RELAXED, [&] { return d.cuMemAlloc_v2(&y, 4); });
    spoil(d, 0, 0, RELAXED, [&] { return d.cuStreamSynchronize(second); });
    spoil(d, 905, 901, GLOBAL, [&] { return d.cuStreamWaitEvent(d.stream, event, 0); });
    spoil(d, 907, 901, GLOBAL, [&] {
        OK(d.cuEventRecord(event, d.stream));
        return d.cuEventSynchronize(event);
    });
    spoil(d, 0, 904, GLOBAL, [&] {
        OK(d.fill(d.stream, x, 1, 1));
        OK(d.cuEventRecord(event, d.stream));
        OK(d.cuStreamWaitEvent(second, event, 0));
        return d.fill(second, x, 2, 1);
    });
    spoil(d, 903, 901, GLOBAL, [&] {
        OK(d.cuEventRecord(event, d.stream));
        OK(d.cuStreamWaitEvent(second, event, 0));
        return d.cuStreamEndCapture(second, &graph);
    });
    spoil(d, 902, 901, GLOBAL, [&] {
        OK(d.cuEventRecord(event, d.stream));
        OK(d.cuStreamBeginCapture_v2(third, GLOBAL));
        return d.cuStreamWaitEvent(third, event, 0);
    });
    GIVES(901, d.cuStreamEndCapture(third, &graph));
    GIVES(907, d.cuEventQuery(event));  // still of a capture
    OK(d.cuEventRecord(event, second));
    OK(d.cuEventSynchronize(event));

    OK(d.cuStreamBeginCapture_v2(blocking, GLOBAL));
    GIVES(906, d.fill(nullptr, x, 1, 1));
    GIVES(901, d.fill(blocking, x, 1, 1));
    GIVES(901, d.cuStreamEndCapture(blocking, &graph));
    // All streams work again.
    OK(d.fill(nullptr, x, 6, 1));
    OK(d.fill(blocking, x, 7, 1));
    OK(d.cuStreamSynchronize(blocking));
    EXPECT(d.read(x, 1)[0] == 7);
}

static CUgraph captured(Device &d, CUdeviceptr x, float first, float second, int fills) {
    CUgraph graph;
    OK(d.cuStreamBeginCapture_v2(d.stream, GLOBAL));
    OK(d.fill(d.stream, x, first, 1));
    OK(d.axpy(d.stream, second, x, x, 1));
    for (int i = 0; i < fills; i++) OK(d.fill(d.stream, x, 0, 1));
    OK(d.cuStreamEndCapture(d.stream, &graph));
    return graph;
}

static void check_update() {
    Device d;
    CUdeviceptr x = d.floats(1);
    CUgraphExec executable;
    CUgraphExecUpdateResultInfo info;
    OK(d.cuGraphInstantiateWithFlags(&executable, captured(d, x, 2, 3, 0), 0));
    OK(d.cuGraphLaunch(executable, d.stream));
    OK(d.cuGraphExecUpdate_v2(executable, captured(d, x, 5, 1, 0), &info));
    EXPECT(info.result == CU_GRAPH_EXEC_UPDATE_SUCCESS);
    EXPECT(d.read(x, 1)[0] == 8);  // the launch before the update
    OK(d.cuGraphLaunch(executable, d.stream));
    EXPECT(d.read(x, 1)[0] == 10);
    GIVES(910, d.cuGraphExecUpdate_v2(executable, captured(d, x, 5, 1, 1), &info));
    EXPECT(info.result == CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED);
    CUgraph other;
    OK(d.cuStreamBeginCapture_v2(d.stream, GLOBAL));
    OK(d.fill(d.stream, x, 1, 1));
    OK(d.fill(d.stream, x, 1, 1));
    OK(d.cuStreamEndCapture(d.stream, &other));
    GIVES(910, d.cuGraphExecUpdate_v2(executable, other, &info));
    EXPECT(info.result == CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED && info.errorNode);
    OK(d.cuGraphLaunch(executable, d.stream));
    EXPECT(d.read(x, 1)[0] == 10);

    // Launches of one graph come one after another, in whatever streams.
    CUstream second;
    OK(d.cuStreamCreate(&second, 1));
    for (int round = 0; round < 20; round++) {
        OK(d.cuGraphExecUpdate_v2(executable, captured(d, x, 2, 3, 0), &info));
        OK(d.cuGraphLaunch(executable, d.stream));
        OK(d.cuGraphExecUpdate_v2(executable, captured(d, x, 5, 1, 0), &info));
        OK(d.cuGraphLaunch(executable, second));
        OK(d.cuStreamSynchronize(second));
        EXPECT(d.read(x, 1)[0] == 10);
    }
}

static void check_freed_graph() {
    Device d;
    CUdeviceptr x = d.floats(1);
    CUgraphExec executable;
    OK(d.cuGraphInstantiateWithFlags(&executable, captured(d, x, 2, 3, 0), 0));
    OK(d.cuMemFree_v2(x));
    OK(d.cuGraphLaunch(executable, d.stream));
    GIVES(700, d.cuStreamSynchronize(d.stream));
}

#endif
