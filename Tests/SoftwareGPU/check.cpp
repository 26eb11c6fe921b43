// Drives the software GPU's libraries as the program does, one process a check: check FOLDER runs all, check FOLDER NAME one,
// check FOLDER cost measures launches.
// Tests/SoftwareGPU/check.sh builds and runs it. One line a check; exit status 1 where one fails.
#include "check.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

std::string folder;

static const char *const kernels_text = R"(
typedef long long Size;
#define EACH(i, n) for (Size i = (Size)blockIdx.x * blockDim.x + threadIdx.x; i < (n); i += (Size)gridDim.x * blockDim.x)
KERNEL(axpy)(float a, const float *x, float *y, Size n) {
    EACH(i, n) y[i] = fmaf(a, x[i], y[i]);
}
KERNEL(nothing)(void) {}
// y[block] = the sum of its 64 values, by a warp's exchange and shared memory.
KERNEL(block_sums)(const float *x, float *y) {
    SHARED float parts[2];
    float value = x[blockIdx.x * 64 + threadIdx.x];
    for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(0xffffffffu, value, step);
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
    __syncthreads();
    if (threadIdx.x == 0) y[blockIdx.x] = parts[0] + parts[1];
}
// y = x from its end, through memory that the launch asks for.
KERNEL(reversed)(const float *x, float *y, int n) {
    DYNAMIC_SHARED(memory);
    for (int i = threadIdx.x; i < n; i += blockDim.x) memory[i] = x[i];
    __syncthreads();
    for (int i = threadIdx.x; i < n; i += blockDim.x) y[i] = memory[n - 1 - i];
}
struct Mixed { float *y; Size n; unsigned char byte; double factor; };
KERNEL(mixed)(char first, Mixed m, short last) {
    EACH(i, m.n) m.y[i] = (float)(m.factor * m.byte + first + last);
}
KERNEL(half_a_barrier)(void) { if (threadIdx.x < 32) __syncthreads(); }
KERNEL(half_an_exchange)(void) { if (threadIdx.x < 7) __shfl_xor_sync(0xffffffffu, 1.0f, 1); }
KERNEL(beyond_shared)(int at) { DYNAMIC_SHARED(memory); memory[at] = 0; }
KERNEL(load)(const float *x, float *y, Size at) { if (threadIdx.x == 0) y[0] = x[at]; }
KERNEL(shared_race)(float *y) {
    SHARED float values[64];
    values[threadIdx.x] = (float)threadIdx.x;
    y[threadIdx.x] = values[63 - threadIdx.x];
}
KERNEL(block_race)(float *y) { if (threadIdx.x == 0) y[0] = (float)blockIdx.x; }
KERNEL(counted)(unsigned *y) { atomicAdd(y, 1u); }
KERNEL(store)(float *y, Size at) { if (threadIdx.x == 0) y[at] = 1; }
)";

/// Kernels whose loads and stores are looked at lie in another file.
static std::string module_path() { return folder + (getenv("LOOM_SOFTWARE_GPU_TRACE") ? "/check-trace.cubin" : "/check.cubin"); }

std::string module_bytes() {
    std::string bytes;
    FILE *file = fopen(module_path().c_str(), "rb");
    EXPECT(file);
    char part[4096];
    for (size_t count; (count = fread(part, 1, sizeof part, file)) > 0;) bytes.append(part, count);
    fclose(file);
    return bytes;
}

/// NVRTC, and a program compiled with it.
struct Compiler {
    void *library;
    template <typename... Types> int call(const char *name, Types... arguments) {
        auto function = (int (*)(Types...))dlsym(library, name);
        EXPECT(function);
        return function(arguments...);
    }
    std::string code, log;
    int compile(const char *text, std::vector<const char *> options) {
        void *program;
        OK(call("nvrtcCreateProgram", &program, text, "check.cu", 0, (const char *const *)nullptr, (const char *const *)nullptr));
        int status = call("nvrtcCompileProgram", program, (int)options.size(), (const char *const *)options.data());
        size_t size;
        OK(call("nvrtcGetCUBINSize", program, &size));
        code.resize(size);
        OK(call("nvrtcGetCUBIN", program, &code[0]));
        OK(call("nvrtcGetProgramLogSize", program, &size));
        log.resize(size);
        OK(call("nvrtcGetProgramLog", program, &log[0]));
        OK(call("nvrtcDestroyProgram", &program));
        EXPECT(!program);
        return status;
    }
};

static void check_compiler() {
    Compiler compiler;
    compiler.library = dlopen((folder + "/libnvrtc.so.13").c_str(), RTLD_NOW | RTLD_LOCAL);
    EXPECT(compiler.library);
    int major = 0, minor = 0;
    OK(compiler.call("nvrtcVersion", &major, &minor));
    EXPECT(major == 13 && minor >= 1000);
    GIVES(6, compiler.compile("KERNEL(broken)(int a) {\n  nonsense;\n}\n", {"--gpu-architecture=sm_90"}));
    EXPECT(compiler.log.find("check.cu:2") != std::string::npos && compiler.log.find("nonsense") != std::string::npos);
    EXPECT(compiler.code.empty());
    GIVES(5, compiler.compile("", {"--gpu-architecture=sm_91"}));
    GIVES(5, compiler.compile("", {"--unknown"}));
    OK(compiler.compile(kernels_text, {"--gpu-architecture=sm_90", "--std=c++17", "--fmad=false"}));
    EXPECT(compiler.code.compare(0, 4, "\x7f" "ELF") == 0);
    FILE *file = fopen(module_path().c_str(), "wb");
    EXPECT(file && fwrite(compiler.code.data(), 1, compiler.code.size(), file) == compiler.code.size() && fclose(file) == 0);
}

