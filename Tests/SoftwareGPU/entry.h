// Comes after a family's kernels in what nvrtc.cpp compiles: finds out each kernel's arguments from its type.
#ifndef LOOM_SOFTWARE_ENTRY_H
#define LOOM_SOFTWARE_ENTRY_H

#ifdef HOST_TRACE
#pragma clang attribute push(__attribute__((no_sanitize("thread"))), apply_to = function)
#endif

#include <utility>

static struct { unsigned long long start, end; } loom_known[16];  // where a kernel may be, as found in this launch
static unsigned loom_known_next;

/// Fails where a kernel touches memory that it must not.
static void loom_check(const void *pointer, unsigned long long size, bool writes) {
    auto address = (unsigned long long)pointer;
    for (auto &known : loom_known)
        if (address >= known.start && address < known.end && size <= known.end - address) return;
    auto &found = loom_known[loom_known_next++ % 16];
    if (loom_software_module.allowed(address, size, &found.start, &found.end)) return;
    host_fail(writes ? "a write to memory that is not the device's" : "a read of memory that is not the device's");
}

template <typename Kernel> struct loom_signature;
template <typename... Parameters> struct loom_signature<void (*)(Parameters...)> {
    static constexpr int count = sizeof...(Parameters);
    static constexpr unsigned sizes[sizeof...(Parameters) + 1] = {(unsigned)sizeof(Parameters)..., 0};

    template <void (*kernel)(Parameters...), size_t... numbers>
    static void start(const loom_launch *l, std::index_sequence<numbers...>) {
        memset(loom_known, 0, sizeof loom_known);
        launch(
            {l->blocks[0], l->blocks[1], l->blocks[2]}, (int)l->threads,
            [&] { kernel(*(Parameters *)l->arguments[numbers]...); }, (int)l->dynamic_floats);
    }
    template <void (*kernel)(Parameters...)> static void run(const loom_launch *l) {
        start<kernel>(l, std::make_index_sequence<sizeof...(Parameters)>());
    }
};
template <typename... Parameters>
constexpr unsigned loom_signature<void (*)(Parameters...)>::sizes[sizeof...(Parameters) + 1];

#define LOOM_ENTRY(kernel)                                                                                  \
    {                                                                                                       \
        #kernel, loom_signature<decltype(&kernel)>::count, loom_signature<decltype(&kernel)>::sizes,        \
            loom_signature<decltype(&kernel)>::run<&kernel>                                                 \
    }

static void loom_seed(unsigned long long seed) { host_random = seed; }

#ifdef HOST_TRACE
#pragma clang attribute pop
#endif

#endif
