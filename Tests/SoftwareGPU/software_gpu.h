// What the software GPU's libcuda.so.1 exports beyond the driver's own names, for libraries that put work on its streams.
// These names are not CUDA's. Such a library links with the driver's (build.sh: -L FOLDER -l:libcuda.so.1, looked for in its own
// folder): programs open the driver for themselves alone, so dlsym(RTLD_DEFAULT, …) does not find it.
//
// Device addresses are the host's addresses, but may be read and written only by work that runs on a stream: everywhere else the
// memory is protected, and touching it ends the process with a line that says so.
#ifndef LOOM_SOFTWARE_GPU_H
#define LOOM_SOFTWARE_GPU_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Queues work(copy of data) on a stream, as a kernel would be: it runs later, when something waits for it, on the thread that waits;
/// while the stream is captured, it becomes a node of the graph and runs at every launch of the graph, each time on a fresh copy.
/// The copy is aligned to 16 bytes. Work must call no function of the driver; it may call the three below.
/// Returns 0 or the number of a driver's error: 400 for a stream that is none, 901 in a capture that has failed, the device's error.
int loom_software_enqueue(void *stream, void (*work)(void *), const void *data, size_t size);

/// Where queued work finds what is at a device address: the same place, or null where no allocation is.
void *loom_software_host_address(unsigned long long device);

/// Whether `size` bytes from a device address on lie in one allocation.
int loom_software_is_allocated(unsigned long long device, size_t size);

/// For queued work that finds something wrong: one line for people on stderr, and the device is dead with this error from then on.
void loom_software_fail(int error, const char *what);

/// Call it first in every function of a library: counts the call, and returns the error that LOOM_SOFTWARE_GPU_FAIL
/// ("cublasLtMatmul:3:719") asks for at this call, the error of a device that is dead, or 0.
int loom_software_call(const char *function);

#ifdef __cplusplus
}
#endif
#endif
