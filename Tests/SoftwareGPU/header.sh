#!/usr/bin/env bash
# Holds the software GPU's functions, and the program's own tables of them, against NVIDIA's headers:
# Tests/SoftwareGPU/header.sh FOLDER, which has cuda.h, and nvrtc.h where that is to be looked at too. They come with
# `pip install nvidia-cuda-runtime nvidia-cuda-nvrtc`, in site-packages/nvidia/cu13/include.
# Exit status 1 where a type differs, 75 where there is no cuda.h or no clang.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
[ $# -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
[ -e "$1/cuda.h" ] || { echo "$1/cuda.h is not there" >&2; exit 75; }
for tool in clang clang++ python3; do
    command -v "$tool" >/dev/null || { echo "$tool is not here" >&2; exit 75; }
done
# A function declared twice with different types does not compile.
sources=(driver memory streams graphs work kernels)
[ ! -e "$1/nvrtc.h" ] || sources+=(nvrtc)
for name in "${sources[@]}"; do
    clang++ -std=c++17 -fsyntax-only -Wall -Wextra -Werror -Wno-missing-field-initializers -DLOOM_CUDA_HEADER -isystem "$1" "$here/$name.cpp"
done
python3 "$here/table.py" "$1"
