#!/usr/bin/env bash
# Builds the software GPU's libraries into a folder: Tests/SoftwareGPU/build.sh FOLDER
#
# Then: LD_LIBRARY_PATH=FOLDER runner … --device cuda. What is built already and not older than its sources stays.
# Needs clang (Swift brings it) and Linux. Exit status 75 where one is missing.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
[ $# -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
[ "$(uname -s)" = Linux ] || { echo "the software GPU runs on Linux" >&2; exit 75; }
for tool in clang clang++; do
    command -v "$tool" >/dev/null || { echo "$tool is not here" >&2; exit 75; }
done
mkdir -p "$1"
folder=$(cd "$1" && pwd)

flags="-std=c++17 -O2 -fPIC -fvisibility=default -Wall -Wextra -Werror -Wno-missing-field-initializers -U_FORTIFY_SOURCE"
is_new() {  # TARGET SOURCE…: whether the target is there and no source is newer
    local target=$1
    shift
    [ -e "$target" ] || return 1
    for source in "$@"; do [ "$target" -nt "$source" ] || return 1; done
}
headers=("$here"/*.h "$here/build.sh")

sources=()
for name in driver memory streams graphs work kernels; do sources+=("$here/$name.cpp"); done
if ! is_new "$folder/libcuda.so.1" "${sources[@]}" "${headers[@]}"; then
    # shellcheck disable=SC2086
    clang++ $flags -shared -Wl,-soname,libcuda.so.1 "${sources[@]}" -o "$folder/libcuda.so.1" -ldl -lpthread
fi
library() {  # FILE SOURCE LINK: one that uses the driver's
    [ -e "$here/$2" ] || return 0
    if ! is_new "$folder/$1" "$here/$2" "${headers[@]}"; then
        # shellcheck disable=SC2086
        clang++ $flags -shared -Wl,-soname,"$1" "$here/$2" -o "$folder/$1" -L "$folder" -l:libcuda.so.1 -Wl,-rpath,'$ORIGIN' -ldl -lpthread
    fi
    ln -sf "$1" "$folder/$3"
}
library libnvrtc.so.13 nvrtc.cpp libnvrtc.so.12
# Matrix products are built by a script of their own, and left out where that finds no OpenBLAS.
if [ -e "$here/build_cublaslt.sh" ]; then
    "$here/build_cublaslt.sh" "$folder" || [ $? -eq 75 ]
    [ ! -e "$folder/libcublasLt.so.13" ] || ln -sf libcublasLt.so.13 "$folder/libcublasLt.so.12"
fi
# What libnvrtc compiles kernels with, beside it.
for file in "$here"/../KernelsCUDA/host*.h "$here/../KernelsCUDA/trace.h" "$here/module.h" "$here/entry.h"; do
    cmp -s "$file" "$folder/$(basename "$file")" || cp "$file" "$folder/"
done
