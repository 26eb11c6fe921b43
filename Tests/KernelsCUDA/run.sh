#!/usr/bin/env bash
# Builds the CUDA kernels' source for the host and checks it: Tests/KernelsCUDA/run.sh [FOLDER TO BUILD IN]
# With TRACE=1 (or strict) every load and store is looked at for races; see trace.h. That takes some minutes.
# Needs clang (Swift brings it), python3 and Linux, whose fibers it uses. Exit status 75 where one is missing.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${1:-"$root/.build/kernels-cuda"}
[ "$(uname -s)" = Linux ] || { echo "the check of the CUDA kernels runs on Linux" >&2; exit 75; }
for tool in clang clang++ python3; do
    command -v "$tool" >/dev/null || { echo "$tool is not here" >&2; exit 75; }
done
mkdir -p "$build/c"
python3 "$here/extract.py" "$build/kernels" >/dev/null
for file in "$root"/Sources/Kernels/*.c; do
    object="$build/c/$(basename "$file").o"
    [ "$object" -nt "$file" ] || clang -O2 -std=c17 -I "$root/Sources/Kernels/include" -c "$file" -o "$object"
done
trace=()
[ -z "${TRACE:-}" ] || trace=(-DHOST_TRACE -fsanitize=thread -fno-sanitize-link-runtime -mllvm -tsan-instrument-func-entry-exit=0)
[ "${TRACE:-}" != strict ] || trace+=(-DHOST_TRACE_STRICT)
# A load of four elements from an address that is no multiple of its size stops the check, as it would stop a device.
[ -n "${TRACE:-}" ] || trace=(-fsanitize=alignment -fsanitize-trap=alignment)
# No contraction, as for the device: only a kernel's own fma fuses.
clang++ -O1 -std=c++17 -ffp-contract=off -Wall -Werror -Wno-unused-function -Wno-sign-compare \
    -Wno-unused-const-variable -Wno-deprecated-declarations "${trace[@]}" ${CHECK_FLAGS:-} -I "$root/Sources/Kernels/include" -I "$build/kernels" \
    "$here/check.cpp" "$build"/c/*.o -lm -lpthread -o "$build/check"
"$build/check"
