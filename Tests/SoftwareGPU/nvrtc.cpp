// NVRTC for the software GPU: a family of kernels, with host.h before it and a table of its kernels behind it, compiled by clang++
// into an object of the host. That object is the "cubin".
#include "software_gpu.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#ifdef LOOM_CUDA_HEADER
#include <nvrtc.h>
#else
typedef enum {
    NVRTC_SUCCESS = 0,
    NVRTC_ERROR_INVALID_INPUT = 3,
    NVRTC_ERROR_INVALID_PROGRAM = 4,
    NVRTC_ERROR_INVALID_OPTION = 5,
    NVRTC_ERROR_COMPILATION = 6,
    NVRTC_ERROR_INTERNAL_ERROR = 11
} nvrtcResult;
typedef struct _nvrtcProgram *nvrtcProgram;
#endif

struct _nvrtcProgram {
    std::string source, name, log, code;
};

extern char **environ;

namespace {
std::string contents(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

/// Where this library lies, with host.h and the others beside it.
std::string own_folder() {
    Dl_info info;
    if (!dladdr((void *)&own_folder, &info) || !info.dli_fname) return ".";
    std::string path = info.dli_fname;
    auto slash = path.rfind('/');
    return slash == std::string::npos ? "." : path.substr(0, slash);
}

std::vector<std::string> command() {
    const char *named = getenv("LOOM_SOFTWARE_GPU_CXX");
    // No contraction: only a kernel's own fma fuses. No fortified longjmp: a fault leaves the stack of a thread.
    std::vector<std::string> words = {
        named && *named ? named : "clang++", "-shared", "-fPIC", "-O1", "-std=c++17", "-ffp-contract=off", "-U_FORTIFY_SOURCE",
        "-Wno-everything", "-fvisibility=hidden", "-fno-exceptions", "-fno-caret-diagnostics"};
    // Every load and store is looked at; see KernelsCUDA/trace.h.
    if (const char *trace = getenv("LOOM_SOFTWARE_GPU_TRACE"); trace && *trace) {
        words.insert(
            words.end(), {"-DHOST_TRACE", "-fsanitize=thread", "-fno-sanitize-link-runtime", "-mllvm", "-tsan-instrument-func-entry-exit=0"});
        if (strcmp(trace, "strict") == 0) words.push_back("-DHOST_TRACE_STRICT");
    }
#if defined(__x86_64__)
    // The same fma as the library's, without the call.
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) words.insert(words.end(), {"-mavx2", "-mfma"});
#endif
    return words;
}

/// The names in lines that start with KERNEL(name).
std::vector<std::string> kernels(const std::string &source) {
    std::vector<std::string> names;
    std::istringstream lines(source);
    const std::string start = "KERNEL(";
    for (std::string line; std::getline(lines, line);) {
        if (line.compare(0, start.size(), start) != 0) continue;
        auto end = line.find(')');
        if (end != std::string::npos) names.push_back(line.substr(start.size(), end - start.size()));
    }
    return names;
}

std::string whole(const _nvrtcProgram &program, int architecture) {
    std::string text = "#include \"module.h\"\n"
        "extern \"C\" __attribute__((visibility(\"default\"))) loom_module loom_software_module;\n"
        "#define HOST_MESSAGES stderr\n"
        "#define HOST_FAILED(what) loom_software_module.failed(what)\n"
        "#define HOST_ALLOWED(address, size, writes) loom_check(address, size, writes)\n"
        "static void loom_check(const void *address, unsigned long long size, bool writes);\n"
        "#include \"host.h\"\n"
        "#line 1 \"" + program.name + "\"\n" + program.source + "\n"
        "#line 1 \"the table of kernels\"\n"
        "#include \"entry.h\"\n"
        "static const loom_kernel loom_kernels[] = {\n";
    for (auto &name : kernels(program.source)) text += "LOOM_ENTRY(" + name + "),\n";
    return text + "{nullptr, 0, nullptr, nullptr}};\n"
        "loom_module loom_software_module = {" + std::to_string(architecture) + ", loom_kernels, loom_seed, nullptr, nullptr};\n";
}

/// Runs a program with its messages into a file; its exit status, 127 where it cannot be started.
int run(const std::vector<std::string> &words, const std::string &messages) {
    std::vector<char *> arguments;
    for (auto &word : words) arguments.push_back(const_cast<char *>(word.c_str()));
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, messages.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    pid_t child;
    int status = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (status != 0) return 127;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return 127;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 126;
}

nvrtcResult compile(_nvrtcProgram &program, int architecture) {
    const char *temporary = getenv("TMPDIR");
    std::string folder = std::string(temporary && *temporary ? temporary : "/tmp") + "/loom-nvrtc-XXXXXX";
    if (!mkdtemp(&folder[0])) return NVRTC_ERROR_INTERNAL_ERROR;
    std::string source = folder + "/kernels.cpp", object = folder + "/kernels.so", messages = folder + "/log";
    std::ofstream(source, std::ios::binary) << whole(program, architecture);
    auto words = command();
    words.insert(words.end(), {"-I", own_folder(), source, "-o", object});
    int status = run(words, messages);
    program.log = contents(messages);
    program.code = status == 0 ? contents(object) : "";
    if (status == 127) program.log = words[0] + " cannot be started";
    for (auto &file : {source, object, messages}) unlink(file.c_str());
    rmdir(folder.c_str());
    return status == 0 && !program.code.empty() ? NVRTC_SUCCESS : NVRTC_ERROR_COMPILATION;
}

/// "sm_90" as 90; 0 where it is none that CUDA 13 knows.
int architecture_named(const std::string &name) {
    int number = 0;
    if (sscanf(name.c_str(), "sm_%d", &number) != 1) return 0;
    for (int known : {75, 80, 86, 87, 88, 89, 90, 100, 103, 110, 120, 121})
        if (number == known) return number;
    return 0;
}

/// An error that LOOM_SOFTWARE_GPU_FAIL asks for; the compiler does not care whether the device is dead.
nvrtcResult asked_for(const char *function) {
    int error = loom_software_call(function);
    return error < 100 ? (nvrtcResult)error : NVRTC_SUCCESS;
}

nvrtcResult give(const std::string &text, bool ended, char *to) {
    memcpy(to, text.c_str(), text.size() + (ended ? 1 : 0));
    return NVRTC_SUCCESS;
}
}  // namespace

