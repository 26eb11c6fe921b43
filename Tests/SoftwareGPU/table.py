#!/usr/bin/env python3
"""Holds the program's tables of C functions against NVIDIA's own headers: table.py FOLDER, which has cuda.h (and nvrtc.h).

The tables are Swift, where nothing else can find a wrong type before a GPU is at hand. Prints every function that is missing or has
other arguments; exit status 1 then. cuda.h comes with `pip install nvidia-cuda-runtime`, nvrtc.h with nvidia-cuda-nvrtc.
"""
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parents[2]
include = pathlib.Path(sys.argv[1])

HANDLE = r"(?:CU(?:context|module|function|stream|event|graph|graphExec|graphNode|node)|nvrtcProgram)"
ENUM = r"(?:CUresult|CUdevice|CUdevice_attribute|CUfunction_attribute|CUstreamCaptureMode|nvrtcResult)"
# What a Swift type may stand for, as C without spaces.
MEANS = {
    "CUDAHandle?": HANDLE,
    "Out<CUDAHandle?>": HANDLE + r"\*",
    "UInt32": r"unsignedint", "Int32": rf"int|{ENUM}", "Out<Int32>": r"int\*|CUdevice\*|CUstreamCaptureStatus\*",
    "Int": r"size_t", "Out<Int>": r"size_t\*", "UInt64": r"unsignedlonglong", "UInt8": r"unsignedchar",
    "Float": "float", "Out<Float>": r"float\*",
    "DeviceAddress": "CUdeviceptr", "Out<DeviceAddress>": r"CUdeviceptr\*",
    "Out<CChar>": r"char\*", "UnsafePointer<CChar>?": r"constchar\*", "Out<UnsafePointer<CChar>?>": r"constchar\*\*",
    "UnsafeRawPointer?": r"constvoid\*", "UnsafeMutableRawPointer?": r"void\*", "Out<UnsafeMutableRawPointer?>": r"void\*\*",
    "UnsafeMutablePointer<UnsafeMutableRawPointer?>?": r"void\*\*",
    "UnsafePointer<UnsafePointer<CChar>?>?": r"constchar\*const\*",
}


def split(text):
    """At commas outside brackets."""
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(text):
        depth += (letter in "<(") - (letter in ">)" and text[at - 1:at + 1] != "->")
        if letter == "," and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]


def header(name):
    """Functions as {name: [types]}, all versions under their own names."""
    text = subprocess.run(
        ["clang", "-E", "-P", "-x", "c", "-D__CUDA_API_VERSION_INTERNAL", "-I", str(include), str(include / name)],
        check=True, capture_output=True, text=True).stdout
    found = {}
    for result, function, arguments in re.findall(r"\b(CUresult|nvrtcResult|const char \*)\s*((?:cu|nvrtc)\w+)\(([^;{]*?)\);", text):
        types = []
        for argument in split(arguments):
            argument = re.sub(r"(?<=[\s*])\w+$", "", argument.strip()) if re.search(r"[\s*]\w+$", argument.strip()) else argument
            types.append("".join(argument.split()))
        found[function] = [] if types == ["void"] else types
    return found


def table(path):
    """What a Swift file asks of a library, as [(name, [types])]."""
    text = re.sub(r"//.*", "", path.read_text())
    aliases = dict(re.findall(r"typealias (\w+) = (@convention\(c\) \(.*?\) -> \w+\??)\n", text))
    others = dict(re.findall(r"typealias (\w+) = (Unsafe\w+<\w+>\?)\n", text))
    found = []
    for name, type_ in re.findall(r'library\.function\(\s*"(\w+)",\s*as: \(?(.*?)\)?\.self\)', text, re.S):
        type_ = aliases.get(type_, type_)
        inside = re.search(r"@convention\(c\) \((.*)\) -> ", type_, re.S)[1]
        arguments = split(re.sub(r"\s+", " ", inside))
        for alias, meaning in others.items():
            arguments = [re.sub(rf"\b{alias}\b", meaning, argument) for argument in arguments]
        found.append((name, arguments))
    return found


def main():
    folder = root / "Sources/Autograd/CUDA"
    wrong, right = [], 0
    for text, prefix in (("cuda.h", "cu"), ("nvrtc.h", "nvrtc")):
        if not (include / text).exists():
            print(f"{text} is not in {include}: its functions are not looked at")
            continue
        functions = header(text)
        for path in sorted(folder.glob("*.swift")):
            for name, arguments in table(path):
                if not re.match(prefix + "[A-Z]", name):
                    continue
                if name not in functions:
                    wrong.append(f"{name}: {text} has no such function")
                    continue
                types = functions[name]
                fits = len(types) == len(arguments) and all(
                    re.fullmatch(MEANS.get(swift, "-"), c) for swift, c in zip(arguments, types))
                if fits:
                    right += 1
                else:
                    wrong.append(f"{name}: {path.name} has ({', '.join(arguments)}), {text} ({', '.join(types)})")
    print("\n".join(wrong + [f"{right} functions as in the headers, {len(wrong)} not"]))
    return 1 if wrong or right == 0 else 0


sys.exit(main())
