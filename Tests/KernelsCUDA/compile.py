#!/usr/bin/env python3
"""Compiles every kernel with NVRTC and prints what each takes: compile.py FOLDER [ARCHITECTURE …]

FOLDER holds what extract.py wrote. Registers, bytes of stack and spilled bytes come from the assembler's own report
(--ptxas-options=-v). Exit status 1 where a family does not compile, a kernel spills, keeps arrays in memory that are meant for
registers, or has too many registers for 256 threads to start.
NVRTC comes from the wheel nvidia-cuda-nvrtc; nothing here needs a GPU.
"""
import concurrent.futures
import ctypes
import os
import pathlib
import re
import sys
import sysconfig

# Spills that are allowed, in bytes of stores and loads together: around a call of the compiler's own subroutines (divisions, roots)
# it may park a few registers, which is no loop's loss. And registers: 256 threads of 255 just fit one multiprocessor.
MOST_SPILLED = 32
MOST_REGISTERS = 255
# A frame beyond what spills take is an array that is indexed by what is not known when it is compiled.
MOST_STACK = 32


def library():
    place = pathlib.Path(sysconfig.get_paths()["purelib"]) / "nvidia"
    found = sorted(place.glob("**/libnvrtc.so.*"))
    if not found:
        print(f"NVRTC is not in {place}: pip install nvidia-cuda-nvrtc", file=sys.stderr)
        raise SystemExit(75)
    return ctypes.CDLL(str(found[0]))


class Compiler:
    def __init__(self):
        self.nvrtc = library()
        self.nvrtc.nvrtcGetErrorString.restype = ctypes.c_char_p

    def version(self):
        major, minor = ctypes.c_int(), ctypes.c_int()
        self.nvrtc.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
        return f"{major.value}.{minor.value}"

    def compile(self, name, text, architecture):
        """The cubin (None where it fails) and the log. Options are those of NVRTC.options in NVRTC.swift, and the report."""
        program = ctypes.c_void_p()
        self.nvrtc.nvrtcCreateProgram(ctypes.byref(program), text.encode(), f"{name}.cu".encode(), 0, None, None)
        options = [f"--gpu-architecture={architecture}", "--std=c++17", "--fmad=false", "--device-as-default-execution-space",
                   "--ptxas-options=-v"]
        given = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
        status = self.nvrtc.nvrtcCompileProgram(program, len(options), given)
        size = ctypes.c_size_t()
        self.nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        self.nvrtc.nvrtcGetProgramLog(program, log)
        code = None
        if status == 0:
            self.nvrtc.nvrtcGetCUBINSize(program, ctypes.byref(size))
            code = ctypes.create_string_buffer(size.value)
            self.nvrtc.nvrtcGetCUBIN(program, code)
        self.nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
        return code, log.value.decode(errors="replace")


def main():
    folder, architectures = pathlib.Path(sys.argv[1]), sys.argv[2:] or ["sm_80", "sm_90", "sm_100"]
    compiler, failures = Compiler(), 0
    print(f"NVRTC {compiler.version()}")
    print(f"{'kernel':24}{'architecture':>14}{'registers':>11}{'stack':>8}{'spilled':>9}{'shared':>8}")
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.cu"))}
    wanted = [(name, architecture) for name in texts for architecture in architectures]
    # The compiler takes several programs at once, each on a thread.
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda one: compiler.compile(one[0], texts[one[0]], one[1]), wanted)
        for (name, architecture), (code, log) in zip(wanted, results):
            kernels = re.findall(r"^KERNEL\((\w+)\)\(", texts[name], re.M)
            warned = [line for line in log.splitlines() if re.search(r"\b(error|warning)\b", line)]
            if code is None or warned:
                failures += 1
                print(f"{name} for {architecture}:\n{log}")
                continue
            # A kernel's lines begin with its name; what follows belongs to it.
            reports = re.split(r"Compiling entry function '(\w+)'", log)
            reported = dict(zip(reports[1::2], reports[2::2]))
            for kernel in kernels:
                report = reported.get(kernel, "")
                used = re.search(r"Used (\d+) registers", report)
                stack = re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", report)
                shared = re.search(r"(\d+) bytes smem", report)
                if not used or not stack:
                    failures += 1
                    print(f"{kernel} for {architecture}: no report in the log")
                    continue
                registers, spilled = int(used[1]), int(stack[2]) + int(stack[3])
                bad = registers > MOST_REGISTERS or spilled > MOST_SPILLED or int(stack[1]) > MOST_STACK
                failures += bad
                print(f"{kernel:24}{architecture:>14}{registers:11}{stack[1]:>8}{spilled:9}{shared[1] if shared else 0:>8}"
                      f"{'  FAILED' if bad else ''}")
    sys.exit(1 if failures else 0)


main()