#include "check_cost.h"
#include "check_device.h"
#include "check_graphs.h"
#include "check_mistakes.h"
#include "check_trace.h"

struct Check {
    const char *name;
    void (*run)();
    const char *environment;  // NAME=VALUE for LOOM_SOFTWARE_GPU_…
    int signal;  // that ends it, 0 for none
    const char *says;  // on stderr
};
static const Check checks[] = {
    {"compiler", check_compiler, "", 0, ""},
    {"device", check_device, "", 0, ""},
    {"settings", check_settings, "CAPABILITY=8.6", 0, ""},
    {"kernels", check_kernels, "", 0, ""},
    {"launch errors", check_launch_errors, "", 0, ""},
    {"memory", check_memory, "MEMORY=10485760", 0, ""},
    {"host pointers", check_pointers, "", SIGSEGV, "the host touched device memory"},
    {"contexts", check_contexts, "", 0, ""},
    {"laziness", check_laziness, "", 0, ""},
    {"order of streams", check_order, "SEED=5", 0, ""},
    {"default stream", check_default_stream, "", 0, ""},
    {"events", check_events, "", 0, ""},
    {"out of bounds", check_bounds, "", 0, "out of bounds"},
    {"out of bounds, each", check_bounds_each, "CHECK=1", 0, "by kernel store"},
    {"before all memory", check_before, "", 0, "before all memory"},
    {"after free", check_after_free, "", 0, "after it was freed"},
    {"null", check_null, "", 0, "kernel store touched 0x8"},
    {"barrier", check_barrier, "", 0, "came to a barrier"},
    {"exchange", check_exchange, "", 0, "came to an exchange"},
    {"shared memory", check_shared, "", 0, "beyond the shared memory"},
    {"failures asked for", check_failures, "FAIL=cuLaunchKernel:3:719,cuMemAlloc:2:2", 0, "asked for it"},
    {"other libraries", check_libraries, "FAIL=cublasLtMatmul:2:14", 0, ""},
    {"capture", check_capture, "", 0, ""},
    {"capture's errors", check_capture_errors, "", 0, ""},
    {"graph update", check_update, "", 0, ""},
    {"freed under a graph", check_freed_graph, "", 0, "a fill of 4"},
    {"trace: compiler", check_compiler, "TRACE=1", 0, ""},
    {"trace: kernels", check_kernels, "TRACE=1", 0, ""},
    {"trace: allowed", check_trace_allowed, "TRACE=1", 0, ""},
    {"trace: bounds", check_trace_bounds, "TRACE=1", 0, "kernel load failed: a read of memory that is not the device's"},
    {"trace: freed", check_trace_freed, "TRACE=1", 0, "kernel load failed: a read of memory that is not the device's"},
    {"trace: host", check_trace_host, "TRACE=1", 0, "kernel store failed: a write to memory that is not the device's"},
    {"trace: shared", check_trace_shared, "TRACE=1", 0, "kernel shared_race failed: a"},
    {"trace: blocks", check_trace_blocks, "TRACE=1", 0, "kernel block_race failed: two writes"},
};

/// Runs a check in a process of its own; whether it ended as it should.
static bool passes(const Check &check) {
    int ends[2];
    EXPECT(pipe(ends) == 0);
    fflush(nullptr);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 2);
        close(ends[0]);
        std::string setting = check.environment;
        auto equals = setting.find('=');
        if (equals != std::string::npos)
            setenv(("LOOM_SOFTWARE_GPU_" + setting.substr(0, equals)).c_str(), setting.substr(equals + 1).c_str(), 1);
        alarm(60);
        check.run();
        exit(0);
    }
    close(ends[1]);
    std::string said;
    char part[512];
    for (ssize_t count; (count = read(ends[0], part, sizeof part)) > 0;) said.append(part, (size_t)count);
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    bool ended = check.signal ? WIFSIGNALED(status) && WTERMSIG(status) == check.signal : WIFEXITED(status) && WEXITSTATUS(status) == 0;
    // What a check does not name must not be said, either.
    bool right = *check.says ? said.find(check.says) != std::string::npos : said.empty();
    printf("%-22s %s\n", check.name, ended && right ? "ok" : "FAILED");
    if (!ended || !right) printf("  status %x, said: %s\n", (unsigned)status, said.c_str());
    return ended && right;
}

int main(int count, char **words) {
    if (count < 2) return fprintf(stderr, "usage: check FOLDER [NAME]\n"), 2;
    folder = words[1];
    if (count > 2 && strcmp(words[2], "cost") == 0) return print_cost();
    int passed = 0, failed = 0;
    for (auto &check : checks)
        if (count < 3 || strcmp(words[2], check.name) == 0) (passes(check) ? passed : failed)++;
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0 || passed == 0;
}