extern "C" {
nvrtcResult nvrtcVersion(int *major, int *minor) {
    if (!major || !minor) return NVRTC_ERROR_INVALID_INPUT;
    // A cache of machine code is told apart by the version: this one is no version of NVIDIA's, and another for other headers.
    uint64_t hash = 0xcbf29ce484222325;
    std::string all;
    for (auto &word : command()) all += word + " ";
    std::vector<std::string> headers;
    std::error_code unread;
    for (auto &file : std::filesystem::directory_iterator(own_folder(), unread))
        if (file.path().extension() == ".h") headers.push_back(file.path().string());
    std::sort(headers.begin(), headers.end());
    for (auto &header : headers) all += contents(header);
    for (unsigned char byte : all) hash = (hash ^ byte) * 0x100000001b3;
    *major = 13;
    *minor = 1000 + (int)(hash % 1000000);
    return NVRTC_SUCCESS;
}
const char *nvrtcGetErrorString(nvrtcResult result) {
    switch ((int)result) {
    case 0: return "NVRTC_SUCCESS";
    case 1: return "NVRTC_ERROR_OUT_OF_MEMORY";
    case 3: return "NVRTC_ERROR_INVALID_INPUT";
    case 4: return "NVRTC_ERROR_INVALID_PROGRAM";
    case 5: return "NVRTC_ERROR_INVALID_OPTION";
    case 6: return "NVRTC_ERROR_COMPILATION";
    case 11: return "NVRTC_ERROR_INTERNAL_ERROR";
    default: return "NVRTC_ERROR unknown";
    }
}
nvrtcResult nvrtcCreateProgram(
    nvrtcProgram *program, const char *source, const char *name, int count, const char *const *, const char *const *
) {
    if (auto error = asked_for(__func__)) return error;
    if (!program || !source || count != 0) return NVRTC_ERROR_INVALID_INPUT;  // headers are not modelled
    *program = new _nvrtcProgram{source, name ? name : "default_program", "", ""};
    return NVRTC_SUCCESS;
}
nvrtcResult nvrtcDestroyProgram(nvrtcProgram *program) {
    if (!program || !*program) return NVRTC_ERROR_INVALID_PROGRAM;
    delete *program;
    *program = nullptr;
    return NVRTC_SUCCESS;
}
nvrtcResult nvrtcCompileProgram(nvrtcProgram program, int count, const char *const *options) {
    if (auto error = asked_for(__func__)) return error;
    if (!program) return NVRTC_ERROR_INVALID_PROGRAM;
    int architecture = 75;
    for (int i = 0; i < count; i++) {
        std::string option = options[i], value = option.substr(option.find('=') + 1);
        if (option.rfind("--gpu-architecture=", 0) == 0 || option.rfind("-arch=", 0) == 0) {
            architecture = architecture_named(value);
            if (architecture != 0) continue;
        } else if (
            option == "--fmad=false" || option == "--device-as-default-execution-space" || option == "--std=c++17" || option == "-std=c++17") {
            continue;
        }
        program->log = "the software GPU's compiler does not know the option " + option + "\n";
        return NVRTC_ERROR_INVALID_OPTION;
    }
    return compile(*program, architecture);
}
nvrtcResult nvrtcGetCUBINSize(nvrtcProgram program, size_t *size) {
    if (!program) return NVRTC_ERROR_INVALID_PROGRAM;
    if (!size) return NVRTC_ERROR_INVALID_INPUT;
    *size = program->code.size();
    return NVRTC_SUCCESS;
}
nvrtcResult nvrtcGetCUBIN(nvrtcProgram program, char *code) {
    if (!program) return NVRTC_ERROR_INVALID_PROGRAM;
    return code ? give(program->code, false, code) : NVRTC_ERROR_INVALID_INPUT;
}
nvrtcResult nvrtcGetProgramLogSize(nvrtcProgram program, size_t *size) {
    if (!program) return NVRTC_ERROR_INVALID_PROGRAM;
    if (!size) return NVRTC_ERROR_INVALID_INPUT;
    *size = program->log.size() + 1;
    return NVRTC_SUCCESS;
}
nvrtcResult nvrtcGetProgramLog(nvrtcProgram program, char *log) {
    if (!program) return NVRTC_ERROR_INVALID_PROGRAM;
    return log ? give(program->log, true, log) : NVRTC_ERROR_INVALID_INPUT;
}
}
