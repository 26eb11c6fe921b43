// What a launch costs, in processor time: check FOLDER cost. See check.cpp.
#ifndef LOOM_CHECK_COST_H
#define LOOM_CHECK_COST_H

#include "check.h"

#include <time.h>

static double processor_time() {
    timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int print_cost() {
    Device d;
    CUdeviceptr x = d.with(std::vector<float>(1 << 20)), y = d.with(std::vector<float>(1 << 20));
    for (int i = 0; i < 300; i++) d.with(std::vector<float>(20000));
    OK(d.cuStreamSynchronize(d.stream));
    auto measure = [&](const char *what, int rounds, auto body) {
        body();
        OK(d.cuStreamSynchronize(d.stream));
        double start = processor_time();
        for (int i = 0; i < rounds; i++) body();
        OK(d.cuStreamSynchronize(d.stream));
        printf("%-52s %9.2f us\n", what, 1e6 * (processor_time() - start) / rounds);
    };
    CUfunction nothing = d.function("nothing");
    auto launch = [&](unsigned blocks, unsigned threads) {
        OK(d.cuLaunchKernel(nothing, blocks, 1, 1, threads, 1, 1, 0, d.stream, nullptr, nullptr));
    };
    measure("an empty kernel, a block of 32", 2000, [&] { launch(1, 32); });
    measure("an empty kernel, a block of 256", 2000, [&] { launch(1, 256); });
    measure("an empty kernel, 100 blocks of 256", 500, [&] { launch(100, 256); });
    measure("y = ax + y, 64 Ki elements, 256 blocks of 256", 200, [&] {
        OK(d.launch(d.stream, "axpy", 256, 256, 0, 1.0f, x, y, (long long)65536));
    });
    measure("5 exchanges and a barrier, a block of 64", 2000, [&] { OK(d.launch(d.stream, "block_sums", 1, 64, 0, x, y)); });
    measure("5 exchanges and a barrier, 100 blocks of 64", 200, [&] { OK(d.launch(d.stream, "block_sums", 100, 64, 0, x, y)); });
    measure("a launch and a wait, of 300 allocations, 32 MB", 200, [&] {
        launch(1, 32);
        OK(d.cuStreamSynchronize(d.stream));
    });
    return 0;
}

#endif
