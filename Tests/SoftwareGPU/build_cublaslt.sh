#!/usr/bin/env bash
# Builds the software cuBLASLt, libcublasLt.so.13, into a folder: Tests/SoftwareGPU/build_cublaslt.sh FOLDER [alone]
# With "alone" one that computes at once on the host's memory, libcublasLt-alone.so: a name of its own, since a process that opens two
# libraries of one name gets the first of them twice.
# Needs Linux, clang++ (Swift brings it) and OpenBLAS. Exit status 75 where one is missing.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
folder=${1:?"which folder to build in?"}
[ "$(uname -s)" = Linux ] || { echo "the software cuBLASLt is for Linux" >&2; exit 75; }
command -v clang++ >/dev/null || { echo "clang++ is not here" >&2; exit 75; }
mkdir -p "$folder"
name=libcublasLt.so.13 defines=()
[ "${2:-}" != alone ] || { name=libcublasLt-alone.so defines=(-DLOOM_ALONE); }
target="$folder/$name"
fresh=yes
for file in "$here"/cublaslt.* "$here/build_cublaslt.sh"; do [ "$target" -nt "$file" ] || fresh=no; done
[ "$fresh" = no ] || exit 0
flags=$(pkg-config --libs openblas 2>/dev/null || echo "-lopenblas")
echo 'int main() { return 0; }' | clang++ -x c++ - -x none $flags -o /dev/null 2>/dev/null ||
    { echo "OpenBLAS is not here (on Debian: apt-get install libopenblas-dev)" >&2; exit 75; }
# Into another name first: two tests may build at once.
partial="$target.partial-$$"
trap 'rm -f "$partial"' EXIT
# shellcheck disable=SC2086
clang++ -shared -fPIC -O1 -std=c++17 -ffp-contract=off -fvisibility=hidden -Wall -Wextra -Werror "$here/cublaslt.cpp" \
    "${defines[@]}" -Wl,-soname,"$name" $flags -ldl -lpthread -o "$partial"
mv "$partial" "$target"
