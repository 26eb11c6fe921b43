// What a module of the software GPU is: an object of the host's machine code that nvrtc.cpp makes and kernels.cpp opens, which holds
// one `loom_software_module`.
#ifndef LOOM_SOFTWARE_MODULE_H
#define LOOM_SOFTWARE_MODULE_H

extern "C" {
struct loom_launch {
    unsigned blocks[3], threads, dynamic_floats;
    void **arguments;
};
struct loom_kernel {
    const char *name;  // null ends a list
    int count;  // of arguments
    const unsigned *sizes;  // of each, in bytes
    void (*run)(const loom_launch *);
};
struct loom_module {
    int architecture;  // 90 for sm_90
    const loom_kernel *kernels;
    void (*seed)(unsigned long long);  // of the order of warps and lanes
    /// Set by the driver: what a kernel calls that fails in a way it cannot go on from. Does not return.
    void (*failed)(const char *);
    /// Set by the driver: whether a kernel may touch memory that is neither a thread's own nor shared, and from where to where that
    /// answer holds.
    bool (*allowed)(unsigned long long address, unsigned long long size, unsigned long long *start, unsigned long long *end);
};
}

#endif
