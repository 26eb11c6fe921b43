// Comes after a family's kernels in what nvrtc.cpp compiles: finds out each kernel's arguments from its type.
#ifndef LOOM_SOFTWARE_ENTRY_H
#define LOOM_SOFTWARE_ENTRY_H

#include <utility>

template <typename Kernel> struct loom_signature;
template <typename... Parameters> struct loom_signature<void (*)(Parameters...)> {
    static constexpr int count = sizeof...(Parameters);
    static constexpr unsigned sizes[sizeof...(Parameters) + 1] = {(unsigned)sizeof(Parameters)..., 0};

    template <void (*kernel)(Parameters...), size_t... numbers>
    static void start(const loom_launch *l, std::index_sequence<numbers...>) {
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

#endif
